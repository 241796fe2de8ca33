//! `holdall models`.

use clap::{Args, Subcommand};

use super::value::non_empty;
use crate::hub::alias::DEFAULT_MODEL;

/// Options of `holdall models`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct ModelsArgs {
    /// What to do with models.
    #[command(subcommand)]
    pub command: ModelsCommand,
}

/// What to do with models.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum ModelsCommand {
    /// Show the aliases, and the models on this machine
    List {
        /// Print a JSON list
        #[arg(long)]
        json: bool,
    },
    /// Fetch models, or what is new or missing of them
    #[command(after_help = "\
Examples:
  holdall models fetch
  holdall models fetch org/name
  holdall models fetch org/name@revision org/other/file.gguf

A fetch that was cut off goes on where it stopped.")]
    Fetch {
        /// Alias or Hugging Face repo
        #[arg(value_name = "NAME", default_value = DEFAULT_MODEL, value_parser = non_empty)]
        names: Vec<String>,
        /// Read the files again and compare their SHA-256
        #[arg(long)]
        verify: bool,
    },
    /// Print where a model is, fetching it if need be
    #[command(after_help = "\
Example:
  llama-cli -m \"$(holdall models path smollm2)\"

Standard output carries the path of the file or folder and nothing else.")]
    Path {
        /// Alias or Hugging Face repo
        #[arg(value_name = "NAME", default_value = DEFAULT_MODEL, value_parser = non_empty)]
        name: String,
    },
    /// Remove models from the caches
    #[command(after_help = "\
org/name removes the repository with all its revisions, org/name@revision that revision, and
org/name/file.gguf that file. Hugging Face's cache is shared with other programs.")]
    Remove {
        /// Alias or Hugging Face repo
        #[arg(value_name = "NAME", required = true, value_parser = non_empty)]
        names: Vec<String>,
    },
}
