//! Attention against f64 over random shapes, masks, strides and dtypes.

use half::{bf16, f16};

use super::*;
use crate::kernels::dense::testing::{Random, run_team};
use crate::kernels::float::Element;

/// A strided operand [batch, heads, rows, dim] within a larger buffer, as caches are.
struct Operand<E> {
    values: Vec<E>,
    strides: [isize; 3],
}

impl<E: Element> Operand<E> {
    fn new(random: &mut Random, batch: usize, heads: usize, rows: usize, dim: usize) -> Self {
        let (room, gap) = (rows + random.below(5), dim + random.below(2) * 3);
        let strides = if random.below(2) == 0 {
            [heads * room * gap, room * gap, gap]
        } else {
            [room * heads * gap, gap, heads * gap]
        };
        let values =
            (0..(batch * heads * room * gap).max(1)).map(|_| E::from_f32(random.uniform())).collect();
        Self { values, strides: strides.map(|s| s as isize) }
    }

    fn at(&self, b: usize, h: usize, r: usize, d: usize) -> f64 {
        let [sb, sh, sr] = self.strides.map(|s| s as usize);
        f64::from(self.values[b * sb + h * sh + r * sr + d].to_f32())
    }

    fn slice(&mut self) -> Slice {
        Slice::new(self.values.as_mut_ptr().cast(), size_of_val(&self.values[..]))
    }
}

/// A mask's broadcast strides over [batch, heads, queries, keys] and its elements.
fn mask_layout(random: &mut Random, p: &Params) -> ([isize; 4], usize) {
    let shape = [p.batch, p.query_heads, p.queries, p.keys];
    let keep = [random.below(2) == 0, random.below(2) == 0, random.below(4) > 0, random.below(8) > 0];
    let (mut strides, mut size) = ([0; 4], 1);
    for axis in (0..4).rev() {
        if keep[axis] {
            strides[axis] = size as isize;
            size *= shape[axis];
        }
    }
    (strides, size.max(1))
}

struct Case<E> {
    params: Params,
    q: Operand<E>,
    k: Operand<E>,
    v: Operand<E>,
    mask: Vec<f32>,
    sinks: Vec<f32>,
}

impl<E: Element> Case<E> {
    fn new(random: &mut Random, float: Float, sizes: fn(&mut Random) -> [usize; 2]) -> Self {
        let [queries, keys] = sizes(random);
        let (batch, key_heads, group) = (1 + random.below(2), 1 + random.below(2), 1 + random.below(4));
        let (dim, value_dim) = (1 + random.below(70), 1 + random.below(70));
        let query_heads = key_heads * group;
        let q = Operand::new(random, batch, query_heads, queries, dim);
        let k = Operand::new(random, batch, key_heads, keys, dim);
        let v = Operand::new(random, batch, key_heads, keys, value_dim);
        let out = [query_heads * queries * value_dim, queries * value_dim, value_dim].map(|s| s as isize);
        let mut params = Params {
            isa: *random.pick(&Isa::available()),
            batch,
            query_heads,
            key_heads,
            queries,
            keys,
            dim,
            value_dim,
            floats: [float; 3],
            strides: [q.strides, k.strides, v.strides, out],
            scale: 0.7,
            mask: Mask::None,
            sinks: (random.below(3) == 0).then_some((Float::F32, 1)),
        };
        let (strides, size) = mask_layout(random, &params);
        params.mask = *random.pick(&[
            Mask::None,
            Mask::Causal,
            Mask::Bool(strides),
            Mask::Additive(Float::F32, strides),
        ]);
        // Some rows see nothing, some everything, some little.
        let often = *random.pick(&[1, 2, 3, 4, 400]);
        let mask = (0..size).map(|_| if random.below(often) == 0 { 1.0 } else { 0.0 }).collect();
        let sinks = (0..query_heads).map(|_| 2.0 * random.uniform()).collect();
        Self { params, q, k, v, mask, sinks }
    }

