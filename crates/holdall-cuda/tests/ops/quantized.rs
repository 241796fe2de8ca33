//! Products with quantized weights.

use holdall_core::device::{Device, Kernels, Operand, Request};
use holdall_core::op::{Primitive, Spec};
use holdall_core::ops::{Packing, QuantizedMatmul};
use holdall_core::{Array, Dtype, Layout, Stream};
use holdall_cuda::Cuda;
use holdall_memory::Timelines;

use crate::{Numbers, array, compare, limit, streams};

use Dtype::{Bfloat16, Float16, Float32};

const PACKINGS: [(usize, usize); 9] =
    [(4, 64), (2, 64), (3, 64), (5, 64), (6, 64), (8, 64), (4, 32), (4, 128), (8, 32)];

struct Case {
    dtype: Dtype,
    packing: Packing,
    m: usize,
    n: usize,
    k: usize,
}

/// x, codes, scales, biases.
fn inputs(&Case { dtype, packing, m, n, k }: &Case) -> [Array; 4] {
    let mut numbers = Numbers::new((m * 31 + n * 7 + k + packing.bits) as u64);
    let words: Vec<u32> = (0..n * k * packing.bits / 32).map(|_| numbers.word()).collect();
    let groups = k / packing.group_size;
    let x = array(&numbers.floats(m * k), &[m, k], dtype);
    let step = 2.0 / (1 << packing.bits) as f32;
    let scales: Vec<f32> = numbers.floats(n * groups).iter().map(|x| step * (1.5 + x)).collect();
    let biases: Vec<f32> = numbers.floats(n * groups).iter().map(|x| 0.2 * x - 1.5).collect();
    let w = Array::from_slice(&words, &[n, words.len() / n]).unwrap();
    [x, w, array(&scales, &[n, groups], dtype), array(&biases, &[n, groups], dtype)]
}

fn product([x, w, scales, biases]: &[Array; 4], packing: Packing) -> Array {
    x.quantized_matmul(w, scales, biases, true, packing).unwrap()
}

fn check(
    streams: [Stream; 2],
    dtype: Dtype,
    (bits, group_size): (usize, usize),
    (m, n, k): (usize, usize, usize),
) {
    let packing = Packing { group_size, bits };
    let case = Case { dtype, packing, m, n, k };
    let what = format!("{dtype}, {packing:?}, {m} by {n} by {k}");
    compare(streams, &what, limit(dtype), || product(&inputs(&case), packing));
}

#[test]
fn one_row_of_each_packing() {
    let Some(streams) = streams() else { return };
    for packing in PACKINGS {
        check(streams, Bfloat16, packing, (1, 264, 1152));
        check(streams, Float32, packing, (1, 264, 1152));
    }
}

#[test]
fn one_row_of_each_size() {
    let Some(streams) = streams() else { return };
    for shape in [(1, 1, 64), (1, 100, 1024), (1, 3000, 512), (1, 5000, 640), (1, 4096, 4096)] {
        check(streams, Float16, (4, 64), shape);
        check(streams, Bfloat16, (8, 64), shape);
    }
    for m in [2, 7, 8, 9] {
        check(streams, Float32, (4, 64), (m, 300, 1024));
    }
}

#[test]
fn few_rows_of_each_packing() {
    let Some(streams) = streams() else { return };
    for packing in PACKINGS {
        check(streams, Bfloat16, packing, (7, 264, 1152));
        check(streams, Bfloat16, packing, (19, 100, 640));
    }
}

#[test]
fn few_rows_of_each_size() {
    let Some(streams) = streams() else { return };
    for shape in
        [(2, 1, 64), (8, 3000, 512), (9, 40, 3072), (32, 4100, 640), (16, 100, 12_288), (9, 64, 16_384)]
    {
        check(streams, Float16, (4, 64), shape);
        check(streams, Float16, (6, 32), shape);
    }
}

#[test]
fn many_rows_of_each_packing() {
    let Some(streams) = streams() else { return };
    for packing in PACKINGS {
        check(streams, Bfloat16, packing, (33, 264, 1152));
    }
}

#[test]
fn many_rows_of_each_size() {
    let Some(streams) = streams() else { return };
    for packing in [(4, 64), (8, 64), (3, 32)] {
        check(streams, Bfloat16, packing, (300, 264, 1152));
        check(streams, Float16, packing, (300, 4352, 512));
    }
    check(streams, Float16, (4, 128), (129, 1, 128));
    check(streams, Float32, (4, 64), (40, 264, 1152));
}

