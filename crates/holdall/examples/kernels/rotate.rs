//! Rounds of Givens rotations of pairs of channels, in threadgroup memory.

use holdall::{Array, Dtype, Result};

use crate::{Random, difference, floats, kernel};

/// What a rotation is made of: of each round and pair, the two channels within their group as `i | j << 16`, cosine and
/// sine, `[rounds, channels / 2]`; and what channels are multiplied with before, `[channels]`.
#[derive(Debug)]
pub struct Rotation {
    pub pairs: Array,
    pub cosines: Array,
    pub sines: Array,
    pub scales: Array,
    /// Channels of a group, at most 128.
    pub group: usize,
}

/// The rows of `x`, `[rows, channels]`, scaled and rotated.
pub fn rotate(x: &Array, by: &Rotation, checked: bool) -> Result<Array> {
    let (rows, channels, rounds) = (x.dim(0), x.dim(1), by.pairs.dim(0));
    let params = [rows as i32, channels as i32, rounds as i32, by.group as i32];
    let params = Array::from_slice(&params, &[4])?;
    let threads = by.group as u32 / 2;
    let call = kernel(include_str!("../../../../docs/book/kernels/rotate.json"))
        .call([x, &by.pairs, &by.cosines, &by.sines, &by.scales, &params])
        .output(x.shape(), x.dtype())
        .template("T", x.dtype())
        .grid([threads, (channels / by.group) as u32, rows as u32])
        .threadgroup([threads, 1, 1])
        .checked(checked);
    Ok(call.build()?.remove(0))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let group = random.one_of(&[16, 64, 128]);
    let (rows, groups, rounds) = (random.from(1, 4), random.from(1, 3), random.from(1, 8));
    let channels = group * groups;
    let dtype = random.float_type();
    let x = random.floats(&[rows, channels], dtype)?;
    let mut pairs = Vec::new();
    for _ in 0..rounds * groups {
        pairs.extend(random.permutation(group).chunks(2).map(|pair| (pair[0] | pair[1] << 16) as i32));
    }
    let angles = random.floats(&[rounds, channels / 2], Dtype::Float32)?;
    let by = Rotation {
        pairs: Array::from_slice(&pairs, &[rounds, channels / 2])?,
        cosines: angles.cos()?.astype(dtype),
        sines: angles.sin()?.astype(dtype),
        scales: random.floats(&[channels], dtype)?,
        group,
    };
    let (cosines, sines, scales) = (floats(&by.cosines)?, floats(&by.sines)?, floats(&by.scales)?);
    let mut want: Vec<f64> = floats(&x)?.into_iter().map(f64::from).collect();
    for row in want.chunks_mut(channels) {
        for (value, scale) in row.iter_mut().zip(&scales) {
            *value *= f64::from(*scale);
        }
        for (k, pair) in pairs.iter().enumerate() {
            let first = k % (channels / 2) / (group / 2) * group;
            let (i, j) = (first + (pair & 0xffff) as usize, first + (pair >> 16) as usize);
            let (c, s) = (f64::from(cosines[k]), f64::from(sines[k]));
            (row[i], row[j]) = (row[i] * c + row[j] * s, row[j] * c - row[i] * s);
        }
    }
    difference(&rotate(&x, &by, checked)?, &want)
}
