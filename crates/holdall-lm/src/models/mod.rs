//! Architectures, one file a family.

mod llama;

pub use llama::Llama;
