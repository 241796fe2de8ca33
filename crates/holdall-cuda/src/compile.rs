//! From CUDA C++ to code for one device, through the cache.

use std::sync::Arc;

use holdall_core::{Result, settings};

use crate::cache::KernelCache;
use crate::nvrtc::Nvrtc;

/// A program and how to compile it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Stands for the file in messages.
    pub name: Arc<str>,
    /// The text, with everything that it needs: there are no include folders.
    pub text: Arc<str>,
    /// Options of NVRTC besides the architecture: `-DWIDTH=4`, say.
    pub options: Vec<String>,
}

/// Compiles for one architecture.
#[derive(Debug)]
pub struct Compiler {
    architecture: String,
    /// The driver's version of CUDA, 0.0 where there is no driver.
    driver: (u32, u32),
    cache: Option<KernelCache>,
}

impl Compiler {
    /// A compiler for an architecture (`sm_90a`), with the cache in the user's folder.
    pub fn new(architecture: impl Into<String>, driver: (u32, u32)) -> Self {
        let cache = settings::cache().map(|folder| KernelCache::new(folder.join("kernels")));
        Self { architecture: architecture.into(), driver, cache }
    }

    /// The same with another cache, or none.
    #[must_use]
    pub fn with_cache(mut self, cache: Option<KernelCache>) -> Self {
        self.cache = cache;
        self
    }

    /// The architecture.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// All options that a source is compiled with.
    pub fn options(&self, source: &Source) -> Vec<String> {
        let mut options = vec![format!("--gpu-architecture={}", self.architecture)];
        options.extend(source.options.iter().cloned());
        options
    }

    /// Machine code for a source, from the cache if it is there.
    ///
    /// # Errors
    /// When it does not compile, or there is no compiler.
    pub fn code(&self, source: &Source) -> Result<Vec<u8>> {
        let nvrtc = Nvrtc::get()?;
        let options = self.options(source);
        let version = format!("nvrtc {:?} driver {:?}", nvrtc.version(), self.driver);
        let mut key: Vec<&[u8]> = vec![version.as_bytes(), source.text.as_bytes()];
        key.extend(options.iter().map(String::as_bytes));
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(&key)) {
            return Ok(code);
        }
        let compiled = nvrtc.compile(&source.name, &source.text, &options)?;
        if let Some(cache) = &self.cache {
            cache.put(&key, &compiled.code);
        }
        Ok(compiled.code)
    }
}
