//! Kernels that are written by hand in CUDA, where they are faster than the portable ones, which stay for all that they
//! do not take.
//!
//! A kernel is a file `NAME.cu` beside this one; what its text needs in front of it are other files, one after the other, since
//! there are no include folders. Numbers that its code depends on are `#define`s: a compiled kernel for each combination that
//! is used. `NAME.rs` says which ones, and how they are launched: its `choose` knows sizes alone. What an op has to be like, and
//! the order of parameters, are in the file that registers it: `quantized.rs`, `attention.rs`, `argmax.rs`. Arrays that begin
//! at no multiple of 16 bytes, and all else that no kernel here takes, are left to the portable ones.

#![expect(
    dead_code,
    reason = "the rules of attention and argmax are not registered before they are checked on a GPU"
)]

mod argmax;
mod attention;
mod attention_decode;
mod attention_prefill;
mod qmm;
mod qmv;
mod qmv_rows;
mod quantized;
mod zero;

use std::sync::Arc;

use holdall_core::command::Launch;
use holdall_core::device::{Kernels, Operand};
use holdall_core::{Dtype, Result};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::compile::Source;
use crate::context::Properties;
use crate::launch::{CudaLaunch, Parameter};
use crate::module::{Kernel, Loader};

/// Puts the kernels of this folder before those that `kernels` has.
pub(crate) fn register(kernels: &mut Kernels, loader: &Arc<Loader>) {
    quantized::register(kernels, loader);
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

/// A compiled kernel, and how it is launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    defines: SmallVec<[(&'static str, i64); 8]>,
    grid: [u32; 3],
    threads: u32,
    shared_bytes: u32,
}

impl Choice {
    fn launch(&self, variants: &Variants, parameters: &[Parameter]) -> Result<Launch> {
        let kernel = variants.get(&self.defines)?;
        let block = [self.threads, 1, 1];
        Ok(Arc::new(CudaLaunch::new(kernel, self.grid, block, self.shared_bytes, parameters)?))
    }
}

/// What choices depend on.
#[derive(Clone, Copy, Debug)]
struct Gpu {
    capability: (u32, u32),
    multiprocessors: u32,
    shared_bytes: u32,
}

impl Gpu {
    fn of(loader: &Loader) -> Self {
        let &Properties { capability, multiprocessors, shared_bytes, .. } = &loader.context.properties;
        Self { capability, multiprocessors, shared_bytes }
    }

    /// Whether it has the instructions of `sm_90a`, which no newer architecture has.
    fn is_hopper(&self) -> bool {
        self.capability == (9, 0)
    }
}

/// `ELEMENT` for a type.
fn element(dtype: Dtype) -> Option<i64> {
    match dtype {
        Dtype::Float32 => Some(0),
        Dtype::Float16 => Some(1),
        Dtype::Bfloat16 => Some(2),
        _ => None,
    }
}

/// Whether the first element lies at a multiple of 16 bytes; blocks do.
fn is_aligned(x: &Operand) -> bool {
    (x.layout.offset * x.spec.dtype.size()).is_multiple_of(16)
}

/// An `int`; callers know that it fits.
fn int(n: usize) -> Parameter {
    Parameter::value((n as i32).to_ne_bytes())
}

/// A `u64`, of a stride that is not negative.
fn long(n: isize) -> Parameter {
    Parameter::value((n as u64).to_ne_bytes())
}

fn float(x: f32) -> Parameter {
    Parameter::value(x.to_ne_bytes())
}

/// A pointer to nothing.
fn null() -> Parameter {
    Parameter::value(0u64.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Compiler;
    use crate::context::architecture;
    use crate::nvrtc::Nvrtc;

    #[test]
    fn parts_follow_each_other_and_defines_are_options() {
        let text = Handwritten::new("twice", &["#define TWO 2", "extern \"C\" __global__ void twice() {}"]);
        let source = text.source(&[("BITS", 4), ("EXACT", 0)]);
        assert_eq!(&*source.name, "twice.cu");
        assert!(source.text.starts_with("#define TWO 2\nextern"));
        assert_eq!(source.options, ["-DBITS=4", "-DEXACT=0"]);
    }

    /// What the rules choose for some sizes, of each kernel, on a GPU.
    fn chosen(gpu: &Gpu) -> Vec<(&'static Handwritten, Choice)> {
        use attention::Heads;
        use quantized::{Product, Which};

        let mut made = vec![];
        let packings = [(4, 64), (2, 32), (3, 64), (5, 128), (6, 64), (8, 32)];
        for ((bits, group), (element, m)) in packings.into_iter().flat_map(|packing| {
            [(0, 1), (1, 1), (2, 1), (1, 7), (2, 30), (1, 50), (2, 300)].map(|of| (packing, of))
        }) {
            let product = Product { element, bits, group, m, n: 4096, k: 1152 };
            made.extend(product.choose(gpu).map(|(which, choice)| match which {
                Which::One => (&qmv::QMV, choice),
                Which::Few => (&qmv_rows::QMV_ROWS, choice),
                Which::Many => (&qmm::QMM, choice),
            }));
        }
        for (dim, heads, is_masked) in
            [(64, 9, true), (80, 8, false), (96, 8, false), (128, 12, true), (256, 24, true)]
        {
            for (queries, is_causal) in [(1, false), (100, !is_masked)] {
                let (batch, kv_heads, keys) = (1, 3, 500);
                let heads = if heads % kv_heads == 0 { heads } else { 3 * heads };
                let of =
                    Heads { element: 1, is_masked, is_causal, batch, heads, kv_heads, queries, keys, dim };
                let decode = attention_decode::choose(&of, gpu).map(|(choice, _)| choice);
                made.extend(decode.map(|choice| (&attention_decode::ATTENTION_DECODE, choice)));
                let prefill = attention_prefill::choose(&of, gpu);
                made.extend(prefill.map(|choice| (&attention_prefill::ATTENTION_PREFILL, choice)));
            }
        }
        made
    }

    #[test]
    fn what_is_chosen_compiles_for_its_architecture() {
        if let Err(e) = Nvrtc::get() {
            eprintln!("nothing was tested: {e}");
            return;
        }
        for (capability, shared_bytes) in [((8, 0), 166_912), ((9, 0), 232_448), ((10, 0), 232_448)] {
            let gpu = Gpu { capability, multiprocessors: 132, shared_bytes };
            let made = chosen(&gpu);
            let count = |name| made.iter().filter(|(text, _)| text.name == name).count();
            assert_eq!(count("qmm") > 0, gpu.is_hopper());
            assert_eq!(count("attention_prefill"), if gpu.is_hopper() { 5 } else { 0 });
            assert_eq!((count("qmv"), count("qmv_rows"), count("attention_decode")), (18, 12, 5));
            // All of them on Hopper, which has them all; one of each elsewhere.
            let compiler = Compiler::new(architecture(capability), (0, 0)).with_cache(None);
            let mut seen = vec![];
            for (text, choice) in made {
                if !gpu.is_hopper() && seen.contains(&text.name) {
                    continue;
                }
                seen.push(text.name);
                let code = compiler.code(&text.source(&choice.defines)).unwrap();
                assert_eq!(&code[..4], b"\x7fELF", "{} {:?}", text.name, choice.defines);
            }
        }
        let compiler = Compiler::new("sm_80", (0, 0)).with_cache(None);
        for (element, smallest) in [(0, 0), (1, 1), (2, 0)] {
            compiler.code(&argmax::ARGMAX.source(&[("ELEMENT", element), ("SMALLEST", smallest)])).unwrap();
        }
        compiler.code(&zero::ZERO.source(&[])).unwrap();
    }
}
