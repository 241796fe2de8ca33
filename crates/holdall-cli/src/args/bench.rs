//! `holdall bench`.

use clap::Args;

use super::ModelArgs;
use super::value::count;

/// Options of `holdall bench`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(
    after_long_help = "\
Reads a prompt of random tokens, then generates greedily without stopping at end tokens, once to
warm up and then as often as --repeat says. Prints medians and spread in tokens per second, summed
over the batch.

Examples:
  holdall bench
  holdall bench --model ./my-model --prompt-tokens 2048 --gen-tokens 32
  holdall bench --batch 4 --json

With --json, standard output carries one object: model, device, prompt_tokens, gen_tokens, batch,
repeat, prefill_tps, prefill_tps_min, prefill_tps_max, decode_tps, decode_tps_min, decode_tps_max,
load_s, first_token_s (loading and a prompt of 32 tokens), peak_memory_bytes.",
    after_help = "--help shows examples."
)]
pub struct BenchArgs {
    /// Length of the prompt
    #[arg(short, long, value_name = "N", default_value_t = 512, value_parser = count, allow_negative_numbers = true)]
    pub prompt_tokens: usize,
    /// Tokens to generate
    #[arg(short = 'n', long, value_name = "N", default_value_t = 128, value_parser = count,
          allow_negative_numbers = true)]
    pub gen_tokens: usize,
    /// Sequences at once
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = count, allow_negative_numbers = true)]
    pub batch: usize,
    /// How often to measure
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = count, allow_negative_numbers = true)]
    pub repeat: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Which model to run, and where.
    #[command(flatten)]
    pub model: ModelArgs,
}
