//! From MSL to CUDA C++, token by token. Line ends stay, so that lines keep their numbers.

use std::collections::BTreeSet;
use std::ops::Range;

use super::branch;
use super::number;
use super::tokens::{Edits, Word, words};
use crate::diagnostic::Error;
use crate::lex::{Punct, TokenKind};
use crate::preprocess::is_known_include;
use crate::source::Part;

/// What the parts of a kernel have in common.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// Swizzles that are used.
    pub swizzles: BTreeSet<String>,
    /// Members of structs that are called as swizzles are: these are not touched.
    pub members: BTreeSet<String>,
    /// Macros that the text defines.
    pub macros: BTreeSet<String>,
    /// Floats of 16 bits may occur.
    pub is_short: bool,
}

/// A text, in pieces that are rewritten each by itself.
#[derive(Debug)]
pub(super) struct Text<'a> {
    text: &'a str,
    words: Vec<Word<'a>>,
    /// Tokens outside of directives, and in bodies of macros.
    pieces: Vec<Vec<usize>>,
    /// Tokens of directives, with the `#`.
    directives: Vec<Range<usize>>,
}

pub(super) fn is_swizzle(name: &str) -> bool {
    let of = |letters: &str| name.chars().all(|c| letters.contains(c));
    (2..=4).contains(&name.len()) && (of("xyzw") || of("rgba"))
}

/// Words that put memory somewhere; here, all memory is one.
const SPACES: &[&str] = &["device", "thread", "threadgroup", "constant"];

impl<'a> Text<'a> {
    /// Reads a part and adds to what is known of the whole.
    ///
    /// # Errors
    /// Comments and quotes without an end.
    pub fn read(part: Part, text: &'a str, whole: &mut Whole) -> Result<Self, Error> {
        let words = words(part, text)?;
        let mut pieces = vec![Vec::new()];
        let mut directives = Vec::new();
        let mut at = 0;
        while at < words.len() {
            if !(words[at].line_start && words[at].is(Punct::Hash)) {
                pieces[0].push(at);
                at += 1;
                continue;
            }
            let end = (at + 1..words.len()).find(|i| words[*i].line_start).unwrap_or(words.len());
            if at + 2 < end && words[at + 1].is_word("define") {
                whole.macros.insert(words[at + 2].text.to_owned());
                let mut body = at + 3;
                let opens = body < end && words[body].is(Punct::LeftParen);
                if opens && words[body].start == words[body - 1].end {
                    let close = (body..end).find(|i| words[*i].is(Punct::RightParen));
                    body = close.map_or(end, |close| close + 1);
                }
                pieces.push((body..end).collect());
            }
            directives.push(at..end);
            at = end;
        }
        let short = ["half", "bfloat", "float16", "simdgroup_"];
        whole.is_short |= words.iter().any(|w| w.is_name() && short.iter().any(|s| w.text.contains(s)))
            || words.iter().any(|w| w.kind == TokenKind::Number && number::is_short(w.text));
        let text = Self { text, words, pieces, directives };
        text.find_members(whole);
        Ok(text)
    }

