//! Options that several commands share: which model, on what device, and how tokens are chosen.

use clap::Args;

use super::value::{at_least_zero, non_empty, positive, unit_interval, whole_u32, whole_u64};
use crate::hub::alias::DEFAULT_MODEL;

/// Which model to run, and where.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ModelArgs {
    /// Folder, .gguf file, Hugging Face repo, or alias
    ///
    /// A folder holds config.json, tokenizer.json and safetensors, or one GGUF file. A repo is org/name, org/name@revision
    /// or, where it has several GGUF files, org/name/file.gguf. It is taken from the Hugging Face cache, and fetched into
    /// it if it is not there. An alias is a name that Holdall knows: `holdall models list` shows them.
    #[arg(short, long, value_name = "MODEL", default_value = DEFAULT_MODEL, value_parser = non_empty,
          help_heading = "Model")]
    pub model: String,
    /// Device to run on [default: the best there is]
    #[arg(long, value_name = "DEVICE", value_parser = non_empty, help_heading = "Model")]
    pub device: Option<String>,
}

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct SamplingArgs {
    /// Divide the scores of tokens seen so far by this (multiply, if negative); 1 changes nothing
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive, allow_negative_numbers = true,
          help_heading = "Sampling")]
    pub repetition_penalty: f32,
    /// 0: always the likeliest token; higher: more varied
    #[arg(short, long, value_name = "T", default_value_t = 0.7, value_parser = at_least_zero,
          allow_negative_numbers = true, help_heading = "Sampling")]
    pub temperature: f32,
    /// Choose among this many likeliest tokens; 0: all
    #[arg(
        long,
        value_name = "K",
        default_value_t = 0, value_parser = whole_u32,
        allow_negative_numbers = true,
        help_heading = "Sampling"
    )]
    pub top_k: u32,
    /// Choose among the likeliest tokens whose probabilities sum up to this; 1: all
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = top_p, allow_negative_numbers = true,
          help_heading = "Sampling")]
    pub top_p: f32,
    /// Leave out tokens less likely than this share of the likeliest one's probability; 0: none
    #[arg(long, value_name = "P", default_value_t = 0.05, value_parser = unit_interval, allow_negative_numbers = true,
          help_heading = "Sampling")]
    pub min_p: f32,
    /// Start of the random numbers: the same seed gives the same text [default: differs each time]
    #[arg(long, value_name = "N", value_parser = whole_u64, allow_negative_numbers = true,
          help_heading = "Sampling")]
    pub seed: Option<u64>,
}

/// A probability mass; none at all would leave no token to choose.
fn top_p(text: &str) -> Result<f32, String> {
    let value = unit_interval(text)?;
    if value > 0.0 { Ok(value) } else { Err("give a number above 0, up to 1 (1: no limit)".to_owned()) }
}
