//! The kernel: which way a product goes, how it is cut into items.

use std::ops::Range;

use super::convert::WidenRow;
use super::decode::Decode;
use super::prefill::Prefill;
use super::simd::{Level, dispatch};
use super::{Float, Unsupported, check, with_bits};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};

/// An axis of independent products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchAxis {
    /// How many.
    pub len: usize,
    /// Elements of x from one to the next; zero where x is broadcast.
    pub x: usize,
    /// Words of w from one to the next; zero where w is broadcast.
    pub w: usize,
    /// Elements of scales, and of biases, from one to the next.
    pub scales: usize,
}

/// Shapes, widths and types of a quantized product.
///
/// With `transpose`, w has `n` rows of `k` codes and y = x · dequant(w)ᵀ; without, `k` rows of `n` codes and
/// y = x · dequant(w). w, scales and biases have dense rows; so has y, `[batch.., m, n]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatmulShape {
    /// Rows of x and y.
    pub m: usize,
    /// Columns of y.
    pub n: usize,
    /// Columns of x.
    pub k: usize,
    /// Elements from one row of x to the next; `k` where x is dense.
    pub x_row: usize,
    /// Axes of independent products, the outermost first.
    pub batch: Vec<BatchAxis>,
    /// Whether w is used transposed.
    pub transpose: bool,
    /// Bits of a code: 2, 3, 4, 5, 6 or 8.
    pub bits: usize,
    /// Weights that share a scale and a bias: 32, 64 or 128.
    pub group_size: usize,
    /// Type of x.
    pub x: Float,
    /// Type of scales and biases.
    pub scales: Float,
    /// Type of y.
    pub out: Float,
}

/// What the inner functions need of a shape.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub x_row: usize,
    pub group: usize,
    pub x: Float,
    pub scales: Float,
    pub out: Float,
}

/// The operands of one product of a batch.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub x: *const u8,
    pub w: *const u32,
    pub scales: *const u8,
    pub biases: *const u8,
    pub out: *mut u8,
}

/// `x · dequant(w)ᵀ` or `x · dequant(w)`, accumulated in f32.
///
/// Bindings: x, w, scales, biases, y, then the temporaries that [`Kernel::temporaries`] names.
#[derive(Clone, Debug)]
pub struct QuantizedMatmul {
    plan: Plan,
    batch: Vec<BatchAxis>,
    bits: usize,
    isa: Isa,
    transpose: bool,
    /// Items of one product.
    grid: Grid,
    /// Whether weights are dequantized into panels.
    prefill: bool,
    products: usize,
    threads: usize,
    temporaries: Vec<usize>,
}

impl QuantizedMatmul {
    /// A kernel for the best instructions of this machine and a team of `threads`.
    ///
    /// # Errors
    /// [`Unsupported`] if there are no such codes.
    pub fn new(shape: MatmulShape, threads: usize) -> Result<Self, Unsupported> {
        Self::with_isa(shape, threads, Isa::get())
    }

    /// As [`QuantizedMatmul::new`], for a level; where the machine lacks it, the best one below.
    ///
    /// # Errors
    /// [`Unsupported`] if there are no such codes.
    pub fn with_isa(shape: MatmulShape, threads: usize, isa: Isa) -> Result<Self, Unsupported> {
        let MatmulShape { m, n, k, x_row, batch, transpose, bits, group_size, x, scales, out } = shape;
        check(bits, group_size, if transpose { k } else { n })?;
        let isa = super::level(isa);
        let products = batch.iter().map(|axis| axis.len).product();
        let plan = Plan { m, n, k, x_row, group: group_size, x, scales, out };
        let prefill = !transpose || m >= prefill_rows(isa);
        // Rows that lie a multiple of 4 KB apart fall into the same few lines of the cache.
        let copied = prefill && (x != Float::F32 || x_row.is_multiple_of(1024));
        let grid = if prefill {
            prefill_grid(&plan, if transpose { Level::of(isa).tile_columns } else { 384 }, threads)
        } else {
            Grid { columns: decode_items(&plan, bits, threads), grain: 4, rows: 1 }
        };
        let temporaries = if copied { vec![products * m * copied_row(k) * 4] } else { Vec::new() };
        Ok(Self { plan, batch, bits, transpose, isa, grid, prefill, products, threads, temporaries })
    }

    /// # Safety
    /// As [`Kernel::run`].
    unsafe fn operands(&self, mut product: usize, memory: &[Slice]) -> Operands {
        let (mut x, mut w, mut scales) = (0, 0, 0);
        let out = product * self.plan.m * self.plan.n;
        for axis in self.batch.iter().rev() {
            let at = product % axis.len;
            product /= axis.len;
            x += at * axis.x;
            w += at * axis.w;
            scales += at * axis.scales;
        }
        let at = |i: usize, elements: usize, bytes: usize| {
            // SAFETY: the caller binds memory that holds the whole operand.
            unsafe { memory[i].as_ptr::<u8>().add(elements * bytes) }
        };
        Operands {
            x: at(0, x, self.plan.x.bytes()),
            w: at(1, w, 4).cast(),
            scales: at(2, scales, self.plan.scales.bytes()),
            biases: at(3, scales, self.plan.scales.bytes()),
            out: at(4, out, self.plan.out.bytes()),
        }
    }
}

/// How the columns and rows of an output are cut into items.
#[derive(Clone, Copy, Debug)]
struct Grid {
    columns: usize,
    /// Columns are cut at multiples of it.
    grain: usize,
    rows: usize,
}

/// From how many rows of x on dequantized panels are faster than several passes over the codes.
fn prefill_rows(isa: Isa) -> usize {
    if isa == Isa::Avx512 { 17 } else { 9 }
}

