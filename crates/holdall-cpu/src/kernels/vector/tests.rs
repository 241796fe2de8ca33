//! Each level's operations against plain arithmetic.

use half::{bf16, f16};

use super::{Vector, Work, dispatch};
use crate::isa::Isa;
use crate::kernels::math;

/// Applies exp, the conversions and partial loads to `x`, whose length is a multiple of 16.
struct Everything<'a>(&'a [f32]);

impl Work for Everything<'_> {
    type Output = (Vec<f32>, Vec<f16>, Vec<bf16>, Vec<f32>, Vec<f32>);

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) -> Self::Output {
        let n = self.0.len();
        let mut out = (vec![0f32; n], vec![f16::ZERO; n], vec![bf16::ZERO; n], vec![0f32; n], Vec::new());
        for i in (0..n).step_by(V::LANES) {
            // SAFETY: n is a multiple of LANES; the part stores at most LANES.
            unsafe {
                let x = v.load(self.0.as_ptr().add(i));
                v.store(out.0.as_mut_ptr().add(i), v.exp(x));
                v.store_f16(out.1.as_mut_ptr().add(i), x);
                v.store_bf16(out.2.as_mut_ptr().add(i), x);
                let part = v.load_part(self.0.as_ptr().add(i), 5, 7.0);
                v.store_part(out.3.as_mut_ptr().add(i), v.add(part, v.splat(0.0)), 6);
                let (h, b) = (v.load_f16(out.1.as_ptr().add(i)), v.load_bf16(out.2.as_ptr().add(i)));
                out.4.push(v.sum(v.select_le(x, v.splat(0.0), h, b)));
                let four = v.sum4([v.splat(1.0), x, v.splat(-2.0), v.mul(x, x)]);
                let near = |a: f32, b: f32| {
                    let size = 1.0 + a.abs() + v.sum(v.max(x, v.sub(v.splat(0.0), x)));
                    a == b || (a - b).abs() <= 1e-5 * size || !b.is_finite()
                };
                assert!(near(four[0], V::LANES as f32) && near(four[2], -2.0 * V::LANES as f32), "{four:?}");
                assert!(near(four[1], v.sum(x)) && near(four[3], v.sum(v.mul(x, x))), "{four:?}");
                out.4.push(v.largest(v.min(v.max(x, v.splat(-3.0)), v.splat(3.0))));
            }
        }
        out
    }
}

#[test]
fn levels_agree_with_scalars() {
    let x: Vec<f32> = (0..4096).map(|i| (i as f32 - 2048.0) * 0.0521).collect();
    for isa in Isa::available() {
        // SAFETY: the level is available.
        let (exp, half, brain, part, folds) = unsafe { dispatch(isa, Everything(&x)) };
        let lanes = x.len() * 2 / folds.len();
        for (i, &x) in x.iter().enumerate() {
            let want = f64::from(x).exp();
            let unit = f64::from(math::exp(x)) * 2f64.powi(-23) + 2f64.powi(-149);
            assert!(
                (f64::from(exp[i]) - want).abs() <= 1.5 * unit || want > 3.4e38,
                "{isa:?} exp({x}) = {}",
                exp[i]
            );
            assert_eq!((half[i], brain[i]), (f16::from_f32(x), bf16::from_f32(x)), "{isa:?} {x}");
            let want = match i % lanes {
                0..5 => x,
                5 => 7.0,
                _ => 0.0,
            };
            assert_eq!(part[i], want, "{isa:?} part of {i}");
        }
        for (i, fold) in folds.chunks(2).enumerate() {
            let x = &x[i * lanes..][..lanes];
            let sum: f32 = x
                .iter()
                .map(|&x| if x <= 0.0 { f16::from_f32(x).to_f32() } else { bf16::from_f32(x).to_f32() })
                .sum();
            assert!((fold[0] - sum).abs() <= 1e-5 * sum.abs() + 1e-3, "{isa:?} sum {} of {sum}", fold[0]);
            assert_eq!(fold[1], x.iter().fold(-3.0, |a, &b| b.max(a)).min(3.0));
        }
    }
}

struct Transpose;

impl Work for Transpose {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let values: Vec<f32> = (0..256).map(|i| i as f32).collect();
        // SAFETY: 16 rows of 16 values; LANES ≤ 16.
        let rows = std::array::from_fn(|i| unsafe { v.load(values.as_ptr().add(16 * i)) });
        let mut got = [0.0; 16];
        for (i, column) in v.transpose(rows).into_iter().enumerate().take(V::LANES) {
            // SAFETY: as above.
            unsafe { v.store(got.as_mut_ptr(), column) };
            for (j, x) in got.iter().enumerate().take(V::LANES) {
                assert_eq!(*x, values[16 * j + i], "column {i}, row {j}");
            }
        }
    }
}

#[test]
fn transposes() {
    for isa in Isa::available() {
        // SAFETY: the level is available.
        unsafe { dispatch(isa, Transpose) };
    }
}

#[test]
fn exp_at_the_edges() {
    let mut x = [0.0; 16];
    x[..8].copy_from_slice(&[
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        0.0,
        -f32::MAX,
        f32::MAX,
        -103.0,
        88.7,
    ]);
    for isa in Isa::available() {
        // SAFETY: the level is available.
        let (exp, ..) = unsafe { dispatch(isa, Everything(&x)) };
        assert_eq!((exp[0], exp[1], exp[3], exp[4], exp[5]), (f32::INFINITY, 0.0, 1.0, 0.0, f32::INFINITY));
        assert!(exp[2].is_nan());
        assert!((exp[6] - 1.4e-45).abs() < 2e-45 && (exp[7] / 3.3235e38 - 1.0).abs() < 1e-3, "{exp:?}");
    }
}
