//! What the lanes of a block do together.
//!
//! Lanes that are not active take no part: reductions leave them out, and shuffles from them give 0.

use holdall_msl::Scalar;
use holdall_msl::ir::{Const, Simd, fold};

use super::code::{List, Write};
use super::machine::Machine;
use super::rows::{BLOCK, Bf, Half, Number};

impl Machine<'_> {
    /// A SIMD operation of the active blocks.
    pub fn simd(&mut self, op: Simd, ty: Scalar, dst: Write, args: List) {
        let args = &self.program.lists[args.start as usize..][..args.len as usize];
        let mut rows = [(std::ptr::null(), 0); 3];
        for (row, id) in rows.iter_mut().zip(args) {
            *row = self.operand(*id);
        }
        let (to, blocks, aside) = self.target(dst);
        let by = args.len().saturating_sub(1);
        for block in 0..blocks {
            let mask = self.active.0[self.low + block];
            if mask == 0 {
                continue;
            }
            let at = |i: usize| {
                let (row, stride): (*const u8, usize) = rows[i];
                row.wrapping_add(block * stride)
            };
            let lanes =
                if args.is_empty() { Lanes::NONE } else { Lanes { x: at(0), fill: at(1), by: at(by) } };
            // A single argument is no lane number.
            let lanes = Lanes { by: if by == 0 { std::ptr::null() } else { lanes.by }, ..lanes };
            // SAFETY: the rows have so many blocks, of the operation's types.
            unsafe {
                let place = |size: usize| to.add(block * BLOCK * size);
                match (op, ty) {
                    (Simd::Any | Simd::All | Simd::Ballot | Simd::ActiveMask | Simd::First, _) => {
                        vote(op, lanes.x, mask, to, block);
                    }
                    (_, Scalar::F32) => lanes.run::<f32>(op, mask, place(4)),
                    (_, Scalar::I32) => lanes.run::<i32>(op, mask, place(4)),
                    (_, Scalar::U32 | Scalar::Object) => lanes.run::<u32>(op, mask, place(4)),
                    (_, Scalar::F16) => lanes.run::<Half>(op, mask, place(2)),
                    (_, Scalar::BF16) => lanes.run::<Bf>(op, mask, place(2)),
                    (_, Scalar::I16) => lanes.run::<i16>(op, mask, place(2)),
                    (_, Scalar::U16) => lanes.run::<u16>(op, mask, place(2)),
                    (_, Scalar::I8) => lanes.run::<i8>(op, mask, place(1)),
                    (_, Scalar::U8 | Scalar::Bool) => lanes.run::<u8>(op, mask, place(1)),
                    (_, Scalar::I64) => lanes.run::<i64>(op, mask, place(8)),
                    (_, Scalar::U64) => lanes.run::<u64>(op, mask, place(8)),
                }
            }
        }
        if aside {
            self.place(dst, blocks);
        }
    }

    /// `a * b + c` of matrices of 8 by 8: a lane has two neighbours of a row.
    pub fn matrix(&mut self, factor: Scalar, sum: Scalar, args: List, dst: List) {
        let args = &self.program.lists[args.start as usize..][..args.len as usize];
        let dst = &self.program.writes[dst.start as usize..][..dst.len as usize];
        let types = [factor, factor, sum];
        for block in self.low..self.high {
            let mask = self.active.0[block];
            let mut matrices = [[[0f32; 8]; 8]; 3];
            for lane in (0..BLOCK).filter(|lane| mask >> lane & 1 != 0) {
                for (i, row) in args.iter().enumerate() {
                    let (r, c) = cell(lane, i % 2);
                    let ty = types[i / 2];
                    let bits = self.bits(*row, block * BLOCK + lane, ty.size() as usize);
                    matrices[i / 2][r][c] = fold::to_f64(Const { ty, bits }) as f32;
                }
            }
            let [a, b, c] = matrices;
            for lane in (0..BLOCK).filter(|lane| mask >> lane & 1 != 0) {
                for (element, to) in dst.iter().enumerate() {
                    let (row, column) = cell(lane, element);
                    let product = (0..8).fold(c[row][column], |sum, k| a[row][k].mul_add(b[k][column], sum));
                    self.set(*to, block * BLOCK + lane, fold::from_f64(sum, f64::from(product)).bits);
                }
            }
        }
    }
}

