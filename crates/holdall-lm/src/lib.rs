//! Language models: tokenizers, chat templates, architectures, caches, sampling, generation.
#![forbid(unsafe_code)]

pub mod chat_template;
mod detokenizer;
mod error;
pub mod model_files;
pub mod tokenizer;

pub use chat_template::{ChatTemplate, Message, RenderOptions};
pub use detokenizer::Detokenizer;
pub use error::{Error, ErrorKind, Result};
pub use model_files::ModelFolder;
pub use tokenizer::{EncodeOptions, Tokenizer};
