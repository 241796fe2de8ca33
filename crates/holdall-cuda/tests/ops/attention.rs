//! Attention: of one query, and of many.

use std::time::Instant;

use holdall_core::ops::AttentionMask;
use holdall_core::{Array, Dtype, Stream, eval};

use crate::{Numbers, array, compare, limit, streams};

use Dtype::{Bfloat16, Float16};

#[derive(Clone, Copy, Debug)]
enum Mask {
    None,
    Causal,
    /// Of all scores; the last key is seen.
    Bools,
    /// For all batches and heads; the first query sees nothing.
    Shared,
    /// The last so many keys up to the query's own.
    Window(usize),
    Added,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    dtype: Dtype,
    batch: usize,
    heads: usize,
    kv_heads: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    mask: Mask,
    sinks: bool,
}

const CASE: Case = Case {
    dtype: Bfloat16,
    batch: 1,
    heads: 32,
    kv_heads: 8,
    queries: 1,
    keys: 1000,
    dim: 128,
    mask: Mask::None,
    sinks: false,
};

fn bools(numbers: &mut Numbers, shape: [usize; 4], seen: impl Fn(usize, usize) -> Option<bool>) -> Array {
    let [_, _, queries, keys] = shape;
    let n: usize = shape.iter().product();
    let data: Vec<u8> = (0..n)
        .map(|i| seen(i / keys % queries, i % keys).unwrap_or_else(|| numbers.word() % 2 == 0).into())
        .collect();
    Array::from_slice(&data, &shape).unwrap().astype(Dtype::Bool)
}

impl Case {
    fn mask(&self, numbers: &mut Numbers) -> Option<Array> {
        let &Self { batch, heads, queries, keys, .. } = self;
        let shared = [1, 1, queries, keys];
        match self.mask {
            Mask::None | Mask::Causal => None,
            Mask::Bools => {
                Some(bools(numbers, [batch, heads, queries, keys], |_, j| (j + 1 == keys).then_some(true)))
            }
            Mask::Shared => Some(bools(numbers, shared, |i, _| (i == 0).then_some(false))),
            Mask::Window(n) => Some(bools(numbers, shared, |i, j| {
                Some(j <= i + keys - queries && j + n > i + keys - queries)
            })),
            Mask::Added => {
                let n = queries * keys;
                let data: Vec<f32> =
                    (0..n).map(|i| if i % 7 == 3 { f32::NEG_INFINITY } else { numbers.float() }).collect();
                Some(array(&data, &shared, self.dtype))
            }
        }
    }

    fn run(&self) -> Array {
        let &Self { dtype, batch, heads, kv_heads, queries, keys, dim, .. } = self;
        let mut numbers = Numbers::new((heads * 7 + queries * 3 + keys + dim) as u64);
        let mut floats = |shape: &[usize], scale: f32| {
            let data: Vec<f32> = numbers.floats(shape.iter().product()).iter().map(|x| x * scale).collect();
            array(&data, shape, dtype)
        };
        // As models have them: queries token by token, keys in a cache that is longer.
        let q = floats(&[batch, queries, heads, dim], 4.0).transpose(&[0, 2, 1, 3]).unwrap();
        let mut cached =
            || floats(&[batch, kv_heads, keys + 5, dim], 2.0).slice_axis(2, 0, keys as i64).unwrap();
        let (k, v) = (cached(), cached());
        let sinks = self.sinks.then(|| floats(&[heads], 3.0));
        let mask = self.mask(&mut numbers);
        let kind = match (&mask, self.mask) {
            (Some(mask), _) => AttentionMask::Array(mask),
            (_, Mask::Causal) => AttentionMask::Causal,
            _ => AttentionMask::None,
        };
        let scale = (dim as f32).sqrt().recip();
        Array::scaled_dot_product_attention(&q, &k, &v, scale, kind, sinks.as_ref()).unwrap()
    }
}

