//! Models of a Hugging Face repository: from the cache, else fetched into it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::client::{Client, is_sha256};
use super::layout::{HubCache, RepoCache};
use super::reference::{RepoRef, is_safe_name, is_safe_path};
use super::select::{self, INDEX, Plan};
use super::transfer::{self, Job};
use super::{Form, Freshness, Model, lock, settle};
use crate::context::Context;
use crate::error::{Error, Kind, Result};

/// The model that a repository holds, fetched if it is not cached.
///
/// # Errors
/// When the repository, revision or file does not exist, cannot be fetched, or holds no model that can be read.
pub fn fetch(wanted: &RepoRef, freshness: Freshness, cx: &Context) -> Result<Model> {
    let cache = HubCache::new(cx.env.hf_hub_cache()).repo(&wanted.repo);
    let offline = cx.env.hf_offline();
    if freshness == Freshness::Cached || offline {
        match cached(wanted, &cache, offline) {
            Ok(Some(model)) => {
                cx.ui.detail(|| format!("{wanted} is cached at {}", model.path.display()));
                return Ok(model);
            }
            Ok(None) => {}
            // Online, the server's list of files says more than the cache's.
            Err(error) if offline => return Err(error),
            Err(_) => {}
        }
    }
    if offline {
        let message = format!("{wanted} is not cached, and HF_HUB_OFFLINE forbids to fetch it");
        return Err(Error::new(Kind::Offline, message).hint(format!(
            "unset HF_HUB_OFFLINE, or copy the model to {} from a machine that has it",
            cache.root().display()
        )));
    }
    let token = cx.env.hf_token().map(|(token, _)| token);
    let client = Client::new(&cx.env.hf_endpoint(), token, &cx.ui)?;
    let fetcher = Fetcher { wanted, cache: &cache, client: &client, cx };
    fetcher.run().map_err(|error| match error.kind() {
        Kind::Interrupted | Kind::Usage => error,
        _ => error.context(format!("cannot fetch {wanted}")),
    })
}

/// The model as it is in the cache, if it is there completely.
fn cached(wanted: &RepoRef, cache: &RepoCache, offline: bool) -> Result<Option<Model>> {
    let Some(commit) = cache.commit(&wanted.revision) else { return Ok(None) };
    let folder = cache.snapshot(&commit);
    if !folder.is_dir() {
        return Ok(None);
    }
    let model = |path, form| Some(Model { name: wanted.to_string(), path, form });
    if let Some(file) = &wanted.file {
        let path = folder.join(file);
        return Ok(if path.is_file() { model(path, Form::Gguf) } else { None });
    }
    let files = files_below(&folder, MAX_DEPTH)?;
    let plan = match select::plan(&wanted.repo, &files, None) {
        Ok(plan) => plan,
        Err(error) if error.kind() == Kind::Usage => return Err(error),
        Err(_) => return Ok(None),
    };
    Ok(match plan {
        Plan::Gguf(file) => model(folder.join(file), Form::Gguf),
        // Another program may have fetched the weights without the tokenizer.
        Plan::Folder(files) if offline || files.iter().any(|file| file == "tokenizer.json") => {
            let complete = if files.iter().any(|file| file == INDEX) {
                let index = folder.join(INDEX);
                let index = fs::read(&index).map_err(|error| Error::io("read", &index, error))?;
                select::shards(&index)?.iter().all(|shard| folder.join(shard).is_file())
            } else {
                true
            };
            if complete { model(folder, Form::Folder) } else { None }
        }
        Plan::Folder(_) => None,
    })
}

/// How deep GGUF files may be in a repository's folders.
pub const MAX_DEPTH: usize = 4;

