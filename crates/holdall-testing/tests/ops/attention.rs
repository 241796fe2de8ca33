//! Attention against its decomposition in float64, over types, sizes, layouts and masks.

use holdall::ops::AttentionMask;
use holdall::{Array, Dtype, Result};
use holdall_testing::random::Random;
use holdall_testing::reference::{Reference, any_layout};

#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    key_heads: usize,
    shared: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    value_dim: usize,
}

/// Batch, key heads, query heads for each, queries, keys, features of keys and of values.
const CASES: &[[usize; 7]] = &[
    // Decoding: one part of the keys, and several.
    [1, 2, 4, 1, 37, 64, 64],
    [2, 1, 1, 1, 5, 16, 16],
    [1, 1, 3, 2, 700, 80, 96],
    [1, 2, 1, 1, 1030, 128, 128],
    [1, 1, 16, 1, 300, 40, 33],
    [1, 1, 2, 3, 260, 256, 256],
    // Fewer keys than queries, none at all, features of any number.
    [1, 1, 2, 4, 2, 8, 8],
    [1, 2, 1, 3, 0, 8, 8],
    [1, 1, 1, 40, 0, 8, 8],
    [2, 1, 1, 3, 9, 1, 1],
    // Tiles.
    [1, 2, 2, 33, 33, 64, 64],
    [2, 1, 3, 21, 70, 20, 40],
    [1, 1, 1, 70, 45, 130, 65],
    [1, 1, 1, 10, 64, 32, 256],
];

fn cases() -> impl Iterator<Item = Case> {
    CASES.iter().map(|[batch, key_heads, shared, queries, keys, dim, value_dim]| Case {
        batch: *batch,
        key_heads: *key_heads,
        shared: *shared,
        queries: *queries,
        keys: *keys,
        dim: *dim,
        value_dim: *value_dim,
    })
}

/// A mask that broadcasts to these sizes, some of whose axes are 1.
fn mask(random: &mut Random, sizes: [usize; 4], dtype: Dtype) -> Result<Array> {
    let mut shape = sizes;
    for size in &mut shape[..3] {
        *size = if random.below(2) == 0 { 1 } else { *size };
    }
    let first = random.below(3);
    let shape = if shape[..first].iter().all(|d| *d == 1) { &shape[first..] } else { &shape[..] };
    // Few or many are seen, so that some rows see nothing.
    let often = [2, 3, 40][random.below(3)];
    Ok(if dtype == Dtype::Bool {
        any_layout(random, shape, dtype, |r| f64::from(u8::from(r.below(often) == 0)))?.0
    } else {
        any_layout(random, shape, dtype, |r| if r.below(often) == 0 { r.between(-2.0, 2.0) } else { 0.5 })?.0
    })
}

#[test]
fn attention_is_its_decomposition_over_types_sizes_and_layouts() -> Result<()> {
    let mut random = Random::new(91);
    for case in cases() {
        for kind in 0..4 {
            let dtype = [Dtype::Float32, Dtype::Float16, Dtype::Bfloat16][random.below(3)];
            let has_sinks = random.below(3) == 0;
            let heads = case.key_heads * case.shared;
            let mut make = |shape: &[usize]| any_layout(&mut random, shape, dtype, |r| r.between(-1.5, 1.5));
            let q = make(&[case.batch, heads, case.queries, case.dim])?.0;
            let (k, layout) = make(&[case.batch, case.key_heads, case.keys, case.dim])?;
            let v = make(&[case.batch, case.key_heads, case.keys, case.value_dim])?.0;
            let sinks = make(&[heads])?.0;
            let sizes = [case.batch, heads, case.queries, case.keys];
            let mask = match kind {
                2 => Some(mask(&mut random, sizes, Dtype::Bool)?),
                3 => Some(mask(&mut random, sizes, dtype)?),
                _ => None,
            };
            let what = format!("{dtype} {case:?}, keys {layout}, mask {kind}, sinks {has_sinks}");
            let run = |wide: bool| {
                let of = |x: &Array| if wide { x.astype(Dtype::Float64) } else { x.clone() };
                let (q, k, v, sinks) = (of(&q), of(&k), of(&v), of(&sinks));
                let mask = mask.as_ref().map(|m| if m.dtype() == Dtype::Bool { m.clone() } else { of(m) });
                let mask = match &mask {
                    Some(mask) => AttentionMask::Array(mask),
                    None if kind == 1 => AttentionMask::Causal,
                    None => AttentionMask::None,
                };
                let sinks = has_sinks.then_some(&sinks);
                Array::scaled_dot_product_attention(&q, &k, &v, 0.4, mask, sinks)
            };
            let got = run(false)?;
            assert_eq!(got.dtype(), dtype, "{what}");
            let (got, want) = (Reference::of(&got)?, Reference::of(&run(true)?)?);
            assert_eq!(got.shape, want.shape, "{what}");
            let epsilon = match dtype {
                Dtype::Float16 => 0.5f64.powi(10),
                Dtype::Bfloat16 => 0.5f64.powi(7),
                _ => 1e-5,
            };
            for (i, (g, w)) in got.data.iter().zip(&want.data).enumerate() {
                assert!((g - w).abs() <= epsilon * (1.0 + w.abs()), "{what}: element {i} is {g}, wanted {w}");
            }
        }
    }
    Ok(())
}

/// An additive mask may hide all keys: there is no average then.
#[test]
fn infinitely_low_scores_have_no_weight() -> Result<()> {
    for queries in [1, 40] {
        let ones = |shape: &[usize]| Array::scalar(1.0f32).broadcast_to(shape);
        let (q, k) = (ones(&[1, 1, queries, 4])?, ones(&[1, 1, 3, 4])?);
        let v = Array::from_slice(&[1.0f32, 2.0, 4.0], &[1, 1, 3, 1])?;
        let of = |mask: [f32; 3]| -> Result<Vec<f32>> {
            let mask = Array::from_slice(&mask, &[3])?;
            Array::scaled_dot_product_attention(&q, &k, &v, 1.0, AttentionMask::Array(&mask), None)?.to_vec()
        };
        let low = f32::NEG_INFINITY;
        assert!(of([0.0, low, 0.0])?.iter().all(|y| (y - 2.5).abs() < 1e-6));
        assert!(of([low, low, low])?.iter().all(|y| y.is_nan()));
    }
    Ok(())
}
