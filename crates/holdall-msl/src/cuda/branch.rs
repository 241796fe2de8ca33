//! The operator `?:`. Classes that convert both ways have no common type in C++, so where floats of 16 bits occur
//! `c ? a : b` becomes `settle(c ? ((a), branch{}) : ((b), branch{}))`: see `prelude/types.cu`.

use super::tokens::{Class, Edits, Word};
use crate::lex::{Punct, TokenKind};

const BEFORE: &str = "impl_::settle(";
const ARM: &str = "((";
const ARM_END: &str = "), impl_::branch{})";

pub(super) fn rewrite(words: &[Word<'_>], edits: &mut Edits) {
    if !words.iter().any(|word| word.is(Punct::Question)) {
        return;
    }
    // Commas between template arguments end no operand.
    let mut inside = vec![false; words.len()];
    for i in 1..words.len() {
        if let Some(end) = template_arguments(words, i).filter(|_| words[i - 1].is_name()) {
            inside[i..end].fill(true);
        }
    }
    let words: Vec<Word<'_>> = words.iter().zip(inside).filter(|(_, hide)| !hide).map(|(w, _)| *w).collect();
    let words = &words[..];
    for (at, word) in words.iter().enumerate() {
        if !word.is(Punct::Question) {
            continue;
        }
        let (Some(start), Some(colon)) = (start(words, at), colon(words, at)) else { continue };
        let Some(end) = end(words, colon) else { continue };
        if start >= at || at + 1 >= colon || colon + 1 >= end {
            continue;
        }
        edits.insert(words[start].start, Class::OpenWithin, BEFORE);
        edits.insert(word.end, Class::Open, ARM);
        edits.insert(words[colon].start, Class::Close, ARM_END);
        edits.insert(words[colon].end, Class::Open, ARM);
        edits.insert(words[end - 1].end, Class::Close, format!("{ARM_END})"));
    }
}

/// The token behind `<...>`, if what begins here looks like the arguments of a function or type and not like two comparisons.
fn template_arguments(words: &[Word<'_>], at: usize) -> Option<usize> {
    if !words[at].is(Punct::Less) {
        return None;
    }
    let (mut angles, mut depth) = (0i32, 0i32);
    for (i, word) in words.iter().enumerate().skip(at) {
        match word.kind {
            _ if opens(word) => depth += 1,
            _ if closes(word) => depth -= 1,
            TokenKind::Punct(Punct::Less) if depth == 0 => angles += 1,
            TokenKind::Punct(Punct::Greater) if depth == 0 => angles -= 1,
            TokenKind::Punct(Punct::Shr) if depth == 0 => angles -= 2,
            TokenKind::Identifier
            | TokenKind::Number
            | TokenKind::Punct(
                Punct::Comma
                | Punct::Scope
                | Punct::Star
                | Punct::And
                | Punct::Minus
                | Punct::Plus
                | Punct::Slash,
            ) => {}
            _ if depth > 0 => {}
            _ => return None,
        }
        if depth < 0 {
            return None;
        }
        if angles <= 0 {
            let next = words.get(i + 1)?;
            let used = next.is(Punct::LeftParen) || next.is(Punct::Scope) || next.is(Punct::LeftBrace);
            return (angles == 0 && used).then_some(i + 1);
        }
    }
    None
}

fn opens(word: &Word<'_>) -> bool {
    [Punct::LeftParen, Punct::LeftBracket, Punct::LeftBrace].iter().any(|punct| word.is(*punct))
}

fn closes(word: &Word<'_>) -> bool {
    [Punct::RightParen, Punct::RightBracket, Punct::RightBrace].iter().any(|punct| word.is(*punct))
}

/// The `:` that belongs to a `?`.
fn colon(words: &[Word<'_>], question: usize) -> Option<usize> {
    let (mut depth, mut nested) = (0, 0);
    for (i, word) in words.iter().enumerate().skip(question + 1) {
        if opens(word) {
            depth += 1;
        } else if closes(word) {
            depth -= 1;
            if depth < 0 {
                return None;
            }
        } else if depth == 0 {
            match word.kind {
                TokenKind::Punct(Punct::Question) => nested += 1,
                TokenKind::Punct(Punct::Colon) if nested == 0 => return Some(i),
                TokenKind::Punct(Punct::Colon) => nested -= 1,
                TokenKind::Punct(Punct::Semicolon) => return None,
                _ => {}
            }
        }
    }
    None
}

/// The token behind the last operand.
fn end(words: &[Word<'_>], colon: usize) -> Option<usize> {
    let (mut depth, mut nested) = (0, 0);
    for (i, word) in words.iter().enumerate().skip(colon + 1) {
        if opens(word) {
            depth += 1;
        } else if closes(word) {
            depth -= 1;
            if depth < 0 {
                return Some(i);
            }
        } else if depth == 0 {
            match word.kind {
                TokenKind::Punct(Punct::Semicolon | Punct::Comma) => return Some(i),
                TokenKind::Punct(Punct::Question) => nested += 1,
                TokenKind::Punct(Punct::Colon) if nested == 0 => return Some(i),
                TokenKind::Punct(Punct::Colon) => nested -= 1,
                _ => {}
            }
        }
    }
    (depth == 0).then_some(words.len())
}

/// The first token of the condition.
fn start(words: &[Word<'_>], question: usize) -> Option<usize> {
    use Punct::{
        AddAssign, AndAssign, Assign, Colon, Comma, DivAssign, MulAssign, OrAssign, Question, RemAssign,
        Semicolon, ShlAssign, ShrAssign, SubAssign, XorAssign,
    };
    const BEFORE: &[Punct] = &[
        Semicolon, Comma, Assign, AddAssign, SubAssign, MulAssign, DivAssign, RemAssign, AndAssign, OrAssign,
        XorAssign, ShlAssign, ShrAssign, Question, Colon,
    ];
    let mut depth = 0;
    for i in (0..question).rev() {
        let word = &words[i];
        if closes(word) {
            // A statement before, unless an operator follows, as it does behind `T{...}`.
            let next = &words[i + 1];
            let ends = next.is_name() || next.kind == TokenKind::Number || next.is(Punct::LeftParen);
            if depth == 0 && word.is(Punct::RightBrace) && ends {
                return Some(i + 1);
            }
            depth += 1;
        } else if opens(word) {
            depth -= 1;
            if depth < 0 {
                return Some(i + 1);
            }
        } else if depth == 0 {
            let is_statement = word.is_name() && matches!(word.text, "return" | "else" | "do" | "case");
            if is_statement || BEFORE.iter().any(|punct| word.is(*punct)) {
                return Some(i + 1);
            }
        }
    }
    Some(0)
}
