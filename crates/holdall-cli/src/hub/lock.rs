//! One process at a time: lock files that wait politely.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::interrupt;
use crate::ui::Ui;

/// A held lock; released when dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] Option<File>);

/// Takes the lock file at `path`, waiting while another process has it. The file stays: removing it would let two
/// processes lock two files of one name.
///
/// # Errors
/// When the file cannot be made, or after Ctrl-C.
pub fn acquire(path: &Path, what: &str, ui: &Ui) -> Result<Lock> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| Error::io("create", path, error))?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(Some(file))),
            Err(TryLockError::WouldBlock) => {
                if !said {
                    ui.note(&format!("waiting for another process that fetches {what}"));
                    said = true;
                }
                interrupt::sleep(Duration::from_millis(200))?;
            }
            Err(TryLockError::Error(error)) => {
                // Some network file systems know no locks; the final rename is atomic all the same.
                ui.detail(|| format!("no lock on {}: {error}", path.display()));
                return Ok(Lock(None));
            }
        }
    }
}
