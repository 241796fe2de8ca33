//! `holdall generate`.

use clap::Args;

use super::value::count;
use super::{ModelArgs, SamplingArgs};

/// Options of `holdall generate`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(
    after_long_help = "\
Examples:
  holdall generate \"Why is the sky blue?\"
  holdall generate --system \"Answer in one sentence.\" \"Why is the sky blue?\"
  holdall generate --raw --temperature 0 --max-tokens 20 \"Once upon a time\"
  git diff | holdall generate - --model ./my-model
  holdall generate --json --seed 1 \"Name a colour.\"

With --json, standard output carries one object: model, device, prompt_tokens (ids), tokens (ids),
text, prefill_tps and decode_tps (tokens per second), load_s, peak_memory_bytes.",
    after_help = "--help shows examples."
)]
pub struct GenerateArgs {
    /// Text to answer; - reads it from standard input
    ///
    /// Left out, the text is read from standard input if that is not a terminal.
    #[arg(value_name = "PROMPT")]
    pub prompt: Option<String>,
    /// Take the text as it is: no chat template
    ///
    /// Special tokens written in the text are recognised, and a beginning-of-text token is added only where the tokenizer's
    /// own settings say so.
    #[arg(long, conflicts_with = "system")]
    pub raw: bool,
    /// Instructions that come before the text
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Stop after this many tokens, if the model does not end by itself
    #[arg(short = 'n', long, value_name = "N", default_value_t = 512, value_parser = count,
          allow_negative_numbers = true)]
    pub max_tokens: usize,
    /// Print one JSON object at the end instead of text on the way
    #[arg(long)]
    pub json: bool,
    /// Which model to run, and where.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How tokens are chosen.
    #[command(flatten)]
    pub sampling: SamplingArgs,
}
