//! The kernel: which way a product goes, how it is cut into items.

use super::decode::{self, Decode};
use super::simd::{self, dispatch};
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
    /// Items of one product.
    items: usize,
    products: usize,
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

    /// As [`QuantizedMatmul::new`], for a level that the machine must have ([`Isa::available`]).
    ///
    /// # Errors
    /// [`Unsupported`] if there are no such codes.
    pub fn with_isa(shape: MatmulShape, threads: usize, isa: Isa) -> Result<Self, Unsupported> {
        let MatmulShape { m, n, k, x_row, batch, transpose, bits, group_size, x, scales, out } = shape;
        check(bits, group_size, if transpose { k } else { n })?;
        let isa = Isa::available().into_iter().filter(|level| *level <= isa).max().unwrap_or(Isa::Portable);
        let products = batch.iter().map(|axis| axis.len).product();
        let plan = Plan { m, n, k, x_row, group: group_size, x, scales, out };
        let items = decode_items(&plan, bits, threads);
        let _ = simd::shape(isa);
        Ok(Self { plan, batch, bits, isa, items, products, temporaries: Vec::new() })
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

/// Items of a product that is read once: enough to balance, none below some 2 µs of reading.
fn decode_items(plan: &Plan, bits: usize, threads: usize) -> usize {
    let bytes = plan.n * plan.k * bits / 8;
    (bytes / (32 << 10)).clamp(1, 4 * threads).min(plan.n.div_ceil(8)).max(1)
}

impl Kernel for QuantizedMatmul {
    fn items(&self, _: usize) -> usize {
        self.items * self.products
    }

    fn temporaries(&self) -> &[usize] {
        &self.temporaries
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        // SAFETY: passed on to the caller; the level was checked when the kernel was made.
        unsafe {
            let operands = self.operands(item / self.items, memory);
            let columns = span(self.plan.n, 4, item % self.items, self.items);
            let mut at = 0;
            while at < self.plan.m {
                let m = (self.plan.m - at).min(decode::MAX_ROWS);
                let plan = &Plan { m, ..self.plan.clone() };
                let operands = Operands {
                    x: operands.x.add(at * plan.x_row * plan.x.bytes()),
                    out: operands.out.add(at * plan.n * plan.out.bytes()),
                    ..operands
                };
                let columns = columns.clone();
                macro_rules! decode {
                    ($m:literal) => {
                        with_bits!(self.bits, BITS => dispatch(
                            self.isa,
                            Decode::<BITS, $m> { plan, operands, columns, scratch },
                        ))
                    };
                }
                match m {
                    1 => decode!(1),
                    2 => decode!(2),
                    3 => decode!(3),
                    4 => decode!(4),
                    5 | 6 => decode!(6),
                    _ => decode!(8),
                }
                at += m;
            }
        }
    }
}
