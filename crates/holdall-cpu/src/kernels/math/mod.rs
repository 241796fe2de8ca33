//! Elementary functions of one f32, written so that a loop over them becomes vector code.
//!
//! Each function is branch-free (selects instead of branches, table look-ups only in the reduction of angles) and
//! always inlined: called in a loop inside a `#[target_feature]` function it compiles to that level's instructions.
//! Products and sums stay separate, never fused, so every [`Isa`](crate::isa::Isa) gives the same bits.
//!
//! Largest errors, in units in the last place of the f32 result, over dense samples against f64 (see the tests):
//!
//! | functions | error |
//! |---|---|
//! | `log2`, `log10`, `log1p`, `sin`, `cos`, `tan`, `sinh`, `cosh`, `asin`, `acos`, `atan`, `atan2`, `asinh`, `acosh`, `atanh`, `erf`, `erfinv`, `pow`, `sqrt` | 1 |
//! | `exp`, `exp2`, `log`, `tanh`, `rsqrt` | 1.5 |
//! | `expm1`, `sigmoid` | 2.5 |
//!
//! Edge cases follow C99 (Annex F): signed zeros are kept, domain errors give NaN, poles give infinities, results
//! below the smallest normal number are denormal and rounded once. Angles are reduced exactly for every finite input.
//!
//! # Source
//! Range reductions after Cody and Waite (exponentials) and Payne and Hanek (angles); polynomials interpolated at
//! Chebyshev nodes for the intervals named beside them.

mod double;
mod exponential;
mod hyperbolic;
mod logarithm;
mod special;
#[cfg(test)]
mod tests;
mod trigonometric;

pub(in crate::kernels) use double::whole;
pub use exponential::{exp, exp2, expm1, sigmoid};
pub use hyperbolic::{acosh, asinh, atanh, cosh, sinh, tanh};
pub use logarithm::{log, log1p, log2, log10, pow};
pub use special::{erf, erfinv, rsqrt, sqrt};
pub use trigonometric::{acos, asin, atan, atan2, cos, sin, sin_cos, tan};

/// `c[0] + c[1]·x + c[2]·x² + …`
macro_rules! polynomial {
    ($x:expr; $c:expr) => { $c };
    ($x:expr; $c:expr, $($rest:expr),+) => { $c + $x * polynomial!($x; $($rest),+) };
}
use polynomial;

/// The smaller of the two; `x` where it is NaN. One instruction, unlike `f32::min`.
#[inline(always)]
fn at_most(x: f32, bound: f32) -> f32 {
    if x > bound { bound } else { x }
}

/// The larger of the two; `x` where it is NaN.
#[inline(always)]
fn at_least(x: f32, bound: f32) -> f32 {
    if x < bound { bound } else { x }
}
