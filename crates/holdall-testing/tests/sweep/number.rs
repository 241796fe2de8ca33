//! Elements of every type as plain numbers, and arrays of them in every layout.

use half::{bf16, f16};
use holdall::ops::Slice;
use holdall::{Array, Dtype};
use holdall_testing::random::Random;
use num_complex::{Complex32, Complex64};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Bool and integers.
    Int(i128),
    Real(f64),
    Complex(Complex64),
}
use Number::{Complex, Int, Real};

impl Number {
    pub fn int(self) -> i128 {
        match self {
            Int(i) => i,
            other => panic!("{other:?} is no integer"),
        }
    }
    pub fn real(self) -> f64 {
        match self {
            Real(x) => x,
            Int(i) => i as f64,
            Complex(z) => panic!("{z} is not real"),
        }
    }
    pub fn complex(self) -> Complex64 {
        match self {
            Complex(z) => z,
            other => other.real().into(),
        }
    }
    pub fn is_true(self) -> bool {
        match self {
            Int(i) => i != 0,
            Real(x) => x != 0.0,
            Complex(z) => z.re != 0.0 || z.im != 0.0,
        }
    }
}

/// Bits of an integer type; 1 for bool.
pub fn width(dtype: Dtype) -> u32 {
    if dtype == Dtype::Bool { 1 } else { 8 * dtype.size() as u32 }
}

/// An integer as the type holds it.
pub fn wrap(value: i128, dtype: Dtype) -> i128 {
    let n = width(dtype);
    let low = value & ((1 << n) - 1);
    if dtype.is_signed_integer() && low >> (n - 1) != 0 { low - (1 << n) } else { low }
}

/// A float as the type holds it.
pub fn round(value: f64, dtype: Dtype) -> f64 {
    match dtype {
        Dtype::Float16 => f16::from_f64(value).to_f64(),
        Dtype::Bfloat16 => bf16::from_f64(value).to_f64(),
        Dtype::Float64 => value,
        _ => f64::from(value as f32),
    }
}

fn encode(value: Number, dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::Float16 => f16::from_f64(value.real()).to_le_bytes().to_vec(),
        Dtype::Bfloat16 => bf16::from_f64(value.real()).to_le_bytes().to_vec(),
        Dtype::Float32 => (value.real() as f32).to_le_bytes().to_vec(),
        Dtype::Float64 => value.real().to_le_bytes().to_vec(),
        Dtype::Complex64 => {
            let z = value.complex();
            [(z.re as f32).to_le_bytes(), (z.im as f32).to_le_bytes()].concat()
        }
        _ => value.int().to_le_bytes()[..dtype.size()].to_vec(),
    }
}

/// The elements of an array, row-major.
pub fn decode(x: &Array) -> Vec<Number> {
    fn each<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> Number) -> Vec<Number> {
        bytes.as_chunks().0.iter().map(|c| f(*c)).collect()
    }
    let bytes = x.to_bytes().unwrap();
    match x.dtype() {
        Dtype::Float16 => each(&bytes, |b| Real(f16::from_le_bytes(b).to_f64())),
        Dtype::Bfloat16 => each(&bytes, |b| Real(bf16::from_le_bytes(b).to_f64())),
        Dtype::Float32 => each(&bytes, |b| Real(f64::from(f32::from_le_bytes(b)))),
        Dtype::Float64 => each(&bytes, |b| Real(f64::from_le_bytes(b))),
        Dtype::Complex64 => {
            let all: Vec<Complex32> = x.to_vec().unwrap();
            all.iter().map(|z| Complex(Complex64::new(z.re.into(), z.im.into()))).collect()
        }
        dtype => bytes
            .chunks(dtype.size())
            .map(|c| {
                let mut wide = [0; 16];
                wide[..c.len()].copy_from_slice(c);
                Int(wrap(i128::from_le_bytes(wide), dtype))
            })
            .collect(),
    }
}

