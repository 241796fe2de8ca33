//! The largest or smallest of long rows.

use std::sync::Arc;

use holdall_core::device::{Kernels, Plan, Request};
use holdall_core::ops::ArgReduce;
use smallvec::smallvec;

use super::zero::Zero;
use super::{Choice, Gpu, Handwritten, Variants, element, int, is_aligned, null};
use crate::launch::Parameter;
use crate::module::Loader;

pub(super) static ARGMAX: Handwritten =
    Handwritten::new("argmax", &[include_str!("common.cuh"), include_str!("argmax.cu")]);

/// Elements that a block should have, and the shortest rows taken.
const SHARE: usize = 4096;
const MAX_BLOCKS: usize = 128;

/// For `rows` rows of `n` elements.
fn choose(op: &ArgReduce, element: i64, rows: usize, n: usize, gpu: &Gpu) -> Option<Choice> {
    if n < SHARE || i32::try_from(n).is_err() || !(1..=65_535).contains(&rows) {
        return None;
    }
    let needed = (2 * gpu.multiprocessors as usize).div_ceil(rows);
    let blocks = n.div_ceil(SHARE).min(MAX_BLOCKS).min(needed);
    Some(Choice {
        defines: smallvec![("ELEMENT", element), ("SMALLEST", i64::from(!op.largest))],
        grid: [blocks as u32, rows as u32, 1],
        threads: 256,
        shared_bytes: 0,
    })
}

fn of(op: &ArgReduce, request: &Request<'_>, gpu: &Gpu) -> Option<(Choice, usize)> {
    let x = &request.inputs[0];
    if op.axis + 1 != x.shape().len() || !x.is_contiguous() || !is_aligned(x) {
        return None;
    }
    let n = x.shape()[op.axis];
    Some((choose(op, element(x.spec.dtype)?, request.outputs[0].size(), n, gpu)?, n))
}

pub(super) fn register(kernels: &mut Kernels, loader: &Arc<Loader>) {
    let gpu = Gpu::of(loader);
    let (argmax, zero) = (Variants::new(&ARGMAX, loader), Zero::new(loader));
    kernels.prefer(move |op: &ArgReduce, request| {
        let Some((choice, n)) = of(op, request, &gpu) else { return Ok(None) };
        let [blocks, rows, _] = choice.grid.map(|n| n as usize);
        let [x, y] = [0, 1].map(Parameter::Binding);
        if blocks == 1 {
            let launch = choice.launch(&argmax, &[x, y, null(), null(), int(n)])?;
            return Ok(Some(Plan::launch(launch, 1, 1, &[])));
        }
        let [workspace, counters] = [2, 3].map(Parameter::Binding);
        let launch = choice.launch(&argmax, &[x, y, workspace, counters, int(n)])?;
        let mut plan = Plan::launch(launch, 1, 1, &[8 * rows * blocks, 4 * rows]);
        zero.first(&mut plan, 1, rows)?;
        Ok(Some(plan))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_fill_the_device_once() {
        let gpu = Gpu { capability: (9, 0), multiprocessors: 132, shared_bytes: 232_448 };
        let op = ArgReduce { largest: false, axis: 0 };
        let grid = |rows, n| choose(&op, 2, rows, n, &gpu).map(|choice| choice.grid);
        assert_eq!(grid(1, 248_320), Some([61, 1, 1]));
        assert_eq!(grid(1, 1_000_000), Some([128, 1, 1]));
        assert_eq!(grid(32, 248_320), Some([9, 32, 1]));
        assert_eq!(grid(1000, 8192), Some([1, 1000, 1]));
        assert_eq!(grid(1, 4095), None);
        assert_eq!(grid(0, 8192), None);
        assert_eq!(choose(&op, 1, 1, 8192, &gpu).unwrap().defines[..], [("ELEMENT", 1), ("SMALLEST", 1)]);
    }
}
