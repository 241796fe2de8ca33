//! Which kernel runs which op: one file a family, each with a `register`.

mod attention;
mod custom;
mod dense;
mod indexing;
mod load;
mod norm;
mod quantized;
mod random;
mod reductions;
mod sorting;

pub use load::load;

use std::sync::Arc;

use holdall_core::command::Launch;
use holdall_core::device::{Kernels, Operand, Plan};
use holdall_core::op::Spec;
use holdall_core::{Dtype, Error, ErrorKind, Result};

use crate::kernel::Kernel;
use crate::kernels::float::Float;
use crate::stream::CpuLaunch;

/// All kernels of the CPU, for a team of `threads`: their launches are [`CpuLaunch`].
pub fn kernels(threads: usize) -> Kernels {
    let mut kernels = Kernels::default();
    attention::register(&mut kernels);
    custom::register(&mut kernels, threads);
    dense::register(&mut kernels);
    indexing::register(&mut kernels, threads);
    load::register(&mut kernels);
    norm::register(&mut kernels);
    quantized::register(&mut kernels, threads);
    random::register(&mut kernels, threads);
    reductions::register(&mut kernels, threads);
    sorting::register(&mut kernels, threads);
    kernels
}

/// A kernel as a plan takes it.
pub(crate) fn launch(kernel: impl Kernel + 'static) -> Launch {
    Arc::new(CpuLaunch(Arc::new(kernel)))
}

/// The plan of a kernel that reads all inputs and writes all outputs.
fn plan(kernel: impl Kernel + 'static, inputs: usize, outputs: usize) -> Plan {
    let temporaries = kernel.temporaries().to_vec();
    Plan::launch(launch(kernel), inputs, outputs, &temporaries)
}

/// A floating type as kernels name it.
fn float(op: &'static str, dtype: Dtype) -> Result<Float> {
    match dtype {
        Dtype::Float16 => Ok(Float::F16),
        Dtype::Bfloat16 => Ok(Float::Bf16),
        Dtype::Float32 => Ok(Float::F32),
        Dtype::Float64 => Ok(Float::F64),
        other => Err(Error::new(ErrorKind::Kernel, op, format!("the CPU has no kernel for {other}"))),
    }
}

/// Strides with which an operand's leading axes are read as axes of sizes `lead`, to which they broadcast.
fn lead_strides(x: &Operand, lead: &[usize]) -> holdall_core::Strides {
    let n = x.shape().len() - 2;
    holdall_core::broadcast_strides(&x.shape()[..n], &x.strides()[..n], lead)
}

/// Kernels that compute in float32 leave float64 to the decomposition.
fn not_double<P>(_: &P, inputs: &[&Spec]) -> bool {
    inputs[0].dtype != Dtype::Float64
}