/// The files in a folder and `depth` levels of folders below it, as paths with `/`, sorted. Links that lead nowhere are
/// left out.
///
/// # Errors
/// When the folder cannot be read.
pub fn files_below(folder: &Path, depth: usize) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new(), depth)];
    while let Some((folder, prefix, depth)) = open.pop() {
        let listing = fs::read_dir(&folder).map_err(|error| Error::io("read", &folder, error))?;
        for entry in listing {
            let entry = entry.map_err(|error| Error::io("read", &folder, error))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(meta) = fs::metadata(entry.path()) else { continue };
            let path = format!("{prefix}{name}");
            if meta.is_file() {
                files.push(path);
            } else if meta.is_dir() && depth > 0 {
                open.push((entry.path(), format!("{path}/"), depth - 1));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A repository on its way into the cache.
struct Fetcher<'a> {
    wanted: &'a RepoRef,
    cache: &'a RepoCache,
    client: &'a Client,
    cx: &'a Context,
}

impl Fetcher<'_> {
    fn run(&self) -> Result<Model> {
        let (commit, files) = self.list()?;
        let folder = self.cache.snapshot(&commit);
        let model = |path, form| Model { name: self.wanted.to_string(), path, form };
        let model = match select::plan(&self.wanted.repo, &files, self.wanted.file.as_deref())? {
            Plan::Gguf(file) => {
                self.file(&commit, &file)?;
                model(folder.join(file), Form::Gguf)
            }
            Plan::Folder(files) => {
                // Weights come last, so that a folder with weights has the rest too.
                for file in &files {
                    self.file(&commit, file)?;
                }
                if files.iter().any(|file| file == INDEX) {
                    let index = folder.join(INDEX);
                    let index = fs::read(&index).map_err(|error| Error::io("read", &index, error))?;
                    for shard in select::shards(&index)? {
                        self.file(&commit, &shard)?;
                    }
                }
                model(folder, Form::Folder)
            }
        };
        self.cache.write_ref(&self.wanted.revision, &commit)?;
        Ok(model)
    }

    /// The commit that the revision stands for, and the repository's files.
    fn list(&self) -> Result<(String, Vec<String>)> {
        let RepoRef { repo, revision, .. } = self.wanted;
        let url =
            format!("{}/api/models/{repo}/revision/{}", self.client.endpoint(), super::url::quote(revision));
        let value = self.client.json(&url)?;
        let bad = |what: &str| Error::new(Kind::Network, format!("{url}: {what}"));
        let commit = value.get("sha").and_then(Value::as_str).filter(|sha| is_safe_name(sha));
        let commit = commit.ok_or_else(|| bad("sha is missing or no commit"))?;
        let siblings = value.get("siblings").and_then(Value::as_array);
        let siblings = siblings.ok_or_else(|| bad("siblings is missing or no list"))?;
        let names = siblings.iter().filter_map(|file| file.get("rfilename").and_then(Value::as_str));
        Ok((commit.to_owned(), names.filter(|name| is_safe_path(name)).map(str::to_owned).collect()))
    }

    /// Gets one file into the snapshot of a commit.
    fn file(&self, commit: &str, file: &str) -> Result<()> {
        let pointer = self.cache.snapshot(commit).join(file);
        if pointer.is_file() {
            return Ok(());
        }
        let url = self.client.file_url(&self.wanted.repo, commit, file);
        let info = self.client.file_info(&url)?;
        let label = format!("{}/{file}", self.wanted.repo);
        let _lock = lock::acquire(&self.cache.lock(&info.etag), &label, &self.cx.ui)?;
        let blob = self.cache.blob(&info.etag);
        let there = fs::metadata(&blob).is_ok_and(|meta| info.size.is_none_or(|size| size == meta.len()));
        if !there {
            let partial = self.cache.incomplete(&info.etag);
            let job =
                Job { url: &url, label: &label, partial: &partial, size: info.size, sha256: info.sha256() };
            transfer::fetch(self.client, &job, &self.cx.ui)?;
            settle(&partial, &blob)?;
        }
        self.cache.link(commit, file, &info.etag)?;
        Ok(())
    }
}

/// Hashes those files of a model whose blobs are named after their SHA-256. Returns how many there are.
///
/// # Errors
/// [`Kind::Checksum`] for the first that differs; file system errors; Ctrl-C.
pub fn verify(model: &Model, cx: &Context) -> Result<usize> {
    let files = match model.form {
        Form::Gguf => vec![model.path.clone()],
        Form::Folder => files_below(&model.path, 0)?.into_iter().map(|file| model.path.join(file)).collect(),
    };
    let mut compared = 0;
    for file in files {
        let blob = fs::canonicalize(&file).map_err(|error| Error::io("read", &file, error))?;
        let name = blob.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !is_sha256(&name) {
            continue;
        }
        let label = file.display().to_string();
        let size = fs::metadata(&blob).ok().map(|meta| meta.len());
        let progress = cx.ui.progress(&format!("verifying {label}"), size);
        let (length, hash) = transfer::hash_file(&blob, progress)?;
        transfer::check(&label, (length, &hash), None, Some(&name))?;
        compared += 1;
    }
    Ok(compared)
}
