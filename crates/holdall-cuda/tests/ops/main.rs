//! Ops that have hand-written kernels, compared with the CPU. Where there is no GPU, the tests say so and pass, unless
//! `HOLDALL_DEVICE` names one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod quantized;

use half::{bf16, f16};
use holdall_core::device::DeviceId;
use holdall_core::{Array, Dtype, Stream, settings};
use {holdall_cpu as _, holdall_cuda as _};

/// Streams of the first GPU and of the CPU.
fn streams() -> Option<[Stream; 2]> {
    let of = |name| Stream::default_of(DeviceId::named(name)?);
    match of("cuda:0") {
        Ok(gpu) => Some([gpu, of("cpu").unwrap()]),
        Err(e) => {
            let wanted = settings::device().unwrap().is_some_and(|name| name.starts_with("cuda"));
            assert!(!wanted, "{e}");
            eprintln!("nothing was tested: {e}");
            None
        }
    }
}

/// Numbers that are the same each time.
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn word(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// Uniform in [-1, 1).
    fn float(&mut self) -> f32 {
        self.word() as f32 / 2f32.powi(31) - 1.0
    }

    fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }
}

/// An array of numbers rounded to `dtype`.
fn array(data: &[f32], shape: &[usize], dtype: Dtype) -> Array {
    match dtype {
        Dtype::Float32 => Array::from_slice(data, shape),
        Dtype::Float16 => {
            Array::from_slice(&data.iter().map(|x| f16::from_f32(*x)).collect::<Vec<_>>(), shape)
        }
        Dtype::Bfloat16 => {
            Array::from_slice(&data.iter().map(|x| bf16::from_f32(*x)).collect::<Vec<_>>(), shape)
        }
        other => panic!("{other}"),
    }
    .unwrap()
}

/// How far results of `dtype` may be from the CPU's, over the largest of them.
fn limit(dtype: Dtype) -> f32 {
    match dtype {
        Dtype::Float32 => 1e-5,
        Dtype::Float16 => 2e-3,
        _ => 1.2e-2,
    }
}

/// Makes an array on both devices, several times on the GPU, where command buffers that come again are launched otherwise.
#[track_caller]
fn compare([gpu, cpu]: [Stream; 2], what: &str, limit: f32, make: impl Fn() -> Array) {
    let on = |stream: Stream| {
        stream.scope(|| {
            let y = make();
            (y.shape().to_vec(), y.astype(Dtype::Float32).to_vec::<f32>().unwrap())
        })
    };
    let (shape, wanted) = on(cpu);
    let most = wanted.iter().fold(1e-6f32, |most, x| most.max(x.abs()));
    for round in 0..3 {
        let (got_shape, got) = on(gpu);
        assert_eq!(got_shape, shape, "{what}");
        for (i, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            let near = (got - wanted).abs() <= limit * most || (got.is_nan() && wanted.is_nan());
            assert!(
                near,
                "{what}, round {round}, at {i} of {shape:?}: {got} for {wanted}, of {most} at most"
            );
        }
    }
}
