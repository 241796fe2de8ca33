//! Fused chains of elementwise ops give what their ops give one by one, bit for bit.

use half::{bf16, f16};
use holdall::pointwise::{Class, Row, TABLE};
use holdall::{Array, Dtype, eval};
use holdall_testing::random::Random;

use super::support::values;

#[test]
fn a_value_may_be_used_twice_in_one_step() {
    let x = Array::from_slice(&[5f32; 3], &[3]).unwrap();
    let y = &x * 2.0;
    // Two values that live at once follow the last use of `y`.
    let z = (&y + &y) + (&x + 1.0) * (&x - 2.0);
    drop(y);
    assert_eq!(values(&z), [38.0; 3]);
}

/// The bits of an array, every NaN alike.
fn bits(x: &Array) -> Vec<u64> {
    fn each<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> u64) -> Vec<u64> {
        bytes.as_chunks().0.iter().map(|c| f(*c)).collect()
    }
    let bytes = x.to_bytes().unwrap();
    let real = |x: f32| if x.is_nan() { u64::MAX } else { u64::from(x.to_bits()) };
    match x.dtype() {
        Dtype::Float16 => each(&bytes, |b| real(f16::from_le_bytes(b).to_f32())),
        Dtype::Bfloat16 => each(&bytes, |b| real(bf16::from_le_bytes(b).to_f32())),
        Dtype::Float32 | Dtype::Complex64 => each(&bytes, |b| real(f32::from_le_bytes(b))),
        Dtype::Float64 => {
            each(&bytes, |b| if f64::from_le_bytes(b).is_nan() { u64::MAX } else { u64::from_le_bytes(b) })
        }
        _ => bytes.iter().map(|b| u64::from(*b)).collect(),
    }
}

/// One chain, lazily and one by one.
struct Chain {
    lazy: Vec<Array>,
    eager: Vec<Array>,
    steps: Vec<String>,
}

impl Chain {
    fn apply(
        &mut self,
        what: String,
        f: impl Fn(&[Array]) -> holdall::Result<Vec<Array>>,
        operands: &[usize],
    ) {
        let of = |all: &[Array]| operands.iter().map(|i| all[*i].clone()).collect::<Vec<_>>();
        let lazy = f(&of(&self.lazy)).unwrap();
        let eager = f(&of(&self.eager)).unwrap();
        eager.iter().for_each(|x| eval(&[x]).unwrap());
        self.lazy.extend(lazy);
        self.eager.extend(eager);
        self.steps.push(format!("{what}{operands:?}"));
    }
}

fn start(random: &mut Random, dtype: Dtype) -> Chain {
    let (rows, columns) = (3, 700); // more than a tile
    let mut lazy = Vec::new();
    for shape in [&[rows, columns][..], &[rows, columns], &[rows, 1], &[]] {
        let n = shape.iter().product();
        let data: Vec<f64> = (0..n).map(|_| random.between(-4.0, 4.0)).collect();
        let x = Array::from_slice(&data, shape).unwrap();
        lazy.push(if dtype == Dtype::Bool { x.less(0.0).unwrap() } else { x.astype(dtype) });
    }
    let turned: Vec<f64> = (0..rows * columns).map(|_| random.between(0.1, 2.0)).collect();
    let turned = Array::from_slice(&turned, &[columns, rows]).unwrap().astype(dtype);
    eval(&[&turned]).unwrap();
    lazy.push(turned.transpose(&[]).unwrap());
    eval(&lazy.iter().collect::<Vec<_>>()).unwrap();
    Chain { eager: lazy.clone(), lazy, steps: Vec::new() }
}

#[test]
fn fused_chains_are_their_ops_one_by_one() {
    let mut chains = 0;
    for dtype in Dtype::ALL {
        let rows: Vec<&'static Row> = TABLE
            .iter()
            .filter(|row| row.class != Class::Select && row.types(dtype).is_ok_and(|t| t == (dtype, dtype)))
            .collect();
        let others: Vec<Dtype> =
            Dtype::ALL.into_iter().filter(|d| *d != Dtype::Complex64 && *d != dtype).collect();
        for seed in 0..40u64 {
            let random = &mut Random::new(seed);
            let mut chain = start(random, dtype);
            for _ in 0..random.below(30) + 2 {
                let n = chain.lazy.len();
                // Mostly what was made last, so that chains get long.
                let mut operand =
                    || if random.below(2) == 0 { n - 1 - random.below(n.min(3)) } else { random.below(n) };
                let (a, b, c) = (operand(), operand(), operand());
                match random.below(8) {
                    0 => chain.apply(
                        "cast".into(),
                        |x| {
                            let other = others[(a + b) % others.len()];
                            Ok(vec![x[0].astype(other).astype(dtype)])
                        },
                        &[a],
                    ),
                    1 => chain.apply(
                        "select".into(),
                        |x| Ok(vec![Array::select(&x[0].equal(&x[1])?, &x[2], &x[0])?]),
                        &[a, b, c],
                    ),
                    _ => {
                        let row = *random.pick(&rows);
                        let operands = &[a, b][..usize::from(row.arity)];
                        chain.apply(
                            row.name.into(),
                            |x| Array::elementwise(row, &x.iter().collect::<Vec<_>>()),
                            operands,
                        );
                    }
                }
            }
            let last = chain.lazy.len() - 1;
            let (lazy, eager) = (chain.lazy[last].clone(), chain.eager[last].clone());
            chain.lazy.clear(); // so that nobody else owns what is on the way
            assert_eq!(bits(&lazy), bits(&eager), "{dtype}, seed {seed}: {:?}", chain.steps);
            chains += 1;
        }
    }
    assert_eq!(chains, 14 * 40);
}
