//! Compiled loops: one for each row of the table, type and vector level, and one for each conversion.

#![expect(clippy::cast_lossless, reason = "macros convert between all pairs of types")]

use std::sync::OnceLock;

use half::{bf16, f16};
use holdall_core::Dtype;
use holdall_core::pointwise::{Instruction, Step, TABLE, rows};
use num_complex::Complex32;

use super::lanes::{B, C32, F32, F64, I};
use crate::isa::Isa;

/// A loop over `n` elements: operands, outputs. Half-precision registers hold float32.
///
/// # Safety
/// Pointers hold `n` elements of the loop's types, outputs overlap no operand, and the machine has the vector level.
pub type Loop = unsafe fn(&[*const u8; 3], &[*mut u8; 2], usize);

/// The type of a register: float32 for the half types.
pub fn register_type(dtype: Dtype) -> Dtype {
    if dtype.is_half() { Dtype::Float32 } else { dtype }
}

/// The loop of a step, `from` being the type of its first operand.
pub fn step_loop(step: &Step, from: Dtype) -> Option<Loop> {
    let isa = Isa::get();
    match step.instruction {
        Instruction::Row(row) => rows_of(isa)[usize::from(row.index)][register_type(step.dtype) as usize],
        Instruction::Cast => Some(convert(register_type(from), register_type(step.dtype))),
        Instruction::Constant(_) => None,
    }
}

type Table = Vec<[Option<Loop>; Dtype::ALL.len()]>;

fn rows_of(isa: Isa) -> &'static Table {
    static TABLES: [OnceLock<Table>; 3] = [const { OnceLock::new() }; 3];
    TABLES[isa as usize].get_or_init(|| {
        let mut table = vec![[None; Dtype::ALL.len()]; TABLE.len()];
        fill(&mut table, isa);
        table
    })
}

/// `$body` as a loop compiled for each vector level, the right one chosen.
macro_rules! for_isa {
    ($isa:expr, $body:path) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        unsafe fn avx512(x: &[*const u8; 3], y: &[*mut u8; 2], n: usize) {
            // SAFETY: passed on to the caller.
            unsafe { $body(x, y, n) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2(x: &[*const u8; 3], y: &[*mut u8; 2], n: usize) {
            // SAFETY: passed on to the caller.
            unsafe { $body(x, y, n) }
        }
        unsafe fn portable(x: &[*const u8; 3], y: &[*mut u8; 2], n: usize) {
            // SAFETY: passed on to the caller.
            unsafe { $body(x, y, n) }
        }
        match $isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512 as Loop,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2 as Loop,
            _ => portable as Loop,
        }
    }};
}

