//! One file from a server to the disk: resumed where it stopped, checked, retried.
//!
//! Bytes go to a `.incomplete` file, which a later call (of this process or another) continues. The caller renames it once
//! [`fetch`] has returned: only a file with the right length and SHA-256 ever gets its final name.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::client::{Client, Failure, header};
use crate::error::{Error, Kind, Result};
use crate::interrupt;
use crate::ui::{Progress, Ui, human_bytes};

const CHUNK_BYTES: usize = 256 << 10;
/// A try that moved this much forward does not count as failed.
const GOOD_PROGRESS_BYTES: u64 = 1 << 20;

/// A file to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Where it is.
    pub url: &'a str,
    /// What to call it in messages.
    pub label: &'a str,
    /// Where the bytes go until they are complete.
    pub partial: &'a Path,
    /// Its length in bytes, when known.
    pub size: Option<u64>,
    /// Its SHA-256 in lower-case hexadecimal, when known.
    pub sha256: Option<&'a str>,
}

/// Fetches a file into [`Job::partial`], complete, checked and synced to the disk.
///
/// # Errors
/// Network errors once trying again has not helped; [`Kind::Checksum`] when length or SHA-256 differ (the partial file is
/// removed then); file system errors; Ctrl-C. Except after a checksum error what was fetched is kept for the next time.
pub fn fetch(client: &Client, job: &Job<'_>, ui: &Ui) -> Result<()> {
    let mut sink = Sink::open(job.partial)?;
    let mut progress = ui.progress(&format!("fetching {}", job.label), job.size);
    let resumed = sink.written > 0;
    if resumed {
        ui.detail(|| format!("continuing {} at {}", job.label, human_bytes(sink.written)));
    }
    if let Err(error) = transfer(client, job, &mut sink, &mut progress, ui) {
        sink.leave();
        return Err(error);
    }
    let mut outcome = sink.verify(job);
    if outcome.is_err() && resumed {
        // The part that was there may be of another version: once more, from the start.
        ui.detail(|| format!("{} does not check after being continued; fetching it anew", job.label));
        sink.reset()?;
        if let Err(error) = transfer(client, job, &mut sink, &mut progress, ui) {
            sink.leave();
            return Err(error);
        }
        outcome = sink.verify(job);
    }
    if let Err(error) = outcome {
        drop(sink);
        // If this fails, the next fetch finds it, does not trust it, and begins anew.
        let _ = fs::remove_file(job.partial);
        return Err(error);
    }
    sink.file.sync_all().map_err(|error| Error::io("write", job.partial, error))
}

fn transfer(
    client: &Client,
    job: &Job<'_>,
    sink: &mut Sink<'_>,
    progress: &mut Progress,
    ui: &Ui,
) -> Result<()> {
    let mut tries = 0;
    loop {
        interrupt::check()?;
        if job.size.is_some_and(|size| sink.written > size) {
            sink.reset()?;
        }
        if job.size == Some(sink.written) {
            return Ok(());
        }
        let before = sink.written;
        let failure = match attempt(client, job, sink, progress) {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if failure.status == Some(416) && before > 0 {
            sink.reset()?;
            continue;
        }
        tries = if sink.written >= before.saturating_add(GOOD_PROGRESS_BYTES) { 1 } else { tries + 1 };
        let Some(wait) = failure.backoff(tries) else { return Err(failure.error) };
        let error = &failure.error;
        ui.detail(|| format!("{error}; trying again in {wait:?}"));
        if tries > 1 || ui.verbose() {
            progress.note(&format!("{}: {error}; trying again", job.label));
        }
        interrupt::sleep(wait)?;
    }
}

/// One request, from where the file ends to the end of the answer.
fn attempt(
    client: &Client,
    job: &Job<'_>,
    sink: &mut Sink<'_>,
    progress: &mut Progress,
) -> std::result::Result<(), Failure> {
    let response = client.get(job.url, sink.written)?;
    let headers = response.headers();
    let encoded = header(headers, "content-encoding").is_some_and(|coding| coding != "identity");
    let mut total = job.size;
    if response.status().as_u16() == 206 {
        let range = header(headers, "content-range").and_then(content_range);
        match range {
            Some((start, full)) if start == sink.written => total = total.or(full),
            _ => {
                sink.reset().map_err(Failure::fatal)?;
                let message = format!("the server sent another part of {} than the one asked for", job.label);
                return Err(Failure::transient(Error::new(Kind::Network, message)));
            }
        }
    } else {
        if sink.written > 0 {
            // The server knows no ranges: this is the file from its start.
            sink.reset().map_err(Failure::fatal)?;
        }
        if !encoded {
            total = total.or_else(|| header(headers, "content-length").and_then(|text| text.parse().ok()));
        }
    }
    if encoded {
        let message = format!("the server sent {} compressed, which was not asked for", job.label);
        return Err(Failure::fatal(Error::new(Kind::Network, message)));
    }
    let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        interrupt::check().map_err(Failure::fatal)?;
        let n = match body.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::transient(client.broken(job.url, error))),
        };
        if total.is_some_and(|total| sink.written + n as u64 > total) {
            sink.reset().map_err(Failure::fatal)?;
            let message = format!("the server sent more of {} than the file's length", job.label);
            return Err(Failure::transient(Error::new(Kind::Network, message)));
        }
        sink.write(&chunk[..n]).map_err(Failure::fatal)?;
        progress.set(sink.written);
    }
    match total {
        Some(total) if sink.written < total => {
            let message = format!("the server sent {} of the {total} bytes of {}", sink.written, job.label);
            Err(Failure::transient(Error::new(Kind::Network, message)))
        }
        _ => Ok(()),
    }
}

