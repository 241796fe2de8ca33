//! A text as tokens with their places, and the changes that are made to it.

use crate::diagnostic::{Error, Sink};
use crate::lex::{Punct, TokenKind, lex};
use crate::source::{Part, SourceMap};
use crate::symbol::Interner;

/// A token, with its bytes in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub kind: TokenKind,
    pub text: &'a str,
    pub start: usize,
    pub end: usize,
    pub line_start: bool,
}

impl Word<'_> {
    pub fn is(&self, punct: Punct) -> bool {
        self.kind == TokenKind::Punct(punct)
    }

    pub fn is_name(&self) -> bool {
        self.kind == TokenKind::Identifier
    }

    pub fn is_word(&self, text: &str) -> bool {
        self.is_name() && self.text == text
    }
}

/// The tokens of a text, without the end.
pub(super) fn words(part: Part, text: &str) -> Result<Vec<Word<'_>>, Error> {
    let mut map = SourceMap::default();
    let mut sink = Sink::default();
    let mut interner = Interner::new();
    let first = map.add(part, text);
    let tokens = lex(text, first, &mut interner, &mut sink);
    let (Ok(tokens), false) = (tokens, sink.has_errors()) else {
        return Err(Error::new(sink.finish(&map)));
    };
    let word = |token: &crate::lex::Token| {
        let start = token.start.offset_from(first);
        let end = token.end.offset_from(first);
        Word { kind: token.kind, text: &text[start..end], start, end, line_start: token.line_start }
    };
    Ok(tokens.iter().filter(|token| token.kind != TokenKind::End).map(word).collect())
}

/// In what order changes at one place come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Close,
    Open,
    OpenWithin,
    Replace,
}

/// Changes to a text.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(usize, Class, usize, String)>);

impl Edits {
    pub fn insert(&mut self, at: usize, class: Class, text: impl Into<String>) {
        self.0.push((at, class, at, text.into()));
    }

    pub fn replace(&mut self, start: usize, end: usize, with: impl Into<String>) {
        self.0.push((start, Class::Replace, end, with.into()));
    }

    /// Takes text away, but no line ends, so that lines keep their numbers.
    pub fn blank(&mut self, start: usize, end: usize, text: &str) {
        let lines = text[start..end].matches('\n').count();
        self.replace(start, end, if lines == 0 { " ".to_owned() } else { "\n".repeat(lines) });
    }

    pub fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(at, class, ..)| (*at, *class));
        let mut result = String::with_capacity(text.len() + text.len() / 4);
        let mut at = 0;
        for (start, _, end, with) in &self.0 {
            // What is inside of something replaced is gone.
            if *start < at {
                continue;
            }
            result.push_str(&text[at..*start]);
            result.push_str(with);
            at = *end;
        }
        result.push_str(&text[at..]);
        result
    }
}
