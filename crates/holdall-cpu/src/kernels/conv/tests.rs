//! Convolutions against f64 over random shapes and dtypes.

use half::{bf16, f16};

use super::*;
use crate::kernels::dense::testing::{Random, run_team};
use crate::kernels::float::Element;

fn check<E: Element>(float: Float, tolerance: f64, seed: u64) {
    let mut random = Random::new(seed);
    for round in 0..80 {
        let depthwise = random.below(3) == 0;
        let groups = *random.pick(&[1, 1, 1, 2, 5]) * if depthwise { 9 } else { 1 };
        let (inner, outer) = if depthwise { (1, 1) } else { (1 + random.below(12), 1 + random.below(12)) };
        let (batch, length, kernel) = (1 + random.below(3), 1 + random.below(40), 1 + random.below(5));
        let (in_channels, out_channels) = (groups * inner, groups * outer);
        let room = in_channels + random.below(2) * 4;
        let mut conv = Conv1d {
            isa: *random.pick(&Isa::available()),
            float,
            batch,
            length,
            in_channels,
            out_channels,
            kernel,
            groups,
            stride: 1 + random.below(3),
            padding: random.below(5),
            dilation: 1 + random.below(3),
            x_strides: [length * room, room, 1].map(|s| s as isize),
            w_strides: [kernel * inner, inner, 1].map(|s| s as isize),
        };
        if random.below(4) == 0 {
            // Both transposed.
            conv.x_strides = [length * in_channels, 1, length].map(|s| s as isize);
            conv.w_strides = [1, out_channels, kernel * out_channels].map(|s| s as isize);
        }
        let mut values = |len| -> Vec<E> { (0..len).map(|_| E::from_f32(random.uniform())).collect() };
        let (mut x, mut w) = (values(batch * length * room), values(out_channels * kernel * inner));
        let rows = conv.out_length();
        let mut y = vec![E::from_f32(9.0); batch * rows * out_channels + 1];
        let slice = |x: &mut [E]| Slice::new(x.as_mut_ptr().cast(), size_of_val(x));
        let memory = [slice(&mut x), slice(&mut w), slice(&mut y)];
        // SAFETY: the bindings fit the convolution.
        unsafe { run_team(&conv, &memory, 1 + round % 2) };
        assert_eq!(y.pop().map(E::to_f32), Some(9.0), "wrote past the end");
        for (index, y) in y.iter().enumerate() {
            let (n, l, o) = (index / out_channels / rows, index / out_channels % rows, index % out_channels);
            let mut sum = 0.0;
            for (k, c) in (0..kernel).flat_map(|k| (0..inner).map(move |c| (k, c))) {
                let at = (l * conv.stride + k * conv.dilation) as isize - conv.padding as isize;
                if (0..length as isize).contains(&at) {
                    let channel = (o / outer * inner + c) as isize;
                    let [xn, xl, xc] = conv.x_strides;
                    let [wo, wk, wc] = conv.w_strides;
                    let x = x[(n as isize * xn + at * xl + channel * xc) as usize].to_f32();
                    let w = w[(o as isize * wo + k as isize * wk + c as isize * wc) as usize].to_f32();
                    sum += f64::from(x) * f64::from(w);
                }
            }
            let error = (f64::from(y.to_f32()) - sum).abs();
            assert!(
                error <= tolerance * (1.0 + sum.abs()),
                "seed {seed} round {round} [{n}, {l}, {o}]: {conv:?}"
            );
        }
    }
}

/// The dtype's rounding, and f32's over at most 60 products.
#[test]
fn convolves() {
    check::<f32>(Float::F32, 4e-6, 1);
    check::<f16>(Float::F16, 1e-3, 2);
    check::<bf16>(Float::Bf16, 8e-3, 3);
}

#[test]
fn lengths() {
    let conv = |length, kernel, padding| Conv1d {
        isa: Isa::get(),
        float: Float::F32,
        batch: 1,
        length,
        in_channels: 1,
        out_channels: 1,
        kernel,
        groups: 1,
        stride: 2,
        padding,
        dilation: 3,
        x_strides: [0, 1, 1],
        w_strides: [0, 1, 1],
    };
    assert_eq!(conv(10, 3, 0).out_length(), 2);
    assert_eq!(conv(6, 3, 0).out_length(), 0);
    assert_eq!(conv(6, 3, 1).out_length(), 1);
    assert_eq!(conv(6, 3, 0).items(0), 0);
}