macro_rules! fill {
    ($($(#[$doc:meta])* $class:ident $name:ident($($x:ident),+) -> ($($y:ident),+) = [$($value:expr),+],
        d $($t:ident)? $([$([$($d:expr),+]),*])?, on $lo:literal..$hi:literal;)+) => {
        fn fill(table: &mut Table, isa: Isa) {
            let mut at = 0;
            $(
                one!($class $name ($($x)+ => $($y)+) table[at], isa);
                at += 1;
            )+
            debug_assert_eq!(at, TABLE.len());
        }
    };
}

/// The loops of one row: its class says over which types.
macro_rules! one {
    (float $($r:tt)*) => { types! { [F32 => Float32, F64 => Float64, C32 => Complex64] $($r)* } };
    (real $($r:tt)*) => { types! { [F32 => Float32, F64 => Float64] $($r)* } };
    (arith $($r:tt)*) => { types! { [F32 => Float32, F64 => Float64, C32 => Complex64, B => Bool, I<i8> => Int8,
        I<i16> => Int16, I<i32> => Int32, I<i64> => Int64, I<u8> => Uint8, I<u16> => Uint16, I<u32> => Uint32,
        I<u64> => Uint64] $($r)* } };
    (ordered $($r:tt)*) => { types! { [F32 => Float32, F64 => Float64, B => Bool, I<i8> => Int8,
        I<i16> => Int16, I<i32> => Int32, I<i64> => Int64, I<u8> => Uint8, I<u16> => Uint16, I<u32> => Uint32,
        I<u64> => Uint64] $($r)* } };
    (equality $($r:tt)*) => { one! { arith $($r)* } };
    (comparison $($r:tt)*) => { one! { ordered $($r)* } };
    (bits $($r:tt)*) => { types! { [B => Bool, I<i8> => Int8, I<i16> => Int16, I<i32> => Int32, I<i64> => Int64,
        I<u8> => Uint8, I<u16> => Uint16, I<u32> => Uint32, I<u64> => Uint64] $($r)* } };
    (logical $($r:tt)*) => { types! { [B => Bool] $($r)* } };
    (part $($r:tt)*) => { types! { [C32 => Complex64] $($r)* } };
    (complex $($r:tt)*) => { types! { [C32 => Complex64] $($r)* } };
    (select $name:ident $arity:tt $slot:expr, $isa:ident) => { {
        // Elements are only moved, so their size is all that matters.
        use I as Word;
        select_types! { [Word<u8> => Bool Uint8 Int8, Word<u16> => Uint16 Int16, Word<u32> => Uint32 Int32 Float32,
            Word<u64> => Uint64 Int64 Float64 Complex64] $slot, $isa }
    } };
}

macro_rules! types {
    ([$($type:ty => $dtype:ident),+] $name:ident $arity:tt $slot:expr, $isa:ident) => { $( {
        #[inline(always)]
        unsafe fn body(x: &[*const u8; 3], y: &[*mut u8; 2], n: usize) {
            // SAFETY: the contract of `Loop`.
            unsafe { arity!($arity)(x, y, n, rows::$name::value::<$type>) }
        }
        $slot[Dtype::$dtype as usize] = Some(for_isa!($isa, body));
    } )+ };
}

macro_rules! select_types {
    ([$($type:ty => $($dtype:ident)+),+] $slot:expr, $isa:ident) => { $( {
        #[inline(always)]
        unsafe fn body(x: &[*const u8; 3], y: &[*mut u8; 2], n: usize) {
            // SAFETY: the contract of `Loop`.
            unsafe { loop3(x, y, n, |c: B, a: $type, b: $type| rows::select::value::<$type>(c, a, b)) }
        }
        $( $slot[Dtype::$dtype as usize] = Some(for_isa!($isa, body)); )+
    } )+ };
}

/// The loop for so many inputs and outputs.
macro_rules! arity {
    (($a:ident => $y:ident)) => {
        loop1
    };
    (($a:ident $b:ident => $y:ident)) => {
        loop2
    };
    (($a:ident $b:ident => $y0:ident $y1:ident)) => {
        loop2x2
    };
}

#[inline(always)]
unsafe fn loop1<A: Copy, R: Copy>(x: &[*const u8; 3], y: &[*mut u8; 2], n: usize, f: impl Fn(A) -> [R; 1]) {
    // SAFETY: the contract of `Loop`; types of the loop are those of the step's registers.
    let (a, out) = unsafe { (from_ptr::<A>(x[0], n), from_ptr_mut::<R>(y[0], n)) };
    for i in 0..n {
        out[i] = f(a[i])[0];
    }
}

#[inline(always)]
unsafe fn loop2<A: Copy, R: Copy>(
    x: &[*const u8; 3],
    y: &[*mut u8; 2],
    n: usize,
    f: impl Fn(A, A) -> [R; 1],
) {
    // SAFETY: as in `loop1`.
    let (a, b, out) = unsafe { (from_ptr::<A>(x[0], n), from_ptr::<A>(x[1], n), from_ptr_mut::<R>(y[0], n)) };
    for i in 0..n {
        out[i] = f(a[i], b[i])[0];
    }
}

#[inline(always)]
unsafe fn loop2x2<A: Copy>(x: &[*const u8; 3], y: &[*mut u8; 2], n: usize, f: impl Fn(A, A) -> [A; 2]) {
    // SAFETY: as in `loop1`.
    let (a, b) = unsafe { (from_ptr::<A>(x[0], n), from_ptr::<A>(x[1], n)) };
    // SAFETY: as in `loop1`; the two outputs are distinct registers.
    let (first, second) = unsafe { (from_ptr_mut::<A>(y[0], n), from_ptr_mut::<A>(y[1], n)) };
    for i in 0..n {
        [first[i], second[i]] = f(a[i], b[i]);
    }
}

#[inline(always)]
unsafe fn loop3<C: Copy, A: Copy>(
    x: &[*const u8; 3],
    y: &[*mut u8; 2],
    n: usize,
    f: impl Fn(C, A, A) -> [A; 1],
) {
    // SAFETY: as in `loop1`.
    let (c, a, b) = unsafe { (from_ptr::<C>(x[0], n), from_ptr::<A>(x[1], n), from_ptr::<A>(x[2], n)) };
    // SAFETY: as in `loop1`.
    let out = unsafe { from_ptr_mut::<A>(y[0], n) };
    for i in 0..n {
        out[i] = f(c[i], a[i], b[i])[0];
    }
}

#[inline(always)]
unsafe fn from_ptr<'a, T>(pointer: *const u8, n: usize) -> &'a [T] {
    // SAFETY: the contract of `Loop`.
    unsafe { std::slice::from_raw_parts(pointer.cast(), n) }
}

#[inline(always)]
unsafe fn from_ptr_mut<'a, T>(pointer: *mut u8, n: usize) -> &'a mut [T] {
    // SAFETY: the contract of `Loop`.
    unsafe { std::slice::from_raw_parts_mut(pointer.cast(), n) }
}

holdall_core::elementwise_table!(fill);

/// A value that converts to every other element type as MLX's CPU does.
trait Source: Copy {
    fn to_f64(self) -> f64;
    fn to_f32(self) -> f32;
    /// Two's complement; floats truncate, and give the least value when they do not fit.
    fn to_i32(self) -> i32;
    fn to_i64(self) -> i64;
    fn to_u64(self) -> u64;
    fn is_true(self) -> bool;
    fn to_c32(self) -> Complex32 {
        Complex32::new(self.to_f32(), 0.0)
    }
}

macro_rules! integer_sources {
    ($($t:ty),*) => { $( impl Source for $t {
        #[inline(always)] fn to_f64(self) -> f64 { self as f64 }
        #[inline(always)] fn to_f32(self) -> f32 { self as f32 }
        #[inline(always)] fn to_i32(self) -> i32 { self as i32 }
        #[inline(always)] fn to_i64(self) -> i64 { self as i64 }
        #[inline(always)] fn to_u64(self) -> u64 { self as u64 }
        #[inline(always)] fn is_true(self) -> bool { self != 0 }
    } )* };
}
integer_sources!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! float_sources {
    ($($t:ty),*) => { $( impl Source for $t {
        #[inline(always)] fn to_f64(self) -> f64 { self as f64 }
        #[inline(always)] fn to_f32(self) -> f32 { self as f32 }
        #[inline(always)] fn to_i32(self) -> i32 {
            let fits = (-2147483648.0..2147483648.0).contains(&self);
            if fits { self as i32 } else { i32::MIN }
        }
        #[inline(always)] fn to_i64(self) -> i64 {
            let fits = (-9223372036854775808.0..9223372036854775808.0).contains(&self);
            if fits { self as i64 } else { i64::MIN }
        }
        #[inline(always)] fn to_u64(self) -> u64 { if self < 0.0 { self.to_i64() as u64 } else { self as u64 } }
        #[inline(always)] fn is_true(self) -> bool { self != 0.0 }
    } )* };
}
float_sources!(f32, f64);

