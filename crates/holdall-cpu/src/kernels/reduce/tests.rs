use super::{Fold, Max, ReduceKernel, Sum};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice};
use crate::kernels::element::{Brain, Half};

/// Runs a kernel on one thread.
fn run<F: Fold>(isa: Isa, x: &[F::In], shape: &[usize], strides: &[isize], axes: &[usize]) -> Vec<F::Out>
where
    F::In: bytemuck::Pod,
{
    let kernel = ReduceKernel::<F>::new(isa, shape, strides, axes);
    let n: usize = shape.iter().enumerate().filter(|(a, _)| !axes.contains(a)).map(|(_, d)| d).product();
    let mut y: Vec<F::Out> = vec![bytemuck::Zeroable::zeroed(); n];
    let mut temporary = vec![0u64; kernel.temporaries().first().map_or(0, |b| b.div_ceil(8))];
    let memory = [
        Slice::new(x.as_ptr().cast_mut().cast(), size_of_val(x)),
        Slice::new(y.as_mut_ptr().cast(), size_of_val(&y[..])),
        Slice::new(temporary.as_mut_ptr().cast(), temporary.len() * 8),
    ];
    let mut scratch = Scratch::default();
    for phase in 0..kernel.phases() {
        for item in 0..kernel.items(phase) {
            // SAFETY: memory is sized as the kernel says, and only this thread uses it.
            unsafe { kernel.run(phase, item, &memory, &mut scratch) };
        }
    }
    y
}

#[test]
fn vector_levels_agree() {
    let x: Vec<f32> = (0..600_000u64).map(|i| ((i * 7919) % 1013) as f32 / 64.0 - 7.0).collect();
    let narrow: Vec<u16> = x.iter().map(|x| half::f16::from_f32(*x).to_bits()).collect();
    let narrow: &[Half] = bytemuck::cast_slice(&narrow);
    for (shape, strides, axes) in [
        (&[600_000][..], &[1][..], &[0][..]),
        (&[600, 1000], &[1000, 1], &[0]),
        (&[600, 1000], &[1000, 1], &[1]),
        (&[200_000, 3], &[3, 1], &[0]),
        (&[200_000, 3], &[3, 1], &[1]),
        (&[3, 100, 50], &[1, 3, 300], &[1]),
    ] {
        let sums: Vec<_> =
            Isa::available().into_iter().map(|isa| run::<Sum<f32>>(isa, &x, shape, strides, axes)).collect();
        let largest: Vec<_> = Isa::available()
            .into_iter()
            .map(|isa| run::<Max<Half>>(isa, narrow, shape, strides, axes))
            .collect();
        assert!(sums.windows(2).all(|w| w[0] == w[1]), "{shape:?} {axes:?}");
        assert!(largest.windows(2).all(|w| w[0] == w[1]), "{shape:?} {axes:?}");
    }
}

#[test]
fn half_types_widen_exactly() {
    for bits in 0..=u16::MAX {
        let (got, want) = (Half(bits).widen(), half::f16::from_bits(bits).to_f32());
        assert!(got == want || got.is_nan() && want.is_nan(), "{bits:#x}: {got}, wanted {want}");
        assert_eq!(got.is_sign_negative(), want.is_sign_negative());
        let (got, want) = (Brain(bits).widen(), half::bf16::from_bits(bits).to_f32());
        assert!(got == want || got.is_nan() && want.is_nan(), "{bits:#x}: {got}, wanted {want}");
    }
}