    fn reference(&self) -> Vec<f64> {
        let p = &self.params;
        let mut out = Vec::new();
        for (b, h, i) in (0..p.batch)
            .flat_map(|b| (0..p.query_heads).flat_map(move |h| (0..p.queries).map(move |i| (b, h, i))))
        {
            let kv = h / p.group();
            let masked = f64::from(f32::MIN);
            let mut scores: Vec<f64> = (0..p.keys)
                .map(|j| {
                    let score: f64 = (0..p.dim).map(|d| self.q.at(b, h, i, d) * self.k.at(b, kv, j, d)).sum();
                    let score = score * f64::from(p.scale);
                    let mask = |s: [isize; 4]| {
                        f64::from(
                            self.mask[[b, h, i, j].iter().zip(s).map(|(x, s)| x * s as usize).sum::<usize>()],
                        )
                    };
                    match p.mask {
                        Mask::None => score,
                        Mask::Causal => {
                            if (j + p.queries) as isize <= (i + p.keys) as isize {
                                score
                            } else {
                                masked
                            }
                        }
                        Mask::Bool(s) => {
                            if mask(s) != 0.0 {
                                score
                            } else {
                                masked
                            }
                        }
                        Mask::Additive(_, s) => score + if mask(s) != 0.0 { 0.5 } else { f64::NEG_INFINITY },
                    }
                })
                .collect();
            if p.sinks.is_some() {
                scores.push(f64::from(self.sinks[h]));
            }
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
            let total: f64 = weights.iter().sum();
            for d in 0..p.value_dim {
                let sum: f64 = (0..p.keys).map(|j| weights[j] / total * self.v.at(b, kv, j, d)).sum();
                out.push(sum);
            }
        }
        out
    }

    fn run(&mut self, threads: usize) -> Vec<E> {
        let p = &self.params;
        let mut out = vec![E::from_f32(9.0); p.batch * p.query_heads * p.queries * p.value_dim + 1];
        let mut memory = vec![self.q.slice(), self.k.slice(), self.v.slice()];
        let mut bytes: Vec<u8> = self.mask.iter().map(|&x| x as u8).collect();
        let mut added: Vec<f32> =
            self.mask.iter().map(|&x| if x != 0.0 { 0.5 } else { f32::NEG_INFINITY }).collect();
        match p.mask {
            Mask::Bool(_) => memory.push(Slice::new(bytes.as_mut_ptr(), bytes.len())),
            Mask::Additive(..) => memory.push(Slice::new(added.as_mut_ptr().cast(), 4 * added.len())),
            _ => {}
        }
        if p.sinks.is_some() {
            memory.push(Slice::new(self.sinks.as_mut_ptr().cast(), 4 * self.sinks.len()));
        }
        memory.push(Slice::new(out.as_mut_ptr().cast(), size_of_val(&out[..])));
        // SAFETY: the bindings fit the parameters.
        unsafe { run_team(&Attention::new(p.clone()), &memory, threads) };
        assert_eq!(out.pop().map(E::to_f32), Some(9.0), "wrote past the end");
        out
    }
}

fn check<E: Element>(
    float: Float,
    tolerance: f64,
    seed: u64,
    rounds: usize,
    sizes: fn(&mut Random) -> [usize; 2],
) {
    let mut random = Random::new(seed);
    for round in 0..rounds {
        let mut case = Case::<E>::new(&mut random, float, sizes);
        let (want, got) = (case.reference(), case.run(1 + round % 2));
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let got = f64::from(got.to_f32());
            let ok = (got - want).abs() <= tolerance || got.is_nan() && want.is_nan();
            assert!(ok, "seed {seed} round {round} at {i}: {got} for {want}, {:?}", case.params);
        }
    }
}

/// Weighted averages of values up to 1: the dtype's rounding, and that of scores up to 50.
#[test]
fn few_queries() {
    let sizes = |random: &mut Random| [1 + random.below(2), random.below(90)];
    check::<f32>(Float::F32, 1e-5, 1, 120, sizes);
    check::<f16>(Float::F16, 1e-3, 2, 40, sizes);
    check::<bf16>(Float::Bf16, 8e-3, 3, 40, sizes);
}

#[test]
fn many_queries() {
    let sizes = |random: &mut Random| [3 + random.below(100), random.below(150)];
    check::<f32>(Float::F32, 1e-5, 4, 60, sizes);
    check::<f16>(Float::F16, 1e-3, 5, 20, sizes);
    check::<bf16>(Float::Bf16, 8e-3, 6, 20, sizes);
}

#[test]
fn long_caches_in_parts() {
    check::<f32>(Float::F32, 1e-5, 7, 16, |random| [1 + random.below(3), 257 + random.below(900)]);
    check::<f16>(Float::F16, 1e-3, 8, 6, |random| [1 + random.below(20), 257 + random.below(900)]);
}
