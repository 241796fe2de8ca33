//! Lines that begin with `#`.

use super::{Condition, Macro, Preprocessor};
use crate::diagnostic::{Kind, Result};
use crate::lex::{Punct, Token, TokenKind};
use crate::symbol::word;

impl Preprocessor<'_> {
    /// Obeys the directive that begins with `hash`, which has been taken.
    pub(super) fn directive(&mut self, hash: Token) -> Result<()> {
        let start = self.at;
        while !self.tokens[self.at].line_start {
            self.at += 1;
        }
        let line: Vec<Token> = self.tokens[start..self.at].to_vec();
        let Some((name, rest)) = line.split_first() else { return Ok(()) };
        match name.symbol {
            word::IF | word::IFDEF | word::IFNDEF => {
                let active = self.is_active();
                let taken = active && self.test(*name, rest)?;
                self.conditions.push(Condition {
                    span: name.span(),
                    active: taken,
                    done: taken || !active,
                    saw_else: false,
                });
                return Ok(());
            }
            word::ELIF | word::ELIFDEF | word::ELIFNDEF | word::ELSE => return self.alternative(*name, rest),
            word::ENDIF => {
                if self.conditions.pop().is_none() {
                    self.sink.error(Kind::Syntax, name.span(), "`#endif` without `#if`");
                }
                return Ok(());
            }
            _ => {}
        }
        if !self.is_active() {
            return Ok(());
        }
        match name.symbol {
            word::DEFINE => self.define(*name, rest),
            word::UNDEF => {
                if let Some(token) = rest.first() {
                    self.defined.insert(token.symbol, None);
                }
                Ok(())
            }
            word::INCLUDE => self.include(*name, rest),
            // Nothing is contracted and nothing is unrolled at this level, so that no pragma changes a result.
            word::PRAGMA | word::LINE => Ok(()),
            word::ERROR | word::WARNING => {
                let text = self.plain(rest);
                let message = format!("#{}: {text}", self.interner.text(name.symbol));
                if name.symbol == word::ERROR {
                    self.sink.error(Kind::Syntax, name.span(), message);
                } else {
                    self.sink.warn(name.span(), message);
                }
                Ok(())
            }
            _ => {
                let message = format!("unknown directive {}", name.describe(self.interner));
                self.sink.error(Kind::Syntax, hash.span().to(name.span()), message);
                Ok(())
            }
        }
    }

    fn plain(&self, tokens: &[Token]) -> String {
        let mut text = String::new();
        for (i, token) in tokens.iter().enumerate() {
            if i > 0 && token.space {
                text.push(' ');
            }
            text.push_str(token.spelling(self.interner));
        }
        text
    }

    fn test(&mut self, name: Token, rest: &[Token]) -> Result<bool> {
        if matches!(name.symbol, word::IF | word::ELIF) {
            return self.condition(name, rest);
        }
        let Some(token) = rest.first().filter(|token| token.kind == TokenKind::Identifier) else {
            self.sink.error(Kind::Syntax, name.span(), "expected the name of a macro");
            return Ok(false);
        };
        Ok(self.is_defined(token.symbol) == matches!(name.symbol, word::IFDEF | word::ELIFDEF))
    }

    fn alternative(&mut self, name: Token, rest: &[Token]) -> Result<()> {
        let is_else = name.symbol == word::ELSE;
        let Some(open) = self.conditions.last_mut() else {
            let message = format!("`#{}` without `#if`", self.interner.text(name.symbol));
            self.sink.error(Kind::Syntax, name.span(), message);
            return Ok(());
        };
        if open.saw_else {
            self.sink.error(Kind::Syntax, name.span(), "there was an `#else` already");
        }
        open.saw_else |= is_else;
        let done = open.done;
        let taken = !done && (is_else || self.test(name, rest)?);
        if let Some(open) = self.conditions.last_mut() {
            open.active = taken;
            open.done |= taken;
        }
        Ok(())
    }

    fn define(&mut self, directive: Token, rest: &[Token]) -> Result<()> {
        let Some((name, mut body)) = rest.split_first().filter(|(n, _)| n.kind == TokenKind::Identifier)
        else {
            self.sink.error(Kind::Syntax, directive.span(), "expected the name of a macro");
            return Ok(());
        };
        let mut parameters = None;
        let mut variadic = false;
        // Only a parenthesis right behind the name begins parameters.
        if let Some(open) = body.first().filter(|token| token.is(Punct::LeftParen) && !token.space) {
            let Some(end) = body.iter().position(|token| token.is(Punct::RightParen)) else {
                self.sink.error(Kind::Syntax, open.span(), "the parameters of this macro have no `)`");
                return Ok(());
            };
            let mut list = Vec::new();
            for token in &body[1..end] {
                match token.kind {
                    TokenKind::Identifier => list.push(token.symbol),
                    TokenKind::Punct(Punct::Comma) => {}
                    TokenKind::Punct(Punct::Ellipsis) => {
                        // `name...` names the rest, a bare `...` calls it `__VA_ARGS__`.
                        let named = body[..end]
                            .windows(2)
                            .any(|pair| pair[0].kind == TokenKind::Identifier && pair[1].is(Punct::Ellipsis));
                        if !named {
                            list.push(word::VA_ARGS);
                        }
                        variadic = true;
                    }
                    _ => {
                        let message = format!(
                            "expected the name of a parameter, got {}",
                            token.describe(self.interner)
                        );
                        self.sink.error(Kind::Syntax, token.span(), message);
                    }
                }
            }
            parameters = Some(list.into());
            body = &body[end + 1..];
        }
        self.defined.insert(name.symbol, Some(Macro { parameters, variadic, body: body.into() }));
        Ok(())
    }

    /// Metal's own headers and MLX's are part of the prelude. There are no others.
    fn include(&mut self, directive: Token, rest: &[Token]) -> Result<()> {
        let text = self.plain(rest);
        let path = text.trim_matches(['<', '>', '"']);
        if is_known_include(path) {
            return Ok(());
        }
        let span = rest.first().map_or(directive.span(), Token::span);
        let span = rest.last().map_or(span, |last| span.to(last.span()));
        let message = format!("cannot include `{path}`: kernels see only Metal's headers and MLX's helpers");
        self.sink.error(Kind::Unsupported, span, message);
        Ok(())
    }
}

/// Metal's own headers and MLX's.
pub(crate) fn is_known_include(path: &str) -> bool {
    path.starts_with("metal_")
        || path.starts_with("metal/")
        || path.starts_with("mlx/backend/metal")
        || matches!(path, "metal" | "simd/simd.h" | "utils.h" | "bf16.h" | "complex.h" | "bf16_math.h")
}
