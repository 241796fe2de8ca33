//! The bytes that each token contributes to decoded text.

use crate::{Error, Result};

/// For every id the bytes of its text, flat in one allocation, so that decoding is a copy per token.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    /// `ends[id]` is where the bytes of `id` end; they begin where those of `id - 1` end.
    ends: Vec<u32>,
    special: Vec<bool>,
    /// Whether one space at the very start of decoded text is an artefact of encoding.
    pub(crate) strip_first_space: bool,
}

impl Pieces {
    pub(crate) fn with_capacity(tokens: usize) -> Self {
        Self { ends: Vec::with_capacity(tokens), special: Vec::with_capacity(tokens), ..Self::default() }
    }

    /// Adds the next id; `write` appends its bytes.
    pub(crate) fn push(&mut self, special: bool, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        write(&mut self.bytes);
        let end = u32::try_from(self.bytes.len())
            .map_err(|_| Error::tokenizer("the texts of the tokens add up to more than 4 GiB"))?;
        self.ends.push(end);
        self.special.push(special);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a token, `None` for an id outside the vocabulary.
    pub(crate) fn get(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        let end = *self.ends.get(id)? as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] as usize };
        Some(&self.bytes[start..end])
    }

    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(false)
    }
}

/// The byte named by a byte-fallback token such as `<0x0A>`.
pub(crate) fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ids() {
        let mut pieces = Pieces::with_capacity(3);
        for (special, text) in [(false, "ab"), (true, ""), (false, "c")] {
            pieces.push(special, |out| out.extend_from_slice(text.as_bytes())).unwrap();
        }
        assert_eq!(pieces.get(0), Some(&b"ab"[..]));
        assert_eq!(pieces.get(1), Some(&b""[..]));
        assert_eq!(pieces.get(2), Some(&b"c"[..]));
        assert_eq!(pieces.get(3), None);
        assert!(pieces.is_special(1) && !pieces.is_special(2) && !pieces.is_special(9));
    }

    #[test]
    fn byte_tokens() {
        assert_eq!(fallback_byte("<0x0A>"), Some(10));
        assert_eq!(fallback_byte("<0xff>"), Some(255));
        for wrong in ["<0x+1>", "<0x0>", "<0x000>", "0x00", "<0xGG>", "<0x語>"] {
            assert_eq!(fallback_byte(wrong), None, "{wrong}");
        }
    }
}
