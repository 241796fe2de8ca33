//! Matrix products over plain floats.
//!
//! Large products go block by block to the `gemm` crate, one single-threaded call for each block and stretch of the
//! inner axis; products with few rows or columns read the large operand once at memory bandwidth.

mod blocks;
mod skinny;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use super::float::Float;
use super::rows::Rows;
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice};
use blocks::Blocks;
use skinny::Skinny;

/// The dtype of all operands of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// A real dtype; f16 and bf16 accumulate in f32 and are rounded once.
    Real(Float),
    /// Complex numbers of two f32.
    C64,
}

impl Number {
    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        match self {
            Self::Real(float) => float.bytes(),
            Self::C64 => 8,
        }
    }
}

/// A matrix operand in a batch: strides in elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    /// Where each matrix of the batch begins; a stride of 0 repeats a matrix.
    pub batch: Rows,
    /// From one row to the next.
    pub row: isize,
    /// From one column to the next.
    pub column: isize,
}

/// out = alpha · a b + beta · c, for each entry of a batch.
///
/// a is [m, k], b is [k, n], c (optional) is [m, n], each with any strides; out is dense [batch, m, n].
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// The dtype of all operands.
    pub number: Number,
    /// Rows of a and out.
    pub m: usize,
    /// Columns of b and out.
    pub n: usize,
    /// Columns of a, rows of b.
    pub k: usize,
    /// The left operand.
    pub a: Operand,
    /// The right operand.
    pub b: Operand,
    /// What is added.
    pub c: Option<Operand>,
    /// Multiplies the product.
    pub alpha: f64,
    /// Multiplies c.
    pub beta: f64,
}

impl Product {
    /// a b for these sizes, where `a` and `b` have the same number of matrices.
    pub fn new(number: Number, [m, n, k]: [usize; 3], a: Operand, b: Operand) -> Self {
        Self { number, m, n, k, a, b, c: None, alpha: 1.0, beta: 0.0 }
    }

    fn batch(&self) -> usize {
        self.a.batch.count()
    }

    /// One taller product instead of a batch, where all entries share b and the rows of a and c follow each other.
    fn flattened(mut self) -> Self {
        let batch = self.batch();
        // The stride between the rows of one-row matrices means nothing: let it be the one between matrices.
        if self.m == 1 {
            for operand in [&mut self.a].into_iter().chain(self.c.as_mut()) {
                operand.row = operand.batch.stride().unwrap_or(operand.row);
            }
        }
        let follows = |x: &Operand, rows: usize| x.batch.stride() == Some(x.row * rows as isize);
        let shared = self.b.batch.stride() == Some(0);
        if batch > 1 && shared && follows(&self.a, self.m) && self.c.iter().all(|c| follows(c, self.m)) {
            self.m *= batch;
            for operand in [&mut self.a, &mut self.b].into_iter().chain(self.c.as_mut()) {
                operand.batch = Rows::regular(1, 0);
            }
        }
        self
    }
}

/// The kernel of a [`Product`]. Bindings: a, b, c if there is one, out.
#[derive(Clone, Debug)]
pub struct Matmul {
    product: Product,
    plan: Plan,
    temporaries: SmallVec<[usize; 1]>,
}

#[derive(Clone, Debug)]
enum Plan {
    Blocks(Blocks),
    Skinny(Skinny),
}

impl Matmul {
    /// Chooses how to compute `product` on machines with `isa`.
    pub fn new(isa: Isa, product: Product) -> Self {
        let product = product.flattened();
        let plan = match Skinny::new(isa, &product) {
            Some(skinny) => Plan::Skinny(skinny),
            None => Plan::Blocks(Blocks::new(isa, &product)),
        };
        let temporaries = match &plan {
            Plan::Skinny(skinny) => skinny.temporary().into_iter().collect(),
            Plan::Blocks(_) => SmallVec::new(),
        };
        Self { product, plan, temporaries }
    }
}

/// The bindings of a product by name.
#[derive(Clone, Copy)]
struct Bound {
    a: *const u8,
    b: *const u8,
    c: *const u8,
    out: *mut u8,
    temporary: *mut u8,
}

impl Kernel for Matmul {
    fn phases(&self) -> usize {
        1 + self.temporaries.len()
    }

    fn items(&self, phase: usize) -> usize {
        if self.product.batch() * self.product.m * self.product.n == 0 {
            return 0;
        }
        match &self.plan {
            Plan::Blocks(blocks) => blocks.items(&self.product),
            Plan::Skinny(skinny) => skinny.items(&self.product, phase),
        }
    }

    fn temporaries(&self) -> &[usize] {
        &self.temporaries
    }

    unsafe fn run(&self, phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let out = 2 + usize::from(self.product.c.is_some());
        let bound = Bound {
            a: memory[0].as_ptr(),
            b: memory[1].as_ptr(),
            c: if self.product.c.is_some() { memory[2].as_ptr() } else { std::ptr::null() },
            out: memory[out].as_ptr(),
            temporary: memory.get(out + 1).map_or(std::ptr::null_mut(), Slice::as_ptr),
        };
        // SAFETY: the bindings are those that this kernel was made for.
        unsafe {
            match &self.plan {
                Plan::Blocks(blocks) => blocks.run(&self.product, item, bound, scratch),
                Plan::Skinny(skinny) => skinny.run(&self.product, phase, item, bound, scratch),
            }
        }
    }
}
