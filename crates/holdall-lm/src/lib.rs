//! Language models: tokenizers, chat templates, architectures, caches, sampling, generation.
#![forbid(unsafe_code)]

mod detokenizer;
mod error;
pub mod tokenizer;

pub use detokenizer::Detokenizer;
pub use error::{Error, ErrorKind, Result};
pub use tokenizer::{EncodeOptions, Tokenizer};
