//! Language models: tokenizers, chat templates, architectures, caches, sampling, generation.
#![forbid(unsafe_code)]

pub mod cache;
pub mod chat_template;
pub mod config;
mod detokenizer;
mod error;
pub mod generate;
mod model;
pub mod model_files;
pub mod models;
mod sample;
pub mod tokenizer;
pub mod weights;

pub use chat_template::{ChatTemplate, Message, RenderOptions};
pub use detokenizer::Detokenizer;
pub use error::{Error, ErrorKind, Result};
pub use model::Model;
pub use model_files::ModelFolder;
pub use sample::Sampler;
pub use tokenizer::{EncodeOptions, Tokenizer};
