//! Tokenizers from Hugging Face folders: `tokenizer.json` and the settings next to it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{Encoding, Model as _, PostProcessor as _, Token};

use super::decoder::Decoder;
use super::end_tokens::END_TOKENS;
use super::{Pieces, Settings, Tokenizer};
use crate::model_files::TokenName;
use crate::{Error, ModelFolder, Result};

/// How many ids there may be for each token, and on top of that: a vocabulary is a table by id.
const MAX_SPARSITY: usize = 2;
const MAX_GAP: usize = 1 << 16;

impl Tokenizer {
    /// Builds the tokenizer of a Hugging Face folder from `tokenizer.json`, `tokenizer_config.json` (names of BOS and
    /// EOS, whether to add them), the chat template and `generation_config.json` (end tokens).
    ///
    /// What goes around a text is what the post-processor in `tokenizer.json` adds, unless `add_bos_token` or
    /// `add_eos_token` in `tokenizer_config.json` say otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFiles`](crate::ErrorKind::ModelFiles) for files that cannot be read,
    /// [`ErrorKind::Tokenizer`](crate::ErrorKind::Tokenizer) for a broken vocabulary,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) names a decoder that is not known.
    pub fn from_folder(folder: &ModelFolder) -> Result<Self> {
        let mut tokenizer = Self::from_json(&folder.tokenizer_json()?)?;
        let config = folder.tokenizer_config();
        let settings = &mut tokenizer.settings;
        let mut find = |name: &str, token: Option<&str>| {
            let token = token?;
            let id = tokenizer.inner.token_to_id(token);
            if id.is_none() {
                settings.warnings.push(format!("{name} is {token:?}, which is not in the vocabulary"));
            }
            id
        };
        let bos = find("bos_token", config.bos_token.as_ref().map(TokenName::text));
        let eos = find("eos_token", config.eos_token.as_ref().map(TokenName::text));
        match (config.add_bos_token, bos) {
            (Some(true), Some(bos)) if settings.prefix.first() != Some(&bos) => {
                settings.prefix.insert(0, bos);
            }
            (Some(false), Some(bos)) => settings.prefix.retain(|&id| id != bos),
            _ => {}
        }
        match (config.add_eos_token, eos) {
            (Some(true), Some(eos)) if settings.suffix.last() != Some(&eos) => settings.suffix.push(eos),
            (Some(false), Some(eos)) => settings.suffix.retain(|&id| id != eos),
            _ => {}
        }
        settings.bos = bos;
        settings.eos = eos;
        settings.chat_template = folder.chat_template().map(str::to_owned);
        let mut ends = folder.eos_ids()?;
        ends.extend(eos);
        tokenizer.add_eos_ids(&ends);
        Ok(tokenizer)
    }

    /// Builds a tokenizer from the text of a `tokenizer.json` alone: BOS and EOS have no names, and only the special
    /// tokens known by their text end a generation.
    ///
    /// # Errors
    /// As [`from_folder`](Self::from_folder).
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let broken = |e: &dyn std::fmt::Display| Error::tokenizer(format!("tokenizer.json: {e}"));
        let mut value: Value = serde_json::from_slice(json).map_err(|e| broken(&e))?;
        let Value::Object(root) = &mut value else {
            return Err(broken(&"wanted a JSON object"));
        };
        // Neither is for generation, and their limits are taken on trust.
        root.remove("truncation");
        root.remove("padding");
        let decoder = Decoder::new(root.get("decoder").unwrap_or(&Value::Null))?;
        if let Some(model) = root.get("model") {
            check_merges(model)?;
        }
        // The crate panics on some contradictions in a file; to a caller they are errors like all others.
        let inner = catch_unwind(AssertUnwindSafe(|| tokenizers::Tokenizer::deserialize(&value)))
            .map_err(|_| broken(&"it contradicts itself"))?
            .map_err(|e| broken(&e))?;
        drop(value);

