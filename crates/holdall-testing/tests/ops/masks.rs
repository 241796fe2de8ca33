//! Assignment by masks against plain loops.

use holdall::{Array, Dtype, Result};
use holdall_testing::random::Random;
use holdall_testing::reference::{Reference, any_layout};

/// Sizes of the mask, and of the parts behind its axes.
const CASES: &[(&[usize], &[usize])] = &[
    (&[1], &[]),
    (&[7], &[3]),
    (&[4, 5], &[]),
    (&[3000], &[2]),
    (&[9001], &[]),
    (&[60, 90], &[1, 3]),
    (&[0], &[2]),
];

#[test]
fn masks_of_all_sizes_take_values_in_order() -> Result<()> {
    let mut random = Random::new(93);
    for (places, part) in CASES {
        for dtype in Dtype::ALL {
            let shape = [*places, *part].concat();
            let draw = |r: &mut Random| r.below(2) as f64;
            let (x, x_layout) = any_layout(&mut random, &shape, dtype, draw)?;
            let (mask, layout) = any_layout(&mut random, places, Dtype::Bool, draw)?;
            let set = Reference::of(&mask)?;
            let count = set.data.iter().filter(|m| **m != 0.0).count();
            // Too few, as many, too many; a single part would be a number for all places.
            let parts = (count + 3 * random.below(3)).saturating_sub(3).max(2);
            let rows = [&[parts][..], *part].concat();
            let (values, _) = any_layout(&mut random, &rows, dtype, |r| r.below(100) as f64)?;
            let got: Array = x.masked_update(&mask, &values)?;
            let what = format!("{dtype} {shape:?} {x_layout}, mask {layout}, {parts} parts for {count}");
            assert_eq!(got.dtype(), dtype, "{what}");
            let (mut want, values) = (Reference::of(&x)?, Reference::of(&values)?);
            let n: usize = part.iter().product();
            let places = (0..set.data.len()).filter(|i| set.data[*i] != 0.0).take(parts);
            for (k, place) in places.enumerate() {
                want.data[place * n..(place + 1) * n].copy_from_slice(&values.data[k * n..(k + 1) * n]);
            }
            assert_eq!(Reference::of(&got)?, want, "{what}");
        }
    }
    Ok(())
}
