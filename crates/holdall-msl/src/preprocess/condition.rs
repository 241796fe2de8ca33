//! The condition of `#if`: integer arithmetic over 64 bits.

use super::Preprocessor;
use crate::diagnostic::{Kind, Result};
use crate::lex::{Punct, Token, TokenKind, lex_piece};
use crate::limits;
use crate::symbol::word;

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: u32,
}

impl Reader<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn accept(&mut self, punct: Punct) -> bool {
        let found = self.peek().is_some_and(|token| token.is(punct));
        self.at += usize::from(found);
        found
    }
}

/// Binary operators and how tightly they bind.
fn binary(token: Token) -> Option<(Punct, u8)> {
    let TokenKind::Punct(punct) = token.kind else { return None };
    let level = match punct {
        Punct::OrOr => 1,
        Punct::AndAnd => 2,
        Punct::Or => 3,
        Punct::Xor => 4,
        Punct::And => 5,
        Punct::EqEq | Punct::Ne => 6,
        Punct::Less | Punct::Greater | Punct::Le | Punct::Ge => 7,
        Punct::Shl | Punct::Shr => 8,
        Punct::Plus | Punct::Minus => 9,
        Punct::Star | Punct::Slash | Punct::Percent => 10,
        _ => return None,
    };
    Some((punct, level))
}

fn apply(op: Punct, a: i64, b: i64) -> Option<i64> {
    Some(match op {
        Punct::OrOr => i64::from(a != 0 || b != 0),
        Punct::AndAnd => i64::from(a != 0 && b != 0),
        Punct::Or => a | b,
        Punct::Xor => a ^ b,
        Punct::And => a & b,
        Punct::EqEq => i64::from(a == b),
        Punct::Ne => i64::from(a != b),
        Punct::Less => i64::from(a < b),
        Punct::Greater => i64::from(a > b),
        Punct::Le => i64::from(a <= b),
        Punct::Ge => i64::from(a >= b),
        Punct::Shl => a.wrapping_shl(b as u32),
        Punct::Shr => a.wrapping_shr(b as u32),
        Punct::Plus => a.wrapping_add(b),
        Punct::Minus => a.wrapping_sub(b),
        Punct::Star => a.wrapping_mul(b),
        Punct::Slash => a.checked_div(b)?,
        Punct::Percent => a.checked_rem(b)?,
        _ => return None,
    })
}

impl Preprocessor<'_> {
    pub(super) fn condition(&mut self, name: Token, line: &[Token]) -> Result<bool> {
        let plain = self.answer_defined(line);
        let tokens = self.expand_all(&plain, 0)?;
        let mut reader = Reader { tokens: &tokens, at: 0, depth: 0 };
        let value = self.conditional(&mut reader, name);
        let trailing = reader.peek();
        match (value, trailing) {
            (Some(value), None) => Ok(value != 0),
            (Some(_), Some(token)) => {
                let message = format!("unexpected {} in a condition", token.describe(self.interner));
                self.sink.error(Kind::Syntax, token.span(), message);
                Ok(false)
            }
            (None, _) => Ok(false),
        }
    }

    /// Replaces `defined(X)` and the like by 0 or 1, before macros are.
    fn answer_defined(&mut self, line: &[Token]) -> Vec<Token> {
        let mut out = Vec::with_capacity(line.len());
        let mut at = 0;
        while at < line.len() {
            let token = line[at];
            at += 1;
            let asks = matches!(
                token.symbol,
                word::DEFINED
                    | word::HAS_INCLUDE
                    | word::HAS_FEATURE
                    | word::HAS_ATTRIBUTE
                    | word::HAS_BUILTIN
            );
            if token.kind != TokenKind::Identifier || !asks {
                out.push(token);
                continue;
            }
            let mut answer = false;
            if line.get(at).is_some_and(|next| next.is(Punct::LeftParen)) {
                let end =
                    line[at..].iter().position(|t| t.is(Punct::RightParen)).map_or(line.len(), |e| at + e);
                let inner = line.get(at + 1);
                answer = token.symbol == word::DEFINED && inner.is_some_and(|t| self.is_defined(t.symbol));
                at = end + 1;
            } else if let Some(next) = line.get(at) {
                answer = self.is_defined(next.symbol);
                at += 1;
            }
            out.extend(lex_piece(if answer { "1" } else { "0" }, &token, self.interner));
        }
        out
    }

    fn conditional(&mut self, reader: &mut Reader<'_>, name: Token) -> Option<i64> {
        let condition = self.binary(reader, name, 1)?;
        if !reader.accept(Punct::Question) {
            return Some(condition);
        }
        let yes = self.conditional(reader, name)?;
        if !reader.accept(Punct::Colon) {
            self.sink.error(Kind::Syntax, name.span(), "expected `:` in a condition");
            return None;
        }
        let no = self.conditional(reader, name)?;
        Some(if condition != 0 { yes } else { no })
    }

    fn binary(&mut self, reader: &mut Reader<'_>, name: Token, lowest: u8) -> Option<i64> {
        reader.depth += 1;
        if reader.depth > limits::NESTING {
            self.sink.limit(name.span(), "this condition is nested too deeply");
            return None;
        }
        let mut left = self.operand(reader, name)?;
        while let Some((op, level)) = reader.peek().and_then(binary).filter(|(_, level)| *level >= lowest) {
            reader.at += 1;
            let right = self.binary(reader, name, level + 1)?;
            // What stands behind `0 &&` may divide by zero.
            let skips = (op == Punct::AndAnd && left == 0) || (op == Punct::OrOr && left != 0);
            left = if skips {
                i64::from(left != 0)
            } else {
                let Some(value) = apply(op, left, right) else {
                    self.sink.error(Kind::Syntax, name.span(), "division by zero in a condition");
                    return None;
                };
                value
            };
        }
        reader.depth -= 1;
        Some(left)
    }

    fn operand(&mut self, reader: &mut Reader<'_>, name: Token) -> Option<i64> {
        let mut prefix = Vec::new();
        let value = loop {
            let Some(token) = reader.peek() else {
                self.sink.error(Kind::Syntax, name.span(), "expected a condition");
                return None;
            };
            reader.at += 1;
            match token.kind {
                TokenKind::Punct(op @ (Punct::Not | Punct::Minus | Punct::Plus | Punct::Tilde)) => {
                    prefix.push(op);
                }
                TokenKind::Punct(Punct::LeftParen) => {
                    reader.depth += 1;
                    let value = self.conditional(reader, name)?;
                    reader.depth -= 1;
                    if !reader.accept(Punct::RightParen) {
                        self.sink.error(Kind::Syntax, token.span(), "this parenthesis is not closed");
                        return None;
                    }
                    break value;
                }
                TokenKind::Number => match crate::parse::literal::integer(self.interner.text(token.symbol)) {
                    Some((value, _)) => break value as i64,
                    None => {
                        self.sink.error(Kind::Syntax, token.span(), "conditions take integers only");
                        return None;
                    }
                },
                // A name that is no macro counts as 0.
                TokenKind::Identifier => break i64::from(token.symbol == word::TRUE),
                _ => {
                    let message = format!("unexpected {} in a condition", token.describe(self.interner));
                    self.sink.error(Kind::Syntax, token.span(), message);
                    return None;
                }
            }
        };
        Some(prefix.iter().rev().fold(value, |value, op| match op {
            Punct::Not => i64::from(value == 0),
            Punct::Minus => value.wrapping_neg(),
            Punct::Tilde => !value,
            _ => value,
        }))
    }
}
