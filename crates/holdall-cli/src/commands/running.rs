//! What the commands that run a model have in common.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

use crate::args::{ModelArgs, SamplingArgs};
use crate::context::Context;
use crate::engine::{Engine, Sampling, Session, Timing};
use crate::error::Result;
use crate::hub::{self, Model};
use crate::ui::human_bytes;

/// A loaded model, with what it is.
pub struct Running {
    /// Where it came from.
    pub model: Model,
    /// The model itself.
    pub session: Box<dyn Session>,
    /// How long loading took, without fetching, in seconds.
    pub load_s: f64,
}

/// Finds, fetches and loads the model that the user named.
///
/// # Errors
/// Those of [`hub::resolve`] and [`Engine::load`].
pub fn load(args: &ModelArgs, engine: &dyn Engine, cx: &Context) -> Result<Running> {
    let model = hub::resolve(&args.model, cx)?;
    crate::interrupt::check()?;
    let begin = Instant::now();
    let session = engine
        .load(&model, args.device.as_deref())
        .map_err(|error| error.context(format!("cannot load the model {}", model.name)))?;
    let load_s = begin.elapsed().as_secs_f64();
    cx.ui.detail(|| format!("loaded {} in {load_s:.3} s on {}", model.path.display(), session.device()));
    Ok(Running { model, session, load_s })
}

/// How tokens are chosen; without a seed, another one each time.
pub fn sampling(args: &SamplingArgs, cx: &Context) -> Sampling {
    let seed = args.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    cx.ui.detail(|| format!("seed {seed}"));
    Sampling {
        repetition_penalty: args.repetition_penalty,
        temperature: args.temperature,
        top_k: args.top_k as usize,
        top_p: args.top_p,
        min_p: args.min_p,
        seed,
    }
}

/// One line on how fast it was.
pub fn summary(timing: &Timing, tokens: usize, peak_memory_bytes: u64) -> String {
    let rate = |rate: Option<f64>| rate.map_or(String::new(), |rate| format!(" ({rate:.1} tokens/s)"));
    format!(
        "prompt {} tokens{}, generated {tokens} tokens{}, peak memory {}",
        timing.prefill_tokens,
        rate(timing.prefill_tps()),
        rate(timing.decode_tps()),
        human_bytes(peak_memory_bytes),
    )
}
