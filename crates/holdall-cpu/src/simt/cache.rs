//! Compiled kernels, kept for the next call.
//!
//! The key is everything that decides what a kernel does: the whole text, the signature, the mode; never a name. The cache is
//! bounded and drops what was not used for longest. On the CPU, a launch owns its program by `Arc`, so that a program
//! that is dropped here lives until its last launch has run: that is all the retiring it needs.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use holdall_msl::{Diagnostic, Error, KernelSource, Signature, compile};
use parking_lot::Mutex;

use super::program::Program;

/// How many programs [`Cache::shared`] keeps.
const CAPACITY: usize = 512;

/// A kernel that compiled.
#[derive(Clone, Debug)]
pub struct Cached {
    /// The program.
    pub program: Arc<Program>,
    /// What the compiler had to say.
    pub warnings: Arc<[Diagnostic]>,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    name: String,
    header: String,
    body: String,
    signature: Signature,
    checked: bool,
    used: u64,
    cached: Cached,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    clock: u64,
}

/// Compiled kernels by their text.
#[derive(Debug)]
pub struct Cache {
    capacity: usize,
    inner: Mutex<Inner>,
}

impl Cache {
    /// A cache for so many programs.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), inner: Mutex::default() }
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
    ) -> Result<Cached, Error> {
        let mut hasher = DefaultHasher::new();
        (source.name, source.header, source.body, signature, checked).hash(&mut hasher);
        let hash = hasher.finish();
        {
            let mut inner = self.inner.lock();
            inner.clock += 1;
            let now = inner.clock;
            let found = inner.entries.iter_mut().find(|entry| {
                entry.hash == hash
                    && entry.checked == checked
                    && entry.body == source.body
                    && entry.header == source.header
                    // It stands in messages.
                    && entry.name == source.name
                    && entry.signature == *signature
            });
            if let Some(entry) = found {
                entry.used = now;
                return Ok(entry.cached.clone());
            }
        }
        // Without the lock: two threads may compile the same, which costs time and nothing else.
        let compiled = compile(source, signature)?;
        let ir = Arc::new(compiled.program);
        let program = if checked { Program::compile_checked(&ir) } else { Program::compile(&ir) };
        let cached = Cached { program: Arc::new(program), warnings: compiled.warnings.into() };
        let mut inner = self.inner.lock();
        if inner.entries.len() >= self.capacity
            && let Some(oldest) = (0..inner.entries.len()).min_by_key(|i| inner.entries[*i].used)
        {
            inner.entries.swap_remove(oldest);
        }
        let used = inner.clock;
        inner.entries.push(Entry {
            hash,
            name: source.name.to_owned(),
            header: source.header.to_owned(),
            body: source.body.to_owned(),
            signature: signature.clone(),
            checked,
            used,
            cached: cached.clone(),
        });
        Ok(cached)
    }

    /// How many programs it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.lock().entries.len()
    }

    /// It holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
