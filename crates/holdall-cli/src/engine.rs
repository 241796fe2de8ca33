//! What the commands need of a language model, and nothing about how it runs.
//!
//! The protocol: [`Engine::load`] makes a [`Session`] of a model on this machine; [`Session::encode`] makes tokens of a
//! prompt; [`Session::generate`] streams what follows. A session may keep what it computed for the last prompt and reuse
//! the part that the next one begins with, as a chat's does.

use serde::Serialize;

use crate::error::Result;
use crate::hub::Model;

/// A device that models run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// What `--device` takes.
    pub name: String,
    /// What it is.
    pub description: String,
    /// All of its memory, if known.
    pub memory_bytes: Option<u64>,
}

/// Runs language models.
pub trait Engine {
    /// The devices of this machine, the default one first.
    ///
    /// # Errors
    /// When none works.
    fn devices(&self) -> Result<Vec<Device>>;

    /// Loads a model, ready to run. `device` is what `--device` says; `None` is the best there is.
    ///
    /// # Errors
    /// When there is no such device, or the model cannot be read or is of a kind that is not known.
    fn load(&self, model: &Model, device: Option<&str>) -> Result<Box<dyn Session>>;
}

/// A loaded model.
pub trait Session {
    /// The device it runs on.
    fn device(&self) -> String;

    /// How many tokens the model knows; every id is below.
    fn vocab_size(&self) -> usize;

    /// The tokens of a prompt.
    ///
    /// # Errors
    /// When the model has no chat template that fits the messages.
    fn encode(&self, prompt: &Prompt<'_>) -> Result<Vec<u32>>;

    /// Generates until the model ends, or `max_tokens` are there. `on_text` is called once a token with the text that it
    /// completes, which is empty while a character or a possible stop is open; its error ends the generation and is
    /// returned.
    ///
    /// # Errors
    /// Those of `on_text`; a prompt that does not fit the model; out of memory; a failed device.
    fn generate(
        &mut self,
        request: &Request<'_>,
        on_text: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Generated>;

    /// Runs once for measuring: reads `run.prompt` into an empty cache, then generates greedily exactly `run.gen_tokens`
    /// tokens, end tokens or not, for each sequence of the batch.
    ///
    /// # Errors
    /// As [`Session::generate`]; also when `run.batch` is more than it can do.
    fn bench(&mut self, run: &BenchRun<'_>) -> Result<Timing>;

    /// The most memory that arrays took so far, in bytes.
    fn peak_memory_bytes(&self) -> u64;
}

/// A text for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt<'a> {
    /// Text as it is: no template; special tokens written in it are recognised; a beginning-of-text token only where the
    /// tokenizer's own settings add one.
    Raw(&'a str),
    /// Messages, put into the model's chat template with the beginning of a reply.
    Chat(&'a [Message]),
}

/// One message of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The name that chat templates use.
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

impl Message {
    /// A message of `role`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request<'a> {
    /// The tokens that come before; not empty.
    pub prompt: &'a [u32],
    /// How many tokens to generate at most.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
}

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divides positive scores of tokens seen, multiplies negative ones; 1 changes nothing.
    pub repetition_penalty: f32,
    /// Divides the scores; 0 is greedy.
    pub temperature: f32,
    /// How many of the likeliest to choose from; 0 is all.
    pub top_k: usize,
    /// The likeliest whose probabilities sum up to this; 1 is all.
    pub top_p: f32,
    /// The least share of the likeliest one's probability; 0 is none.
    pub min_p: f32,
    /// Start of the random numbers.
    pub seed: u64,
}

/// What was generated.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// The tokens, without the end token.
    pub tokens: Vec<u32>,
    /// Their text.
    pub text: String,
    /// How long it took.
    pub timing: Timing,
}

/// How long reading and writing took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Tokens read before the first was written, of the whole batch; what a cache spared is not counted.
    pub prefill_tokens: usize,
    /// The seconds from the start until the first token was known.
    pub prefill_s: f64,
    /// Tokens written after the first one, of the whole batch.
    pub decode_tokens: usize,
    /// The seconds that they took.
    pub decode_s: f64,
}

impl Timing {
    /// Tokens read a second; `None` when nothing was measured.
    pub fn prefill_tps(&self) -> Option<f64> {
        rate(self.prefill_tokens, self.prefill_s)
    }

    /// Tokens written a second; `None` when nothing was measured.
    pub fn decode_tps(&self) -> Option<f64> {
        rate(self.decode_tokens, self.decode_s)
    }
}

fn rate(tokens: usize, seconds: f64) -> Option<f64> {
    (tokens > 0 && seconds > 0.0).then(|| tokens as f64 / seconds)
}

/// One run of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BenchRun<'a> {
    /// The tokens to read, the same for each sequence.
    pub prompt: &'a [u32],
    /// How many tokens to write for each sequence.
    pub gen_tokens: usize,
    /// How many sequences at once.
    pub batch: usize,
}
