use holdall::random::{self, *};
use holdall::{Array, Dtype, ErrorKind, Result};

use super::random_goldens::*;

fn key() -> Array {
    random::key(SEED).expect("the CPU has room for a key")
}

fn float_bits(x: &Array) -> Result<Vec<u32>> {
    Ok(x.astype(Dtype::Float32).to_vec::<f32>()?.into_iter().map(f32::to_bits).collect())
}

/// Equal but for so many steps between neighbouring numbers of the type.
fn near(x: &Array, want: &[u32], steps: f32) -> Result<()> {
    let epsilon = match x.dtype() {
        Dtype::Float16 => 0.5f32.powi(10),
        Dtype::Bfloat16 => 0.5f32.powi(7),
        _ => f32::EPSILON,
    };
    for (got, want) in x.astype(Dtype::Float32).to_vec::<f32>()?.into_iter().zip(want) {
        let want = f32::from_bits(*want);
        assert!((got - want).abs() <= steps * epsilon * want.abs().max(0.25), "{got}, wanted {want}");
    }
    Ok(())
}

fn uniform32(shape: &[usize]) -> Result<Vec<u32>> {
    float_bits(&uniform(0.0, 1.0, shape, Dtype::Float32, Some(&key()))?)
}

#[test]
fn keys_and_uniform_numbers_are_mlxs_to_the_bit() -> Result<()> {
    let k = key();
    assert_eq!(k.to_vec::<u32>()?, [0x1234_5678, 0x9abc_def0]);
    assert_eq!(split(&k, 3)?.to_vec::<u32>()?, SPLIT);
    assert_eq!(uniform32(&[5])?, UNIFORM_ODD);
    assert_eq!(uniform32(&[2, 3])?, UNIFORM_EVEN);
    assert_eq!(uniform32(&[])?, UNIFORM_ONE);
    let range = |dtype| float_bits(&uniform(-3.0, 7.5, &[6], dtype, Some(&k))?);
    assert_eq!(range(Dtype::Float32)?, UNIFORM_RANGE);
    assert_eq!(range(Dtype::Float16)?, UNIFORM_HALF);
    assert_eq!(range(Dtype::Bfloat16)?, UNIFORM_BRAIN);
    Ok(())
}

#[test]
fn integers_and_choices_are_mlxs() -> Result<()> {
    let k = key();
    let k = Some(&k);
    assert_eq!(bernoulli(0.3, Some(&[16]), k)?.to_vec::<u8>()?, BERNOULLI);
    assert_eq!(randint(-10, 20, &[12], Dtype::Int32, k)?.to_vec::<i32>()?, RANDINT);
    let (low, high) = (Array::scalar(-1i64 << 31), Array::scalar(1i64 << 40));
    assert_eq!(randint(low, high, &[5], Dtype::Int64, k)?.to_vec::<i64>()?, RANDINT_LARGE);
    assert_eq!(permutation(11, k)?.to_vec::<u32>()?, PERMUTATION);
    let rows = Array::from_slice(&(0..22i32).collect::<Vec<_>>(), &[11, 2])?;
    let want: Vec<i32> = PERMUTATION.iter().flat_map(|i| [2 * *i as i32, 2 * *i as i32 + 1]).collect();
    assert_eq!(permuted(&rows, 0, k)?.to_vec::<i32>()?, want);
    Ok(())
}

#[test]
fn smooth_distributions_are_mlxs_to_rounding() -> Result<()> {
    let k = key();
    let k = Some(&k);
    near(&normal(&[8], Dtype::Float32, None, None, k)?, &NORMAL, 4.0)?;
    near(&normal(&[8], Dtype::Float32, Some(2.0.into()), Some(3.0.into()), k)?, &NORMAL_SCALED, 8.0)?;
    near(&normal(&[8], Dtype::Float16, None, None, k)?, &NORMAL_HALF, 1.0)?;
    near(&gumbel(&[8], Dtype::Float32, k)?, &GUMBEL, 4.0)?;
    near(&laplace(&[8], Dtype::Float32, 2.0, 3.0, k)?, &LAPLACE, 8.0)?;
    near(&laplace(&[8], Dtype::Bfloat16, 0.0, 1.0, k)?, &LAPLACE_BRAIN, 1.0)?;
    near(&truncated_normal(-1.0, 2.0, Some(&[8]), Dtype::Float32, k)?, &TRUNCATED, 8.0)?;
    Ok(())
}