#[test]
fn inputs_lie_anywhere() {
    let Some(streams) = streams() else { return };
    let packing = Packing::DEFAULT;
    for m in [1, 5, 40] {
        let case = Case { dtype: Bfloat16, packing, m, n: 136, k: 640 };
        let near = limit(Bfloat16);
        let with = |x: fn(&Case, Array) -> Array, w: fn(Array) -> Array| {
            move |case: &Case| {
                let [a, b, scales, biases] = inputs(case);
                product(&[x(case, a), w(b), scales, biases], case.packing)
            }
        };
        let same: fn(Array) -> Array = |w| w;
        // Columns first; from an odd element; the last of some rows; in a batch.
        let columns: fn(&Case, Array) -> Array = |case, x| {
            x.transpose(&[1, 0])
                .unwrap()
                .add(0.0)
                .unwrap()
                .reshape(&[case.k as i32, -1])
                .unwrap()
                .transpose(&[1, 0])
                .unwrap()
        };
        let odd: fn(&Case, Array) -> Array = |case, x| {
            let x = x.reshape(&[-1]).unwrap();
            let x = Array::concatenate(&[&x.slice_axis(0, 0, 1).unwrap(), &x], Some(0)).unwrap();
            let n = (case.m * case.k) as i64;
            x.slice_axis(0, 1, n + 1).unwrap().reshape(&[case.m as i32, case.k as i32]).unwrap()
        };
        let last: fn(&Case, Array) -> Array = |case, x| {
            let m = case.m as i64;
            Array::concatenate(&[&x, &x.multiply(0.5).unwrap()], Some(0))
                .unwrap()
                .slice_axis(0, m, 2 * m)
                .unwrap()
        };
        let batch: fn(&Case, Array) -> Array = |_, x| x.expand_dims(&[1]).unwrap();
        for (what, x) in [("columns", columns), ("odd", odd), ("last", last), ("batch", batch)] {
            let make = with(x, same);
            compare(streams, &format!("{what}, {m} rows"), near, || make(&case));
        }
        let turned: fn(Array) -> Array = |w| {
            let columns = w.swapaxes(0, 1).unwrap().add(0u32).unwrap();
            columns.swapaxes(0, 1).unwrap()
        };
        let make = with(|_, x| x, turned);
        compare(streams, &format!("weights by columns, {m} rows"), near, || make(&case));
        // Types that differ.
        compare(streams, &format!("float32 x, {m} rows"), near, || {
            let [x, w, scales, biases] = inputs(&case);
            product(&[x.astype(Float32), w, scales, biases], packing)
        });
    }
}

/// The name of the kernel that runs an op on inputs that lie row by row.
fn planned(kernels: &Kernels, op: &dyn Primitive, inputs: &[(&[usize], Dtype)]) -> String {
    let specs: Vec<Spec> =
        inputs.iter().map(|(shape, dtype)| Spec { shape: (*shape).into(), dtype: *dtype }).collect();
    let outputs = op.infer(&specs.iter().collect::<Vec<_>>()).unwrap();
    let operands: Vec<Operand> =
        specs.into_iter().map(|spec| Operand { layout: Layout::contiguous(&spec.shape), spec }).collect();
    format!("{:?}", kernels.plan(op, &Request { inputs: &operands, outputs: &outputs }).unwrap().launches)
}

#[test]
fn ops_have_the_kernels_written_for_them() {
    let Some(gpu) = Cuda::all(&Timelines::new()).unwrap().into_iter().next() else { return };
    let op = QuantizedMatmul { packing: Packing::DEFAULT, transpose: true };
    let of = |dtype, m: usize| {
        let inputs: [(&[usize], Dtype); 4] =
            [(&[m, 1024], dtype), (&[512, 128], Dtype::Uint32), (&[512, 16], dtype), (&[512, 16], dtype)];
        planned(gpu.kernels(), &op, &inputs)
    };
    assert!(of(Float32, 1).contains("\"qmv\""), "{}", of(Float32, 1));
    assert!(of(Bfloat16, 1).contains("\"qmv\""));
    assert!(of(Bfloat16, 8).contains("\"qmv_rows\""));
    assert_eq!(of(Float16, 64).contains("\"qmm\""), gpu.capability() == (9, 0));
    assert!(!of(Float32, 64).contains("\"qmm\""));
}
