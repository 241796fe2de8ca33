//! Tokenizers from the metadata of GGUF files (`tokenizer.ggml.*`).

use std::collections::HashSet;

use holdall_formats::gguf::{Array, Metadata};
use tokenizers::AddedToken;
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::{BPE, Vocab};

use super::end_tokens::END_TOKENS;
use super::pieces::fallback_byte;
use super::pre::PreTokenizer;
use super::{Pieces, Settings, Tokenizer, byte_level, spm};
use crate::{Error, Result};

/// What a GGUF file says about its tokenizer: the keys `tokenizer.ggml.*` under their own names, and
/// `tokenizer.chat_template`. Absent arrays are empty.
#[derive(Clone, Debug, Default)]
pub struct GgufTokenizer {
    /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE) or `llama` (SentencePiece BPE).
    pub model: String,
    /// `tokenizer.ggml.pre`: how byte-level BPE cuts words. Absent: `default`, with a warning.
    pub pre: Option<String>,
    /// `tokenizer.ggml.tokens`: the text of each id.
    pub tokens: Vec<String>,
    /// `tokenizer.ggml.token_type`: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte. Absent: all normal.
    pub token_types: Vec<i32>,
    /// `tokenizer.ggml.scores`: for `llama`, which merge goes first.
    pub scores: Vec<f32>,
    /// `tokenizer.ggml.merges`: for `gpt2`, pairs separated by one space, first one first.
    pub merges: Vec<String>,
    /// `tokenizer.ggml.bos_token_id`.
    pub bos: Option<u32>,
    /// `tokenizer.ggml.eos_token_id`.
    pub eos: Option<u32>,
    /// `tokenizer.ggml.unknown_token_id`.
    pub unk: Option<u32>,
    /// `tokenizer.ggml.padding_token_id`.
    pub pad: Option<u32>,
    /// `tokenizer.ggml.eot_token_id`: end of a turn.
    pub eot: Option<u32>,
    /// `tokenizer.ggml.eom_token_id`: end of a message.
    pub eom: Option<u32>,
    /// `tokenizer.ggml.add_bos_token`. Absent: as the model and the pre-tokenizer imply.
    pub add_bos: Option<bool>,
    /// `tokenizer.ggml.add_eos_token`. Absent: no.
    pub add_eos: Option<bool>,
    /// `tokenizer.ggml.add_space_prefix`: for `llama`, whether a space goes before the text. Absent: yes.
    pub add_space_prefix: Option<bool>,
    /// `tokenizer.chat_template`.
    pub chat_template: Option<String>,
}

const TYPE_NORMAL: i32 = 1;
const TYPE_UNKNOWN: i32 = 2;
const TYPE_CONTROL: i32 = 3;
const TYPE_USER_DEFINED: i32 = 4;
const TYPE_BYTE: i32 = 6;