fn logits(shape: &[usize]) -> Result<Array> {
    let n: usize = shape.iter().product();
    let data: Vec<f32> = (0..n).map(|i| ((i * 7919 % 1000) as f64 / 100.0 - 5.0) as f32).collect();
    Array::from_slice(&data, shape)
}

#[test]
fn samples_are_mlxs() -> Result<()> {
    let k = key();
    let k = Some(&k);
    let draw = |shape: &[usize], axis, wanted: Option<&[usize]>| {
        categorical(&logits(shape)?, axis, wanted, k)?.to_vec::<u32>()
    };
    assert_eq!(draw(&[6, 50], -1, None)?, CATEGORICAL_BATCH);
    assert_eq!(draw(&[50, 6], 0, None)?, CATEGORICAL_FIRST_AXIS);
    assert_eq!(draw(&[3, 20], -1, Some(&[2, 3]))?, CATEGORICAL_SHAPE);
    assert_eq!(draw(&[1000], -1, None)?, CATEGORICAL_VECTOR);
    assert_eq!(categorical_samples(&logits(&[3, 20])?, -1, 4, k)?.to_vec::<u32>()?, CATEGORICAL_SAMPLES);
    assert_eq!(categorical_samples(&logits(&[1, 1000])?, -1, 12, k)?.to_vec::<u32>()?, CATEGORICAL_MANY);
    for (seed, want) in CATEGORICAL_DECODE.into_iter().enumerate() {
        let k = random::key(seed as u64)?;
        assert_eq!(categorical(&logits(&[1, 1000])?, -1, None, Some(&k))?.to_vec::<u32>()?, [want], "{seed}");
    }
    Ok(())
}

#[test]
fn impossible_alternatives_are_never_drawn() -> Result<()> {
    let mut data = [f32::NEG_INFINITY; 30];
    (data[7], data[20]) = (0.0, 0.5);
    for shape in [&[30][..], &[1, 30]] {
        let logits = Array::from_slice(&data, shape)?;
        let drawn = categorical_samples(&logits, -1, 3000, Some(&key()))?.to_vec::<u32>()?;
        assert!(drawn.iter().all(|i| [7, 20].contains(i)));
        let sevens = drawn.iter().filter(|i| **i == 7).count();
        assert!((1000..1270).contains(&sevens), "{sevens} of 3000, expected 1133");
    }
    Ok(())
}

#[test]
fn every_thread_has_its_state_and_one_seed_gives_one_sequence() -> Result<()> {
    let draws = || {
        seed(7)?;
        let a = uniform(0.0, 1.0, &[2], Dtype::Float32, None)?;
        let b = randint(0, 100, &[3], Dtype::Int32, None)?;
        let c = uniform(0.0, 1.0, &[1], Dtype::Float32, None)?;
        Ok([float_bits(&a)?, float_bits(&b)?, float_bits(&c)?].concat())
    };
    let here: Result<Vec<u32>> = draws();
    assert_eq!(here?, STATE);
    let there: Result<Vec<u32>> = std::thread::spawn(draws).join().expect("the thread returns");
    assert_eq!(there?, STATE);
    // The state goes on, and can be set back.
    let before = state()?;
    let first = uniform32_of_state()?;
    assert_ne!(first, uniform32_of_state()?);
    set_state(before);
    assert_eq!(first, uniform32_of_state()?);
    Ok(())
}

fn uniform32_of_state() -> Result<Vec<u32>> {
    float_bits(&uniform(0.0, 1.0, &[3], Dtype::Float32, None)?)
}