/// Row and column of an element that a lane has.
fn cell(lane: usize, element: usize) -> (usize, usize) {
    let quad = lane / 4;
    ((quad & 4) + (lane / 2) % 4, (quad & 2) * 2 + (lane % 2) * 2 + element)
}

/// Votes: operations that take a `bool` or nothing.
///
/// # Safety
/// The block at `x` is of `bool`, if the operation takes one; `to` is a row of the result's type.
unsafe fn vote(op: Simd, x: *const u8, mask: u32, to: *mut u8, block: usize) {
    let votes = match op {
        Simd::ActiveMask | Simd::First => mask,
        // SAFETY: the caller's.
        _ => super::mask::pack(unsafe { &*x.cast::<[u8; BLOCK]>() }) & mask,
    };
    // SAFETY: the caller's.
    unsafe {
        let bools = &mut *to.add(block * BLOCK).cast::<[u8; BLOCK]>();
        match op {
            Simd::Any => bools.fill(u8::from(votes != 0)),
            Simd::All => bools.fill(u8::from(votes == mask)),
            Simd::First => {
                bools.fill(0);
                bools[mask.trailing_zeros() as usize] = 1;
            }
            _ => (*to.cast::<[u64; BLOCK]>().add(block)).fill(u64::from(votes)),
        }
    }
}

/// The operands of a block.
#[derive(Clone, Copy)]
struct Lanes {
    x: *const u8,
    fill: *const u8,
    by: *const u8,
}

impl Lanes {
    const NONE: Self = Self { x: std::ptr::null(), fill: std::ptr::null(), by: std::ptr::null() };

    /// # Safety
    /// `x` and `to` are blocks of `T`; `fill`, too, if the operation has three arguments; `by` is one of `u32` or null.
    unsafe fn run<T: Number>(self, op: Simd, mask: u32, to: *mut u8) {
        // SAFETY: the caller's. Values are copied, so that `to` may be anything.
        unsafe {
            let x = *self.x.cast::<[T; BLOCK]>();
            let by = if self.by.is_null() { [0; BLOCK] } else { *self.by.cast::<[u32; BLOCK]>() };
            let result = match op {
                Simd::FillUp | Simd::FillDown => {
                    let fill = *self.fill.cast::<[T; BLOCK]>();
                    std::array::from_fn(|i| {
                        let from = if op == Simd::FillUp {
                            i as i64 - i64::from(by[i])
                        } else {
                            i as i64 + i64::from(by[i])
                        };
                        match from {
                            0..32 => take(&x, mask, from as usize),
                            // Values come from the other end of the fill.
                            _ => take(&fill, mask, from.rem_euclid(32) as usize),
                        }
                    })
                }
                _ => together(op, &x, &by, mask),
            };
            *to.cast::<[T; BLOCK]>() = result;
        }
    }
}

/// The value of a lane, 0 if it takes no part.
#[inline(always)]
fn take<T: Number>(x: &[T; BLOCK], mask: u32, lane: usize) -> T {
    if mask >> lane & 1 != 0 { x[lane] } else { T::ZERO }
}

/// The reduction over the active lanes, by halves, so that its order does not depend on the mask.
#[inline(always)]
fn reduce<T: Number>(x: &[T; BLOCK], mask: u32, neutral: T, f: impl Fn(T, T) -> T) -> T {
    let mut values = *x;
    if mask != u32::MAX {
        for (i, value) in values.iter_mut().enumerate() {
            *value = if mask >> i & 1 != 0 { *value } else { neutral };
        }
    }
    let mut half = BLOCK / 2;
    while half > 0 {
        for i in 0..half {
            values[i] = f(values[i], values[i + half]);
        }
        half /= 2;
    }
    values[0]
}

/// The results of bitwise reductions and of everything else that needs the bits.
fn bitwise<T: Number>(x: &[T; BLOCK], mask: u32, f: impl Fn(u8, u8) -> u8) -> T {
    let size = size_of::<T>();
    let mut lanes = (0..BLOCK).filter(|lane| mask >> lane & 1 != 0);
    let mut result = x[lanes.next().unwrap_or(0)];
    for lane in lanes {
        for byte in 0..size {
            // SAFETY: lanes are plain numbers, of which any bytes make a value.
            unsafe {
                let to = std::ptr::from_mut(&mut result).cast::<u8>().add(byte);
                *to = f(*to, *std::ptr::from_ref(&x[lane]).cast::<u8>().add(byte));
            }
        }
    }
    result
}

