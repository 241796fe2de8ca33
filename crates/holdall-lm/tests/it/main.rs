//! Text in and out of language models: tokenizers, detokenizers, chat templates.
#![expect(clippy::unwrap_used, reason = "helpers outside test functions fail tests just the same")]

mod chat_templates;
mod detokenizer;
mod goldens;
mod hostile;
mod hugging_face;
mod real_model;
mod support;
