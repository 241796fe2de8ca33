//! Products by blocks of the output, each a few calls of the `gemm` crate.

use gemm::{Parallelism, c32};
use half::{bf16, f16};

use super::{Bound, Number, Product};
use crate::isa::Isa;
use crate::kernel::{Scratch, span};
use crate::kernels::float::{Element, Float, narrow, widen};
use crate::kernels::vector::{Vector, Work, dispatch};

/// How the output is cut.
///
/// Sizes are measured: with 512 × 512 outputs and 512 of the inner axis at a time, two threads reach 400 GFLOP/s on
/// 4096³ where whole columns reach 365, for the packed panels of both threads stay in their second-level caches.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    isa: Isa,
    /// Blocks along the rows and columns.
    grid: [usize; 2],
    /// Items that share the batch.
    groups: usize,
    /// How much of the inner axis one call takes.
    depth: usize,
    /// Whether stretches of both operands are copied to f32 with b's rows dense.
    widened: bool,
}

/// Below this many multiplications, a block is too small to be cut for the sake of more threads.
const SMALL: usize = 1 << 25;

impl Blocks {
    pub(super) fn new(isa: Isa, product: &Product) -> Self {
        let widened = match product.number {
            Number::Real(Float::F16 | Float::Bf16) => true,
            // The crate packs such operands value by value; at 4096³ that costs more than half the speed.
            Number::Real(Float::F32) => product.b.row == 1 && product.b.column != 1 && product.n > 1,
            _ => false,
        };
        let (side, depth) = if widened { (256, 256) } else { (512, 512) };
        let (m, n, batch) = (product.m.max(1), product.n.max(1), product.batch().max(1));
        let mut grid = [m.div_ceil(side), n.div_ceil(side)];
        loop {
            let (rows, columns) = (m.div_ceil(grid[0]), n.div_ceil(grid[1]));
            let items = grid[0] * grid[1] * batch;
            if items >= 16 || rows * columns * product.k < 2 * SMALL {
                break;
            }
            grid[usize::from(columns > rows)] *= 2;
        }
        let each = (m * n * product.k.max(1)).div_ceil(grid[0] * grid[1]);
        let groups = (batch * each / (1 << 20)).clamp(1, batch.min(256));
        Self { isa, grid, groups: if grid == [1, 1] { groups } else { batch }, depth, widened }
    }

    pub(super) fn items(&self, _product: &Product) -> usize {
        self.grid[0] * self.grid[1] * self.groups
    }

    /// # Safety
    /// `bound` has the operands of `product`.
    pub(super) unsafe fn run(&self, product: &Product, item: usize, bound: Bound, scratch: &mut Scratch) {
        let blocks = self.grid[0] * self.grid[1];
        let (group, block) = (item / blocks, item % blocks);
        let rows = span(product.m, 16, block % self.grid[0], self.grid[0]);
        let columns = span(product.n, 16, block / self.grid[0], self.grid[1]);
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        for entry in span(product.batch(), 1, group, self.groups) {
            let (m, n) = (rows.len(), columns.len());
            let at = |operand: &super::Operand, row: usize, column: usize| {
                operand.batch.offset(entry) + row as isize * operand.row + column as isize * operand.column
            };
            let bytes = product.number.bytes();
            // SAFETY: offsets of elements of the operands.
            let part = unsafe {
                Part {
                    product,
                    m,
                    n,
                    depth: self.depth,
                    a: bound.a.offset(at(&product.a, rows.start, 0) * bytes as isize),
                    b: bound.b.offset(at(&product.b, 0, columns.start) * bytes as isize),
                    c: match &product.c {
                        Some(c) => bound.c.offset(at(c, rows.start, columns.start) * bytes as isize),
                        None => bound.c,
                    },
                    out: bound
                        .out
                        .add(((entry * product.m + rows.start) * product.n + columns.start) * bytes),
                }
            };
            // SAFETY: the block lies within the operands; `isa` is available.
            unsafe {
                match product.number {
                    Number::Real(Float::F32) if self.widened => part.run_widened::<f32>(self.isa, scratch),
                    Number::Real(Float::F32) => part.run::<f32>(|x| x as f32),
                    Number::Real(Float::F64) => part.run::<f64>(|x| x),
                    Number::C64 => part.run::<c32>(|x| c32::new(x as f32, 0.0)),
                    Number::Real(Float::F16) => part.run_widened::<f16>(self.isa, scratch),
                    Number::Real(Float::Bf16) => part.run_widened::<bf16>(self.isa, scratch),
                }
            }
        }
    }
}

