//! Products with few rows or columns: the large operand is read once, at memory bandwidth.
//!
//! Up to eight rows, or sixteen where the large operand is transposed, which the `gemm` crate packs slowly.
//!
//! Written for out[s, j] = Σₖ x[s, k] w[j, k] with a small x. Where w runs along k in memory, each item takes some j
//! and forms dot products. Where it runs along j, each item takes some k for all j, adds scaled rows of w, and a second
//! phase adds up the items' sums.

use super::{Bound, Number, Operand, Product};
use crate::isa::Isa;
use crate::kernel::{Scratch, span};
use crate::kernels::float::{Element, Float, Widen, with_element};
use crate::kernels::vector::{Vector, Work, dispatch};

/// The roles of the operands and how the work is cut.
#[derive(Clone, Debug)]
pub(super) struct Skinny {
    isa: Isa,
    float: Float,
    /// Whether x is a; else it is bᵀ.
    x_is_a: bool,
    /// Rows of x, rows of w.
    small: usize,
    large: usize,
    /// Whether w runs along j in memory.
    along_rows: bool,
    /// Items for each batch entry: parts of j times parts of k.
    parts: [usize; 2],
    /// How many items share the batch, where an entry is one item.
    groups: usize,
}

/// Elements of w for one item, at least.
const GRAIN: usize = 1 << 16;

impl Skinny {
    /// None where the product is not skinny or its layout is better packed.
    pub(super) fn new(isa: Isa, product: &Product) -> Option<Self> {
        let Number::Real(float) = product.number else { return None };
        let (m, n, k, batch) = (product.m, product.n, product.k, product.batch());
        let small = m.min(n);
        if float == Float::F64 || small > 16 || small == 0 || k == 0 {
            return None;
        }
        let x_is_a = m <= n;
        let (w_j, w_k) =
            if x_is_a { (product.b.column, product.b.row) } else { (product.a.row, product.a.column) };
        let along_rows = match (w_j, w_k) {
            (_, 1) => false,
            (1, _) if small <= 8 => true,
            _ if k == 1 => false,
            _ => return None,
        };
        let large = m.max(n);
        let shares = (large * k / GRAIN).clamp(1, 64);
        let parts = if along_rows {
            let columns = large.div_ceil(if small <= 2 { 4096 } else { 1024 });
            [columns, shares.div_ceil(columns).min(k.div_ceil(16))]
        } else {
            [shares.min(large.div_ceil(4)), 1]
        };
        let groups = (batch * large * k / GRAIN).clamp(1, batch.max(1));
        let groups = if parts == [1, 1] { groups.min(256) } else { batch };
        Some(Self { isa, float, x_is_a, small, large, along_rows, parts, groups })
    }

    /// Bytes for the sums of the items, where the inner axis is cut.
    pub(super) fn temporary(&self) -> Option<usize> {
        (self.parts[1] > 1).then(|| self.groups * self.parts[1] * self.small * self.large * 4)
    }

    pub(super) fn items(&self, _product: &Product, phase: usize) -> usize {
        if phase == 0 { self.groups * self.parts[0] * self.parts[1] } else { self.groups * self.parts[0] }
    }

