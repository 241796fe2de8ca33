//! Tokenizers: text to ids and back.
//!
//! The algorithms (BPE, unigram, normalizers) are those of the `tokenizers` crate; this module builds them from the
//! metadata of a GGUF file ([`GgufTokenizer`]) or from a Hugging Face folder ([`Tokenizer::from_folder`]), and adds
//! what language models need around them: special tokens in the text or not, the tokens that end a generation,
//! decoding that streams.

mod byte_level;
mod decoder;
mod end_tokens;
mod gguf;
mod json;
mod pieces;
mod pre;
mod spm;

use std::sync::Arc;

use tokenizers::{AddedVocabulary, Model, OffsetReferential, OffsetType, PreTokenizer as _};

pub use gguf::GgufTokenizer;
pub(crate) use pieces::Pieces;

use crate::{Detokenizer, Error, Result};

/// What [`Tokenizer::encode`] does besides cutting text into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Whether special tokens written in the text (`<|im_end|>`) become their ids, rather than the ids of their
    /// characters. Tokens that are added to the vocabulary without being special are recognised either way.
    pub parse_special: bool,
    /// Whether the tokenizer's own settings may add tokens around the text (usually a BOS in front, or nothing).
    pub add_special: bool,
}

impl EncodeOptions {
    /// Text as a user typed it for completion: special tokens are recognised, a BOS is added where the tokenizer's
    /// own settings say so.
    pub const RAW: Self = Self { parse_special: true, add_special: true };
    /// The output of a chat template, which writes all special tokens itself, the BOS included.
    pub const TEMPLATED: Self = Self { parse_special: true, add_special: false };
    /// Text that must stay text, whatever it contains.
    pub const PLAIN: Self = Self { parse_special: false, add_special: false };
}

/// Text to ids and back, for one model.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The added tokens with the special ones switched off.
    plain_added: AddedVocabulary,
    pieces: Arc<Pieces>,
    settings: Settings,
}

/// What a model says about its tokenizer beyond the vocabulary.
#[derive(Debug, Default)]
struct Settings {
    bos: Option<u32>,
    eos: Option<u32>,
    end_ids: Vec<u32>,
    /// Ids put before and after the text with [`EncodeOptions::add_special`].
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    chat_template: Option<String>,
    warnings: Vec<String>,
}

impl Tokenizer {
    fn new(inner: tokenizers::Tokenizer, pieces: Pieces, settings: Settings) -> Self {
        let mut plain_added = inner.get_added_vocabulary().clone();
        plain_added.set_encode_special_tokens(true);
        Self { inner, plain_added, pieces: Arc::new(pieces), settings }
    }

    /// Turns text into ids.
    ///
    /// # Errors
    /// [`ErrorKind::Tokenizer`](crate::ErrorKind::Tokenizer) if the vocabulary cannot express the text (a missing
    /// unknown token).
    pub fn encode(&self, text: &str, options: EncodeOptions) -> Result<Vec<u32>> {
        let added = if options.parse_special { self.inner.get_added_vocabulary() } else { &self.plain_added };
        let failed = |e| Error::tokenizer("encoding the text failed").with_source(e);
        let mut words = added.extract_and_normalize(self.inner.get_normalizer(), text);
        if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut words).map_err(failed)?;
        }
        let model = self.inner.get_model();
        words.tokenize(|word| model.tokenize(word.get())).map_err(failed)?;

        let mut ids = Vec::new();
        if options.add_special {
            ids.extend_from_slice(&self.settings.prefix);
        }
        for (_, _, tokens) in words.get_splits(OffsetReferential::Original, OffsetType::None) {
            ids.extend(tokens.iter().flatten().map(|token| token.id));
        }
        if options.add_special {
            ids.extend_from_slice(&self.settings.suffix);
        }
        Ok(ids)
    }

    /// Turns ids into text; with `skip_special` without the text of special tokens. Ids outside the vocabulary have
    /// no text; bytes that are not UTF-8 turn into U+FFFD.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        let mut detokenizer = self.detokenizer(skip_special);
        let mut text = String::new();
        for &id in ids {
            text.push_str(detokenizer.push(id));
        }
        text.push_str(detokenizer.finish());
        text
    }

    /// Turns ids into text as they come; see [`Detokenizer`].
    pub fn detokenizer(&self, skip_special: bool) -> Detokenizer {
        Detokenizer::new(Arc::clone(&self.pieces), skip_special)
    }

    /// The id of a token, written as in the vocabulary.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// A token as written in the vocabulary (`Ġthe`), `None` for an id outside it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The bytes that a token contributes to decoded text, `None` for an id outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.pieces.get(id)
    }

    /// Whether a token is special: never part of what a user reads.
    pub fn is_special(&self, id: u32) -> bool {
        self.pieces.is_special(id)
    }

    /// The token that begins a text, if the model has one (whether [`encode`](Self::encode) adds it is another
    /// setting).
    pub fn bos(&self) -> Option<u32> {
        self.settings.bos
    }

    /// The token that ends a text, if the model names one.
    pub fn eos(&self) -> Option<u32> {
        self.settings.eos
    }

    /// All tokens that end a generation, ascending: those that the model's files name, and the special tokens of its
    /// vocabulary that are known to end a turn or a text (`<|im_end|>`, `<|eot_id|>`, `<|endoftext|>` …).
    pub fn eos_ids(&self) -> &[u32] {
        &self.settings.end_ids
    }

    /// Adds tokens that end a generation, such as those of a `generation_config.json`.
    pub fn add_eos_ids(&mut self, ids: &[u32]) {
        self.settings.end_ids.extend_from_slice(ids);
        self.settings.end_ids.sort_unstable();
        self.settings.end_ids.dedup();
    }

    /// The number of ids: one more than the largest id. A model may have more rows than that (padding).
    pub fn vocab_size(&self) -> usize {
        self.pieces.len()
    }

    /// The source of the model's chat template.
    pub fn chat_template(&self) -> Option<&str> {
        self.settings.chat_template.as_deref()
    }

    /// What was guessed where the files were silent: one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.settings.warnings
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocab_size", &self.vocab_size())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
