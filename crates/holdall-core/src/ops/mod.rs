//! The ops, by MLX's names: methods of [`Array`](crate::Array), one file a subject.
//!
//! Each structured op keeps its parameters, shape rule, derivative and decomposition in one file here; its kernels are
//! in the backends.

mod argreduce;
mod attention;
mod compare;
mod concatenate;
mod conv;
mod creation;
mod diagonal;
mod elementwise;
mod gather;
mod index;
mod joining;
mod load;
mod mask;
mod matmul;
mod metal_kernel;
mod norm;
mod quantized;
mod reduce;
mod rope;
mod scan;
mod scatter;
mod slice_update;
mod softmax;
mod sort;
mod views;

pub use argreduce::ArgReduce;
pub use attention::{Attention, AttentionMask};
pub use concatenate::Concatenate;
pub use conv::Conv1d;
pub use creation::Arange;
pub use diagonal::{AsStrided, Diagonal};
pub use gather::{Gather, GatherAxis};
pub use index::{Index, Key};
pub use joining::Padding;
pub use load::{Load, Source};
pub use mask::MaskedScatter;
pub use matmul::Matmul;
pub use metal_kernel::{
    CustomKernel, KernelCall, KernelMemo, KernelObserver, KernelObserverEntry, KernelText, MetalKernel,
    TemplateValue,
};
pub use norm::{LayerNorm, RmsNorm};
pub use quantized::{Dequantize, Packing, Quantize, QuantizedMatmul};
pub use reduce::{Reduce, Reduction};
pub use rope::{Rope, RopeOptions};
pub use scan::{Running, Scan};
pub use scatter::{Scatter, ScatterAxis, ScatterMode};
pub use slice_update::SliceUpdate;
pub use softmax::{LogSumExp, Softmax};
pub use sort::{ArgSort, SearchSorted, Sort};
pub use views::{BroadcastTo, Reshape, Slice, Transpose};