/// Start and full length from `bytes 5-9/10`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, full) = text.strip_prefix("bytes")?.trim().split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, full.trim().parse().ok()))
}

/// The partial file, with the SHA-256 of what is in it.
struct Sink<'a> {
    path: &'a Path,
    file: File,
    hasher: Sha256,
    written: u64,
}

impl<'a> Sink<'a> {
    /// Opens or makes the file, and reads what an earlier try left there.
    fn open(path: &'a Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        }
        let open = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(|error| Error::io("create", path, error))?;
        let mut hasher = Sha256::new();
        let written = hash_into(&mut file, &mut hasher).map_err(|error| match error {
            HashError::Stopped(error) => error,
            HashError::Io(error) => Error::io("read", path, error),
        })?;
        Ok(Self { path, file, hasher, written })
    }

    fn reset(&mut self) -> Result<()> {
        let begin = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        begin.map_err(|error| Error::io("write", self.path, error))?;
        self.hasher = Sha256::new();
        self.written = 0;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // A part of the chunk may have gone through; the file must end where the hash does.
            let _ = self.file.set_len(self.written).and_then(|()| self.file.seek(SeekFrom::End(0)));
            return Err(Error::io("write", self.path, error));
        }
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// An empty file is nothing to continue.
    fn leave(self) {
        let empty = self.written == 0;
        drop(self.file);
        if empty {
            let _ = fs::remove_file(self.path);
        }
    }

    fn verify(&self, job: &Job<'_>) -> Result<()> {
        let hash = hex(&self.hasher.clone().finalize());
        check(job.label, (self.written, &hash), job.size, job.sha256)
    }
}

/// Compares length and SHA-256 of what came (`got`) with what was wanted.
///
/// # Errors
/// [`Kind::Checksum`] when they differ.
pub fn check(label: &str, got: (u64, &str), size: Option<u64>, sha256: Option<&str>) -> Result<()> {
    if let Some(size) = size
        && got.0 != size
    {
        let message = format!("{label} has {} bytes where {size} were expected", got.0);
        return Err(Error::new(Kind::Checksum, message).hint(CHECKSUM_HINT));
    }
    if let Some(sha256) = sha256
        && got.1 != sha256
    {
        let message = format!("{label} has SHA-256 {} where {sha256} was expected", got.1);
        return Err(Error::new(Kind::Checksum, message).hint(CHECKSUM_HINT));
    }
    Ok(())
}

const CHECKSUM_HINT: &str =
    "the file was not kept; fetch again, and if it stays so, do not trust the server or proxy that sent it";

/// Length and SHA-256 of a file.
///
/// # Errors
/// When it cannot be read, or after Ctrl-C.
pub fn hash_file(path: &Path, mut progress: Progress) -> Result<(u64, String)> {
    let mut file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    let mut hasher = Sha256::new();
    let length =
        hash_each(&mut file, &mut hasher, |bytes| progress.set(bytes)).map_err(|error| match error {
            HashError::Stopped(error) => error,
            HashError::Io(error) => Error::io("read", path, error),
        })?;
    Ok((length, hex(&hasher.finalize())))
}

enum HashError {
    Io(io::Error),
    Stopped(Error),
}

fn hash_into(file: &mut File, hasher: &mut Sha256) -> std::result::Result<u64, HashError> {
    hash_each(file, hasher, |_| {})
}

fn hash_each(
    file: &mut File,
    hasher: &mut Sha256,
    mut each: impl FnMut(u64),
) -> std::result::Result<u64, HashError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut length = 0;
    loop {
        interrupt::check().map_err(HashError::Stopped)?;
        match file.read(&mut chunk) {
            Ok(0) => return Ok(length),
            Ok(n) => {
                hasher.update(&chunk[..n]);
                length += n as u64;
                each(length);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(HashError::Io(error)),
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn ranges_are_read() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(content_range("bytes */10"), None);
        assert_eq!(content_range("lines 1-2/3"), None);
    }
}
