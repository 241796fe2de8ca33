//! Kernels that are written by hand in CUDA, where they are faster than the portable ones, which stay for all that they
//! do not take.
//!
//! A kernel is a file `NAME.cu` beside this one; what its text needs in front of it are other files, one after the other, since
//! there are no include folders. Numbers that its code depends on are `#define`s: a compiled kernel for each combination that
//! is used. `NAME.rs` has its launch rule:
//!
//! ```text
//! static QMV: Handwritten = Handwritten::new("qmv", &[include_str!("common.cuh"), include_str!("qmv.cu")]);
//!
//! pub(super) fn register(kernels: &mut Kernels, loader: &Arc<Loader>) {
//!     let qmv = Variants::new(&QMV, loader);
//!     kernels.prefer(move |op: &QuantizedMatmul, request| {
//!         if /* it does not take these */ { return Ok(None) }
//!         let kernel = qmv.get(&[("BITS", 4), ("GROUP", 64)])?;
//!         let parameters = [Parameter::Binding(0), Parameter::Binding(1), Parameter::value(k.to_ne_bytes())];
//!         let launch = CudaLaunch::new(kernel, grid, block, 0, &parameters)?;
//!         Ok(Some(Plan::launch(Arc::new(launch), inputs, outputs, &[])))
//!     });
//! }
//! ```
//!
//! and is called in [`register`].

use std::sync::Arc;

use holdall_core::Result;
use holdall_core::device::Kernels;
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::compile::Source;
use crate::module::{Kernel, Loader};

/// Puts the kernels of this folder before those that `kernels` has.
pub(crate) fn register(kernels: &mut Kernels, loader: &Arc<Loader>) {
    let _ = (kernels, loader);
}

/// A kernel's text: `extern "C"`, called as its file is.
#[derive(Debug)]
pub(crate) struct Handwritten {
    name: &'static str,
    parts: &'static [&'static str],
}

impl Handwritten {
    /// The kernel called `name` in these parts, which follow each other.
    pub const fn new(name: &'static str, parts: &'static [&'static str]) -> Self {
        Self { name, parts }
    }

    /// The text with `#define`s in front.
    fn source(&self, defines: &[(&str, i64)]) -> Source {
        let options = defines.iter().map(|(name, value)| format!("-D{name}={value}")).collect();
        let name = format!("{}.cu", self.name);
        Source { name: name.into(), text: self.parts.join("\n").into(), options }
    }
}

/// The compiled kernels of a text.
#[derive(Debug)]
pub(crate) struct Variants {
    text: &'static Handwritten,
    loader: Arc<Loader>,
    /// By the values of the defines. A text has few, so all are kept.
    made: RwLock<FxHashMap<SmallVec<[i64; 8]>, Arc<Kernel>>>,
}

impl Variants {
    /// None yet.
    pub fn new(text: &'static Handwritten, loader: &Arc<Loader>) -> Self {
        Self { text, loader: loader.clone(), made: RwLock::default() }
    }

    /// The kernel for these defines: always the same names, in the same order.
    ///
    /// # Errors
    /// When it does not compile, which is a mistake in its text.
    pub fn get(&self, defines: &[(&'static str, i64)]) -> Result<Arc<Kernel>> {
        let key: SmallVec<[i64; 8]> = defines.iter().map(|(_, value)| *value).collect();
        if let Some(found) = self.made.read().get(&key) {
            return Ok(found.clone());
        }
        // Without the lock: two threads may compile the same, which costs time and nothing else.
        let kernel = self.loader.kernel(&self.text.source(defines), self.text.name)?;
        self.made.write().insert(key, kernel.clone());
        Ok(kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_and_defines_are_options() {
        let text = Handwritten::new("twice", &["#define TWO 2", "extern \"C\" __global__ void twice() {}"]);
        let source = text.source(&[("BITS", 4), ("EXACT", 0)]);
        assert_eq!(&*source.name, "twice.cu");
        assert!(source.text.starts_with("#define TWO 2\nextern"));
        assert_eq!(source.options, ["-DBITS=4", "-DEXACT=0"]);
    }
}