/// Rows of x per item, at most: what is read for each panel should stay in the second cache.
const MOST_ROWS: usize = 512;

/// Floats of a row of the copy of x: never a multiple of 4 KB.
fn copied_row(k: usize) -> usize {
    if k.is_multiple_of(1024) { k + 16 } else { k }
}

/// Cuts into panels of `grain` columns, several to an item as long as there are enough items for the team.
fn prefill_grid(plan: &Plan, grain: usize, threads: usize) -> Grid {
    let panels = plan.n.div_ceil(grain).max(1);
    let mut rows = plan.m.div_ceil(MOST_ROWS).max(1);
    while panels * rows < 2 * threads && threads > 1 && plan.m / rows >= 64 {
        rows *= 2;
    }
    let columns = panels.min((4 * threads).div_ceil(rows).max(panels.div_ceil(8)));
    Grid { columns, grain, rows }
}

/// Items of a product that is read once: one to a thread where an item is small (each begins a stream of its own and
/// prepares x), up to four where balance matters more; less than 8 KB are not worth a second thread.
fn decode_items(plan: &Plan, bits: usize, threads: usize) -> usize {
    let bytes = plan.n * plan.k * bits / 8;
    let threads = threads.clamp(1, (bytes / (8 << 10)).max(1));
    let each = (bytes / threads / (256 << 10)).clamp(1, 4);
    (threads * each).min(plan.n.div_ceil(4)).max(1)
}

impl Kernel for QuantizedMatmul {
    fn phases(&self) -> usize {
        1 + self.temporaries.len()
    }

    fn items(&self, phase: usize) -> usize {
        if phase + 1 < self.phases() {
            self.copy_items()
        } else {
            self.grid.columns * self.grid.rows * self.products
        }
    }

    fn temporaries(&self) -> &[usize] {
        &self.temporaries
    }

    unsafe fn run(&self, phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let per_product = self.grid.columns * self.grid.rows;
        // SAFETY: passed on to the caller; the level was checked when the kernel was made.
        unsafe {
            if phase + 1 < self.phases() {
                self.copy(item, memory);
                return;
            }
            let product = item / per_product;
            let operands = self.operands(product, memory);
            let item = item % per_product;
            let columns = span(self.plan.n, self.grid.grain, item % self.grid.columns, self.grid.columns);
            if self.prefill {
                let rows = span(self.plan.m, 8, item / self.grid.columns, self.grid.rows);
                self.prefill(product, rows, columns, operands, memory, scratch);
            } else {
                self.decode(columns, operands, scratch);
            }
        }
    }
}

impl QuantizedMatmul {
    /// Items of the phase that copies x.
    fn copy_items(&self) -> usize {
        let rows = self.products * self.plan.m;
        (rows * self.plan.k / (16 << 10)).clamp(1, 4 * self.threads).min(rows.max(1))
    }

    /// # Safety
    /// As [`Kernel::run`].
    unsafe fn copy(&self, item: usize, memory: &[Slice]) {
        let Plan { m, k, .. } = self.plan;
        for row in span(self.products * m, 1, item, self.copy_items()) {
            // SAFETY: x has the row, the temporary room for it.
            unsafe {
                let operands = self.operands(row / m, memory);
                let to = memory[5].as_ptr::<f32>().add(row * copied_row(k));
                let start = row % m * self.plan.x_row;
                dispatch(self.isa, WidenRow { kind: self.plan.x, from: operands.x, start, len: k, to });
            }
        }
    }

    /// # Safety
    /// As [`Kernel::run`].
    unsafe fn prefill(
        &self,
        product: usize,
        rows: Range<usize>,
        columns: Range<usize>,
        operands: Operands,
        memory: &[Slice],
        scratch: &mut Scratch,
    ) {
        let plan = &self.plan;
        let (x, x_row) = if self.temporaries.is_empty() {
            (operands.x.cast(), plan.x_row)
        } else {
            let x_row = copied_row(plan.k);
            // SAFETY: the temporary holds all rows.
            (unsafe { memory[5].as_ptr::<f32>().add(product * plan.m * x_row) }.cast_const(), x_row)
        };
        let (bits, transpose) = (self.bits, self.transpose);
        let task = Prefill { plan, x, x_row, operands, bits, transpose, rows, columns, scratch };
        // SAFETY: passed on to the caller.
        unsafe { dispatch(self.isa, task) };
    }

    /// # Safety
    /// As [`Kernel::run`].
    unsafe fn decode(&self, columns: Range<usize>, operands: Operands, scratch: &mut Scratch) {
        let sizes = Level::of(self.isa).decode_rows;
        let mut at = 0;
        while at < self.plan.m {
            let left = self.plan.m - at;
            let Some(compiled) = sizes.iter().find(|size| **size >= left).or(sizes.last()) else { return };
            let m = left.min(*compiled);
            let plan = &Plan { m, ..self.plan.clone() };
            let columns = columns.clone();
            // SAFETY: passed on to the caller; the rows are x's and y's.
            unsafe {
                let operands = Operands {
                    x: operands.x.add(at * plan.x_row * plan.x.bytes()),
                    out: operands.out.add(at * plan.n * plan.out.bytes()),
                    ..operands
                };
                macro_rules! decode {
                    ($m:literal) => {
                        with_bits!(self.bits, BITS => dispatch(
                            self.isa,
                            Decode::<BITS, $m> { plan, operands, columns, scratch },
                        ))
                    };
                }
                match compiled {
                    1 => decode!(1),
                    2 => decode!(2),
                    4 => decode!(4),
                    _ => decode!(8),
                }
            }
            at += m;
        }
    }
}
