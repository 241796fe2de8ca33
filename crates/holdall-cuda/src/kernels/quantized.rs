//! Which kernel multiplies by quantized weights.

use std::sync::Arc;

use holdall_core::device::{Kernels, Plan, Request};
use holdall_core::ops::QuantizedMatmul;

use super::{Choice, Gpu, Variants, element, int, is_aligned, qmm, qmv, qmv_rows};
use crate::launch::Parameter;
use crate::module::Loader;

/// x `[m, k]` times weights `[n, k]`, transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Product {
    /// The type of all but the codes, as `ELEMENT`.
    pub element: i64,
    pub bits: i64,
    pub group: i64,
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// The kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    One,
    Few,
    Many,
}

impl Product {
    /// Of one type, of one matrix of weights where its codes, scales and biases lie row by row without gaps.
    fn of(op: &QuantizedMatmul, request: &Request<'_>) -> Option<Self> {
        let [x, weights @ ..] = request.inputs else { return None };
        let (w, y) = (&weights[0], &request.outputs[0]);
        let dtype = y.dtype;
        let is_one = w.shape().len() >= 2 && w.shape()[..w.shape().len() - 2].iter().all(|n| *n == 1);
        let is_of_type = x.spec.dtype == dtype && weights[1..].iter().all(|s| s.spec.dtype == dtype);
        if !op.transpose
            || !is_one
            || !is_of_type
            || !weights.iter().all(|w| w.is_contiguous() && is_aligned(w))
        {
            return None;
        }
        // What does not lie row by row is copied first, and then aligned.
        if x.is_contiguous() && !is_aligned(x) {
            return None;
        }
        let (k, n) = (*x.shape().last()?, *y.shape.last()?);
        let m = y.size().checked_div(n)?;
        let fits = |n: usize| (1..=i32::MAX as usize).contains(&n);
        ([m, n, k].into_iter().all(fits)).then_some(Self {
            element: element(dtype)?,
            bits: op.packing.bits as i64,
            group: op.packing.group_size as i64,
            m,
            n,
            k,
        })
    }

    /// The kernel for it, if one of these takes it.
    pub fn choose(&self, gpu: &Gpu) -> Option<(Which, Choice)> {
        let one = || qmv::choose(self).map(|choice| (Which::One, choice));
        let few = || qmv_rows::choose(self, gpu).map(|choice| (Which::Few, choice));
        let many = || qmm::choose(self, gpu).map(|choice| (Which::Many, choice));
        one().or_else(few).or_else(many)
    }
}

pub(super) fn register(kernels: &mut Kernels, loader: &Arc<Loader>) {
    let gpu = Gpu::of(loader);
    let [one, few, many] =
        [&qmv::QMV, &qmv_rows::QMV_ROWS, &qmm::QMM].map(|text| Variants::new(text, loader));
    kernels.prefer(move |op: &QuantizedMatmul, request| {
        let Some(product) = Product::of(op, request) else { return Ok(None) };
        let Some((which, choice)) = product.choose(&gpu) else { return Ok(None) };
        if let Some(copies) = request.require_contiguous([0]) {
            return Ok(Some(copies));
        }
        let mut parameters: Vec<_> = (0..5).map(Parameter::Binding).collect();
        let variants = match which {
            Which::One => &one,
            Which::Few => &few,
            Which::Many => &many,
        };
        if which != Which::One {
            parameters.push(int(product.m));
        }
        parameters.extend([int(product.n), int(product.k)]);
        Ok(Some(Plan::launch(choice.launch(variants, &parameters)?, 4, 1, &[])))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const H100: Gpu = Gpu { capability: (9, 0), multiprocessors: 132, shared_bytes: 232_448 };
    const A100: Gpu = Gpu { capability: (8, 0), multiprocessors: 108, shared_bytes: 166_912 };

    fn product(element: i64, bits: i64, m: usize, n: usize, k: usize) -> Product {
        Product { element, bits, group: 64, m, n, k }
    }

    fn choose(product: Product, gpu: &Gpu) -> Option<(Which, Vec<i64>, [u32; 3])> {
        let (which, choice) = product.choose(gpu)?;
        Some((which, choice.defines.iter().skip(3).map(|(_, value)| *value).collect(), choice.grid))
    }

    #[test]
    fn one_row_is_split_by_the_size_of_the_weights() {
        let of = |bits, n, k| choose(product(2, bits, 1, n, k), &A100).unwrap();
        assert_eq!(of(4, 1024, 4096), (Which::One, vec![8, 1, 1], [128, 1, 1]));
        assert_eq!(of(4, 4096, 4096), (Which::One, vec![8, 2, 1], [256, 1, 1]));
        assert_eq!(of(4, 12_288, 640), (Which::One, vec![4, 2, 0], [768, 1, 1]));
        assert_eq!(of(8, 2048, 4096), (Which::One, vec![8, 1, 1], [256, 1, 1]));
        assert_eq!(of(8, 4096, 4096), (Which::One, vec![4, 1, 1], [512, 1, 1]));
    }

    #[test]
    fn few_rows_share_the_weights_while_they_fit() {
        let of = |m, k| choose(product(1, 4, m, 4096, k), &H100).unwrap();
        assert_eq!(of(2, 4096), (Which::Few, vec![8, 8, 1, 4], [132, 1, 1]));
        assert_eq!(of(9, 4096), (Which::Few, vec![16, 8, 1, 4], [132, 1, 1]));
        assert_eq!(of(32, 12_288), (Which::Few, vec![8, 8, 1, 4], [132, 4, 1]));
        // Too long to fit, so as many rows are done.
        assert_eq!(of(9, 16_384).0, Which::Many);
        assert_eq!(choose(product(1, 4, 9, 4096, 16_384), &A100), None);
    }

    #[test]
    fn many_rows_take_hopper() {
        let of = |m, n| choose(product(2, 4, m, n, 4096), &H100).unwrap();
        assert_eq!(of(33, 1024), (Which::Many, vec![2, 128, 5, 2], [16, 1, 1]));
        assert_eq!(of(512, 24_576), (Which::Many, vec![2, 256, 5, 1], [384, 1, 1]));
        assert_eq!(choose(product(2, 4, 512, 4096, 4096), &A100), None);
        assert_eq!(choose(product(2, 4, 512, 4096, 4096), &Gpu { capability: (10, 0), ..H100 }), None);
        // float32 has the tensor cores of qmv alone.
        assert_eq!(choose(product(0, 4, 8, 4096, 4096), &H100).map(|made| made.0), Some(Which::One));
        assert_eq!(choose(product(0, 4, 9, 4096, 4096), &H100), None);
    }
}