#[test]
fn narrow_bits_are_the_bytes_of_wide_ones() -> Result<()> {
    let k = key();
    for n in [0usize, 1, 2, 3, 5, 8, 301, 100_003] {
        let words = bits(&[n.div_ceil(4)], 32, Some(&k))?.to_bytes()?;
        let bytes = bits(&[n], 8, Some(&k))?;
        assert_eq!((bytes.dtype(), bytes.to_bytes()?), (Dtype::Uint8, words[..n].to_vec()), "{n}");
        let words = bits(&[n.div_ceil(2)], 32, Some(&k))?.to_bytes()?;
        assert_eq!(bits(&[n], 16, Some(&k))?.to_bytes()?, words[..2 * n], "{n}");
    }
    Ok(())
}

#[test]
fn distributions_have_their_moments() -> Result<()> {
    let n = 200_000;
    let k = key();
    let moments = |x: Array| -> Result<(f64, f64)> {
        let x = x.astype(Dtype::Float64);
        Ok((x.mean(None, false)?.item::<f64>()?, x.std(None, false, 0)?.item::<f64>()?))
    };
    let near = |got: (f64, f64), mean: f64, deviation: f64| {
        let error = 5.0 * deviation / (n as f64).sqrt();
        assert!(
            (got.0 - mean).abs() < error && (got.1 - deviation).abs() < 2.0 * error,
            "{got:?}, wanted {mean} {deviation}"
        );
    };
    near(moments(uniform(2.0, 4.0, &[n], Dtype::Float32, Some(&k))?)?, 3.0, (1.0f64 / 3.0).sqrt());
    near(moments(normal(&[n], Dtype::Float32, Some(1.0.into()), Some(2.0.into()), Some(&k))?)?, 1.0, 2.0);
    near(moments(gumbel(&[n], Dtype::Float32, Some(&k))?)?, 0.577_216, std::f64::consts::PI / 6f64.sqrt());
    near(moments(laplace(&[n], Dtype::Float32, -1.0, 0.5, Some(&k))?)?, -1.0, 0.5 * 2f64.sqrt());
    Ok(())
}

#[test]
fn bad_arguments_are_errors() -> Result<()> {
    let k = key();
    let k = Some(&k);
    assert_eq!(bits(&[2], 64, k).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(bits(&[2], 32, Some(&Array::scalar(1u32))).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(uniform(0, 1, &[2], Dtype::Int32, k).unwrap_err().kind(), ErrorKind::Dtype);
    assert_eq!(randint(0, 1, &[2], Dtype::Float32, k).unwrap_err().kind(), ErrorKind::Dtype);
    let low = Array::from_slice(&[0.0f32; 3], &[3])?;
    assert_eq!(uniform(low, 1.0, &[2], Dtype::Float32, k).unwrap_err().kind(), ErrorKind::Shape);
    let empty = Array::from_slice::<f32>(&[], &[2, 0])?;
    assert_eq!(categorical(&empty, -1, None, k).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(categorical(&logits(&[3, 4])?, 2, None, k).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(categorical(&logits(&[3, 4])?, 1, Some(&[2]), k).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(uniform(0.0, 1.0, &[0, 3], Dtype::Float32, k)?.shape(), [0, 3]);
    // Rounding never reaches the bound.
    let top = randint(1_000_000, 1_000_001, &[100_000], Dtype::Int32, k)?.max(None, false)?;
    assert_eq!(top.item::<i32>()?, 1_000_000);
    Ok(())
}

#[test]
fn a_thread_ends_with_a_lazy_state() {
    // A panic while a thread's variables are dropped ends the process, not the test.
    let draw = || {
        seed(1)?;
        let x = uniform(0.0, 1.0, &[3], Dtype::Float32, None)?.add(1.0)?;
        drop(x);
        uniform(0.0, 1.0, &[3], Dtype::Float32, None)?.add(1.0)?.to_vec::<f32>()
    };
    let drawn = std::thread::spawn(draw).join().map(|x| x.map(|x| x.len()).ok());
    assert_eq!(drawn.ok().flatten(), Some(3));
}
