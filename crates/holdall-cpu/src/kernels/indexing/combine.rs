//! What a scatter does to an element, by type.

use half::{bf16, f16};
use holdall_core::Dtype;
use holdall_core::ops::ScatterMode;
use num_complex::Complex32;

use super::moves::copy;

/// Writes `n` values from `from` to `to`, each `step` elements apart.
pub type Combine = unsafe fn(from: *const u8, from_step: isize, to: *mut u8, to_step: isize, n: usize);

/// The loop of a mode for elements of a type; nothing for extremes of complex numbers.
pub fn combine(mode: ScatterMode, dtype: Dtype) -> Option<Combine> {
    Some(match dtype {
        _ if mode == ScatterMode::Set => match dtype.size() {
            1 => set::<1>,
            2 => set::<2>,
            4 => set::<4>,
            _ => set::<8>,
        },
        Dtype::Bool => match mode {
            ScatterMode::Add | ScatterMode::Maximum => each::<u8, Larger>,
            _ => each::<u8, Smaller>,
        },
        Dtype::Uint8 => of::<u8>(mode),
        Dtype::Uint16 => of::<u16>(mode),
        Dtype::Uint32 => of::<u32>(mode),
        Dtype::Uint64 => of::<u64>(mode),
        Dtype::Int8 => of::<i8>(mode),
        Dtype::Int16 => of::<i16>(mode),
        Dtype::Int32 => of::<i32>(mode),
        Dtype::Int64 => of::<i64>(mode),
        Dtype::Float16 => of::<f16>(mode),
        Dtype::Bfloat16 => of::<bf16>(mode),
        Dtype::Float32 => of::<f32>(mode),
        Dtype::Float64 => of::<f64>(mode),
        Dtype::Complex64 => match mode {
            ScatterMode::Add => each::<Complex32, Sum>,
            ScatterMode::Multiply => each::<Complex32, Product>,
            _ => return None,
        },
    })
}

unsafe fn set<const BYTES: usize>(from: *const u8, from_step: isize, to: *mut u8, to_step: isize, n: usize) {
    // SAFETY: passed on to the caller.
    unsafe { copy(BYTES, from, from_step, to, to_step, n) }
}

fn of<T: Copy>(mode: ScatterMode) -> Combine
where
    Sum: Of<T>,
    Product: Of<T>,
    Larger: Of<T>,
    Smaller: Of<T>,
{
    match mode {
        ScatterMode::Add => each::<T, Sum>,
        ScatterMode::Multiply => each::<T, Product>,
        ScatterMode::Maximum => each::<T, Larger>,
        ScatterMode::Set | ScatterMode::Minimum => each::<T, Smaller>,
    }
}

/// What becomes of an element that meets a value.
trait Of<T> {
    fn both(old: T, new: T) -> T;
}

struct Sum;
struct Product;
struct Larger;
struct Smaller;

macro_rules! both {
    ($($t:ty),*; $sum:expr, $product:expr, $larger:expr, $smaller:expr) => { $(
        impl Of<$t> for Sum { fn both(a: $t, b: $t) -> $t { $sum(a, b) } }
        impl Of<$t> for Product { fn both(a: $t, b: $t) -> $t { $product(a, b) } }
        impl Of<$t> for Larger { fn both(a: $t, b: $t) -> $t { $larger(a, b) } }
        impl Of<$t> for Smaller { fn both(a: $t, b: $t) -> $t { $smaller(a, b) } }
    )* };
}
macro_rules! integers {
    ($($t:ident),*) => { $( both!($t; $t::wrapping_add, $t::wrapping_mul, Ord::max, Ord::min); )* };
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);
// Comparisons with NaN are false: NaN in either place has to be asked for.
macro_rules! floats {
    ($($t:ident),*) => { $( both!($t; |a, b| a + b, |a, b| a * b,
        |a: $t, b| if a > b || a.is_nan() { a } else { b }, |a: $t, b| if a < b || a.is_nan() { a } else { b }); )* };
}
floats!(f16, bf16, f32, f64);

impl Of<Complex32> for Sum {
    fn both(a: Complex32, b: Complex32) -> Complex32 {
        a + b
    }
}
impl Of<Complex32> for Product {
    fn both(a: Complex32, b: Complex32) -> Complex32 {
        a * b
    }
}

unsafe fn each<T: Copy, F: Of<T>>(from: *const u8, from_step: isize, to: *mut u8, to_step: isize, n: usize) {
    let (from, to) = (from.cast::<T>(), to.cast::<T>());
    for i in 0..n as isize {
        // SAFETY: the caller's elements.
        unsafe {
            let to = to.offset(i * to_step);
            *to = F::both(*to, *from.offset(i * from_step));
        }
    }
}
