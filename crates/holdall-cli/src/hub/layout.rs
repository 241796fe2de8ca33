//! The standard Hugging Face cache: `models--org--name/{blobs,refs,snapshots}`, read and written as its own tools do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::reference::{is_safe_name, is_safe_path};
use crate::error::{Error, Result};
use crate::interrupt::TempPath;

/// The folder of all cached repositories.
#[derive(Debug, Clone)]
pub struct HubCache {
    root: PathBuf,
}

impl HubCache {
    /// The cache at `root`, which need not exist.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder of all repositories.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One repository of the cache; it need not exist.
    pub fn repo(&self, repo: &str) -> RepoCache {
        let folder = format!("models--{}", repo.replace('/', "--"));
        RepoCache { root: self.root.join(&folder), locks: self.root.join(".locks").join(folder) }
    }

    /// The names of the repositories that are in the cache, sorted.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn repos(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for name in entries(&self.root)? {
            if let Some((org, name)) = name.strip_prefix("models--").and_then(|rest| rest.split_once("--")) {
                names.push(format!("{org}/{name}"));
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The cache of one repository.
#[derive(Debug, Clone)]
pub struct RepoCache {
    root: PathBuf,
    locks: PathBuf,
}

impl RepoCache {
    /// The repository's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the repository's lock files.
    pub fn locks(&self) -> &Path {
        &self.locks
    }

    /// The commit that a revision stands for, as far as the cache knows.
    pub fn commit(&self, revision: &str) -> Option<String> {
        if is_safe_path(revision)
            && let Ok(text) = fs::read_to_string(self.root.join("refs").join(revision))
        {
            let commit = text.trim();
            return is_safe_name(commit).then(|| commit.to_owned());
        }
        // A commit stands for itself.
        (is_safe_name(revision) && self.snapshot(revision).is_dir()).then(|| revision.to_owned())
    }

    /// The commits that have a snapshot, sorted.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn commits(&self) -> Result<Vec<String>> {
        let mut names = entries(&self.root.join("snapshots"))?;
        names.sort();
        Ok(names)
    }

    /// The folder of a commit's files.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    /// Where the content with this etag is.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// Where the content with this etag is while it is being fetched.
    pub fn incomplete(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(format!("{etag}.incomplete"))
    }

    /// The lock file for the content with this etag.
    pub fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    /// Notes which commit a branch or tag stands for.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_ref(&self, revision: &str, commit: &str) -> Result<()> {
        if revision == commit {
            return Ok(());
        }
        let path = self.root.join("refs").join(revision);
        if fs::read_to_string(&path).is_ok_and(|text| text.trim() == commit) {
            return Ok(());
        }
        let folder = parent(&path);
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        replace(&path, |temporary| fs::write(temporary, commit))
    }

    /// Makes the blob appear under its name in the commit's snapshot: a relative symbolic link, or a copy where the file
    /// system has no links.
    ///
    /// # Errors
    /// When neither can be made.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<PathBuf> {
        let pointer = self.snapshot(commit).join(file);
        let folder = parent(&pointer);
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        if fs::symlink_metadata(&pointer).is_ok() {
            fs::remove_file(&pointer).map_err(|error| Error::io("replace", &pointer, error))?;
        }
        let depth = file.split('/').count() + 1;
        let mut target: PathBuf = std::iter::repeat_n("..", depth).collect();
        target.push("blobs");
        target.push(etag);
        let blob = self.blob(etag);
        // A link that does not lead to the blob (a file system that only pretends) is replaced by a copy.
        if symlink(&target, &pointer).is_ok() {
            if pointer.exists() {
                return Ok(pointer);
            }
            let _ = fs::remove_file(&pointer);
        }
        replace(&pointer, |temporary| fs::copy(&blob, temporary).map(drop))?;
        Ok(pointer)
    }
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

/// Makes a file whole or not at all: `write` makes a temporary one beside it, which is then renamed.
fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = TempPath::new(path.with_file_name(format!(".{name}.{}.tmp", std::process::id())));
    write(temporary.path())
        .and_then(|()| fs::rename(temporary.path(), path))
        .map_err(|error| Error::io("write", path, error))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The names in a folder; none when it does not exist.
fn entries(folder: &Path) -> Result<Vec<String>> {
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(Error::io("read", folder, error)),
    };
    let mut names = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|error| Error::io("read", folder, error))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// The bytes that a file or folder takes, without following symbolic links. What cannot be read counts nothing.
pub fn disk_size(path: &Path) -> u64 {
    let mut total = 0;
    let mut open = vec![path.to_path_buf()];
    while let Some(path) = open.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else {
            total += meta.len();
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linked_blob_is_found_through_its_ref() {
        let folder = tempfile::tempdir().unwrap();
        let cache = HubCache::new(folder.path().to_owned());
        let repo = cache.repo("a/b");
        fs::create_dir_all(repo.root().join("blobs")).unwrap();
        fs::write(repo.blob("e1"), "one").unwrap();
        fs::write(repo.blob("e2"), "two").unwrap();
        let path = repo.link("c0ffee", "q/x.gguf", "e1").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        repo.link("c0ffee", "q/x.gguf", "e2").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        #[cfg(unix)]
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("../../../blobs/e2"));
        repo.write_ref("refs/pr/1", "c0ffee").unwrap();
        assert_eq!(repo.commit("refs/pr/1").as_deref(), Some("c0ffee"));
        assert_eq!(repo.commit("c0ffee").as_deref(), Some("c0ffee"));
        assert_eq!(repo.commit("main"), None);
        assert_eq!(repo.commit("../../x"), None);
        assert_eq!(cache.repos().unwrap(), ["a/b"]);
        assert_eq!(disk_size(&repo.root().join("blobs")), 6);
    }
}
