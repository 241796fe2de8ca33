//! The command line: every command, its options, what they may be, and the text of `--help`.

mod bench;
mod chat;
mod generate;
mod kernel;
mod model;
mod models;
mod stress;
mod value;

pub use bench::BenchArgs;
pub use chat::ChatArgs;
pub use generate::GenerateArgs;
pub use kernel::{KernelArgs, KernelCommand, Target};
pub use model::{ModelArgs, SamplingArgs};
pub use models::{ModelsArgs, ModelsCommand};
pub use stress::StressArgs;

use clap::{Args, Parser, Subcommand};

/// The command line of `holdall`.
#[derive(Debug, Clone, PartialEq, Parser)]
#[command(
    name = "holdall",
    bin_name = "holdall",
    version,
    about = "Run language models and custom kernels, and look after them and the machine they run on",
    after_help = "Try: holdall generate \"Why is the sky blue?\"",
    after_long_help = AFTER_HELP,
    max_term_width = 100,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options that every command has.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// Options that every command has.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct GlobalArgs {
    /// Say what is done on the way: files looked at, requests made
    #[arg(short, long, global = true, help_heading = "Messages")]
    pub verbose: bool,
    /// Say nothing but results and errors: no progress, notes or summary
    #[arg(short, long, global = true, help_heading = "Messages", conflicts_with = "verbose")]
    pub quiet: bool,
}

/// What the user asks for.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Command {
    /// Let a model continue or answer a text
    Generate(GenerateArgs),
    /// Talk with a model, line by line
    Chat(ChatArgs),
    /// Measure how fast a model reads and writes
    Bench(BenchArgs),
    /// List, fetch, find and remove models
    Models(ModelsArgs),
    /// Look for mistakes in custom kernels
    Kernel(KernelArgs),
    /// Look for wrong results and misused memory under random loads
    Stress(StressArgs),
    /// Look at this machine, and say what Holdall finds
    Doctor(DoctorArgs),
}

/// Options of `holdall doctor`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(after_help = "Exits with 0 whenever it could look, whatever it found.")]
pub struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  holdall generate \"Why is the sky blue?\"
  echo \"Summarise: ...\" | holdall generate - --temperature 0
  holdall chat --model ./my-model
  holdall bench --model org/name/file.gguf --json
  holdall models list
  holdall kernel check my-kernel.json
  holdall stress --seconds 600

Environment:
  HOLDALL_CACHE    folder of the models that Holdall fetches by alias, and of the chat's history
  HOLDALL_HISTORY  file of the chat's line history
  HF_HOME, HF_HUB_CACHE
                   Hugging Face's cache, which Holdall reads first and writes to
  HF_ENDPOINT      server to fetch models from instead of https://huggingface.co
  HF_TOKEN         access token for private and gated models; sent to that server only
  HF_HUB_OFFLINE   1: make no request, use what is cached
  HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE
                   as elsewhere
  NO_COLOR         no colours
  RUST_BACKTRACE   1: errors show where in the program they arose

Exit codes:
  0    done
  1    failed; standard error says why
  2    the command line makes no sense
  130  stopped by Ctrl-C, or asked to terminate
  141  standard output was closed before everything was written (as in `holdall ... | head`)";

#[cfg(test)]
mod tests;
