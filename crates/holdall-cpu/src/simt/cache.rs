//! Compiled kernels, kept for the next call.
//!
//! The key is everything that decides what a kernel does: the whole text, the signature, the mode; never a name. The cache is
//! bounded and drops what was not used for longest.
//!
//! A launch owns its program by `Arc`, recorded or running. So a program that is dropped here lives until its last launch has
//! run, and no launch can run a program that is gone: on the CPU, that is all the retiring it needs. Others who
//! remember a program, so as not to look for it by its text, hold it by `Weak`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdall_msl::{Diagnostic, Error, KernelSource, Signature, compile};
use parking_lot::Mutex;

use super::program::Program;

/// How many programs [`Cache::shared`] keeps.
const CAPACITY: usize = 512;

/// A kernel that compiled.
#[derive(Debug)]
pub struct Cached {
    /// The program.
    pub program: Arc<Program>,
    /// What the compiler had to say.
    pub warnings: Vec<Diagnostic>,
    /// When it was last used, by the clock of its cache.
    used: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    name: String,
    header: String,
    body: String,
    signature: Signature,
    checked: bool,
    cached: Arc<Cached>,
}

/// Compiled kernels by their text.
#[derive(Debug)]
pub struct Cache {
    capacity: usize,
    entries: Mutex<Vec<Entry>>,
    clock: AtomicU64,
}

impl Cache {
    /// A cache for so many programs.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), entries: Mutex::default(), clock: AtomicU64::new(0) }
    }

    /// The cache of the process.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: std::sync::OnceLock<Cache> = std::sync::OnceLock::new();
        SHARED.get_or_init(|| Self::new(CAPACITY))
    }

    /// The program of a kernel, compiled if need be.
    ///
    /// # Errors
    /// What the front end finds wrong with the text. Errors are not kept.
    pub fn get(
        &self,
        source: &KernelSource<'_>,
        signature: &Signature,
        checked: bool,
    ) -> Result<Arc<Cached>, Error> {
        let mut hasher = DefaultHasher::new();
        (source.name, source.header, source.body, signature, checked).hash(&mut hasher);
        let hash = hasher.finish();
        {
            let entries = self.entries.lock();
            let found = entries.iter().find(|entry| {
                entry.hash == hash
                    && entry.checked == checked
                    && entry.body == source.body
                    && entry.header == source.header
                    // It stands in messages.
                    && entry.name == source.name
                    && entry.signature == *signature
            });
            if let Some(entry) = found {
                self.touch(&entry.cached);
                return Ok(entry.cached.clone());
            }
        }
        // Without the lock: two threads may compile the same, which costs time and nothing else.
        let compiled = compile(source, signature)?;
        let ir = Arc::new(compiled.program);
        let program = if checked { Program::compile_checked(&ir) } else { Program::compile(&ir) };
        let used = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed));
        let cached = Arc::new(Cached { program: Arc::new(program), warnings: compiled.warnings, used });
        let mut entries = self.entries.lock();
        if entries.len() >= self.capacity
            && let Some(oldest) =
                (0..entries.len()).min_by_key(|i| entries[*i].cached.used.load(Ordering::Relaxed))
        {
            entries.swap_remove(oldest);
        }
        entries.push(Entry {
            hash,
            name: source.name.to_owned(),
            header: source.header.to_owned(),
            body: source.body.to_owned(),
            signature: signature.clone(),
            checked,
            cached: cached.clone(),
        });
        Ok(cached)
    }

    /// Notes that a program of this cache is used again.
    pub fn touch(&self, cached: &Cached) {
        cached.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// How many programs it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// It holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