    /// # Safety
    /// `bound` has the operands of `product` and the temporary, if any.
    pub(super) unsafe fn run(
        &self,
        product: &Product,
        phase: usize,
        item: usize,
        bound: Bound,
        scratch: &mut Scratch,
    ) {
        let parts = if phase == 0 { self.parts[0] * self.parts[1] } else { self.parts[0] };
        let (group, part) = (item / parts, item % parts);
        let (j_part, k_part) = (part % self.parts[0], part / self.parts[0]);
        let js = span(self.large, 16, j_part, self.parts[0]);
        let ks = span(product.k, 4, k_part, self.parts[1]);
        for entry in span(product.batch(), 1, group, self.groups) {
            with_element!(self.float, E => {
                let side = |operand: &Operand, p: *const u8, swap: bool| {
                    // SAFETY: where the batch entry begins.
                    let p = unsafe { p.cast::<E>().offset(operand.batch.offset(entry)) };
                    if swap { (p, operand.column, operand.row) } else { (p, operand.row, operand.column) }
                };
                let (x, w) = if self.x_is_a {
                    (side(&product.a, bound.a, false), side(&product.b, bound.b, true))
                } else {
                    (side(&product.b, bound.b, true), side(&product.a, bound.a, false))
                };
                let sums = entry * self.parts[1] * self.small * self.large;
                let n = product.n;
                // SAFETY: the batch entry's part of the output, c and the temporary.
                let skinny = unsafe {
                    Entry::<E> {
                        skinny: self,
                        product,
                        js: js.clone(),
                        ks: ks.clone(),
                        x: std::ptr::null(),
                        x_s: 0,
                        w: w.0,
                        w_j: w.1,
                        w_k: w.2,
                        c: product.c.as_ref().map(|c| side(c, bound.c, !self.x_is_a)),
                        out: bound.out.cast::<E>().add(entry * product.m * n),
                        out_strides: if self.x_is_a { (n, 1) } else { (1, n) },
                        sums: if self.parts[1] > 1 { bound.temporary.cast::<f32>().add(sums) } else { std::ptr::null_mut() },
                        k_part,
                        buffer: std::ptr::null_mut(),
                    }
                };
                // SAFETY: as above.
                unsafe { skinny.start(x, phase, scratch) };
            });
        }
    }
}

/// One item's work on one batch entry.
struct Entry<'a, E> {
    skinny: &'a Skinny,
    product: &'a Product,
    js: std::ops::Range<usize>,
    ks: std::ops::Range<usize>,
    /// x for `ks` in f32, and its stride along s.
    x: *const f32,
    x_s: usize,
    w: *const E,
    w_j: isize,
    w_k: isize,
    /// c and its strides along s and j.
    c: Option<(*const E, isize, isize)>,
    out: *mut E,
    out_strides: (usize, usize),
    /// Sums of each part of k, dense [parts, s, j]; null where there is one part.
    sums: *mut f32,
    k_part: usize,
    /// Scratch for sums, [s, js].
    buffer: *mut f32,
}

impl<E: Element> Entry<'_, E> {
    /// # Safety
    /// The addresses are those of the operands.
    unsafe fn start(mut self, (x, x_s, x_k): (*const E, isize, isize), phase: usize, scratch: &mut Scratch) {
        let (small, depth, width) = (self.skinny.small, self.ks.len(), self.js.len());
        let isa = self.skinny.isa;
        let buffer = scratch.get::<f32>(small * (depth + width));
        let (xs, sums) = buffer.split_at_mut(small * depth);
        self.buffer = sums.as_mut_ptr();
        if phase == 1 {
            // SAFETY: the caller's.
            return unsafe { dispatch(isa, Combine(self)) };
        }
        self.x_s = depth;
        if self.skinny.float == Float::F32 && x_k == 1 && x_s > 0 {
            // SAFETY: x has the rows.
            (self.x, self.x_s) = (unsafe { x.add(self.ks.start).cast() }, x_s as usize);
        } else {
            for s in 0..small {
                // SAFETY: x has this row.
                unsafe {
                    let from = x.offset(s as isize * x_s + self.ks.start as isize * x_k).cast();
                    let to = xs.as_mut_ptr().add(s * depth);
                    Widen { float: self.skinny.float, from, step: x_k, to, len: depth }.run_on(isa);
                }
            }
            self.x = xs.as_ptr();
        }
        // SAFETY: the caller's.
        unsafe { if self.skinny.along_rows { dispatch(isa, Rows(self)) } else { dispatch(isa, Dots(self)) } }
    }

    /// Scales a finished sum, adds c, rounds, stores.
    ///
    /// # Safety
    /// s and j are within the output.
    #[inline(always)]
    unsafe fn finish(&self, s: usize, j: usize, sum: f32) {
        // SAFETY: the caller's.
        unsafe {
            let mut value = self.product.alpha as f32 * sum;
            if let Some((c, c_s, c_j)) = self.c {
                value +=
                    self.product.beta as f32 * c.offset(s as isize * c_s + j as isize * c_j).read().to_f32();
            }
            self.out.add(s * self.out_strides.0 + j * self.out_strides.1).write(E::from_f32(value));
        }
    }

    /// Finishes the sums of `js` at `buffer`.
    ///
    /// # Safety
    /// As for [`Self::finish`].
    #[inline(always)]
    unsafe fn finish_all(&self) {
        let width = self.js.len();
        for s in 0..self.skinny.small {
            for (i, j) in self.js.clone().enumerate() {
                // SAFETY: within the buffer and the output.
                unsafe { self.finish(s, j, self.buffer.add(s * width + i).read()) };
            }
        }
    }
}

