//! Attention: tiles, and few rows whose keys are cut into parts.

use holdall::ops::AttentionMask;
use holdall::{Array, Dtype};

use super::support::{LAYOUTS, same};

#[test]
fn attention_of_all_masks() {
    for dtype in [Dtype::Float32, Dtype::Float16, Dtype::Bfloat16] {
        // Few rows, rows for tiles, few rows with keys in parts.
        for (i, (queries, keys)) in [(2, 9), (40, 50), (1, 700)].into_iter().enumerate() {
            for kind in 0..4 {
                let has_sinks = (i + kind) % 2 == 0;
                // Weights have the errors of their scores, which are much larger than the results.
                same(&format!("{dtype} {queries}x{keys} mask {kind}"), 64.0, &|make| {
                    let layout = LAYOUTS[(i + kind) % 5];
                    let q = make.laid(&[2, 4, queries, 40], dtype, layout);
                    let k = make.laid(&[2, 2, keys, 40], dtype, layout);
                    let v = make.laid(&[2, 2, keys, 24], dtype, layout);
                    let masks = [
                        make.array(&[queries, keys], Dtype::Bool),
                        make.array(&[1, 4, queries, keys], dtype),
                    ];
                    let mask = match kind {
                        0 => AttentionMask::None,
                        1 => AttentionMask::Causal,
                        kind => AttentionMask::Array(&masks[kind - 2]),
                    };
                    let sinks = make.array(&[4], dtype);
                    let sinks = has_sinks.then_some(&sinks);
                    Ok(vec![Array::scaled_dot_product_attention(&q, &k, &v, 0.2, mask, sinks)?])
                });
            }
        }
    }
}
