//! Loops over rows: one compiled function for each operation, type and vector level.

mod arithmetic;
mod convert;
mod lane;
mod math;

use holdall_msl::Scalar;
use holdall_msl::ir::{Op, OpKind, Operand};

use crate::isa::Isa;

pub use lane::{Bf, Half, Lane, Number};

/// Lanes of a block.
pub const BLOCK: usize = 32;

/// Where a step reads and writes: the first block of each row.
#[derive(Clone, Copy, Debug)]
pub struct Io {
    /// The destination; its blocks follow each other.
    pub dst: *mut u8,
    /// The operands.
    pub args: [*const u8; 3],
    /// Bytes from a block of an operand to its next; 0 for uniform rows.
    pub strides: [usize; 3],
    /// How many blocks.
    pub blocks: usize,
}

/// A step on rows.
///
/// # Safety
/// All rows have as many blocks, of the step's types and aligned for them; the destination overlaps no operand; the machine
/// has the vector level.
pub type RowFn = unsafe fn(&Io);

/// `$body` as a loop compiled for each vector level, the right one chosen.
macro_rules! for_isa {
    ($isa:expr, $body:path) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        unsafe fn avx512(io: &$crate::simt::rows::Io) {
            // SAFETY: passed on to the caller.
            unsafe { $body(io) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2(io: &$crate::simt::rows::Io) {
            // SAFETY: passed on to the caller.
            unsafe { $body(io) }
        }
        unsafe fn portable(io: &$crate::simt::rows::Io) {
            // SAFETY: passed on to the caller.
            unsafe { $body(io) }
        }
        match $isa {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx512 => avx512 as $crate::simt::rows::RowFn,
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx2 => avx2 as $crate::simt::rows::RowFn,
            _ => portable as $crate::simt::rows::RowFn,
        }
    }};
}
use for_isa;

/// The loop of an expression over the lanes of one to three rows.
macro_rules! row {
    ($isa:expr, |$($x:ident: $t:ty),+| -> $d:ty { $value:expr }) => {{
        #[inline(always)]
        unsafe fn body(io: &$crate::simt::rows::Io) {
            // SAFETY: the contract of `RowFn`.
            unsafe { $crate::simt::rows::map!(($($x: $t),+) io, $d, $value) }
        }
        $crate::simt::rows::for_isa!($isa, body)
    }};
}
use row;

macro_rules! map {
    (($a:ident: $ta:ty) $io:ident, $d:ty, $value:expr) => {
        $crate::simt::rows::map1::<$ta, $d>($io, |$a| $value)
    };
    (($a:ident: $ta:ty, $b:ident: $tb:ty) $io:ident, $d:ty, $value:expr) => {
        $crate::simt::rows::map2::<$ta, $tb, $d>($io, |$a, $b| $value)
    };
    (($a:ident: $ta:ty, $b:ident: $tb:ty, $c:ident: $tc:ty) $io:ident, $d:ty, $value:expr) => {
        $crate::simt::rows::map3::<$ta, $tb, $tc, $d>($io, |$a, $b, $c| $value)
    };
}
use map;

// The blocks are passed as references to functions of their own, so that the optimiser knows that they do not overlap.
#[inline(always)]
fn block1<A: Copy, D>(d: &mut [D; BLOCK], a: &[A; BLOCK], f: impl Fn(A) -> D) {
    for i in 0..BLOCK {
        d[i] = f(a[i]);
    }
}

#[inline(always)]
fn block2<A: Copy, B: Copy, D>(d: &mut [D; BLOCK], a: &[A; BLOCK], b: &[B; BLOCK], f: impl Fn(A, B) -> D) {
    for i in 0..BLOCK {
        d[i] = f(a[i], b[i]);
    }
}

#[inline(always)]
fn block3<A: Copy, B: Copy, C: Copy, D>(
    d: &mut [D; BLOCK],
    a: &[A; BLOCK],
    b: &[B; BLOCK],
    c: &[C; BLOCK],
    f: impl Fn(A, B, C) -> D,
) {
    for i in 0..BLOCK {
        d[i] = f(a[i], b[i], c[i]);
    }
}

#[inline(always)]
unsafe fn map1<A: Copy, D>(io: &Io, f: impl Fn(A) -> D + Copy) {
    for i in 0..io.blocks {
        // SAFETY: the contract of `RowFn`.
        unsafe {
            block1(&mut *io.dst.cast::<[D; BLOCK]>().add(i), &*io.args[0].add(i * io.strides[0]).cast(), f);
        }
    }
}

#[inline(always)]
unsafe fn map2<A: Copy, B: Copy, D>(io: &Io, f: impl Fn(A, B) -> D + Copy) {
    for i in 0..io.blocks {
        // SAFETY: the contract of `RowFn`.
        unsafe {
            let a = &*io.args[0].add(i * io.strides[0]).cast();
            let b = &*io.args[1].add(i * io.strides[1]).cast();
            block2(&mut *io.dst.cast::<[D; BLOCK]>().add(i), a, b, f);
        }
    }
}

#[inline(always)]
unsafe fn map3<A: Copy, B: Copy, C: Copy, D>(io: &Io, f: impl Fn(A, B, C) -> D + Copy) {
    for i in 0..io.blocks {
        // SAFETY: the contract of `RowFn`.
        unsafe {
            let a = &*io.args[0].add(i * io.strides[0]).cast();
            let b = &*io.args[1].add(i * io.strides[1]).cast();
            let c = &*io.args[2].add(i * io.strides[2]).cast();
            block3(&mut *io.dst.cast::<[D; BLOCK]>().add(i), a, b, c, f);
        }
    }
}

/// The loop of a pure operation, if there is one; the others go through `fold::evaluate`, lane by lane.
pub fn function(op: &Op, isa: Isa) -> Option<RowFn> {
    match op.kind {
        OpKind::Copy(ty) => Some(convert::copy(isa, size_of_lane(ty))),
        OpKind::Bitcast { to, .. } => Some(convert::copy(isa, size_of_lane(to))),
        OpKind::Select(ty) => Some(convert::select(isa, size_of_lane(ty))),
        OpKind::Convert { from, to } => convert::convert(isa, from, to),
        OpKind::Unary(unary, ty) => arithmetic::unary(isa, unary, ty),
        OpKind::Binary(binary, ty) => {
            let divisor = op.args.get(1).copied().and_then(Operand::as_const);
            arithmetic::binary(isa, binary, ty, divisor.map(|c| c.bits))
        }
        OpKind::Compare(compare, ty) => arithmetic::compare(isa, compare, ty),
        OpKind::Math(function, _, ty) => math::math(isa, function, ty),
        OpKind::Test(test, ty) => math::test(isa, test, ty),
        _ => None,
    }
}

/// Conversions from and to a short float, and the loop of a function of `float` between them. A fused product is none of
/// these: the sum would be rounded twice.
pub fn widened(op: &Op, isa: Isa) -> Option<[RowFn; 3]> {
    let OpKind::Math(function, _, ty @ (Scalar::F16 | Scalar::BF16)) = op.kind else { return None };
    if function == holdall_msl::ir::Math::Fma {
        return None;
    }
    Some([
        convert::convert(isa, ty, Scalar::F32)?,
        math::math(isa, function, Scalar::F32)?,
        convert::convert(isa, Scalar::F32, ty)?,
    ])
}

/// Bytes of a lane: as in memory, but an object is its index.
pub fn size_of_lane(ty: Scalar) -> usize {
    if ty == Scalar::Object { 4 } else { ty.size() as usize }
}