/// w runs along k: dot products.
struct Dots<'a, E>(Entry<'a, E>);

impl<E: Element> Work for Dots<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let small = self.0.skinny.small;
        let (mut j, end) = (self.0.js.start, self.0.js.end);
        while j < end {
            let rows = (end - j).min(4);
            let mut s = 0;
            while s < small {
                // SAFETY: rows j.. of w and s.. of x exist.
                unsafe {
                    match (rows, small - s) {
                        (4, 4..) if V::LANES == 16 => {
                            self.tile::<V, 4, 4>(v, s, j);
                            s += 4;
                        }
                        (4, 4..) => {
                            self.tile::<V, 4, 2>(v, s, j);
                            self.tile::<V, 4, 2>(v, s, j + 2);
                            s += 4;
                        }
                        (4, 2..) => {
                            self.tile::<V, 2, 4>(v, s, j);
                            s += 2;
                        }
                        (4, _) => {
                            self.tile::<V, 1, 4>(v, s, j);
                            s += 1;
                        }
                        _ => {
                            for row in 0..rows {
                                self.tile::<V, 1, 1>(v, s, j + row);
                            }
                            s += 1;
                        }
                    }
                }
            }
            j += rows;
        }
    }
}

impl<E: Element> Dots<'_, E> {
    /// `S` rows of x by `J` rows of w.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "rows index several arrays alike")]
    unsafe fn tile<V: Vector, const S: usize, const J: usize>(&self, v: V, s: usize, j: usize) {
        let depth = self.0.ks.len();
        let mut sums = [[v.splat(0.0); S]; J];
        let mut more = [[v.splat(0.0); S]; J];
        // Few sums take two steps at a time, so that additions need not wait for each other.
        let two = S * J <= 8;
        let mut k = 0;
        // SAFETY: k stays below depth.
        unsafe {
            let (stride, x) = (self.0.x_s, self.0.x.add(s * self.0.x_s));
            let w = self.0.w.offset(j as isize * self.0.w_j);
            while two && k + 2 * V::LANES <= depth {
                for jj in 0..J {
                    let row = w.offset(jj as isize * self.0.w_j).add(k);
                    let (w0, w1) = (E::load(v, row), E::load(v, row.add(V::LANES)));
                    for ss in 0..S {
                        let x = x.add(ss * stride + k);
                        sums[jj][ss] = v.mul_add(w0, v.load(x), sums[jj][ss]);
                        more[jj][ss] = v.mul_add(w1, v.load(x.add(V::LANES)), more[jj][ss]);
                    }
                }
                k += 2 * V::LANES;
            }
            while k + V::LANES <= depth {
                let mut rows = [v.splat(0.0); S];
                for (ss, row) in rows.iter_mut().enumerate() {
                    *row = v.load(x.add(ss * stride + k));
                }
                for jj in 0..J {
                    let w = E::load(v, w.offset(jj as isize * self.0.w_j).add(k));
                    for ss in 0..S {
                        sums[jj][ss] = v.mul_add(w, rows[ss], sums[jj][ss]);
                    }
                }
                k += V::LANES;
            }
            if k < depth {
                let part = depth - k;
                for jj in 0..J {
                    let w = E::load_part(v, w.offset(jj as isize * self.0.w_j).add(k), part, 0.0);
                    for ss in 0..S {
                        let x = v.load_part(x.add(ss * stride + k), part, 0.0);
                        sums[jj][ss] = v.mul_add(w, x, sums[jj][ss]);
                    }
                }
            }
            for jj in 0..J {
                for ss in 0..S {
                    self.0.finish(s + ss, j + jj, v.sum(v.add(sums[jj][ss], more[jj][ss])));
                }
            }
        }
    }
}