/// One block: the addresses of its first elements.
#[derive(Clone, Copy)]
struct Part<'a> {
    product: &'a Product,
    m: usize,
    n: usize,
    depth: usize,
    a: *const u8,
    b: *const u8,
    c: *const u8,
    out: *mut u8,
}

impl Part<'_> {
    /// Accumulates in the output.
    ///
    /// # Safety
    /// The block lies within operands of type `T`.
    unsafe fn run<T: Copy + Default + 'static>(self, number: impl Fn(f64) -> T) {
        let p = self.product;
        let (a, b, out, stride) =
            (self.a.cast::<T>(), self.b.cast::<T>(), self.out.cast::<T>(), p.n as isize);
        if p.c.is_some() || p.k == 0 {
            for i in 0..self.m {
                for j in 0..self.n {
                    // SAFETY: i and j are within the block.
                    unsafe {
                        let value = match &p.c {
                            Some(c) => {
                                let offset = i as isize * c.row + j as isize * c.column;
                                self.c.cast::<T>().offset(offset).read()
                            }
                            None => T::default(),
                        };
                        out.add(i * p.n + j).write(value);
                    }
                }
            }
        }
        // With no inner axis one call scales c by beta.
        for from in (0..p.k.max(1)).step_by(self.depth) {
            let depth = self.depth.min(p.k - from);
            let first = from == 0;
            let read = !first || p.c.is_some() || p.k == 0;
            let keep = if first { number(p.beta) } else { number(1.0) };
            // SAFETY: the block and this stretch of the inner axis lie within the operands.
            unsafe {
                gemm::gemm(
                    self.m,
                    self.n,
                    depth,
                    out,
                    1,
                    stride,
                    read,
                    a.offset(from as isize * p.a.column),
                    p.a.column,
                    p.a.row,
                    b.offset(from as isize * p.b.row),
                    p.b.column,
                    p.b.row,
                    keep,
                    number(p.alpha),
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
        }
    }

    /// Converts stretches of both operands to f32, accumulates in f32, rounds once.
    ///
    /// # Safety
    /// The block lies within operands of type `E`; the machine has `isa`.
    unsafe fn run_widened<E: Element>(self, isa: Isa, scratch: &mut Scratch) {
        let p = self.product;
        let (m, n, depth) = (self.m, self.n, self.depth.min(p.k));
        let buffer = scratch.get::<f32>(m * n + m * depth + depth * n);
        buffer[..m * n].fill(0.0);
        let sums = buffer.as_mut_ptr();
        // SAFETY: scratch was sized for these parts.
        let (left, right) = unsafe { (sums.add(m * n), sums.add(m * n + m * depth)) };
        for from in (0..p.k).step_by(self.depth) {
            let depth = self.depth.min(p.k - from);
            // SAFETY: within the operands and scratch.
            unsafe {
                let a = self.a.cast::<E>().offset(from as isize * p.a.column);
                let b = self.b.cast::<E>().offset(from as isize * p.b.row);
                let a = Panel::new(a, m, depth, p.a.row, p.a.column, left);
                let b = Panel::new(b, depth, n, p.b.row, p.b.column, right);
                let (a_row, a_column) = a.strides();
                dispatch(isa, a);
                if b.by_rows {
                    dispatch(isa, b);
                } else {
                    dispatch(isa, Turn(b));
                }
                let (b_row, b_column) = (n as isize, 1);
                gemm::gemm(
                    m,
                    n,
                    depth,
                    sums,
                    1,
                    n as isize,
                    true,
                    left.cast_const(),
                    a_column,
                    a_row,
                    right.cast_const(),
                    b_column,
                    b_row,
                    1.0f32,
                    1.0f32,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
        }
        // SAFETY: the block lies within the operands.
        unsafe { dispatch(isa, Finish::<E> { part: self, sums, element: std::marker::PhantomData }) }
    }
}

/// A matrix to convert to dense f32, along whichever axis is denser in memory.
struct Panel<E> {
    from: *const E,
    /// Vectors to convert and their length.
    count: usize,
    len: usize,
    /// Strides between and within them.
    outer: isize,
    inner: isize,
    by_rows: bool,
    to: *mut f32,
}

impl<E> Panel<E> {
    fn new(from: *const E, rows: usize, columns: usize, row: isize, column: isize, to: *mut f32) -> Self {
        let by_rows = column.unsigned_abs() <= row.unsigned_abs() || row == 0;
        let (count, len, outer, inner) =
            if by_rows { (rows, columns, row, column) } else { (columns, rows, column, row) };
        Self { from, count, len, outer, inner, by_rows, to }
    }

    /// Row and column strides of the converted matrix.
    fn strides(&self) -> (isize, isize) {
        if self.by_rows { (self.len as isize, 1) } else { (1, self.len as isize) }
    }
}

impl<E: Element> Work for Panel<E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        for i in 0..self.count {
            // SAFETY: the caller's matrix and scratch.
            unsafe {
                widen(
                    v,
                    self.from.offset(i as isize * self.outer),
                    self.inner,
                    self.to.add(i * self.len),
                    self.len,
                );
            }
        }
    }
}

