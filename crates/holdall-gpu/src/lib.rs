#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attention;
mod conv;
mod custom;
mod gpu;
mod indexing;
mod kernel;
mod layout;
mod library;
mod lines;
mod mask;
mod matmul;
mod moves;
mod norm;
mod pointwise;
mod quantized;
mod random;
mod reduce;
mod rope;
mod scan;
mod sort;

pub use gpu::{Author, Compiled, Dispatch, Extent, Facts, Gpu, Inline};
pub use library::Library;

use std::sync::Arc;

use holdall_core::device::Kernels;

impl Library {
    /// How ops run on this library's GPU.
    #[must_use]
    pub fn kernels(self: &Arc<Self>) -> Kernels {
        let mut kernels = Kernels::default();
        attention::register(&mut kernels, self);
        conv::register(&mut kernels, self);
        custom::register(&mut kernels, self);
        indexing::register(&mut kernels, self);
        mask::register(&mut kernels, self);
        matmul::register(&mut kernels, self);
        moves::register(&mut kernels, self);
        norm::register(&mut kernels, self);
        quantized::register(&mut kernels, self);
        random::register(&mut kernels, self);
        reduce::register(&mut kernels, self);
        rope::register(&mut kernels, self);
        scan::register(&mut kernels, self);
        sort::register(&mut kernels, self);
        kernels
    }
}
