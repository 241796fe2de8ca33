//! Rotations against f64.

use half::{bf16, f16};

use super::*;
use crate::kernels::dense::testing::{Random, run_serial};
use crate::kernels::float::Float;

/// The rotation of dense or strided x in f64, position by position.
fn reference(kernel: &Rope, x: &[f64], frequencies: &[f32], offsets: &[i32]) -> Vec<f64> {
    let [batch, heads, sequence, features] = kernel.shape;
    let half = kernel.dims / 2;
    let mut y = Vec::new();
    for b in 0..batch {
        let offset = match kernel.offset {
            Offset::Fixed(offset) => offset as f64,
            Offset::Bound(stride) => f64::from(offsets[b * stride as usize]),
        };
        for h in 0..heads {
            for t in 0..sequence {
                let at = |i: usize| {
                    let [sb, sh, st, sf] = kernel.strides;
                    x[(b as isize * sb + h as isize * sh + t as isize * st + i as isize * sf) as usize]
                };
                for i in 0..features {
                    if i >= kernel.dims {
                        y.push(at(i));
                        continue;
                    }
                    let (pair, first, one, two) = if kernel.traditional {
                        (i / 2, i % 2 == 0, i / 2 * 2, i / 2 * 2 + 1)
                    } else {
                        (i % half, i < half, i % half, i % half + half)
                    };
                    let omega = match kernel.frequencies {
                        Frequencies::Base(base) => base.powf(-(pair as f64) / half as f64),
                        Frequencies::Bound(_) => 1.0 / f64::from(frequencies[pair]),
                    };
                    let theta = (t as f64 + offset) * kernel.scale * omega;
                    let (sin, cos) = theta.sin_cos();
                    y.push(if first { at(one) * cos - at(two) * sin } else { at(one) * sin + at(two) * cos });
                }
            }
        }
    }
    y
}

fn check<E: Element>(float: Float, tolerance: f64, seed: u64) {
    let mut random = Random::new(seed);
    for round in 0..40 {
        let shape = [1 + random.below(3), 1 + random.below(4), random.below(9), 2 * (1 + random.below(40))];
        let [batch, heads, sequence, features] = shape;
        let dims = 2 * (1 + random.below(features / 2));
        // Memory is [batch, sequence, heads, features] seen as [batch, heads, sequence, features], or dense.
        let strides = if random.below(2) == 0 {
            [sequence * heads * features, features, heads * features, 1]
        } else {
            [heads * sequence * features, sequence * features, features, 1]
        };
        let bound = random.below(2) == 0;
        let kernel = Rope {
            isa: *random.pick(&Isa::available()),
            float,
            shape,
            strides: strides.map(|s| s as isize),
            dims,
            traditional: random.below(2) == 0,
            frequencies: if bound { Frequencies::Bound(1) } else { Frequencies::Base(10_000.0) },
            scale: if random.below(2) == 0 { 1.0 } else { 0.25 },
            offset: *random.pick(&[
                Offset::Fixed(0),
                Offset::Fixed(1_000_003),
                Offset::Bound(0),
                Offset::Bound(1),
            ]),
        };
        let mut x: Vec<E> = (0..shape.iter().product()).map(|_| E::from_f32(random.uniform())).collect();
        let mut frequencies: Vec<f32> = (0..dims / 2).map(|i| 1.5f32.powi(i as i32)).collect();
        frequencies[dims / 2 - 1] = f32::INFINITY;
        let mut offsets: Vec<i32> = (0..batch).map(|i| 17 + 1000 * i as i32).collect();
        let wide: Vec<f64> = x.iter().map(|x| f64::from(x.to_f32())).collect();
        let want = reference(&kernel, &wide, &frequencies, &offsets);
        let mut y = vec![E::from_f32(9.0); x.len()];
        let mut memory = vec![Slice::new(x.as_mut_ptr().cast(), size_of_val(&x[..]))];
        if bound {
            memory.push(Slice::new(frequencies.as_mut_ptr().cast(), 4 * frequencies.len()));
        }
        if let Offset::Bound(_) = kernel.offset {
            memory.push(Slice::new(offsets.as_mut_ptr().cast(), 4 * offsets.len()));
        }
        memory.push(Slice::new(y.as_mut_ptr().cast(), size_of_val(&y[..])));
        // SAFETY: the bindings fit the parameters.
        unsafe { run_serial(&kernel, &memory) };
        for (i, (y, want)) in y.iter().zip(&want).enumerate() {
            let error = (f64::from(y.to_f32()) - want).abs();
            assert!(
                error <= tolerance,
                "seed {seed} round {round} {kernel:?} at {i}: {} for {want}",
                y.to_f32()
            );
        }
    }
}

/// Two products of values up to 1 and a rounded angle: a few units of the dtype.
#[test]
fn rotates() {
    check::<f32>(Float::F32, 1e-6, 1);
    check::<f16>(Float::F16, 1e-3, 2);
    check::<bf16>(Float::Bf16, 8e-3, 3);
}
