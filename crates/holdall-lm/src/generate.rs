//! The generation loop: one step is always in flight.
//!
//! The graph of the next step takes the token that has been chosen but not read yet, so recording it overlaps with
//! computing the one before, and the device never waits for the host.

use std::time::{Duration, Instant};

use holdall::{Array, async_eval};

use crate::cache::KvCache;
use crate::models::Llama;
use crate::sample::Sampler;
use crate::{Error, ErrorKind, Result};

/// Prompt tokens of one forward pass.
const CHUNK: i64 = 512;

/// Positions that are set aside for a text to come, at most; one that gets longer has its cache grow.
const SET_ASIDE: usize = 1024;

/// What to generate.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The prompt's tokens that the cache does not hold, at least one.
    pub prompt: &'a [u32],
    /// Tokens before them, for samplers that look at what was said.
    pub history: &'a [u32],
    /// How many tokens at most.
    pub max_tokens: usize,
    /// How to choose them.
    pub sampler: Sampler,
    /// Tokens that end the text.
    pub end_tokens: &'a [u32],
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model chose an end token.
    EndToken(u32),
    /// As many tokens as were asked for.
    Length,
    /// The caller asked to stop.
    Stopped,
}

/// What was generated, and how fast.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The tokens, without the end token.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// Prompt tokens processed.
    pub prompt_tokens: usize,
    /// From the start to the first token.
    pub prefill: Duration,
    /// From the first token to the last.
    pub decode: Duration,
    /// Tokens chosen after the first.
    pub decode_tokens: usize,
}

impl Generation {
    /// Prompt tokens a second.
    pub fn prefill_tps(&self) -> f64 {
        rate(self.prompt_tokens, self.prefill)
    }

    /// Tokens a second after the first.
    pub fn decode_tps(&self) -> f64 {
        rate(self.decode_tokens, self.decode)
    }
}

fn rate(count: usize, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// Generates tokens after `request.prompt`, which follows what `cache` holds, and calls `on_token` with each; it says
/// whether to go on.
///
/// # Errors
/// When the prompt is empty, sampling is misconfigured, or a device fails.
pub fn generate(
    model: &Llama,
    cache: &mut [KvCache],
    request: &Request<'_>,
    mut on_token: impl FnMut(u32) -> bool,
) -> Result<Generation> {
    request.sampler.check()?;
    let started = Instant::now();
    let mut history = History::new(request);
    for layer in cache.iter_mut() {
        layer.expect(layer.offset() + request.prompt.len() + request.max_tokens.min(SET_ASIDE));
    }
    let logits = prefill(model, cache, request.prompt, 1)?;
    let mut done = Generation {
        tokens: Vec::new(),
        finish: Finish::Length,
        prompt_tokens: request.prompt.len(),
        prefill: Duration::ZERO,
        decode: Duration::ZERO,
        decode_tokens: 0,
    };
    let mut token = request.sampler.sample(&logits, history.array()?.as_ref())?;
    drop(logits);
    async_eval(&[&token])?;
    let mut first = started;
    while done.tokens.len() < request.max_tokens {
        let next = if done.tokens.len() + 1 < request.max_tokens {
            history.push(&token)?;
            let logits = model.forward(&token.reshape(&[1, 1])?, cache)?;
            let next = request.sampler.sample(&logits, history.array()?.as_ref())?;
            async_eval(&[&next])?;
            Some(next)
        } else {
            None
        };
        let id = token.item::<u32>()?;
        if done.prefill.is_zero() {
            done.prefill = started.elapsed();
            first = Instant::now();
        } else {
            done.decode_tokens += 1;
            done.decode = first.elapsed();
        }
        if request.end_tokens.contains(&id) {
            done.finish = Finish::EndToken(id);
            break;
        }
        done.tokens.push(id);
        if !on_token(id) {
            done.finish = Finish::Stopped;
            break;
        }
        match next {
            Some(next) => token = next,
            None => break,
        }
    }
    Ok(done)
}

/// Logits `[rows, vocabulary]` of the token after a prompt, which follows what `cache` holds. `ids` are the prompts of all
/// rows, one after the other, all of one length.
///
/// # Errors
/// When there are no tokens, or a device fails.
pub fn prefill(model: &Llama, cache: &mut [KvCache], ids: &[u32], rows: usize) -> Result<Array> {
    if rows == 0 || ids.is_empty() || !ids.len().is_multiple_of(rows) {
        return Err(Error::new(
            ErrorKind::Argument,
            format!("{} tokens do not make {rows} prompts", ids.len()),
        ));
    }
    let ids = Array::from_slice(ids, &[rows, ids.len() / rows])?;
    let length = ids.dim(1) as i64;
    let mut at = 0;
    while at + CHUNK < length {
        model.read(&ids.slice_axis(1, at, at + CHUNK)?, cache)?;
        async_eval(&cache.iter().flat_map(KvCache::arrays).collect::<Vec<_>>())?;
        at += CHUNK;
    }
    model.forward(&ids.slice_axis(1, at, length)?, cache)
}

/// The tokens so far, for samplers that look at them: known ones as numbers, chosen ones as arrays.
struct History {
    array: Option<Array>,
    known: Vec<u32>,
    used: bool,
}

impl History {
    fn new(request: &Request<'_>) -> Self {
        Self {
            array: None,
            known: [request.history, request.prompt].concat(),
            used: request.sampler.needs_history(),
        }
    }

    fn array(&mut self) -> Result<Option<Array>> {
        if self.used && self.array.is_none() {
            self.array = Some(Array::from_slice(&self.known, &[1, self.known.len()])?);
        }
        Ok(self.array.clone())
    }

    fn push(&mut self, token: &Array) -> Result<()> {
        if let (true, Some(old)) = (self.used, self.array()?) {
            self.array = Some(Array::concatenate(&[&old, &token.reshape(&[1, 1])?], Some(1))?);
        }
        Ok(())
    }
}