/// A random element: edges, numbers of the op's domain, and numbers of all sizes.
pub fn draw(random: &mut Random, dtype: Dtype, domain: (f64, f64)) -> Number {
    let inside = random.between(domain.0, domain.1);
    match dtype {
        Dtype::Bool => Int(random.below(2) as i128),
        Dtype::Complex64 => Complex(Complex64::new(
            round(inside, Dtype::Float32),
            round(random.between(-3.0, 3.0), Dtype::Float32),
        )),
        _ if !dtype.is_inexact() => Int(match random.below(4) {
            0 => *random.pick(&[
                0,
                1,
                wrap(-1, dtype),
                wrap(1 << (width(dtype) - 1), dtype),
                wrap((1 << (width(dtype) - 1)) - 1, dtype),
            ]),
            1 => wrap(random.bits().into(), dtype),
            _ => wrap(random.below(21) as i128 - 10, dtype),
        }),
        _ => {
            let value = match random.below(8) {
                0 => *random.pick(&[
                    0.0,
                    -0.0,
                    1.0,
                    -1.0,
                    0.5,
                    2.0,
                    -2.5,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    f64::NAN,
                ]),
                1 => 10f64.powf(random.between(-6.0, 4.0)) * if random.below(2) == 0 { 1.0 } else { -1.0 },
                2 => random.between(-10.0, 10.0),
                3 => random.between(-1.0, 1.0),
                _ => inside,
            };
            Real(round(value, dtype))
        }
    }
}

/// How an operand lies in memory, or which of its axes are repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lies {
    Plain,
    Transposed,
    /// Every second element of a larger array, from the second on.
    Stepped,
    Reversed,
    /// One row for all, repeated by a view.
    Repeated,
    /// One row for all, of one axis less.
    Row,
    /// One column for all.
    Column,
    /// One element for all.
    Scalar,
}

pub const LAYOUTS: [Lies; 8] = [
    Lies::Plain,
    Lies::Transposed,
    Lies::Stepped,
    Lies::Reversed,
    Lies::Repeated,
    Lies::Row,
    Lies::Column,
    Lies::Scalar,
];

fn make(all: &[Number], shape: &[usize], dtype: Dtype) -> Array {
    let bytes: Vec<u8> = all.iter().flat_map(|x| encode(*x, dtype)).collect();
    Array::from_bytes(&bytes, shape, dtype).unwrap()
}

/// An operand of two axes: the array, and its elements after broadcasting to `rows` by `columns`.
pub fn lay(
    all: &[Number],
    (rows, columns): (usize, usize),
    dtype: Dtype,
    lies: Lies,
) -> (Array, Vec<Number>) {
    let at = |f: &dyn Fn(usize, usize) -> usize| -> Vec<Number> {
        (0..rows * columns).map(|k| all[f(k / columns, k % columns)]).collect()
    };
    let slice = |x: &Array, start: [usize; 2], step: [isize; 2]| {
        let op = Slice { start: start[..].into(), step: step[..].into(), shape: [rows, columns][..].into() };
        Array::apply(op, &[x]).unwrap()
    };
    let same = all.to_vec();
    match lies {
        Lies::Plain => (make(all, &[rows, columns], dtype), same),
        Lies::Transposed => {
            let turned: Vec<Number> =
                (0..rows * columns).map(|k| all[(k % rows) * columns + k / rows]).collect();
            (make(&turned, &[columns, rows], dtype).transpose(&[]).unwrap(), same)
        }
        Lies::Stepped => {
            let wide: Vec<Number> = (0..4 * rows * columns)
                .map(|k| all[(k / (2 * columns) / 2) * columns + (k % (2 * columns)) / 2])
                .enumerate()
                .map(|(k, x)| if (k / (2 * columns)) % 2 == 1 && k % 2 == 1 { x } else { all[0] })
                .collect();
            (slice(&make(&wide, &[2 * rows, 2 * columns], dtype), [1, 1], [2, 2]), same)
        }
        Lies::Reversed => {
            let turned: Vec<Number> = all.iter().rev().copied().collect();
            let x = make(&turned, &[rows, columns], dtype);
            (slice(&x, [rows - 1, columns - 1], [-1, -1]), same)
        }
        Lies::Repeated => {
            let x = make(&all[..columns], &[1, columns], dtype).broadcast_to(&[rows, columns]).unwrap();
            (x, at(&|_, j| j))
        }
        Lies::Row => (make(&all[..columns], &[columns], dtype), at(&|_, j| j)),
        Lies::Column => (make(&all[..rows], &[rows, 1], dtype), at(&|i, _| i)),
        Lies::Scalar => (make(&all[..1], &[], dtype), at(&|_, _| 0)),
    }
}