/// Each lane's fold over the active lanes before it.
fn prefix<T: Number>(
    x: &[T; BLOCK],
    mask: u32,
    neutral: T,
    inclusive: bool,
    f: impl Fn(T, T) -> T,
) -> [T; BLOCK] {
    let mut sum = neutral;
    std::array::from_fn(|i| {
        let before = sum;
        if mask >> i & 1 != 0 {
            sum = f(sum, x[i]);
        }
        if inclusive { sum } else { before }
    })
}

fn together<T: Number>(op: Simd, x: &[T; BLOCK], by: &[u32; BLOCK], mask: u32) -> [T; BLOCK] {
    let all = |value: T| [value; BLOCK];
    let from = |f: &dyn Fn(usize) -> i64| -> [T; BLOCK] {
        std::array::from_fn(|i| match f(i) {
            lane @ 0..32 => take(x, mask, lane as usize),
            // Beyond the group, a lane keeps its own.
            _ => x[i],
        })
    };
    let quad = |i: usize, lane: i64| match lane {
        0..4 => take(x, mask, i / 4 * 4 + lane as usize),
        _ => x[i],
    };
    let quads = |neutral: T, f: &dyn Fn(T, T) -> T| -> [T; BLOCK] {
        std::array::from_fn(|i| {
            let lanes = (i / 4 * 4..i / 4 * 4 + 4).filter(|lane| mask >> lane & 1 != 0);
            lanes.fold(neutral, |sum, lane| f(sum, x[lane]))
        })
    };
    match op {
        Simd::Sum => all(reduce(x, mask, T::ZERO, T::add)),
        Simd::Product => all(reduce(x, mask, T::ONE, T::mul)),
        Simd::Min => all(reduce(x, mask, T::MOST, T::least)),
        Simd::Max => all(reduce(x, mask, T::LEAST, T::most)),
        Simd::And => all(bitwise(x, mask, |a, b| a & b)),
        Simd::Or => all(bitwise(x, mask, |a, b| a | b)),
        Simd::Xor => all(bitwise(x, mask, |a, b| a ^ b)),
        Simd::PrefixInclusiveSum => prefix(x, mask, T::ZERO, true, T::add),
        Simd::PrefixExclusiveSum => prefix(x, mask, T::ZERO, false, T::add),
        Simd::PrefixInclusiveProduct => prefix(x, mask, T::ONE, true, T::mul),
        Simd::PrefixExclusiveProduct => prefix(x, mask, T::ONE, false, T::mul),
        Simd::BroadcastFirst => all(x[mask.trailing_zeros() as usize]),
        Simd::Broadcast | Simd::Shuffle => std::array::from_fn(|i| take(x, mask, (by[i] % 32) as usize)),
        Simd::ShuffleXor => std::array::from_fn(|i| take(x, mask, i ^ (by[i] % 32) as usize)),
        Simd::ShuffleUp => from(&|i| i as i64 - i64::from(by[i])),
        Simd::ShuffleDown => from(&|i| i as i64 + i64::from(by[i])),
        Simd::RotateUp => from(&|i| (i as i64 - i64::from(by[i])).rem_euclid(32)),
        Simd::RotateDown => from(&|i| (i as i64 + i64::from(by[i])).rem_euclid(32)),
        Simd::QuadBroadcast | Simd::QuadShuffle => {
            std::array::from_fn(|i| take(x, mask, i / 4 * 4 + (by[i] % 4) as usize))
        }
        Simd::QuadShuffleXor => std::array::from_fn(|i| take(x, mask, i ^ (by[i] % 4) as usize)),
        Simd::QuadShuffleUp => std::array::from_fn(|i| quad(i, (i % 4) as i64 - i64::from(by[i]))),
        Simd::QuadShuffleDown => std::array::from_fn(|i| quad(i, (i % 4) as i64 + i64::from(by[i]))),
        Simd::QuadSum => quads(T::ZERO, &T::add),
        Simd::QuadMin => quads(T::MOST, &T::least),
        Simd::QuadMax => quads(T::LEAST, &T::most),
        // Votes and fills are elsewhere.
        _ => *x,
    }
}
