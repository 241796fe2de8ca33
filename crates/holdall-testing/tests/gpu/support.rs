//! The same ops on two devices, and inputs of all types and layouts.

use holdall::device::DeviceId;
use holdall::ops::Slice;
use holdall::{Array, Dtype, Result, Stream};
use holdall_testing::random::Random;
// Links the device.
pub use holdall_testing::simt;

/// How an input lies in memory.
pub const LAYOUTS: [Layout; 5] =
    [Layout::Plain, Layout::Transposed, Layout::Stepped, Layout::Reversed, Layout::Shifted];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Plain,
    /// The last two axes are swapped in memory.
    Transposed,
    /// Every other element along the last axis.
    Stepped,
    /// Backwards along the first axis.
    Reversed,
    /// Not at the start of its block.
    Shifted,
}

/// Makes inputs: the same ones for the same seed, on the current device.
pub struct Maker(Random);

impl Maker {
    pub fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// Numbers from `low` to `high`.
    pub fn within(&mut self, shape: &[usize], dtype: Dtype, low: f64, high: f64) -> Array {
        let n = shape.iter().product::<usize>();
        let mut draw = || (0..n).map(|_| self.0.between(low, high) as f32).collect::<Vec<f32>>();
        let real = Array::from_slice(&draw(), shape).unwrap();
        match dtype {
            Dtype::Complex64 => {
                let i = Array::from_slice(&[num_complex::Complex32::new(0.0, 1.0)], &[]).unwrap();
                let imaginary = Array::from_slice(&draw(), shape).unwrap();
                real.add(imaginary.multiply(&i).unwrap()).unwrap()
            }
            Dtype::Bool => real.less((low + high) / 2.0).unwrap(),
            dtype if dtype.is_inexact() => real.astype(dtype),
            dtype => real.floor().unwrap().astype(dtype),
        }
    }

    /// Small numbers that fit every type.
    pub fn array(&mut self, shape: &[usize], dtype: Dtype) -> Array {
        let low = if matches!(dtype, Dtype::Uint8 | Dtype::Uint16 | Dtype::Uint32 | Dtype::Uint64) {
            0.0
        } else {
            -4.0
        };
        self.within(shape, dtype, low, 4.0)
    }

    /// The same, lying so.
    pub fn laid(&mut self, shape: &[usize], dtype: Dtype, layout: Layout) -> Array {
        let n = shape.len();
        let mut wide = shape.to_vec();
        match layout {
            Layout::Plain => self.array(shape, dtype),
            Layout::Transposed if n >= 2 => {
                wide.swap(n - 1, n - 2);
                self.array(&wide, dtype).swapaxes(-1, -2).unwrap()
            }
            Layout::Transposed | Layout::Stepped => {
                wide[n - 1] = wide[n - 1] * 2 + 1;
                self.part(&wide, dtype, shape, n - 1, 1, 2)
            }
            Layout::Reversed => {
                let first = shape[0] - 1;
                self.part(shape, dtype, shape, 0, first, -1)
            }
            Layout::Shifted => {
                wide[0] += 1;
                self.part(&wide, dtype, shape, 0, 1, 1)
            }
        }
    }

    /// Every `step`th index from `first` on of one axis of an array of shape `from`.
    fn part(
        &mut self,
        from: &[usize],
        dtype: Dtype,
        shape: &[usize],
        axis: usize,
        first: usize,
        step: isize,
    ) -> Array {
        let whole = self.array(from, dtype);
        let mut start = vec![0; from.len()];
        let mut steps = vec![1; from.len()];
        (start[axis], steps[axis]) = (first, step);
        let slice = Slice { start: start.into(), step: steps.into(), shape: shape.into() };
        let y = Array::apply(slice, &[&whole]).unwrap();
        assert_eq!(y.shape(), shape);
        y
    }

    /// Indices from `-size` to `size - 1`.
    pub fn indices(&mut self, shape: &[usize], size: usize, dtype: Dtype) -> Array {
        let n = shape.iter().product::<usize>();
        let signed = !matches!(dtype, Dtype::Uint8 | Dtype::Uint16 | Dtype::Uint32 | Dtype::Uint64);
        let draw = |random: &mut Random| {
            let i = random.below(size) as i32;
            if signed && random.below(3) == 0 { i - size as i32 } else { i }
        };
        let data: Vec<i32> = (0..n).map(|_| draw(&mut self.0)).collect();
        Array::from_slice(&data, shape).unwrap().astype(dtype)
    }
}

/// What `f` gives on a device, as complex numbers, with type and shape.
fn on(
    device: &str,
    f: &dyn Fn(&mut Maker) -> Result<Vec<Array>>,
    seed: u64,
) -> Vec<(Dtype, Vec<usize>, Vec<f64>)> {
    let stream = Stream::default_of(DeviceId::named(device).unwrap()).unwrap();
    let arrays = stream.scope(|| {
        let arrays = f(&mut Maker::new(seed)).unwrap();
        holdall::eval(&arrays.iter().collect::<Vec<_>>()).unwrap_or_else(|e| panic!("{device}: {e}"));
        arrays
    });
    arrays
        .iter()
        .map(|y| {
            let parts = if y.dtype() == Dtype::Complex64 {
                vec![y.real().unwrap(), y.imag().unwrap()]
            } else {
                vec![y.clone()]
            };
            let values = parts.iter().flat_map(|p| p.astype(Dtype::Float64).to_vec::<f64>().unwrap());
            (y.dtype(), y.shape().to_vec(), values.collect())
        })
        .collect()
}

/// Compares the two devices: floats may differ by `ulps` units in the last place of the largest result around.
#[track_caller]
pub fn same(what: &str, ulps: f64, f: &dyn Fn(&mut Maker) -> Result<Vec<Array>>) {
    let _: fn() -> simt::Simt = simt::Simt::default;
    for (i, (got, want)) in on("simt", f, 7).iter().zip(on("cpu", f, 7)).enumerate() {
        assert_eq!((got.0, &got.1), (want.0, &want.1), "{what}: output {i}");
        let largest = want.2.iter().filter(|x| x.is_finite()).fold(0.0f64, |a, b| a.max(b.abs()));
        let unit = holdall_testing::tolerance::ulp(largest, want.0);
        let allowed = if want.0.is_inexact() { ulps * unit } else { 0.0 };
        for (k, (a, b)) in got.2.iter().zip(&want.2).enumerate() {
            let near = a == b || (a - b).abs() <= allowed || a.is_nan() && b.is_nan();
            assert!(
                near,
                "{what}: output {i}, element {k} is {a}, on the CPU {b}; {:?} {:?}",
                want.0, want.1
            );
        }
    }
}
