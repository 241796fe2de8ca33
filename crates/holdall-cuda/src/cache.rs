//! Compiled code on disk.
//!
//! An entry is a file named after its key's digest. It holds the key's digest and that of what follows, then the code. It
//! is written under another name and renamed, so that it appears whole, whoever else writes it at the same time; what
//! does not match its digests is compiled again. Reading an entry dates it; when the folder grows too large, the
//! oldest go.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// How an entry begins; changes with the format.
const MAGIC: &[u8; 16] = b"holdall-kernel-1";
const EXTENSION: &str = "kernel";
const HEADER: usize = MAGIC.len() + 64;
/// What all entries together may take.
const LIMIT_BYTES: u64 = 512 << 20;
/// Temporary files this old were left by a process that ended early.
const STALE_SECONDS: u64 = 3600;

/// A folder of compiled code. Everything that goes wrong with it costs time only: entries are made again.
#[derive(Debug)]
pub struct KernelCache {
    folder: PathBuf,
    limit_bytes: u64,
    /// What was written since the folder was measured.
    written: AtomicU64,
}

impl KernelCache {
    /// The cache in `folder`, which is made when the first entry is.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::with_limit(folder, LIMIT_BYTES)
    }

    /// A cache whose entries take at most `limit_bytes`, apart from the newest.
    pub fn with_limit(folder: impl Into<PathBuf>, limit_bytes: u64) -> Self {
        // As if full, so that the first entry measures.
        Self { folder: folder.into(), limit_bytes, written: AtomicU64::new(u64::MAX / 2) }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The code that was stored under a key: everything that the code depends on, in parts.
    pub fn get(&self, key: &[&[u8]]) -> Option<Vec<u8>> {
        let name = digest(key);
        let path = self.path(&name);
        let mut data = fs::read(&path).ok()?;
        let whole = data.len() >= HEADER
            && data[..16] == *MAGIC
            && data[16..48] == name
            && data[48..HEADER] == digest(&[&data[HEADER..]]);
        if !whole {
            let _ = fs::remove_file(&path);
            return None;
        }
        // Used again: among the newest. If that is not allowed, it is removed earlier than it might be.
        let _ = File::options().append(true).open(&path).and_then(|f| f.set_modified(SystemTime::now()));
        data.drain(..HEADER);
        Some(data)
    }

    /// Stores code under a key. What fails is left out.
    pub fn put(&self, key: &[&[u8]], code: &[u8]) {
        if self.write(&digest(key), code).is_ok() {
            let bytes = (HEADER + code.len()) as u64;
            let written = self.written.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
            // Not at each entry: the folder is read when it may have grown by a sixteenth.
            if written > self.limit_bytes / 16 {
                self.written.store(0, Ordering::Relaxed);
                self.trim();
            }
        }
    }

    fn write(&self, name: &[u8; 32], code: &[u8]) -> std::io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.folder)?;
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!(".{}-{unique}.tmp", std::process::id()));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(name)?;
            file.write_all(&digest(&[code]))?;
            file.write_all(code)
        });
        let outcome = written.and_then(|()| fs::rename(&temporary, self.path(name)));
        if outcome.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        outcome
    }

    /// Removes the entries that were not used for the longest time, until the rest is within the limit.
    fn trim(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(data) = entry.metadata() else { continue };
            let Ok(modified) = data.modified() else { continue };
            match path.extension().and_then(|e| e.to_str()) {
                Some(EXTENSION) => found.push((modified, data.len(), path)),
                Some("tmp") if modified.elapsed().is_ok_and(|age| age.as_secs() > STALE_SECONDS) => {
                    let _ = fs::remove_file(path);
                }
                _ => {}
            }
        }
        found.sort();
        let mut total: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
        // The newest stays, whatever its size.
        let older = found.len().saturating_sub(1);
        for (_, bytes, path) in &found[..older] {
            if total <= self.limit_bytes {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
    }

    fn path(&self, name: &[u8; 32]) -> PathBuf {
        let mut text = String::with_capacity(64);
        for byte in name {
            text.push_str(&format!("{byte:02x}"));
        }
        self.folder.join(text).with_extension(EXTENSION)
    }
}

/// The digest of a list of parts: of their lengths, too, so that no two lists have the same.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entries(folder: &Path) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        found.sort();
        found
    }

    #[test]
    fn code_comes_back_under_its_own_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let cache = KernelCache::new(folder.path().join("kernels"));
        assert_eq!(cache.get(&[b"a", b"b"]), None);
        cache.put(&[b"a", b"b"], b"code");
        assert_eq!(cache.get(&[b"a", b"b"]).as_deref(), Some(&b"code"[..]));
        assert_eq!(cache.get(&[b"ab", b""]), None);
        assert_eq!(KernelCache::new(cache.folder()).get(&[b"a", b"b"]).as_deref(), Some(&b"code"[..]));
    }

    #[test]
    fn corrupt_entries_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let cache = KernelCache::new(folder.path());
        let damages: [fn(&mut Vec<u8>); 4] =
            [|d| d.truncate(HEADER - 1), |d| d[HEADER] ^= 1, |d| d[20] ^= 1, |d| d.push(0)];
        for damage in damages {
            cache.put(&[b"k"], b"code");
            let path = entries(folder.path()).remove(0);
            let mut data = fs::read(&path).unwrap();
            damage(&mut data);
            fs::write(&path, data).unwrap();
            assert_eq!(cache.get(&[b"k"]), None);
            assert!(!path.exists());
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let cache = KernelCache::with_limit(folder.path(), 3000);
        for i in 0..5u8 {
            cache.put(&[&[i]], &[i; 1000]);
            // Ages a second apart, whatever the file system's clock.
            for path in entries(folder.path()) {
                let file = File::options().append(true).open(path).unwrap();
                let then = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(1);
                file.set_modified(then).unwrap();
            }
        }
        let held: Vec<bool> = (0..5u8).map(|i| cache.get(&[&[i]]).is_some()).collect();
        assert_eq!(held, [false, false, false, true, true]);
    }

    #[test]
    fn writers_at_the_same_time_leave_one_whole_entry() {
        let folder = tempfile::tempdir().unwrap();
        let code = vec![7; 1 << 16];
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    let cache = KernelCache::new(folder.path());
                    for _ in 0..20 {
                        cache.put(&[b"same"], &code);
                        assert_eq!(cache.get(&[b"same"]).as_deref(), Some(&code[..]));
                    }
                });
            }
        });
        assert_eq!(entries(folder.path()).len(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_only_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = KernelCache::new(file.path().join("below-a-file"));
        cache.put(&[b"k"], b"code");
        assert_eq!(cache.get(&[b"k"]), None);
    }
}