impl Source for Complex32 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self.re)
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self.re
    }
    #[inline(always)]
    fn to_i32(self) -> i32 {
        self.re.to_i32()
    }
    #[inline(always)]
    fn to_i64(self) -> i64 {
        self.re.to_i64()
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        self.re.to_u64()
    }
    #[inline(always)]
    fn is_true(self) -> bool {
        self.re != 0.0 || self.im != 0.0
    }
    #[inline(always)]
    fn to_c32(self) -> Self {
        self
    }
}

macro_rules! conversions {
    ($isa:expr, $from:expr, $to:expr; $($source:ty => $($dtype:ident)+),+) => {
        match $from {
            $( $(Dtype::$dtype)|+ => target!($isa, $to, $source), )+
        }
    };
}

macro_rules! target {
    ($isa:expr, $to:expr, $source:ty) => {
        match $to {
            Dtype::Bool => into!($isa, $source, u8, |x| u8::from(x.is_true())),
            Dtype::Uint8 | Dtype::Int8 => into!($isa, $source, u8, |x| x.to_i32() as u8),
            Dtype::Uint16 | Dtype::Int16 => into!($isa, $source, u16, |x| x.to_i32() as u16),
            Dtype::Uint32 => into!($isa, $source, u32, |x| x.to_i64() as u32),
            Dtype::Int32 => into!($isa, $source, i32, |x| x.to_i32()),
            Dtype::Uint64 => into!($isa, $source, u64, |x| x.to_u64()),
            Dtype::Int64 => into!($isa, $source, i64, |x| x.to_i64()),
            Dtype::Float64 => into!($isa, $source, f64, |x| x.to_f64()),
            Dtype::Complex64 => into!($isa, $source, Complex32, |x| x.to_c32()),
            Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32 => into!($isa, $source, f32, |x| x.to_f32()),
        }
    };
}

macro_rules! into {
    ($isa:expr, $source:ty, $target:ty, |$x:ident| $value:expr) => {{
        #[inline(always)]
        unsafe fn body(x: &[*const u8; 3], y: &[*mut u8; 2], n: usize) {
            // SAFETY: the contract of `Loop`.
            unsafe { loop1::<$source, $target>(x, y, n, |$x| [$value]) }
        }
        for_isa!($isa, body)
    }};
}

/// The loop that converts registers of type `from` to type `to`.
fn convert(from: Dtype, to: Dtype) -> Loop {
    conversions!(Isa::get(), from, to; u8 => Bool Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64, i8 => Int8,
        i16 => Int16, i32 => Int32, i64 => Int64, f32 => Float32 Float16 Bfloat16, f64 => Float64, Complex32 => Complex64)
}

/// The loop that reads `dtype` from memory into a float32 register, for the half types.
pub fn widen(dtype: Dtype) -> Loop {
    let isa = Isa::get();
    match dtype {
        Dtype::Float16 => into!(isa, f16, f32, |x| x.to_f32()),
        _ => into!(isa, bf16, f32, |x| x.to_f32()),
    }
}

/// The loop that writes a float32 register to memory as `dtype`, rounding to the nearest, ties to even.
pub fn narrow(dtype: Dtype) -> Loop {
    let isa = Isa::get();
    match dtype {
        Dtype::Float16 => into!(isa, f32, u16, |x| f16::from_f32(x).to_bits()),
        _ => into!(isa, f32, u16, |x| bfloat_bits(x)),
    }
}

#[inline(always)]
fn bfloat_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // A NaN must not round to infinity.
    if x.is_nan() { (bits >> 16 | 0x40) as u16 } else { rounded as u16 }
}
