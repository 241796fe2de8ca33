//! The `decoder` of a `tokenizer.json`, as a rule for the bytes of each token.

use serde_json::Value;

use super::pieces::fallback_byte;
use super::{byte_level, spm};
use crate::{Error, Result};

/// How a token's text turns into bytes.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    byte_level: bool,
    byte_fallback: bool,
    /// Texts replaced by others, in order.
    replace: Vec<(String, String)>,
    pub(crate) strip_first_space: bool,
}

impl Decoder {
    /// Reads a decoder.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a decoder where the text of one token depends on
    /// others in a way that cannot stream, and for none at all.
    pub(crate) fn new(decoder: &Value) -> Result<Self> {
        let mut rule = Self::default();
        if decoder.is_null() {
            return Err(Error::unsupported("tokenizer.json: there is no decoder"));
        }
        rule.add(decoder, 0)?;
        Ok(rule)
    }

    fn add(&mut self, step: &Value, depth: usize) -> Result<()> {
        let kind = step.get("type").and_then(Value::as_str).unwrap_or("");
        let unsupported = || {
            Error::unsupported(format!(
                "tokenizer.json: decoder: {kind:?} with these settings is not supported"
            ))
        };
        let text = |key: &str| step.get(key).and_then(Value::as_str);
        match kind {
            "Sequence" if depth < 4 => {
                let steps = step.get("decoders").and_then(Value::as_array).ok_or_else(unsupported)?;
                for step in steps {
                    self.add(step, depth + 1)?;
                }
            }
            "ByteLevel" => self.byte_level = true,
            "ByteFallback" => self.byte_fallback = true,
            "Fuse" => {}
            "Replace" => {
                let pattern =
                    step.pointer("/pattern/String").and_then(Value::as_str).ok_or_else(unsupported)?;
                if pattern.is_empty() {
                    return Err(unsupported());
                }
                self.replace.push((pattern.to_owned(), text("content").ok_or_else(unsupported)?.to_owned()));
            }
            "Strip" => match (text("content"), step.get("start").and_then(Value::as_u64)) {
                (Some(" "), Some(start @ (0 | 1))) if step.get("stop").and_then(Value::as_u64) == Some(0) => {
                    self.strip_first_space |= start == 1;
                }
                _ => return Err(unsupported()),
            },
            "Metaspace" => {
                self.replace.push((text("replacement").unwrap_or(spm::SPACE).to_owned(), " ".to_owned()));
                let scheme = text("prepend_scheme").unwrap_or("always");
                let added = step.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(true);
                self.strip_first_space |= scheme != "never" && added;
            }
            _ => return Err(unsupported()),
        }
        Ok(())
    }

    /// Appends the bytes of a token.
    pub(crate) fn append(&self, token: &str, out: &mut Vec<u8>) {
        if self.byte_fallback
            && let Some(byte) = fallback_byte(token)
        {
            out.push(byte);
        } else if self.byte_level {
            byte_level::append_bytes(token, out);
        } else {
            let mut text = token.to_owned();
            for (pattern, content) in &self.replace {
                text = text.replace(pattern, content);
            }
            out.extend_from_slice(text.as_bytes());
        }
    }
}