impl GgufTokenizer {
    /// Reads the keys `tokenizer.*` of a GGUF file's metadata.
    ///
    /// # Errors
    /// [`ErrorKind::Tokenizer`](crate::ErrorKind::Tokenizer) names a key that is missing or has another type than
    /// it should.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let key = |name: &str| format!("tokenizer.ggml.{name}");
        let broken = |e: holdall_formats::Error| Error::tokenizer(e.to_string());
        let id = |name: &str| metadata.get_u32(&key(name)).map_err(broken);
        let flag = |name: &str| metadata.get_bool(&key(name)).map_err(broken);
        let text = |name: &str| metadata.get_str(name).map(|text| text.map(str::to_owned)).map_err(broken);
        let strings = |name: &str| -> Result<Vec<String>> {
            let strings = metadata.get_strings(&key(name)).map_err(broken)?;
            Ok(strings.map(|list| list.iter().map(str::to_owned).collect()).unwrap_or_default())
        };
        let wrong = |name: &str, wanted: &str| {
            Error::tokenizer(format!("tokenizer.ggml.{name}: wanted an array of {wanted}"))
        };
        let token_types = match metadata.get_array(&key("token_type")).map_err(broken)? {
            None => Vec::new(),
            Some(array) => {
                let types = array.to_i64s().ok_or_else(|| wrong("token_type", "integers"))?;
                // A type beyond 32 bits is as unknown as any other number without a meaning.
                types.into_iter().map(|kind| i32::try_from(kind).unwrap_or(0)).collect()
            }
        };
        let scores = match metadata.get_array(&key("scores")).map_err(broken)? {
            None => Vec::new(),
            Some(Array::F32(scores)) => scores.clone(),
            Some(_) => return Err(wrong("scores", "32-bit floats")),
        };
        Ok(Self {
            model: metadata.str(&key("model")).map_err(broken)?.to_owned(),
            pre: text(&key("pre"))?,
            tokens: strings("tokens")?,
            token_types,
            scores,
            merges: strings("merges")?,
            bos: id("bos_token_id")?,
            eos: id("eos_token_id")?,
            unk: id("unknown_token_id")?,
            pad: id("padding_token_id")?,
            eot: id("eot_token_id")?,
            eom: id("eom_token_id")?,
            add_bos: flag("add_bos_token")?,
            add_eos: flag("add_eos_token")?,
            add_space_prefix: flag("add_space_prefix")?,
            chat_template: text("tokenizer.chat_template")?,
        })
    }

    fn token_type(&self, id: usize) -> i32 {
        self.token_types.get(id).copied().unwrap_or(TYPE_NORMAL)
    }

    fn is_special(&self, id: usize) -> bool {
        matches!(self.token_type(id), TYPE_CONTROL | TYPE_UNKNOWN)
    }

    /// # Errors
    /// Arrays of unequal length, ids outside the vocabulary.
    fn check(&self) -> Result<()> {
        let count = self.tokens.len();
        if count == 0 {
            return Err(Error::tokenizer("tokenizer.ggml.tokens: the vocabulary is empty"));
        }
        if u32::try_from(count).is_err() {
            return Err(Error::tokenizer(format!(
                "tokenizer.ggml.tokens: {count} tokens do not fit 32-bit ids"
            )));
        }
        for (key, length) in [("token_type", self.token_types.len()), ("scores", self.scores.len())] {
            if length != 0 && length != count {
                return Err(Error::tokenizer(format!(
                    "tokenizer.ggml.{key}: {length} entries for a vocabulary of {count} tokens"
                )));
            }
        }
        let ids = [
            ("bos", self.bos),
            ("eos", self.eos),
            ("unknown", self.unk),
            ("padding", self.pad),
            ("eot", self.eot),
            ("eom", self.eom),
        ];
        for (key, id) in ids {
            if let Some(id) = id
                && id as usize >= count
            {
                return Err(Error::tokenizer(format!(
                    "tokenizer.ggml.{key}_token_id: {id} is outside the vocabulary of {count} tokens"
                )));
            }
        }
        Ok(())
    }

    /// The ids by text.
    fn vocab(&self) -> Result<Vocab> {
        let mut vocab = Vocab::with_capacity(self.tokens.len());
        for (id, token) in (0u32..).zip(&self.tokens) {
            if let Some(first) = vocab.insert(token.clone(), id) {
                return Err(Error::tokenizer(format!(
                    "tokenizer.ggml.tokens: {token:?} has two ids, {first} and {id}"
                )));
            }
        }
        Ok(vocab)
    }

    fn byte_level_bpe(&self, vocab: Vocab, ignore_merges: bool) -> Result<BPE> {
        let longest = self.tokens.iter().map(String::len).max().unwrap_or(0);
        let mut seen = HashSet::with_capacity(self.merges.len());
        let mut merges = Vec::with_capacity(self.merges.len());
        for (index, merge) in self.merges.iter().enumerate() {
            let wrong =
                |what: &str| Error::tokenizer(format!("tokenizer.ggml.merges[{index}]: {merge:?} {what}"));
            let (left, right) = merge.split_once(' ').ok_or_else(|| wrong("is not a pair of tokens"))?;
            if left.is_empty() || right.is_empty() || right.contains(' ') {
                return Err(wrong("is not a pair of tokens"));
            }
            // The tokenizers crate takes for granted that a merged pair is no longer than the longest token.
            if left.len() + right.len() > longest {
                return Err(wrong("does not merge into a token of the vocabulary"));
            }
            // Of equal merges the first one counts.
            if seen.insert(merge.as_str()) {
                merges.push((left.to_owned(), right.to_owned()));
            }
        }
        BPE::builder()
            .vocab_and_merges(vocab, merges)
            .ignore_merges(ignore_merges)
            .build()
            .map_err(|e| Error::tokenizer(format!("tokenizer.ggml.merges: {e}")))
    }

    fn scored_tokens(&self) -> Result<Vec<spm::Scored<'_>>> {
        if self.scores.is_empty() {
            return Err(Error::tokenizer(
                "tokenizer.ggml.scores: a `llama` vocabulary needs scores, there are none",
            ));
        }
        let mergeable = self
            .tokens
            .iter()
            .zip(&self.scores)
            .enumerate()
            .filter(|&(id, _)| !matches!(self.token_type(id), TYPE_UNKNOWN | TYPE_CONTROL | TYPE_BYTE));
        Ok(mergeable.map(|(_, (text, &score))| spm::Scored { text, score }).collect())
    }

    /// Tokens that are found in text before anything else looks at it.
    fn added_tokens(&self) -> Vec<AddedToken> {
        let added = self.tokens.iter().enumerate().filter(|&(id, text)| {
            !text.is_empty() && (self.is_special(id) || self.token_type(id) == TYPE_USER_DEFINED)
        });
        added
            .map(|(id, text)| AddedToken::from(text.as_str(), self.is_special(id)).normalized(false))
            .collect()
    }

    fn end_ids(&self, vocab: &Vocab) -> Vec<u32> {
        let by_text = END_TOKENS.iter().filter_map(|&token| vocab.get(token).copied());
        let by_text = by_text.filter(|&id| self.token_type(id as usize) != TYPE_NORMAL);
        let mut ids: Vec<u32> = [self.eos, self.eot, self.eom].into_iter().flatten().chain(by_text).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn pieces(&self, byte_level: bool) -> Result<Pieces> {
        let mut pieces = Pieces::with_capacity(self.tokens.len());
        for (id, token) in self.tokens.iter().enumerate() {
            let kind = self.token_type(id);
            pieces.push(self.is_special(id), |out| match kind {
                TYPE_CONTROL | TYPE_UNKNOWN => out.extend_from_slice(token.as_bytes()),
                TYPE_USER_DEFINED if byte_level => out.extend_from_slice(token.as_bytes()),
                _ if byte_level => byte_level::append_bytes(token, out),
                TYPE_BYTE if let Some(byte) = fallback_byte(token) => out.push(byte),
                _ => out.extend_from_slice(token.replace(spm::SPACE, " ").as_bytes()),
            })?;
        }
        Ok(pieces)
    }
}

