//! Ctrl-C: work is asked to stop, cleans up after itself, and the process ends with code 130.
//!
//! The first Ctrl-C sets a flag that loops look at ([`check`]). A process that has not ended a moment later, because it
//! waits for a server, say, is ended from here, as it is by a second Ctrl-C. Folders for temporary files are registered
//! ([`TempPath`]) so that they go in each of these cases. Only an interactive session ([`hold`]) keeps running.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// How long the work has to stop by itself.
const GRACE: Duration = Duration::from_millis(1500);

static REQUESTED: AtomicBool = AtomicBool::new(false);
static PRESSES: AtomicU32 = AtomicU32::new(0);
static HELD: AtomicBool = AtomicBool::new(false);
static TEMPORARY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Takes over Ctrl-C (and termination requests); call once, at start.
///
/// # Errors
/// When the system refuses, or another handler is there.
pub fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        let before = REQUESTED.swap(true, Ordering::SeqCst);
        if HELD.load(Ordering::SeqCst) {
            // Still set from the last time: the work does not look at it.
            if before {
                end_now();
            }
            return;
        }
        if PRESSES.fetch_add(1, Ordering::SeqCst) > 0 {
            end_now();
        }
        std::thread::spawn(|| {
            std::thread::sleep(GRACE);
            end_now();
        });
    })
    .map_err(|error| Error::new(Kind::Internal, "cannot handle Ctrl-C").caused_by(error))
}

fn end_now() -> ! {
    let paths = TEMPORARY.lock().map(|paths| paths.clone()).unwrap_or_default();
    for path in paths {
        remove(&path);
    }
    std::process::exit(i32::from(Kind::Interrupted.exit_code()));
}

/// Whether the user asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Fails when the user asked to stop.
///
/// # Errors
/// [`Kind::Interrupted`] after Ctrl-C.
pub fn check() -> Result<()> {
    if requested() { Err(Error::interrupted()) } else { Ok(()) }
}

/// Sleeps, but no longer than until Ctrl-C.
///
/// # Errors
/// [`Kind::Interrupted`] after Ctrl-C.
pub fn sleep(mut time: Duration) -> Result<()> {
    const STEP: Duration = Duration::from_millis(50);
    while !time.is_zero() {
        check()?;
        let step = time.min(STEP);
        std::thread::sleep(step);
        time -= step;
    }
    check()
}

/// While this lives, Ctrl-C only sets the flag, and [`Hold::take`] clears it: for an interactive session, where it stops
/// a reply and not the program.
#[derive(Debug)]
pub struct Hold(());

/// Starts a [`Hold`].
pub fn hold() -> Hold {
    HELD.store(true, Ordering::SeqCst);
    Hold(())
}

impl Hold {
    /// Whether Ctrl-C came since the last call; clears it.
    pub fn take(&self) -> bool {
        REQUESTED.swap(false, Ordering::SeqCst)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        HELD.store(false, Ordering::SeqCst);
    }
}

/// A file or folder that goes when this is dropped, or when the process is ended by Ctrl-C.
#[derive(Debug)]
pub struct TempPath(PathBuf);

impl TempPath {
    /// Takes charge of `path`, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        if let Ok(mut paths) = TEMPORARY.lock() {
            paths.push(path.clone());
        }
        Self(path)
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        remove(&self.0);
        if let Ok(mut paths) = TEMPORARY.lock() {
            paths.retain(|path| *path != self.0);
        }
    }
}

/// Removes a file or folder; what cannot be removed is left.
fn remove(path: &Path) {
    // Nothing sensible is left to do when this fails: the next fetch sweeps leftovers.
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}
