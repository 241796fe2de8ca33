//! What models are on this machine, and getting rid of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::alias::{ALIASES, Alias};
use super::layout::{HubCache, RepoCache, disk_size};
use super::lock;
use super::reference::{DEFAULT_REVISION, Reference, RepoRef};
use super::repo::{MAX_DEPTH, files_below};
use super::select::{self, Plan};
use crate::context::Context;
use crate::error::{Error, Kind, Result};

/// One line of `models list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What `--model` takes.
    pub name: String,
    /// What it is, in a few words.
    pub about: String,
    /// Whether it is on this machine.
    pub cached: bool,
    /// Its length in bytes; of an alias that is not cached, what would be fetched.
    pub size_bytes: u64,
    /// The file or folder, if cached.
    pub path: Option<PathBuf>,
}

/// Every alias, then every model of the Hugging Face cache.
///
/// # Errors
/// When a cache folder is there and cannot be read.
pub fn list(cx: &Context) -> Result<Vec<Entry>> {
    let aliases = ALIASES.iter().map(|alias| {
        let path = super::cached_alias(alias, cx);
        Entry {
            name: alias.name.to_owned(),
            about: alias.about.to_owned(),
            cached: path.is_some(),
            size_bytes: alias.size,
            path,
        }
    });
    let mut entries: Vec<Entry> = aliases.collect();
    let cache = HubCache::new(cx.env.hf_hub_cache());
    for repo in cache.repos()? {
        entries.extend(repo_entries(&repo, &cache.repo(&repo))?);
    }
    Ok(entries)
}

fn repo_entries(repo: &str, cache: &RepoCache) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let main = cache.commit(DEFAULT_REVISION);
    for commit in cache.commits()? {
        let revision =
            if main.as_deref() == Some(&commit) { DEFAULT_REVISION.to_owned() } else { commit.clone() };
        let folder = cache.snapshot(&commit);
        if !folder.is_dir() {
            continue;
        }
        let files = files_below(&folder, MAX_DEPTH)?;
        let name = |file: Option<String>| {
            RepoRef { repo: repo.to_owned(), revision: revision.clone(), file }.to_string()
        };
        let size = |files: &[String]| {
            files.iter().filter_map(|file| fs::metadata(folder.join(file)).ok()).map(|meta| meta.len()).sum()
        };
        let entry = |name: String, about: &str, size_bytes: u64, path: PathBuf| Entry {
            name,
            about: about.to_owned(),
            cached: true,
            size_bytes,
            path: Some(path),
        };
        if let Ok(Plan::Folder(_)) = select::plan(repo, &files, None) {
            entries.push(entry(name(None), "safetensors", size(&files), folder.clone()));
        }
        for file in files.iter().filter(|file| super::reference::has_gguf_extension(file)) {
            let bytes = size(std::slice::from_ref(file));
            entries.push(entry(name(Some(file.clone())), "GGUF", bytes, folder.join(file)));
        }
    }
    Ok(entries)
}

/// Removes a model from the caches. Returns how many bytes that frees.
///
/// # Errors
/// When it is not cached, is no name but a path, or cannot be removed.
pub fn remove(text: &str, cx: &Context) -> Result<u64> {
    // A folder of the same name in the current folder must not hide what is cached.
    match RepoRef::parse(text) {
        Some(repo) => remove_repo(&repo, cx),
        None => match Reference::parse(text, &cx.env)? {
            Reference::Alias(alias) => remove_alias(alias, cx),
            Reference::Repo(repo) => remove_repo(&repo, cx),
            Reference::Path(path) => {
                let message = format!("{} is a path, not the name of a cached model", path.display());
                Err(Error::new(Kind::Usage, message)
                    .hint("holdall models list shows the names; delete files of yours by hand"))
            }
        },
    }
}

fn not_cached(name: &str) -> Error {
    Error::new(Kind::NotFound, format!("{name} is not cached")).hint("holdall models list shows what is")
}

fn remove_alias(alias: &Alias, cx: &Context) -> Result<u64> {
    let folder = alias.folder(&cx.env);
    if !folder.is_dir() {
        return Err(not_cached(alias.name));
    }
    let _lock = lock::acquire(&folder.join(".lock"), alias.name, &cx.ui)?;
    let before = disk_size(&folder);
    // The lock file stays: it is held, and it is what others wait for.
    for name in files_below(&folder, 0)?.iter().filter(|name| *name != ".lock") {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))?;
    }
    match before.saturating_sub(disk_size(&folder)) {
        0 => Err(not_cached(alias.name)),
        freed => Ok(freed),
    }
}

fn remove_repo(wanted: &RepoRef, cx: &Context) -> Result<u64> {
    let cache = HubCache::new(cx.env.hf_hub_cache()).repo(&wanted.repo);
    if !cache.root().is_dir() {
        return Err(not_cached(&wanted.to_string()));
    }
    let before = disk_size(cache.root());
    match (&wanted.file, wanted.revision == DEFAULT_REVISION) {
        (None, true) => remove_whole(&cache)?,
        (file, _) => {
            let commit = cache.commit(&wanted.revision).ok_or_else(|| not_cached(&wanted.to_string()))?;
            let folder = cache.snapshot(&commit);
            match file {
                Some(file) => {
                    let path = folder.join(file);
                    if fs::symlink_metadata(&path).is_err() {
                        return Err(not_cached(&wanted.to_string()));
                    }
                    fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))?;
                }
                None => fs::remove_dir_all(&folder).map_err(|error| Error::io("remove", &folder, error))?,
            }
            remove_orphans(&cache)?;
        }
    }
    Ok(before.saturating_sub(disk_size(cache.root())))
}

fn remove_whole(cache: &RepoCache) -> Result<()> {
    fs::remove_dir_all(cache.root()).map_err(|error| Error::io("remove", cache.root(), error))?;
    if cache.locks().is_dir() {
        fs::remove_dir_all(cache.locks()).map_err(|error| Error::io("remove", cache.locks(), error))?;
    }
    Ok(())
}

/// Removes the contents that no snapshot shows any more; with the last snapshot goes the repository.
fn remove_orphans(cache: &RepoCache) -> Result<()> {
    let mut used = BTreeSet::new();
    let mut any = false;
    for commit in cache.commits()? {
        let folder = cache.snapshot(&commit);
        for file in files_below(&folder, MAX_DEPTH)? {
            any = true;
            used.extend(fs::canonicalize(folder.join(file)).ok());
        }
    }
    if !any {
        return remove_whole(cache);
    }
    let blobs = cache.root().join("blobs");
    for entry in fs::read_dir(&blobs).into_iter().flatten().flatten() {
        let path = entry.path();
        if !is_used(&path, &used) {
            fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))?;
        }
    }
    Ok(())
}

fn is_used(blob: &Path, used: &BTreeSet<PathBuf>) -> bool {
    // A partial one may be on its way in another process, for another file.
    blob.extension().is_some_and(|extension| extension == "incomplete")
        || fs::canonicalize(blob).map_or(true, |path| used.contains(&path))
}