/// w runs along j: sums of scaled rows.
struct Rows<'a, E>(Entry<'a, E>);

impl<E: Element> Work for Rows<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let this = &self.0;
        let (small, depth, width) = (this.skinny.small, this.ks.len(), this.js.len());
        // SAFETY: scratch holds the sums; rows and columns are within w.
        unsafe {
            std::slice::from_raw_parts_mut(this.buffer, small * width).fill(0.0);
            let w = this.w.add(this.js.start).offset(this.ks.start as isize * this.w_k);
            let mut k = 0;
            while k < depth {
                let rows = (depth - k).min(4);
                let w = w.offset(k as isize * this.w_k);
                if rows == 4 {
                    self.add::<V, 4>(v, w, k);
                } else {
                    for row in 0..rows {
                        self.add::<V, 1>(v, w.offset(row as isize * this.w_k), k + row);
                    }
                }
                k += rows;
            }
            if this.sums.is_null() {
                return this.finish_all();
            }
            let sums = this.sums.add(this.k_part * small * this.skinny.large + this.js.start);
            for s in 0..small {
                let to = sums.add(s * this.skinny.large);
                std::ptr::copy_nonoverlapping(this.buffer.add(s * width), to, width);
            }
        }
    }
}

impl<E: Element> Rows<'_, E> {
    /// Adds `K` scaled rows of w to the sums.
    ///
    /// # Safety
    /// Rows k.. of w are at `w`.
    #[inline(always)]
    unsafe fn add<V: Vector, const K: usize>(&self, v: V, w: *const E, k: usize) {
        let this = &self.0;
        let width = this.js.len();
        let mut j = 0;
        while j < width {
            let part = (width - j).min(V::LANES);
            let whole = part == V::LANES;
            let mut rows = [v.splat(0.0); K];
            // SAFETY: part values are left in each row.
            unsafe {
                for (i, row) in rows.iter_mut().enumerate() {
                    let p = w.offset(i as isize * this.w_k).add(j);
                    // The machine's own prefetching ends with each page.
                    v.prefetch(p.wrapping_offset(K as isize * this.w_k));
                    *row = if whole { E::load(v, p) } else { E::load_part(v, p, part, 0.0) };
                }
                for s in 0..this.skinny.small {
                    let at = this.buffer.add(s * width + j);
                    let mut sum = if whole { v.load(at) } else { v.load_part(at, part, 0.0) };
                    for (i, row) in rows.iter().enumerate() {
                        sum = v.mul_add(v.splat(this.x.add(s * this.x_s + k + i).read()), *row, sum);
                    }
                    if whole { v.store(at, sum) } else { v.store_part(at, sum, part) }
                }
            }
            j += part;
        }
    }
}

/// Adds up the sums of the parts of k.
struct Combine<'a, E>(Entry<'a, E>);

impl<E: Element> Work for Combine<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, _v: V) {
        let this = &self.0;
        let (small, large, width) = (this.skinny.small, this.skinny.large, this.js.len());
        // SAFETY: the temporary holds the sums of all parts, scratch those of js.
        unsafe {
            let total = std::slice::from_raw_parts_mut(this.buffer, small * width);
            total.fill(0.0);
            for part in 0..this.skinny.parts[1] {
                for s in 0..small {
                    let from = this.sums.add((part * small + s) * large + this.js.start);
                    let from = std::slice::from_raw_parts(from, width);
                    for (total, x) in total[s * width..][..width].iter_mut().zip(from) {
                        *total += x;
                    }
                }
            }
            this.finish_all();
        }
    }
}