/// A matrix whose columns are denser in memory, converted to dense rows.
struct Turn<E>(Panel<E>);

impl<E: Element> Work for Turn<E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let Panel { from, count, len, outer, inner, to, .. } = self.0;
        let lanes = V::LANES;
        // SAFETY: the caller's matrix and scratch.
        unsafe {
            for c in (0..count).step_by(lanes) {
                let columns = (count - c).min(lanes);
                let from = from.offset(c as isize * outer);
                for r in (0..len).step_by(lanes) {
                    let rows = (len - r).min(lanes);
                    if columns < lanes || rows < lanes || inner != 1 {
                        for (i, j) in (0..columns).flat_map(|i| (0..rows).map(move |j| (i, r + j))) {
                            let x = from.offset(i as isize * outer + j as isize * inner).read().to_f32();
                            to.add(j * count + c + i).write(x);
                        }
                        continue;
                    }
                    let mut block = [v.splat(0.0); 16];
                    for (i, x) in block.iter_mut().enumerate().take(lanes) {
                        *x = E::load(v, from.offset(i as isize * outer).add(r));
                    }
                    for (i, x) in v.transpose(block).into_iter().enumerate().take(lanes) {
                        v.store(to.add((r + i) * count + c), x);
                    }
                }
            }
        }
    }
}

/// Scales the sums, adds c and rounds.
struct Finish<'a, E> {
    part: Part<'a>,
    sums: *mut f32,
    element: std::marker::PhantomData<E>,
}

impl<E: Element> Work for Finish<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let Part { product: p, m, n, .. } = self.part;
        let (alpha, beta) = (p.alpha as f32, p.beta as f32);
        for i in 0..m {
            // SAFETY: the row lies within the block.
            unsafe {
                let row = std::slice::from_raw_parts_mut(self.sums.add(i * n), n);
                match &p.c {
                    Some(c) => {
                        let c_row = self.part.c.cast::<E>().offset(i as isize * c.row);
                        for (j, x) in row.iter_mut().enumerate() {
                            *x = alpha * *x + beta * c_row.offset(j as isize * c.column).read().to_f32();
                        }
                    }
                    None if alpha != 1.0 => row.iter_mut().for_each(|x| *x *= alpha),
                    None => {}
                }
                narrow(v, row.as_ptr(), self.part.out.cast::<E>().add(i * p.n), 1, n);
            }
        }
    }
}
