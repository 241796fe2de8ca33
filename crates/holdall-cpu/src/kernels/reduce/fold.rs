//! What reductions do to elements: one type for each operation and element type.

use std::fmt::Debug;
use std::marker::PhantomData;

use bytemuck::Pod;
use num_complex::{Complex, Complex32};

use crate::kernels::element::{Brain, Half, Truth};

/// A reduction over elements of one type.
///
/// Elements are folded into *lanes*, many at a time and some thousand each at most; lanes are then added to a *total*,
/// which is wider where that matters. Order is nobody's business: all operations commute.
pub trait Fold: Debug + Send + Sync + 'static {
    /// An element in memory.
    type In: Copy + Send + Sync + Debug + 'static;
    /// What elements are folded into.
    type Lane: Pod + Debug + Send + Sync;
    /// What lanes are added to.
    type Total: Pod + Debug + Send + Sync;
    /// The result in memory.
    type Out: Pod;
    /// The lane of no elements.
    const LANE: Self::Lane;
    /// The total of no elements.
    const TOTAL: Self::Total;
    /// One element more.
    fn fold(a: Self::Lane, x: Self::In) -> Self::Lane;
    /// Two lanes as one.
    fn merge(a: Self::Lane, b: Self::Lane) -> Self::Lane;
    /// A lane more.
    fn add(t: Self::Total, a: Self::Lane) -> Self::Total;
    /// Two totals as one.
    fn join(t: Self::Total, u: Self::Total) -> Self::Total;
    /// The result.
    fn finish(t: Self::Total) -> Self::Out;
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident),+) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<T>(PhantomData<T>);
    )+ };
}
operations! {
    /// Sums.
    Sum,
    /// Products.
    Prod,
    /// Largest elements.
    Max,
    /// Smallest elements.
    Min,
    /// Whether all are true.
    All,
    /// Whether any is true.
    Any
}

/// Implements [`Fold`] where lane, total and result are alike: one way to combine, one to read.
macro_rules! simple {
    ($op:ident<$t:ty>, $lane:ty, $start:expr, |$x:ident| $read:expr, |$a:ident, $b:ident| $combine:expr) => {
        impl Fold for $op<$t> {
            type In = $t;
            type Lane = $lane;
            type Total = $lane;
            type Out = $lane;
            const LANE: $lane = $start;
            const TOTAL: $lane = $start;
            #[inline(always)]
            fn fold($a: $lane, $x: $t) -> $lane {
                let $b = $read;
                $combine
            }
            #[inline(always)]
            fn merge($a: $lane, $b: $lane) -> $lane {
                $combine
            }
            #[inline(always)]
            fn add($a: $lane, $b: $lane) -> $lane {
                $combine
            }
            #[inline(always)]
            fn join($a: $lane, $b: $lane) -> $lane {
                $combine
            }
            #[inline(always)]
            fn finish(t: $lane) -> $lane {
                t
            }
        }
    };
}

/// As `simple`, with totals in a wider type.
macro_rules! wide {
    ($op:ident<$t:ty>, $lane:ty => $total:ty => $out:ty, $start:expr, $zero:expr, |$x:ident| $read:expr,
        |$l:ident| $widen:expr, |$r:ident| $finish:expr, |$a:ident, $b:ident| $combine:expr) => {
        impl Fold for $op<$t> {
            type In = $t;
            type Lane = $lane;
            type Total = $total;
            type Out = $out;
            const LANE: $lane = $start;
            const TOTAL: $total = $zero;
            #[inline(always)]
            fn fold($a: $lane, $x: $t) -> $lane {
                let $b = $read;
                $combine
            }
            #[inline(always)]
            fn merge($a: $lane, $b: $lane) -> $lane {
                $combine
            }
            #[inline(always)]
            fn add($a: $total, $l: $lane) -> $total {
                let $b = $widen;
                $combine
            }
            #[inline(always)]
            fn join($a: $total, $b: $total) -> $total {
                $combine
            }
            #[inline(always)]
            fn finish($r: $total) -> $out {
                $finish
            }
        }
    };
}

