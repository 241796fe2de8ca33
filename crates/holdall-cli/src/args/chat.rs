//! `holdall chat`.

use std::path::PathBuf;

use clap::Args;

use super::value::count;
use super::{ModelArgs, SamplingArgs};

/// Options of `holdall chat`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(
    after_long_help = "\
While chatting:
  /reset    forget what was said
  /system   show the instructions, or set them: /system Answer in rhyme.
  /help     show this
  /quit     leave, as Ctrl-D does
  Ctrl-C    stops a reply; twice at the prompt it leaves
  \\         at the end of a line: the message goes on in the next

Examples:
  holdall chat
  holdall chat --model org/name --system \"You are a patient teacher.\"",
    after_help = "--help shows examples."
)]
pub struct ChatArgs {
    /// Instructions that come before the talk
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// End a reply after this many tokens, if the model does not end by itself
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1024, value_parser = count,
          allow_negative_numbers = true)]
    pub max_tokens: usize,
    /// File of the lines typed before, for the arrow keys [default: history.txt in the cache folder]
    #[arg(long, value_name = "FILE", conflicts_with = "no_history")]
    pub history: Option<PathBuf>,
    /// Neither read nor write such a file
    #[arg(long)]
    pub no_history: bool,
    /// Which model to run, and where.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How tokens are chosen.
    #[command(flatten)]
    pub sampling: SamplingArgs,
}
