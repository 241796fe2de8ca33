//! Numbers at equal distances.

use half::{bf16, f16};
use holdall_core::{Dtype, Scalar};

use super::items;
use crate::kernel::{Kernel, Scratch, Slice, span};

/// `start + i * step`. Bindings: the output.
#[derive(Debug)]
pub struct ArangeKernel {
    fill: Fill,
    start: Scalar,
    step: Scalar,
    size: usize,
    items: usize,
}

/// Writes elements `first .. first + len`.
type Fill = unsafe fn(start: Scalar, step: Scalar, first: usize, len: usize, to: &Slice);

impl ArangeKernel {
    /// `size` elements of type `dtype`; start and step are both of int64 or both of float64. Nothing for other types
    /// than integers and floats.
    pub fn new(start: Scalar, step: Scalar, size: usize, dtype: Dtype, threads: usize) -> Option<Self> {
        let fill = fill_of(dtype)?;
        Some(Self { fill, start, step, size, items: items(size * 8, threads) })
    }
}

impl Kernel for ArangeKernel {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        let share = span(self.size, 64, item, self.items);
        // SAFETY: the output has `size` elements of the type that `fill` was chosen for; shares do not overlap.
        unsafe { (self.fill)(self.start, self.step, share.start, share.len(), &memory[0]) };
    }
}

/// A type that numbers convert to.
trait Number: bytemuck::Pod {
    fn of_integer(value: i64) -> Self;
    fn of_float(value: f64) -> Self;
}

macro_rules! numbers {
    ($($t:ty => $d:ident, $integer:expr, $float:expr;)*) => {
        $(impl Number for $t {
            fn of_integer(value: i64) -> Self { $integer(value) }
            fn of_float(value: f64) -> Self { $float(value) }
        })*

        fn fill_of(dtype: Dtype) -> Option<Fill> {
            match dtype {
                $(Dtype::$d => Some(fill::<$t>),)*
                Dtype::Bool | Dtype::Complex64 => None,
            }
        }
    };
}
numbers! {
    u8 => Uint8, |i| i as u8, |f| f as i64 as u8;
    u16 => Uint16, |i| i as u16, |f| f as i64 as u16;
    u32 => Uint32, |i| i as u32, |f| f as i64 as u32;
    u64 => Uint64, |i| i as u64, |f| f as i128 as u64;
    i8 => Int8, |i| i as i8, |f| f as i64 as i8;
    i16 => Int16, |i| i as i16, |f| f as i64 as i16;
    i32 => Int32, |i| i as i32, |f| f as i64 as i32;
    i64 => Int64, |i| i, |f| f as i64;
    f16 => Float16, |i| f16::from_f64(i as f64), f16::from_f64;
    bf16 => Bfloat16, |i| bf16::from_f64(i as f64), bf16::from_f64;
    f32 => Float32, |i| i as f32, |f| f as f32;
    f64 => Float64, |i| i as f64, |f| f;
}

unsafe fn fill<T: Number>(start: Scalar, step: Scalar, first: usize, len: usize, to: &Slice) {
    // SAFETY: the caller's elements.
    let to = unsafe { to.write::<T>(first, len) };
    match (start.to_i64(), step.to_i64()) {
        (Some(start), Some(step)) => {
            for (i, to) in to.iter_mut().enumerate() {
                *to = T::of_integer(start.wrapping_add(step.wrapping_mul((first + i) as i64)));
            }
        }
        _ => {
            let (start, step) = (start.to_f64(), step.to_f64());
            for (i, to) in to.iter_mut().enumerate() {
                *to = T::of_float(start + step * (first + i) as f64);
            }
        }
    }
}
