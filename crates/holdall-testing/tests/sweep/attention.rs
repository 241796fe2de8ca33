//! Attention: its kernel against its decomposition, and derivatives.

use holdall::ops::AttentionMask;
use holdall::transform::vjp;
use holdall::{Array, Dtype, Result};
use holdall_testing::random::Random;

use super::support::{assert_close, check, random, values};

const SHAPES: [&[usize]; 3] = [&[2, 4, 3, 8], &[2, 2, 5, 8], &[2, 2, 5, 6]];

fn with_mask(x: &[Array], kind: usize, masks: &[Array; 2], sinks: bool) -> Result<Vec<Array>> {
    let mask = match kind {
        0 => AttentionMask::None,
        1 => AttentionMask::Causal,
        kind => AttentionMask::Array(&masks[kind - 2]),
    };
    let sinks = sinks.then(|| &x[3]);
    Ok(vec![Array::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.3, mask, sinks)?])
}

fn inputs(seed: &mut Random) -> (Vec<Array>, [Array; 2]) {
    let mut x: Vec<Array> = SHAPES.iter().map(|s| random(seed, s, (-2.0, 2.0))).collect();
    x.push(random(seed, &[4], (-1.0, 1.0)));
    let added = random(seed, &[1, 4, 3, 5], (-1.0, 1.0));
    // The first query sees nothing.
    let seen: Vec<u8> = (0..15).map(|i| u8::from(i >= 5 && seed.below(2) == 0)).collect();
    let seen = Array::from_bytes(&seen, &[3, 5], Dtype::Bool).unwrap();
    (x, [seen, added])
}

#[test]
fn attention_agrees_with_differences() {
    let mut seed = Random::new(41);
    let (x, masks) = inputs(&mut seed);
    for kind in 0..4 {
        for sinks in [false, true] {
            let f = |x: &[Array]| with_mask(x, kind, &masks, sinks);
            let n = if sinks { 4 } else { 3 };
            check(&f, &x[..n], &mut seed, &format!("attention, mask {kind}, sinks {sinks}"));
        }
    }
}

/// float64 has no kernel and runs as its decomposition.
#[test]
fn attention_is_its_decomposition() {
    let mut seed = Random::new(42);
    let (x, [seen, added]) = inputs(&mut seed);
    let narrow: Vec<Array> = x.iter().map(|x| x.astype(Dtype::Float32)).collect();
    let wide: Vec<Array> = narrow.iter().map(|x| x.astype(Dtype::Float64)).collect();
    let masks = [seen, added.astype(Dtype::Float32)];
    for kind in 0..4 {
        for sinks in [false, true] {
            let what = format!("mask {kind}, sinks {sinks}");
            let of = |x: &[Array]| with_mask(x, kind, &masks, sinks).unwrap().remove(0);
            let (a, b) = (of(&narrow), of(&wide));
            assert_eq!((a.dtype(), b.dtype()), (Dtype::Float32, Dtype::Float64));
            assert_close(&values(&a), &values(&b), 2e-6, &what);
            let slopes = |x: &[Array], y: &Array| {
                let f = |x: &[Array]| with_mask(x, kind, &masks, sinks);
                vjp(f, x, &[y.clone()]).unwrap().1.iter().flat_map(values).collect::<Vec<_>>()
            };
            assert_close(&slopes(&narrow, &b), &slopes(&wide, &b), 1e-5, &what);
        }
    }
}