macro_rules! integers {
    ($($t:ty => $sum:ty),+) => { $(
        simple!(Sum<$t>, $sum, 0, |x| x as $sum, |a, b| a.wrapping_add(b));
        simple!(Prod<$t>, $sum, 1, |x| x as $sum, |a, b| a.wrapping_mul(b));
        simple!(Max<$t>, $t, <$t>::MIN, |x| x, |a, b| if b > a { b } else { a });
        simple!(Min<$t>, $t, <$t>::MAX, |x| x, |a, b| if b < a { b } else { a });
    )+ };
}
integers!(u8 => u32, u16 => u32, u32 => u32, u64 => u64, i8 => i32, i16 => i32, i32 => i32, i64 => i64);
simple!(Sum<Truth>, i32, 0, |x| i32::from(x.0), |a, b| a.wrapping_add(b));
simple!(Prod<Truth>, i32, 1, |x| i32::from(x.0), |a, b| a.wrapping_mul(b));

macro_rules! floats {
    ($($t:ty, $lane:ty => $out:ty, |$x:ident| $read:expr, |$r:ident| $finish:expr;)+) => { $(
        wide!(Sum<$t>, $lane => f64 => $out, 0.0, 0.0, |$x| $read, |l| f64::from(l), |$r| $finish, |a, b| a + b);
        wide!(Prod<$t>, $lane => f64 => $out, 1.0, 1.0, |$x| $read, |l| f64::from(l), |$r| $finish, |a, b| a * b);
        wide!(Max<$t>, $lane => f64 => $out, <$lane>::NEG_INFINITY, f64::NEG_INFINITY, |$x| $read, |l| f64::from(l),
            |$r| $finish, |a, b| if b > a || b.is_nan() { b } else { a });
        wide!(Min<$t>, $lane => f64 => $out, <$lane>::INFINITY, f64::INFINITY, |$x| $read, |l| f64::from(l),
            |$r| $finish, |a, b| if b < a || b.is_nan() { b } else { a });
    )+ };
}
floats! {
    Half, f32 => Half, |x| x.widen(), |r| Half::narrow(r);
    Brain, f32 => Brain, |x| x.widen(), |r| Brain::narrow(r);
    f32, f32 => f32, |x| x, |r| r as f32;
    f64, f64 => f64, |x| x, |r| r;
}

type Wide = Complex<f64>;
fn widened(z: Complex32) -> Wide {
    Wide::new(f64::from(z.re), f64::from(z.im))
}
wide!(Sum<Complex32>, Complex32 => Wide => Complex32, Complex32::new(0.0, 0.0), Wide::new(0.0, 0.0), |x| x,
    |l| widened(l), |r| Complex32::new(r.re as f32, r.im as f32), |a, b| a + b);
wide!(Prod<Complex32>, Complex32 => Wide => Complex32, Complex32::new(1.0, 0.0), Wide::new(1.0, 0.0), |x| x,
    |l| widened(l), |r| Complex32::new(r.re as f32, r.im as f32), |a, b| a * b);

macro_rules! truths {
    ($($t:ty, $lane:ty, |$x:ident| $read:expr;)+) => { $(
        wide!(All<$t>, $lane => u8 => u8, 1, 1, |$x| <$lane>::from($read), |l| l as u8, |r| r, |a, b| a & b);
        wide!(Any<$t>, $lane => u8 => u8, 0, 0, |$x| <$lane>::from($read), |l| l as u8, |r| r, |a, b| a | b);
    )+ };
}
truths! {
    u8, u8, |x| x != 0;
    u16, u16, |x| x != 0;
    u32, u32, |x| x != 0;
    u64, u64, |x| x != 0;
    Half, u16, |x| x.0 & 0x7fff != 0;
    f32, u32, |x| x != 0.0;
    f64, u64, |x| x != 0.0;
    Complex32, u64, |x| x.re != 0.0 || x.im != 0.0;
}

/// A [`Fold`] that picks one of the elements.
pub trait Extreme: Fold {
    /// Whether `b` is to be picked rather than an earlier `a`: it is more extreme, or the first NaN.
    fn beats(a: Self::Lane, b: Self::Lane) -> bool;
}

macro_rules! extremes {
    ($($t:ty),+; |$x:ident| $is_nan:expr) => { $(
        impl Extreme for Max<$t> {
            #[inline(always)]
            fn beats(a: Self::Lane, b: Self::Lane) -> bool {
                let nan = |$x: Self::Lane| $is_nan;
                (b > a) | (nan(b) & !nan(a))
            }
        }
        impl Extreme for Min<$t> {
            #[inline(always)]
            fn beats(a: Self::Lane, b: Self::Lane) -> bool {
                let nan = |$x: Self::Lane| $is_nan;
                (b < a) | (nan(b) & !nan(a))
            }
        }
    )+ };
}
extremes!(u8, u16, u32, u64, i8, i16, i32, i64; |_x| false);
extremes!(Half, Brain, f32, f64; |x| x.is_nan());
