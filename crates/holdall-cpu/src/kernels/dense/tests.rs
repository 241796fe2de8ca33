//! Products against f64 over random sizes, strides and dtypes.

use half::{bf16, f16};
use num_complex::Complex32;

use super::testing::{Random, run_team};
use super::*;

/// A dtype with its conversions to what the reference computes in.
trait Value: bytemuck::Pod {
    const NUMBER: Number;
    /// Largest error, relative to the sum of magnitudes: the dtype's rounding and that of the accumulation.
    const TOLERANCE: f64;
    fn random(random: &mut Random) -> Self;
    fn wide(self) -> (f64, f64);
}

macro_rules! real_value {
    ($type:ty, $float:ident, $tolerance:expr, $from:expr) => {
        impl Value for $type {
            const NUMBER: Number = Number::Real(Float::$float);
            const TOLERANCE: f64 = $tolerance;
            fn random(random: &mut Random) -> Self {
                $from(random.uniform())
            }
            fn wide(self) -> (f64, f64) {
                (f64::from(self), 0.0)
            }
        }
    };
}
real_value!(f16, F16, 1e-3, f16::from_f32);
real_value!(bf16, Bf16, 8e-3, bf16::from_f32);
real_value!(f32, F32, 2e-6, |x| x);
real_value!(f64, F64, 1e-14, f64::from);

impl Value for Complex32 {
    const NUMBER: Number = Number::C64;
    const TOLERANCE: f64 = 4e-6;
    fn random(random: &mut Random) -> Self {
        Self::new(random.uniform(), random.uniform())
    }
    fn wide(self) -> (f64, f64) {
        (f64::from(self.re), f64::from(self.im))
    }
}

/// A random layout of `batch` matrices (or one, repeated) and the elements it spans.
fn layout(random: &mut Random, batch: usize, rows: usize, columns: usize) -> (Operand, usize) {
    let repeated = random.below(3) == 0;
    let gap = random.below(3);
    let (row, column) = match random.below(4) {
        0 => (1, rows + gap),
        1 => (2 * columns + gap, 2),
        _ => (columns + gap, 1),
    };
    let each = rows.max(1) * row.max(1) + columns.max(1) * column.max(1);
    let stride = if repeated {
        0
    } else if gap == 0 && column == 1 {
        rows * row
    } else {
        each
    };
    let operand =
        Operand { batch: Rows::regular(batch, stride as isize), row: row as isize, column: column as isize };
    (operand, (batch.max(1) - 1) * stride + each)
}

