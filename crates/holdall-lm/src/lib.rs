//! Language models: tokenizers, chat templates, architectures, caches, sampling, generation.
#![forbid(unsafe_code)]
