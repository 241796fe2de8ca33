//! `holdall bench`.

use std::time::Instant;

use serde::Serialize;

use super::io::Io;
use super::running::{self, Running};
use crate::args::BenchArgs;
use crate::context::Context;
use crate::engine::{BenchRun, Engine, Timing};
use crate::error::{Error, Kind, Result};
use crate::interrupt;
use crate::ui::human_bytes;

/// What `--json` prints. Rates are tokens per second of the whole batch.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    device: String,
    prompt_tokens: usize,
    gen_tokens: usize,
    batch: usize,
    repeat: usize,
    prefill_tps: Option<f64>,
    prefill_tps_min: Option<f64>,
    prefill_tps_max: Option<f64>,
    decode_tps: Option<f64>,
    decode_tps_min: Option<f64>,
    decode_tps_max: Option<f64>,
    load_s: f64,
    first_token_s: f64,
    peak_memory_bytes: u64,
}

/// Tokens of the prompt whose first token is waited for.
const FIRST_PROMPT: usize = 32;

/// Median, least and most of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// `None` of no numbers.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Some(Self { median, min, max })
    }
}

/// Measures how fast the model reads and writes.
///
/// # Errors
/// Those of finding, loading and running the model, and of writing to standard output; Ctrl-C.
pub fn run(args: &BenchArgs, engine: &dyn Engine, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    let Running { model, mut session, load_s } = running::load(&args.model, engine, cx)?;
    let prompt = random_tokens(args.prompt_tokens, session.vocab_size())?;
    let run = BenchRun { prompt: &prompt, gen_tokens: args.gen_tokens, batch: args.batch };
    let mut timings: Vec<Timing> = Vec::with_capacity(args.repeat.min(1 << 10));
    // What a user waits for after the start: weights that are still being read, and a short prompt.
    let begin = Instant::now();
    session.bench(&BenchRun {
        prompt: &prompt[..prompt.len().min(FIRST_PROMPT)],
        gen_tokens: 1,
        batch: 1,
    })?;
    let first_token_s = load_s + begin.elapsed().as_secs_f64();
    // The first run warms caches, threads and clocks up, and is not counted.
    for round in 0..=args.repeat {
        interrupt::check()?;
        let timing = session.bench(&run)?;
        cx.ui.detail(|| format!("run {round}: {timing:?}"));
        if round > 0 {
            timings.push(timing);
        }
    }
    let prefill = Spread::of(timings.iter().filter_map(Timing::prefill_tps));
    let decode = Spread::of(timings.iter().filter_map(Timing::decode_tps));
    let report = Report {
        model: model.name,
        device: session.device(),
        prompt_tokens: args.prompt_tokens,
        gen_tokens: args.gen_tokens,
        batch: args.batch,
        repeat: args.repeat,
        prefill_tps: prefill.map(|spread| spread.median),
        prefill_tps_min: prefill.map(|spread| spread.min),
        prefill_tps_max: prefill.map(|spread| spread.max),
        decode_tps: decode.map(|spread| spread.median),
        decode_tps_min: decode.map(|spread| spread.min),
        decode_tps_max: decode.map(|spread| spread.max),
        load_s,
        first_token_s,
        peak_memory_bytes: session.peak_memory_bytes(),
    };
    io.write(&if args.json { super::json(&report)? } else { text(&report, prefill, decode) })
}

/// The same tokens each time, so that runs can be compared.
fn random_tokens(count: usize, vocab_size: usize) -> Result<Vec<u32>> {
    let vocab = u64::try_from(vocab_size).unwrap_or(u64::MAX).min(1 << 32);
    if vocab == 0 {
        return Err(Error::new(Kind::Model, "the model knows no tokens"));
    }
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut next = || {
        // xorshift64: any sequence without a pattern does.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Below 2^32, so the cast keeps the value.
        (state % vocab) as u32
    };
    Ok((0..count).map(|_| next()).collect())
}

fn text(report: &Report, prefill: Option<Spread>, decode: Option<Spread>) -> String {
    let rate = |spread: Option<Spread>| match spread {
        Some(Spread { median, min, max }) => format!("{median:8.1} tokens/s  ({min:.1} to {max:.1})"),
        None => "not measured".to_owned(),
    };
    format!(
        "model    {} on {}, batch {}, median of {}\nprefill  {}  {} tokens\ndecode   {}  {} tokens\nload     {:8.3} s, first token of a \
         {}-token prompt after {:.3} s\n\
         memory   {:>10} at most\n",
        report.model,
        report.device,
        report.batch,
        report.repeat,
        rate(prefill),
        report.prompt_tokens,
        rate(decode),
        report.gen_tokens,
        report.load_s,
        FIRST_PROMPT.min(report.prompt_tokens),
        report.first_token_s,
        human_bytes(report.peak_memory_bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spread() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    }

    #[test]
    fn tokens_are_in_the_vocabulary_and_vary() {
        let tokens = random_tokens(1000, 50).unwrap();
        assert!(tokens.iter().all(|&token| token < 50));
        assert!((0..50).all(|token| tokens.contains(&token)));
        assert!(random_tokens(1, 0).is_err());
    }
}
