//! Convolution against plain loops.

use holdall::{Array, Dtype, Result};
use holdall_testing::random::Random;
use holdall_testing::reference::{Reference, any_layout};

/// Entries, rows, groups, channels of a group of x and of y, taps, stride, padding, dilation.
const CASES: &[[usize; 9]] = &[
    [2, 9, 1, 3, 5, 3, 1, 1, 1],
    [1, 12, 40, 1, 1, 4, 1, 3, 1],
    [2, 30, 3, 2, 2, 3, 2, 4, 3],
    [1, 40, 1, 8, 33, 5, 1, 2, 1],
    [2, 37, 2, 20, 17, 1, 3, 0, 1],
    [1, 70, 2, 5, 70, 4, 1, 5, 2],
    [1, 3, 1, 2, 2, 3, 1, 0, 1],
    [0, 5, 1, 2, 2, 3, 1, 0, 1],
    [1, 5, 2, 0, 3, 3, 1, 0, 1],
];

#[test]
fn convolutions_are_those_of_plain_loops() -> Result<()> {
    let mut random = Random::new(92);
    for [batch, rows, groups, of_x, of_y, taps, stride, padding, dilation] in CASES {
        for dtype in [Dtype::Float32, Dtype::Float16, Dtype::Bfloat16, Dtype::Float64] {
            let mut make = |shape: &[usize]| any_layout(&mut random, shape, dtype, |r| r.between(-1.0, 1.0));
            let (x, x_layout) = make(&[*batch, *rows, groups * of_x])?;
            let (w, w_layout) = make(&[groups * of_y, *taps, *of_x])?;
            let got: Array = x.conv1d(&w, *stride, *padding, *dilation, *groups)?;
            let out_rows = (rows + 2 * padding - dilation * (taps - 1) - 1) / stride + 1;
            let what =
                format!("{dtype} {:?} {x_layout}, {:?} {w_layout}, {groups} groups", x.shape(), w.shape());
            assert_eq!((got.shape(), got.dtype()), (&[*batch, out_rows, groups * of_y][..], dtype), "{what}");
            let (x, w, got) = (Reference::of(&x)?, Reference::of(&w)?, Reference::of(&got)?);
            let epsilon = match dtype {
                Dtype::Float16 => 0.5f64.powi(10),
                Dtype::Bfloat16 => 0.5f64.powi(7),
                _ => 1e-5,
            };
            for (i, got) in got.data.iter().enumerate() {
                let (channel, row) = (i % (groups * of_y), i / (groups * of_y) % out_rows);
                let (entry, group) = (i / (groups * of_y) / out_rows, channel / of_y);
                let mut want = 0.0;
                for tap in 0..*taps {
                    let Some(at) = (row * stride + tap * dilation).checked_sub(*padding) else { continue };
                    for c in (0..*of_x).filter(|_| at < *rows) {
                        let value = x.data[(entry * rows + at) * groups * of_x + group * of_x + c];
                        want += value * w.data[(channel * taps + tap) * of_x + c];
                    }
                }
                let near = (got - want).abs() <= epsilon * (1.0 + want.abs());
                assert!(near, "{what}: element {i} is {got}, wanted {want}");
            }
        }
    }
    Ok(())
}