    fn find_members(&self, whole: &mut Whole) {
        for piece in &self.pieces {
            let mut braces = Vec::new();
            let mut in_struct = false;
            for (i, index) in piece.iter().enumerate() {
                let word = &self.words[*index];
                match word.kind {
                    TokenKind::Identifier if matches!(word.text, "struct" | "class" | "union") => {
                        in_struct = true;
                    }
                    TokenKind::Punct(Punct::LeftBrace) => {
                        braces.push(in_struct);
                        in_struct = false;
                    }
                    TokenKind::Punct(Punct::RightBrace) => {
                        braces.pop();
                    }
                    TokenKind::Punct(Punct::Semicolon) => in_struct = false,
                    TokenKind::Identifier if braces.last() == Some(&true) && is_swizzle(word.text) => {
                        let before = i.checked_sub(1).map(|i| &self.words[piece[i]]);
                        if !before.is_some_and(|w| w.is(Punct::Dot) || w.is(Punct::Arrow)) {
                            whole.members.insert(word.text.to_owned());
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// The text as CUDA C++.
    pub fn rewrite(&self, whole: &mut Whole) -> String {
        let mut edits = Edits::default();
        for directive in &self.directives {
            self.directive(&self.words[directive.clone()], &mut edits);
        }
        for piece in &self.pieces {
            let words: Vec<Word<'a>> = piece.iter().map(|i| self.words[*i]).collect();
            Piece { text: self.text, words: &words, edits: &mut edits, whole }.rewrite();
            if whole.is_short {
                branch::rewrite(&words, &mut edits);
            }
        }
        edits.apply(self.text)
    }

    fn directive(&self, words: &[Word<'a>], edits: &mut Edits) {
        let (Some(hash), Some(name), Some(last)) = (words.first(), words.get(1), words.last()) else {
            return;
        };
        let rest = words.get(2).map_or("", |first| &self.text[first.start..last.end]);
        match name.text {
            "include" if is_known_include(rest.trim_matches(['<', '>', '"'])) => {
                edits.blank(hash.start, last.end, self.text);
            }
            "define" if words.get(2).is_some_and(|name| name.is_word("__cplusplus")) => {
                edits.blank(hash.start, last.end, self.text);
            }
            "line" => edits.blank(hash.start, last.end, self.text),
            "pragma" => match pragma(rest) {
                Some(text) => edits.replace(hash.start, last.end, format!("#pragma {text}")),
                None => edits.blank(hash.start, last.end, self.text),
            },
            _ => {}
        }
    }
}

/// What a pragma is in CUDA C++: those of loops have a counterpart, all others say nothing.
fn pragma(text: &str) -> Option<String> {
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let of_loop = squeezed.strip_prefix("clangloop").unwrap_or(&squeezed);
    if let Some(count) = of_loop.strip_prefix("unroll_count(").and_then(|rest| rest.strip_suffix(')')) {
        return Some(format!("unroll {count}"));
    }
    match of_loop {
        "nounroll" | "unroll(disable)" => return Some("unroll 1".to_owned()),
        "unroll" | "unroll(full)" | "unroll(enable)" => return Some("unroll".to_owned()),
        _ => {}
    }
    let count = of_loop.strip_prefix("unroll")?;
    let count = count.strip_prefix('(').and_then(|c| c.strip_suffix(')')).unwrap_or(count);
    Some(format!("unroll {count}"))
}

/// A row of tokens without directives.
struct Piece<'p, 'a> {
    text: &'a str,
    words: &'p [Word<'a>],
    edits: &'p mut Edits,
    whole: &'p mut Whole,
}

impl Piece<'_, '_> {
    fn is(&self, at: usize, punct: Punct) -> bool {
        self.words.get(at).is_some_and(|word| word.is(punct))
    }

    fn name(&self, at: usize) -> &str {
        self.words.get(at).filter(|word| word.is_name()).map_or("", |word| word.text)
    }

    fn rewrite(&mut self) {
        let mut at = 0;
        while at < self.words.len() {
            at = self.one(at).max(at + 1);
        }
    }

    /// Rewrites what begins at a token, and gives the one behind it.
    fn one(&mut self, at: usize) -> usize {
        let word = self.words[at];
        match word.kind {
            TokenKind::Number => {
                if let Some(text) = number::rewrite(word.text) {
                    self.edits.replace(word.start, word.end, text);
                }
            }
            TokenKind::Text if at >= 2 && self.name(at - 2) == "_Pragma" => {
                let text = pragma(word.text.trim_matches('"')).unwrap_or_else(|| "holdall".to_owned());
                self.edits.replace(word.start, word.end, format!("\"{text}\""));
            }
            TokenKind::Punct(Punct::LeftBracket) if self.is(at + 1, Punct::LeftBracket) => {
                return self.attribute(at);
            }
            TokenKind::Identifier => return self.identifier(at),
            _ => {}
        }
        at + 1
    }

    /// `[[...]]`.
    fn attribute(&mut self, at: usize) -> usize {
        let mut depth = 0;
        for i in at..self.words.len() {
            depth += i32::from(self.is(i, Punct::LeftBracket)) - i32::from(self.is(i, Punct::RightBracket));
            if depth == 0 {
                self.edits.blank(self.words[at].start, self.words[i].end, self.text);
                return i + 1;
            }
        }
        at + 1
    }

    fn identifier(&mut self, at: usize) -> usize {
        let word = self.words[at];
        let after_dot = at > 0 && (self.is(at - 1, Punct::Dot) || self.is(at - 1, Punct::Arrow));
        if after_dot && is_swizzle(word.text) {
            self.swizzle(at);
            return at + 1;
        }
        match word.text {
            "device" | "thread" => self.edits.replace(word.start, word.end, ""),
            "constant" => self.edits.replace(word.start, word.end, "const"),
            "threadgroup" => {
                let text = if self.declares_shared(at) { "__shared__" } else { "" };
                self.edits.replace(word.start, word.end, text);
            }
            "unsigned" | "signed" | "char" | "short" | "long" | "int" => return self.integer(at),
            _ => {}
        }
        at + 1
    }

    /// What is read becomes a call that gives a vector, what is written a place.
    fn swizzle(&mut self, at: usize) {
        let word = self.words[at];
        let called = self.is(at + 1, Punct::LeftParen);
        if called || self.whole.members.contains(word.text) {
            return;
        }
        self.whole.swizzles.insert(word.text.to_owned());
        let written = self.words.get(at + 1).is_some_and(|next| {
            matches!(
                next.kind,
                TokenKind::Punct(
                    Punct::Assign
                        | Punct::AddAssign
                        | Punct::SubAssign
                        | Punct::MulAssign
                        | Punct::DivAssign
                        | Punct::RemAssign
                        | Punct::AndAssign
                        | Punct::OrAssign
                        | Punct::XorAssign
                        | Punct::ShlAssign
                        | Punct::ShrAssign
                )
            )
        });
        let name = if written { format!("holdall_{}()", word.text) } else { format!("{}()", word.text) };
        self.edits.replace(word.start, word.end, name);
    }

    /// Words that make an integer type become its one name: `long` has 64 bits and `char` a sign everywhere.
    fn integer(&mut self, at: usize) -> usize {
        let is_part = |text: &str| matches!(text, "unsigned" | "signed" | "char" | "short" | "long" | "int");
        let end = (at..self.words.len()).find(|i| !is_part(self.name(*i))).unwrap_or(self.words.len());
        let has = |text: &str| (at..end).any(|i| self.name(i) == text);
        if self.name(end) == "double" {
            return end;
        }
        let unsigned = has("unsigned");
        let name = match (has("char"), has("short"), has("long")) {
            (true, ..) if unsigned => "uint8_t",
            (true, ..) => "int8_t",
            (_, true, _) if unsigned => "ushort",
            (_, true, _) => "short",
            (.., true) if unsigned => "uint64_t",
            (.., true) => "int64_t",
            _ if unsigned => "uint",
            _ => "int",
        };
        let (start, last) = (self.words[at].start, self.words[end - 1].end);
        if &self.text[start..last] != name {
            let lines = "\n".repeat(self.text[start..last].matches('\n').count());
            self.edits.replace(start, last, format!("{name}{lines}"));
        }
        end
    }

    /// Whether the `threadgroup` here declares a variable and no pointer or reference.
    fn declares_shared(&self, at: usize) -> bool {
        let is_qualifier = |text: &str| {
            matches!(text, "const" | "volatile" | "static" | "constexpr") || SPACES.contains(&text)
        };
        let first = (0..at).rev().find(|i| !is_qualifier(self.name(*i)));
        let begins = first.is_none_or(|i| {
            use Punct::{Colon, LeftBrace, RightBrace, RightParen, Semicolon};
            [Semicolon, LeftBrace, RightBrace, RightParen, Colon].iter().any(|punct| self.is(i, *punct))
        });
        if !begins {
            return false;
        }
        let mut i = at + 1;
        while is_qualifier(self.name(i)) || self.name(i) == "typename" {
            i += 1;
        }
        let Some(mut i) = self.skip_type(i) else { return false };
        while is_qualifier(self.name(i)) {
            i += 1;
        }
        if self.name(i).is_empty() {
            return false;
        }
        use Punct::{Assign, Comma, LeftBrace, LeftBracket, Semicolon};
        [LeftBracket, Semicolon, Comma, Assign, LeftBrace].iter().any(|punct| self.is(i + 1, *punct))
    }

    /// The token behind a type's name.
    fn skip_type(&self, mut i: usize) -> Option<usize> {
        let is_part = |text: &str| matches!(text, "unsigned" | "signed" | "char" | "short" | "long" | "int");
        if self.name(i).is_empty() {
            return None;
        }
        if is_part(self.name(i)) {
            return (i..self.words.len()).find(|i| !is_part(self.name(*i)));
        }
        loop {
            if self.is(i, Punct::Scope) {
                i += 1;
            }
            if self.name(i).is_empty() {
                return None;
            }
            i += 1;
            if self.is(i, Punct::Less) {
                i = self.skip_angles(i)?;
            }
            if !self.is(i, Punct::Scope) {
                return Some(i);
            }
        }
    }

    fn skip_angles(&self, at: usize) -> Option<usize> {
        let (mut angles, mut brackets) = (0i32, 0i32);
        for i in at..self.words.len() {
            match self.words[i].kind {
                TokenKind::Punct(Punct::LeftParen | Punct::LeftBracket | Punct::LeftBrace) => brackets += 1,
                TokenKind::Punct(Punct::RightParen | Punct::RightBracket | Punct::RightBrace) => {
                    brackets -= 1
                }
                TokenKind::Punct(Punct::Semicolon) => return None,
                TokenKind::Punct(Punct::Less) if brackets == 0 => angles += 1,
                TokenKind::Punct(Punct::Greater) if brackets == 0 => angles -= 1,
                TokenKind::Punct(Punct::Shr) if brackets == 0 => angles -= 2,
                _ => {}
            }
            if angles <= 0 {
                return Some(i + 1);
            }
        }
        None
    }
}