impl Tokenizer {
    /// Builds the tokenizer of a GGUF file.
    ///
    /// Supported are `gpt2` (byte-level BPE, with the pre-tokenizers named in `tokenizer.ggml.pre`) and `llama`
    /// (SentencePiece BPE with byte fallback). Types decide about special tokens: control and unknown tokens are
    /// special, user-defined ones are recognised in any text but are ordinary text when decoded.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) names a model or pre-tokenizer that is not known;
    /// [`ErrorKind::Tokenizer`](crate::ErrorKind::Tokenizer) names the key that is broken.
    pub fn from_gguf(mut file: GgufTokenizer) -> Result<Self> {
        file.check()?;
        let vocab = file.vocab()?;
        match file.model.as_str() {
            "gpt2" => Self::from_gguf_gpt2(file, vocab),
            "llama" => {
                let known = |id: u32| ((id as usize) < file.tokens.len()).then_some(id);
                let (bos, eos, unk) = (file.bos.or(known(1)), file.eos.or(known(2)), file.unk.or(known(0)));
                (file.bos, file.eos, file.unk) = (bos, eos, unk);
                Self::from_gguf_llama(file, vocab)
            }
            other => Err(Error::unsupported(format!(
                "tokenizer.ggml.model: {other:?} is not supported (supported: gpt2, llama)"
            ))),
        }
    }

    fn from_gguf_gpt2(file: GgufTokenizer, vocab: Vocab) -> Result<Self> {
        let mut warnings = Vec::new();
        let pre = PreTokenizer::find(file.pre.as_deref().unwrap_or_else(|| {
            warnings.push(
                "the file does not name its pre-tokenizer (tokenizer.ggml.pre): `default` is used, which may cut \
                 words in other places than the model was trained with"
                    .to_owned(),
            );
            "default"
        }))?;
        let end_ids = file.end_ids(&vocab);
        let bpe = file.byte_level_bpe(vocab, pre.ignore_merges)?;
        let mut inner = tokenizers::Tokenizer::new(ModelWrapper::BPE(bpe));
        inner.with_pre_tokenizer(Some(pre.build()?));
        Self::assemble(inner, file.pieces(true)?, file, end_ids, pre.add_bos, warnings)
    }

    fn from_gguf_llama(file: GgufTokenizer, vocab: Vocab) -> Result<Self> {
        let end_ids = file.end_ids(&vocab);
        let unk = file.unk.map(|id| file.tokens[id as usize].clone());
        let add_prefix = file.add_space_prefix.unwrap_or(true);
        let mut pieces = file.pieces(false)?;
        pieces.strip_first_space = add_prefix;
        let bpe = spm::bpe(vocab, &file.scored_tokens()?, unk)?;
        let mut inner = tokenizers::Tokenizer::new(ModelWrapper::BPE(bpe));
        inner
            .with_normalizer(Some(spm::normalizer(add_prefix)?))
            .map_err(|e| Error::tokenizer("the normalizer cannot be set").with_source(e))?;
        Self::assemble(inner, pieces, file, end_ids, true, Vec::new())
    }

    fn assemble(
        mut inner: tokenizers::Tokenizer,
        pieces: Pieces,
        file: GgufTokenizer,
        end_ids: Vec<u32>,
        implied_bos: bool,
        warnings: Vec<String>,
    ) -> Result<Self> {
        inner.add_tokens(file.added_tokens()).map_err(|e| {
            Error::tokenizer("tokenizer.ggml.tokens: the special tokens clash").with_source(e)
        })?;
        let around = |key: &str, add: Option<bool>, implied: bool, id: Option<u32>| match (add, id) {
            (Some(true), None) => Err(Error::tokenizer(format!(
                "tokenizer.ggml.add_{key}_token is true but there is no tokenizer.ggml.{key}_token_id"
            ))),
            (add, id) => Ok(id.filter(|_| add.unwrap_or(implied)).into_iter().collect()),
        };
        let settings = Settings {
            prefix: around("bos", file.add_bos, implied_bos, file.bos)?,
            suffix: around("eos", file.add_eos, false, file.eos)?,
            bos: file.bos,
            eos: file.eos,
            end_ids,
            chat_template: file.chat_template,
            warnings,
        };
        Ok(Self::new(inner, pieces, settings))
    }
}