fn check<T: Value>(seed: u64, rounds: usize, sizes: fn(&mut Random) -> [usize; 4]) {
    let mut random = Random::new(seed);
    for round in 0..rounds {
        let [batch, m, n, k] = sizes(&mut random);
        let (a, a_len) = layout(&mut random, batch, m, k);
        let (b, b_len) = layout(&mut random, batch, k, n);
        let mut product = Product::new(T::NUMBER, [m, n, k], a, b);
        let (c, c_len) = layout(&mut random, batch, m, n);
        if random.below(2) == 0 {
            (product.c, product.alpha, product.beta) = (Some(c), 0.5, -2.0);
            if random.below(2) == 0 {
                // A broadcast row, as a bias.
                product.c = Some(Operand { batch: Rows::regular(batch, 0), row: 0, column: 1 });
            }
        }
        let mut fill = |len: usize| -> Vec<T> { (0..len.max(n)).map(|_| T::random(&mut random)).collect() };
        let (mut a, mut b, mut c) = (fill(a_len), fill(b_len), fill(c_len));
        let mut out = fill(batch * m * n);
        let slice = |x: &mut Vec<T>| Slice::new(x.as_mut_ptr().cast(), size_of_val(&x[..]));
        let mut memory = vec![slice(&mut a), slice(&mut b)];
        if product.c.is_some() {
            memory.push(slice(&mut c));
        }
        memory.push(slice(&mut out));
        let isa = *random.pick(&Isa::available());
        let kernel = Matmul::new(isa, product.clone());
        // SAFETY: the bindings fit the product.
        unsafe { run_team(&kernel, &memory, 1 + round % 2) };
        for (index, got) in out[..batch * m * n].iter().enumerate() {
            let (entry, i, j) = (index / (m * n), index / n % m, index % n);
            let at = |x: &Operand, values: &[T], row: usize, column: usize| {
                let offset = x.batch.offset(entry) + row as isize * x.row + column as isize * x.column;
                values[offset as usize].wide()
            };
            let (mut sum, mut size) = ((0.0, 0.0), 0.0);
            for l in 0..k {
                let (x, y) = (at(&product.a, &a, i, l), at(&product.b, &b, l, j));
                sum = (sum.0 + x.0 * y.0 - x.1 * y.1, sum.1 + x.0 * y.1 + x.1 * y.0);
                size += (x.0.abs() + x.1.abs()) * (y.0.abs() + y.1.abs());
            }
            let addend = product.c.as_ref().map_or((0.0, 0.0), |x| at(x, &c, i, j));
            let want = (
                product.alpha * sum.0 + product.beta * addend.0,
                product.alpha * sum.1 + product.beta * addend.1,
            );
            let size = product.alpha.abs() * size + product.beta.abs() * (addend.0.abs() + addend.1.abs());
            let got = got.wide();
            let error = (got.0 - want.0).abs() + (got.1 - want.1).abs();
            assert!(
                error <= T::TOLERANCE * size,
                "seed {seed} round {round} [{i}, {j}]: {got:?} for {want:?}, {isa:?}, {kernel:?}"
            );
        }
    }
}

fn small(random: &mut Random) -> [usize; 4] {
    [1 + random.below(4), random.below(40), random.below(40), random.below(70)]
}

fn skinny(random: &mut Random) -> [usize; 4] {
    let (thin, long) = (1 + random.below(18), 1 + random.below(400));
    let (m, n) = if random.below(2) == 0 { (thin, long) } else { (long, thin) };
    [1 + random.below(3), m, n, 1 + random.below(700)]
}

#[test]
fn small_products() {
    check::<f32>(1, 60, small);
    check::<f64>(2, 20, small);
    check::<f16>(3, 30, small);
    check::<bf16>(4, 30, small);
    check::<Complex32>(5, 20, small);
}

#[test]
fn skinny_products() {
    check::<f32>(6, 60, skinny);
    check::<f16>(7, 30, skinny);
    check::<bf16>(8, 30, skinny);
    check::<f64>(9, 5, skinny);
}

#[test]
fn large_products() {
    let large =
        |random: &mut Random| [1, 200 + random.below(400), 250 + random.below(400), 500 + random.below(200)];
    check::<f32>(10, 2, large);
    check::<bf16>(11, 1, large);
    // Long enough for the inner axis to be cut into items.
    check::<f32>(12, 2, |random| [1, 1 + random.below(3), 300, 2000 + random.below(100)]);
    check::<f32>(13, 1, |_| [2, 3, 5000, 100]);
}

/// An infinity in memory that no element names must not reach the result.
#[test]
fn beta_without_addend_reads_nothing() {
    let product = Product::new(
        Number::Real(Float::F32),
        [20, 20, 0],
        Operand { batch: Rows::regular(1, 0), row: 0, column: 1 },
        Operand { batch: Rows::regular(1, 0), row: 20, column: 1 },
    );
    let mut out = vec![f32::NAN; 400];
    let memory = Slice::new(out.as_mut_ptr().cast(), 1600);
    // SAFETY: an empty inner axis reads neither operand.
    unsafe { run_team(&Matmul::new(Isa::get(), product), &[memory; 3], 1) };
    assert!(out.iter().all(|&x| x == 0.0));
}
