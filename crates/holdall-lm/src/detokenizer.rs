//! Text from a stream of token ids, without ever splitting a UTF-8 sequence.

use std::sync::Arc;

use crate::tokenizer::Pieces;

/// Turns ids into text as they come. What [`push`](Self::push) and [`finish`](Self::finish) return, put together, is
/// what [`Tokenizer::decode`](crate::Tokenizer::decode) returns for all ids at once. The work for an id is
/// proportional to its own bytes, however long the text already is.
///
/// Bytes that cannot become UTF-8 turn into U+FFFD: one for each longest run that some valid sequence starts with,
/// as in [`String::from_utf8_lossy`].
#[derive(Clone, Debug)]
pub struct Detokenizer {
    pieces: Arc<Pieces>,
    skip_special: bool,
    /// Still to drop the space which the encoder put before the text.
    strip_space: bool,
    /// The start of a UTF-8 sequence whose end has not come yet: at most 3 bytes between calls.
    pending: Vec<u8>,
    text: String,
}

impl Detokenizer {
    pub(crate) fn new(pieces: Arc<Pieces>, skip_special: bool) -> Self {
        let strip_space = pieces.strip_first_space;
        Self { pieces, skip_special, strip_space, pending: Vec::new(), text: String::new() }
    }

    /// Keeps a space at the very start, which some tokenizers put before the first word. To be called when the ids
    /// continue other text: there the space is real.
    #[must_use]
    pub fn continuing(mut self) -> Self {
        self.strip_space = false;
        self
    }

    /// Takes the next id and returns the text that is now complete (often one word, sometimes nothing).
    /// An id outside the vocabulary has no text.
    pub fn push(&mut self, id: u32) -> &str {
        self.text.clear();
        if self.skip_special && self.pieces.is_special(id) {
            return &self.text;
        }
        let mut bytes = self.pieces.get(id).unwrap_or_default();
        if self.strip_space && !bytes.is_empty() {
            self.strip_space = false;
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
        }
        self.pending.extend_from_slice(bytes);
        self.take_complete();
        &self.text
    }

    /// Ends the text: bytes still held back turn into U+FFFD. The detokenizer is then ready for a new text that
    /// continues this one.
    pub fn finish(&mut self) -> &str {
        self.text.clear();
        if !self.pending.is_empty() {
            self.pending.clear();
            self.text.push(char::REPLACEMENT_CHARACTER);
        }
        &self.text
    }

    /// Moves everything but an unfinished sequence at the end from `pending` to `text`.
    fn take_complete(&mut self) {
        let mut end = 0;
        let mut held = 0;
        for chunk in self.pending.utf8_chunks() {
            self.text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            end += chunk.valid().len() + invalid.len();
            if invalid.is_empty() {
                continue;
            }
            if end == self.pending.len() && is_unfinished(invalid) {
                held = invalid.len();
            } else {
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let taken = self.pending.len() - held;
        self.pending.drain(..taken);
    }
}

/// Whether more bytes could still turn `bytes` into a character.
fn is_unfinished(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
