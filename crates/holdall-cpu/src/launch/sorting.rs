//! Sorting, partitioning, searching.

use std::marker::PhantomData;

use holdall_core::device::{Kernels, Plan, Request};
use holdall_core::op::Primitive;
use holdall_core::ops::{ArgSort, SearchSorted, Sort};
use holdall_core::{Dtype, Result};

use super::launch;
use super::reductions::{folded, refused};
use crate::kernels::element::{Brain, Half};
use crate::kernels::sort::{Picks, Places, SearchKernel, SortKernel, Sortable, Sorting, Values};

/// `$make` for `$of` the element type `$dtype`.
macro_rules! sortable {
    ($dtype:expr, $of:ident, $make:ident, $else:expr) => {
        match $dtype {
            Dtype::Bool | Dtype::Uint8 => $make::<$of<u8>>,
            Dtype::Uint16 => $make::<$of<u16>>,
            Dtype::Uint32 => $make::<$of<u32>>,
            Dtype::Uint64 => $make::<$of<u64>>,
            Dtype::Int8 => $make::<$of<i8>>,
            Dtype::Int16 => $make::<$of<i16>>,
            Dtype::Int32 => $make::<$of<i32>>,
            Dtype::Int64 => $make::<$of<i64>>,
            Dtype::Float16 => $make::<$of<Half>>,
            Dtype::Bfloat16 => $make::<$of<Brain>>,
            Dtype::Float32 => $make::<$of<f32>>,
            Dtype::Float64 => $make::<$of<f64>>,
            Dtype::Complex64 => return Err($else),
        }
    };
}

pub(super) fn register(kernels: &mut Kernels, threads: usize) {
    kernels.register(move |op: &Sort, request| {
        let dtype = request.inputs[0].spec.dtype;
        let name = op.name();
        let make = match op.kth {
            None => sortable!(dtype, Values, sort, refused(name, dtype)),
            Some(_) => sortable!(dtype, Picks, sort, refused(name, dtype)),
        };
        make(op.axis, op.kth, request, threads)
    });
    kernels.register(move |op: &ArgSort, request| {
        let dtype = request.inputs[0].spec.dtype;
        let make = sortable!(dtype, Places, sort, refused(op.name(), dtype));
        make(op.axis, op.kth, request, threads)
    });
    kernels.register(|op: &SearchSorted, request| {
        let dtype = request.inputs[0].spec.dtype;
        let make = sortable!(dtype, Id, search, refused(op.name(), dtype));
        make(op, request)
    });
}

type Id<T> = T;

fn sort<S: Sorting>(axis: usize, kth: Option<usize>, request: &Request<'_>, threads: usize) -> Result<Plan> {
    if request.outputs[0].size() == 0 {
        return Ok(Plan::nothing());
    }
    if let Some(plan) = request.require_contiguous([0]) {
        return Ok(plan);
    }
    let kernel = SortKernel::<S>::new(folded(request.inputs[0].shape(), axis), kth, threads);
    Ok(super::plan(kernel, 1, 1))
}

fn search<T: Sortable>(op: &SearchSorted, request: &Request<'_>) -> Result<Plan> {
    let (sorted, values) = (request.inputs[0].spec.size(), request.inputs[1].spec.size());
    if values == 0 {
        return Ok(Plan::nothing());
    }
    if let Some(plan) = request.require_contiguous([0, 1]) {
        return Ok(plan);
    }
    let kernel = SearchKernel::<T> { sorted, values, right: op.right, element: PhantomData };
    Ok(Plan::launch(launch(kernel), 2, 1, &[]))
}
