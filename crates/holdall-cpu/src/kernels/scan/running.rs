//! What scans combine: one type for each operation and element type.

use std::fmt::Debug;
use std::marker::PhantomData;

use num_complex::{Complex, Complex32};

use crate::kernels::element::{Brain, Half};
use crate::kernels::reduce::{Max, Min, Prod, Sum};

/// An associative and commutative operation on elements of one type.
pub trait Running: Debug + Send + Sync + 'static {
    /// An element in memory.
    type In: Copy + Send + Sync + Debug + 'static;
    /// What is combined: float64 for floats, so that long sums keep their digits.
    type Sum: Copy + Send + Sync + Debug + 'static;
    /// A result in memory.
    type Out: Copy + Send + Sync + Debug + 'static;
    /// Of no elements.
    const START: Self::Sum;
    /// One element.
    fn read(x: Self::In) -> Self::Sum;
    /// Of both.
    fn combine(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    /// The result.
    fn write(sum: Self::Sum) -> Self::Out;
}

/// Logarithms of sums of exponentials.
#[derive(Debug)]
pub struct LogSumExp<T>(PhantomData<T>);

macro_rules! running {
    ($op:ident<$t:ty>, $sum:ty, $start:expr, |$x:ident| $read:expr, |$r:ident| $write:expr, |$a:ident, $b:ident| $combine:expr) => {
        impl Running for $op<$t> {
            type In = $t;
            type Sum = $sum;
            type Out = $t;
            const START: $sum = $start;
            #[inline(always)]
            fn read($x: $t) -> $sum {
                $read
            }
            #[inline(always)]
            fn combine($a: $sum, $b: $sum) -> $sum {
                $combine
            }
            #[inline(always)]
            fn write($r: $sum) -> $t {
                $write
            }
        }
    };
}

macro_rules! integers {
    ($($t:ty),+) => { $(
        running!(Sum<$t>, $t, 0, |x| x, |r| r, |a, b| a.wrapping_add(b));
        running!(Prod<$t>, $t, 1, |x| x, |r| r, |a, b| a.wrapping_mul(b));
        running!(Max<$t>, $t, <$t>::MIN, |x| x, |r| r, |a, b| if b > a { b } else { a });
        running!(Min<$t>, $t, <$t>::MAX, |x| x, |r| r, |a, b| if b < a { b } else { a });
    )+ };
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! floats {
    ($($t:ty, |$x:ident| $read:expr, |$r:ident| $write:expr;)+) => { $(
        running!(Sum<$t>, f64, 0.0, |$x| $read, |$r| $write, |a, b| a + b);
        running!(Prod<$t>, f64, 1.0, |$x| $read, |$r| $write, |a, b| a * b);
        running!(Max<$t>, f64, f64::NEG_INFINITY, |$x| $read, |$r| $write, |a, b| if b > a || b.is_nan() { b } else { a });
        running!(Min<$t>, f64, f64::INFINITY, |$x| $read, |$r| $write, |a, b| if b < a || b.is_nan() { b } else { a });
        impl Running for LogSumExp<$t> {
            type In = $t;
            type Sum = Exponentials;
            type Out = $t;
            const START: Exponentials = Exponentials { largest: f64::NEG_INFINITY, sum: 0.0 };
            #[inline(always)]
            fn read($x: $t) -> Exponentials {
                Exponentials { largest: $read, sum: 1.0 }
            }
            #[inline(always)]
            fn combine(a: Exponentials, b: Exponentials) -> Exponentials {
                a.and(b)
            }
            #[inline(always)]
            fn write(sum: Exponentials) -> $t {
                let $r = sum.largest + sum.sum.ln();
                $write
            }
        }
    )+ };
}
floats! {
    Half, |x| f64::from(x.widen()), |r| Half::narrow(r);
    Brain, |x| f64::from(x.widen()), |r| Brain::narrow(r);
    f32, |x| f64::from(x), |r| r as f32;
    f64, |x| x, |r| r;
}

type Wide = Complex<f64>;
running!(
    Sum<Complex32>,
    Wide,
    Wide::new(0.0, 0.0),
    |x| Wide::new(f64::from(x.re), f64::from(x.im)),
    |r| Complex32::new(r.re as f32, r.im as f32),
    |a, b| a + b
);
running!(
    Prod<Complex32>,
    Wide,
    Wide::new(1.0, 0.0),
    |x| Wide::new(f64::from(x.re), f64::from(x.im)),
    |r| Complex32::new(r.re as f32, r.im as f32),
    |a, b| a * b
);

/// A sum of exponentials, relative to the largest exponent.
#[derive(Clone, Copy, Debug)]
pub struct Exponentials {
    largest: f64,
    sum: f64,
}

impl Exponentials {
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        let (low, high) = if self.largest > other.largest { (other, self) } else { (self, other) };
        // Equal infinities have no difference; NaN takes this way too and stays.
        let distance = if low.largest == high.largest { 0.0 } else { low.largest - high.largest };
        Self { largest: high.largest, sum: high.sum + low.sum * distance.exp() }
    }
}
