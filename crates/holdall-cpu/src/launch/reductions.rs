//! Reductions, extremes and their places, running sums.

use holdall_core::device::{Kernels, Plan, Request};
use holdall_core::op::Primitive;
use holdall_core::ops::{self, ArgReduce, Reduce, Reduction, Scan};
use holdall_core::{Dtype, Error, Result, size_of};
use num_complex::Complex32;

use crate::isa::Isa;
use crate::kernels::element::{Brain, Half, Truth};
use crate::kernels::reduce::{All, Any, ArgReduceKernel, Extreme, Fold, Max, Min, Prod, ReduceKernel, Sum};
use crate::kernels::scan::{LogSumExp, Running, ScanKernel};

pub(super) fn register(kernels: &mut Kernels, _threads: usize) {
    kernels.register(reduce);
    kernels.register(arg_reduce);
    kernels.register(scan);
}

pub(super) fn refused(op: &'static str, dtype: Dtype) -> Error {
    Error::dtype(op, format!("the CPU has no kernel for {dtype}"))
}

/// A row-major array's axes as three: those before `axis`, itself, those after.
pub(super) fn folded(shape: &[usize], axis: usize) -> [usize; 3] {
    [size_of(&shape[..axis]), shape[axis], size_of(&shape[axis + 1..])]
}

/// `$make` for the fold `$op` over the element type `$dtype`.
macro_rules! numbers {
    ($dtype:expr, $op:ident, $bool:ty, $make:ident, $else:expr) => {
        match $dtype {
            Dtype::Bool => $make::<$op<$bool>>,
            Dtype::Uint8 => $make::<$op<u8>>,
            Dtype::Uint16 => $make::<$op<u16>>,
            Dtype::Uint32 => $make::<$op<u32>>,
            Dtype::Uint64 => $make::<$op<u64>>,
            Dtype::Int8 => $make::<$op<i8>>,
            Dtype::Int16 => $make::<$op<i16>>,
            Dtype::Int32 => $make::<$op<i32>>,
            Dtype::Int64 => $make::<$op<i64>>,
            Dtype::Float16 => $make::<$op<Half>>,
            Dtype::Bfloat16 => $make::<$op<Brain>>,
            Dtype::Float32 => $make::<$op<f32>>,
            Dtype::Float64 => $make::<$op<f64>>,
            Dtype::Complex64 => $else,
        }
    };
}

macro_rules! truths {
    ($dtype:expr, $op:ident) => {
        match $dtype {
            Dtype::Bool | Dtype::Uint8 | Dtype::Int8 => reduction::<$op<u8>>,
            Dtype::Uint16 | Dtype::Int16 => reduction::<$op<u16>>,
            Dtype::Uint32 | Dtype::Int32 => reduction::<$op<u32>>,
            Dtype::Uint64 | Dtype::Int64 => reduction::<$op<u64>>,
            Dtype::Float16 | Dtype::Bfloat16 => reduction::<$op<Half>>,
            Dtype::Float32 => reduction::<$op<f32>>,
            Dtype::Float64 => reduction::<$op<f64>>,
            Dtype::Complex64 => reduction::<$op<Complex32>>,
        }
    };
}

fn reduction<F: Fold>(op: &Reduce, request: &Request<'_>) -> Plan {
    let x = &request.inputs[0];
    super::plan(ReduceKernel::<F>::new(Isa::get(), x.shape(), x.strides(), &op.axes), 1, 1)
}

fn reduce(op: &Reduce, request: &Request<'_>) -> Result<Plan> {
    if request.outputs[0].size() == 0 {
        return Ok(Plan::nothing());
    }
    let dtype = request.inputs[0].spec.dtype;
    let name = op.name();
    let make: fn(&Reduce, &Request<'_>) -> Plan = match op.reduction {
        Reduction::Sum => numbers!(dtype, Sum, Truth, reduction, reduction::<Sum<Complex32>>),
        Reduction::Prod => numbers!(dtype, Prod, Truth, reduction, reduction::<Prod<Complex32>>),
        Reduction::Max => numbers!(dtype, Max, u8, reduction, return Err(refused(name, dtype))),
        Reduction::Min => numbers!(dtype, Min, u8, reduction, return Err(refused(name, dtype))),
        Reduction::All => truths!(dtype, All),
        Reduction::Any => truths!(dtype, Any),
    };
    Ok(make(op, request))
}

fn place<F: Extreme>(op: &ArgReduce, request: &Request<'_>) -> Plan {
    let x = &request.inputs[0];
    super::plan(ArgReduceKernel::<F>::new(Isa::get(), x.shape(), x.strides(), op.axis), 1, 1)
}

fn arg_reduce(op: &ArgReduce, request: &Request<'_>) -> Result<Plan> {
    let x = &request.inputs[0];
    if request.outputs[0].size() == 0 {
        return Ok(Plan::nothing());
    }
    if x.strides()[op.axis] < 0 && x.shape()[op.axis] > 1 {
        return Ok(Plan::contiguous([0]));
    }
    let dtype = x.spec.dtype;
    let name = op.name();
    let make: fn(&ArgReduce, &Request<'_>) -> Plan = if op.largest {
        numbers!(dtype, Max, u8, place, return Err(refused(name, dtype)))
    } else {
        numbers!(dtype, Min, u8, place, return Err(refused(name, dtype)))
    };
    Ok(make(op, request))
}

fn running<R: Running>(op: &Scan, request: &Request<'_>) -> Plan {
    let shape = folded(request.inputs[0].shape(), op.axis);
    super::plan(ScanKernel::<R>::new(Isa::get(), shape, op.reverse, op.inclusive), 1, 1)
}

fn scan(op: &Scan, request: &Request<'_>) -> Result<Plan> {
    if request.outputs[0].size() == 0 {
        return Ok(Plan::nothing());
    }
    if let Some(plan) = request.require_contiguous([0]) {
        return Ok(plan);
    }
    let dtype = request.inputs[0].spec.dtype;
    let name = op.name();
    let make: fn(&Scan, &Request<'_>) -> Plan = match op.running {
        ops::Running::Sum => numbers!(dtype, Sum, u8, running, running::<Sum<Complex32>>),
        // Of truth values both are their conjunction, which of none is 1 and not the largest byte.
        ops::Running::Prod | ops::Running::Min if dtype == Dtype::Bool => running::<Prod<u8>>,
        ops::Running::Prod => numbers!(dtype, Prod, u8, running, running::<Prod<Complex32>>),
        ops::Running::Max => numbers!(dtype, Max, u8, running, return Err(refused(name, dtype))),
        ops::Running::Min => numbers!(dtype, Min, u8, running, return Err(refused(name, dtype))),
        ops::Running::LogSumExp => match dtype {
            Dtype::Float16 => running::<LogSumExp<Half>>,
            Dtype::Bfloat16 => running::<LogSumExp<Brain>>,
            Dtype::Float32 => running::<LogSumExp<f32>>,
            Dtype::Float64 => running::<LogSumExp<f64>>,
            _ => return Err(refused(name, dtype)),
        },
    };
    Ok(make(op, request))
}