fn check(streams: [Stream; 2], case: Case) {
    compare(streams, &format!("{case:?}"), limit(case.dtype), || case.run());
}

#[test]
fn one_query_over_a_cache() {
    let Some(streams) = streams() else { return };
    let f16 = Case { dtype: Float16, ..CASE };
    for batch in [1, 3] {
        check(streams, Case { batch, ..CASE });
        check(streams, Case { batch, keys: 1, ..f16 });
        check(streams, Case { batch, keys: 64, mask: Mask::Causal, ..f16 });
        check(streams, Case { batch, heads: 9, kv_heads: 3, keys: 513, dim: 64, ..CASE });
        check(streams, Case { batch, heads: 8, keys: 300, dim: 64, mask: Mask::Bools, ..f16 });
        check(streams, Case { batch, heads: 8, kv_heads: 1, keys: 129, dim: 96, sinks: true, ..f16 });
        check(streams, Case { batch, heads: 16, kv_heads: 2, keys: 2000, dim: 256, sinks: true, ..CASE });
        check(streams, Case { batch, heads: 16, kv_heads: 4, keys: 90, dim: 256, mask: Mask::Bools, ..f16 });
        check(streams, Case { batch, keys: 700, dim: 80, mask: Mask::Shared, ..CASE });
        check(streams, Case { batch, keys: 4096, mask: Mask::Window(100), sinks: true, ..CASE });
        // Left to others.
        check(streams, Case { batch, mask: Mask::Added, ..CASE });
        check(streams, Case { batch, dim: 40, ..CASE });
    }
}

#[test]
fn many_queries() {
    let Some(streams) = streams() else { return };
    let few = Case { batch: 2, heads: 4, kv_heads: 2, mask: Mask::Causal, ..CASE };
    let f16 = Case { dtype: Float16, ..few };
    for case in [
        Case { queries: 300, keys: 300, kv_heads: 1, ..few },
        Case { queries: 40, keys: 77, sinks: true, ..f16 },
        Case { queries: 513, keys: 513, dim: 64, heads: 3, kv_heads: 1, ..few },
        Case { queries: 130, keys: 1000, dim: 64, ..f16 },
        Case { queries: 200, keys: 333, dim: 80, mask: Mask::Bools, ..few },
        Case { queries: 190, keys: 190, dim: 96, mask: Mask::Window(50), sinks: true, ..f16 },
        Case { queries: 400, keys: 400, dim: 256, sinks: true, ..few },
        Case { queries: 100, keys: 260, dim: 256, mask: Mask::None, ..f16 },
        Case { queries: 64, keys: 100, mask: Mask::Shared, ..few },
        // Left to others: queries that see nothing, masks that are added, few queries.
        Case { queries: 100, keys: 50, ..few },
        Case { queries: 100, keys: 150, mask: Mask::Added, ..few },
        Case { queries: 5, keys: 150, ..few },
    ] {
        check(streams, case);
    }
}

/// Prints how long a step of 32 layers over a long cache takes.
#[test]
fn one_query_is_fast() {
    let Some([gpu, _]) = streams() else { return };
    gpu.scope(|| {
        let q = array(&Numbers::new(1).floats(32 * 128), &[1, 32, 1, 128], Bfloat16);
        let cache = Array::full(&[1, 8, 32_768, 128], 0.5f32, Some(Bfloat16)).unwrap();
        eval(&[&q, &cache]).unwrap();
        let mut best = f64::MAX;
        for _ in 0..20 {
            let start = Instant::now();
            let mut x = q.clone();
            for _ in 0..32 {
                x = Array::scaled_dot_product_attention(&x, &cache, &cache, 0.1, AttentionMask::None, None)
                    .unwrap();
            }
            eval(&[&x]).unwrap();
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("one query over 32768 keys, 32 and 8 heads of 128: {:.1} us", best / 32.0 * 1e6);
    });
}