        let pieces = pieces(&inner, &decoder)?;
        let mut settings = Settings::default();
        (settings.prefix, settings.suffix) = around(&inner)?;
        let added = inner.get_added_vocabulary();
        let ends = END_TOKENS.iter().filter_map(|&token| added.get_vocab().get(token).copied());
        settings.end_ids = ends.collect();
        settings.end_ids.sort_unstable();
        Ok(Self::new(inner, pieces, settings))
    }
}

/// Refuses merges that would make the tokenizers crate read past its buffer.
fn check_merges(model: &Value) -> Result<()> {
    let (Some(vocab), Some(merges)) =
        (model.get("vocab").and_then(Value::as_object), model.get("merges").and_then(Value::as_array))
    else {
        return Ok(());
    };
    let longest = vocab.keys().map(String::len).max().unwrap_or(0);
    let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str).unwrap_or("");
    for (index, merge) in merges.iter().enumerate() {
        let pair = match merge {
            Value::String(merge) => merge.split_once(' '),
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(left), Value::String(right)] => Some((left.as_str(), right.as_str())),
                _ => None,
            },
            _ => None,
        };
        let fits =
            pair.and_then(|(left, right)| Some(left.len() + right.strip_prefix(prefix)?.len() <= longest));
        if fits != Some(true) {
            return Err(Error::tokenizer(format!(
                "tokenizer.json: model.merges[{index}]: {merge} does not merge into a token of the vocabulary"
            )));
        }
    }
    Ok(())
}

/// The text of every id, with gaps as empty texts.
fn pieces(inner: &tokenizers::Tokenizer, decoder: &Decoder) -> Result<Pieces> {
    let count = inner.get_vocab_size(true);
    let ids = inner.get_vocab(true);
    let size = ids.values().max().map_or(0, |&id| id as usize + 1);
    if size == 0 {
        return Err(Error::tokenizer("tokenizer.json: the vocabulary is empty"));
    }
    if size > count.saturating_mul(MAX_SPARSITY).saturating_add(MAX_GAP) {
        return Err(Error::tokenizer(format!(
            "tokenizer.json: the largest id is {}, with only {count} tokens",
            size - 1
        )));
    }
    drop(ids);
    let added = inner.get_added_vocabulary().get_added_tokens_decoder();
    let model = inner.get_model();
    let mut pieces = Pieces::with_capacity(size);
    pieces.strip_first_space = decoder.strip_first_space;
    for id in 0..size as u32 {
        if let Some(token) = added.get(&id) {
            pieces.push(token.special, |out| out.extend_from_slice(token.content.as_bytes()))?;
        } else {
            let token = model.id_to_token(id);
            pieces.push(false, |out| decoder.append(token.as_deref().unwrap_or_default(), out))?;
        }
    }
    Ok(pieces)
}

/// What the post-processor puts before and after a text, found out by letting it process one.
fn around(inner: &tokenizers::Tokenizer) -> Result<(Vec<u32>, Vec<u32>)> {
    const TEXT: u32 = u32::MAX;
    let Some(processor) = inner.get_post_processor() else { return Ok((Vec::new(), Vec::new())) };
    let text = Encoding::from_tokens(vec![Token::new(TEXT, "text".to_owned(), (0, 4))], 0);
    let processed = catch_unwind(AssertUnwindSafe(|| processor.process(text, None, true)))
        .map_err(|_| Error::tokenizer("tokenizer.json: post_processor: it contradicts itself"))?
        .map_err(|e| Error::tokenizer(format!("tokenizer.json: post_processor: {e}")))?;
    let ids = processed.get_ids();
    let Some(place) = ids.iter().position(|&id| id == TEXT) else {
        return Err(Error::tokenizer("tokenizer.json: post_processor: it drops the text"));
    };
    Ok((ids[..place].to_vec(), ids[place + 1..].to_vec()))
}
