//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::platform::set_usual_permissions;

/// A file being written beside its destination; dropped without [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct PendingFile {
    temporary: NamedTempFile,
    destination: PathBuf,
}

impl PendingFile {
    /// Writes the whole content to a temporary file in the destination's folder, and to disk.
    pub(crate) fn write(
        path: &Path,
        content: impl FnOnce(&mut BufWriter<&mut File>) -> Result<()>,
    ) -> Result<Self> {
        let write = || {
            let (destination, existing) = destination(path)?;
            let folder = match destination.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let fault = |e| Error::io("cannot write", e);
            let mut temporary = builder().tempfile_in(folder).map_err(fault)?;
            let mut buffered = BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
            content(&mut buffered)?;
            buffered.flush().map_err(fault)?;
            drop(buffered);
            // Some file systems report a full disk only now; after the rename it would be too late.
            temporary.as_file().sync_all().map_err(fault)?;
            if let Some(existing) = existing {
                temporary.as_file().set_permissions(existing.permissions()).map_err(fault)?;
            }
            Ok(Self { temporary, destination })
        };
        write().map_err(|e: Error| e.in_file(path.display().to_string()))
    }

    /// Puts the file in its place, replacing what was there.
    pub(crate) fn commit(self) -> Result<()> {
        let destination = self.destination;
        self.temporary
            .persist(&destination)
            .map_err(|e| Error::io("cannot put the finished file in place", e.error))
            .map_err(|e| e.in_file(destination.display().to_string()))?;
        Ok(())
    }
}

/// Writes a file so that other programs see either the old content or all of the new.
pub(crate) fn save(path: &Path, content: impl FnOnce(&mut BufWriter<&mut File>) -> Result<()>) -> Result<()> {
    PendingFile::write(path, content)?.commit()
}

/// Writes a file that is not there yet: whole, or not at all. Whether it was written; one that is there stays as it is.
///
/// # Errors
/// If the file cannot be written.
pub fn save_new(path: impl AsRef<Path>, bytes: &[u8]) -> Result<bool> {
    let path = path.as_ref();
    if path.exists() {
        return Ok(false);
    }
    let fault = |e| Error::io("cannot write", e).in_file(path.display().to_string());
    let pending =
        PendingFile::write(path, |out| out.write_all(bytes).map_err(|e| Error::io("cannot write", e)))?;
    match pending.temporary.persist_noclobber(path) {
        Ok(_) => Ok(true),
        // Another process was faster.
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(fault(e.error)),
    }
}

/// Where to put the file: a link stays, and what it points to is replaced.
fn destination(path: &Path) -> Result<(PathBuf, Option<fs::Metadata>)> {
    match fs::metadata(path) {
        // Renaming over a device or pipe would remove it.
        Ok(found) if !found.is_file() => {
            Err(Error::invalid("wanted the path of a regular file, got a folder or a device"))
        }
        Ok(found) => {
            let real = fs::canonicalize(path).map_err(|e| Error::io("cannot write", e))?;
            Ok((real, Some(found)))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok((path.to_owned(), None)),
        Err(e) => Err(Error::io("cannot write", e)),
    }
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".holdall-").suffix(".partial");
    set_usual_permissions(&mut builder);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bin");
        save(&path, |w| w.write_all(b"old").map_err(|e| Error::io("write", e))).unwrap();
        let error = save(&path, |w| {
            w.write_all(&vec![1; 3 << 20]).map_err(|e| Error::io("write", e))?;
            Err(Error::io("cannot write", io::ErrorKind::StorageFull.into()))
        })
        .unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Io);
        assert!(error.to_string().contains("x.bin"), "{error}");
        assert_eq!(names(folder.path()), ["x.bin"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        save(&path, |w| w.write_all(b"new").map_err(|e| Error::io("write", e))).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["x.bin"]);
    }

    #[test]
    fn a_new_file_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bin");
        assert!(save_new(&path, b"first").unwrap());
        assert!(!save_new(&path, b"second").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["x.bin"]);
        assert!(save_new(folder.path().join("no/x"), b"").is_err());
    }

    #[test]
    fn folders_and_missing_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = save(folder.path(), |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
        let error = save(&folder.path().join("no/x"), |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::NotFound);
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_devices_stay_devices() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        save(&link, |w| w.write_all(b"new").map_err(|e| Error::io("write", e))).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(save(Path::new("/dev/null"), |_| Ok(())).is_err());
    }
}
