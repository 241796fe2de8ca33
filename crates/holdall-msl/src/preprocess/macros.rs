//! The replacement of macros.

use std::rc::Rc;
use std::sync::Arc;

use super::Preprocessor;
use crate::diagnostic::{Kind, Result};
use crate::lex::{Punct, Token, TokenKind, lex_piece};
use crate::limits;
use crate::symbol::{Symbol, word};

/// A macro. Its body has no line ends.
#[derive(Clone, Debug)]
pub(crate) struct Macro {
    /// `None` for a macro without parentheses.
    pub parameters: Option<Arc<[Symbol]>>,
    /// The last parameter takes all further arguments.
    pub variadic: bool,
    pub body: Arc<[Token]>,
}

/// Tokens that wait to be read, of a macro's expansion or an argument.
struct Frame {
    tokens: Rc<[Token]>,
    at: usize,
    /// The macro that must not be expanded inside.
    symbol: Option<Symbol>,
}

/// Where an expansion reads its tokens: from frames, and from the part where those end.
struct Input {
    frames: Vec<Frame>,
    /// Arguments are expanded on their own: nothing follows them.
    isolated: bool,
}

impl Preprocessor<'_> {
    /// Expands a token of the part, which may take arguments from the part.
    pub(super) fn expand_into(&mut self, token: Token, out: &mut Vec<Token>) -> Result<()> {
        if token.kind != TokenKind::Identifier {
            self.count(&token)?;
            out.push(token);
            return Ok(());
        }
        let frame = Frame { tokens: Rc::new([token]), at: 0, symbol: None };
        self.expand(Input { frames: vec![frame], isolated: false }, 0, out)
    }

    /// Expands tokens for themselves, such as the condition of an `#if`.
    pub(super) fn expand_all(&mut self, tokens: &[Token], depth: usize) -> Result<Vec<Token>> {
        let frame = Frame { tokens: tokens.into(), at: 0, symbol: None };
        let mut out = Vec::with_capacity(tokens.len());
        self.expand(Input { frames: vec![frame], isolated: true }, depth, &mut out)?;
        Ok(out)
    }

    fn expand(&mut self, mut input: Input, depth: usize, out: &mut Vec<Token>) -> Result<()> {
        while let Some(frame) = input.frames.last_mut() {
            let Some(&token) = frame.tokens.get(frame.at) else {
                input.frames.pop();
                continue;
            };
            frame.at += 1;
            self.count(&token)?;
            if token.kind != TokenKind::Identifier || token.painted {
                out.push(token);
            } else if !self.expand_name(token, &mut input, depth, out)? {
                let active = input.frames.iter().any(|frame| frame.symbol == Some(token.symbol));
                out.push(Token { painted: active && self.is_defined(token.symbol), ..token });
            }
        }
        Ok(())
    }

    /// Puts the expansion of a name before the input, if it is a macro that is used here.
    fn expand_name(
        &mut self,
        token: Token,
        input: &mut Input,
        depth: usize,
        out: &mut Vec<Token>,
    ) -> Result<bool> {
        if self.dynamic(token, input, out)? {
            return Ok(true);
        }
        if input.frames.iter().any(|frame| frame.symbol == Some(token.symbol)) {
            return Ok(false);
        }
        let Some(found) = self.find(token.symbol) else { return Ok(false) };
        if depth > limits::MACRO_DEPTH || input.frames.len() > limits::MACRO_DEPTH {
            let bound = limits::MACRO_DEPTH;
            let message = format!("macros are nested more than {bound} deep");
            return Err(self.sink.limit(token.span(), message));
        }
        let tokens = match &found.parameters {
            None => self.substitute(&found, &[], token, depth)?,
            Some(parameters) => {
                if !self.peek(input).is_some_and(|next| next.is(Punct::LeftParen)) {
                    return Ok(false);
                }
                let arguments = self.arguments(token, input)?;
                let mut arguments = Self::group(arguments, parameters.len(), found.variadic);
                if parameters.is_empty() && arguments.len() == 1 && arguments[0].is_empty() {
                    arguments.clear();
                }
                if arguments.len() != parameters.len() {
                    let name = self.interner.text(token.symbol);
                    let (wanted, got) = (parameters.len(), arguments.len());
                    let message = format!("the macro `{name}` takes {wanted} arguments, got {got}");
                    return Err(self.sink.error(Kind::Syntax, token.span(), message));
                }
                self.substitute(&found, &arguments, token, depth)?
            }
        };
        input.frames.push(Frame { tokens: tokens.into(), at: 0, symbol: Some(token.symbol) });
        Ok(true)
    }

    /// `__LINE__` and the like, and `_Pragma("…")`, which is dropped.
    fn dynamic(&mut self, token: Token, input: &mut Input, out: &mut Vec<Token>) -> Result<bool> {
        let text = match token.symbol {
            word::LINE_MACRO => {
                self.map.position(token.start).map_or(0, |position| position.line).to_string()
            }
            word::COUNTER_MACRO => {
                self.counter += 1;
                (self.counter - 1).to_string()
            }
            word::FILE_MACRO => "\"kernel\"".to_owned(),
            word::PRAGMA_OP => {
                if self.peek(input).is_some_and(|next| next.is(Punct::LeftParen)) {
                    self.arguments(token, input)?;
                }
                String::new()
            }
            _ => return Ok(false),
        };
        out.extend(lex_piece(&text, &token, self.interner));
        Ok(true)
    }

    fn peek(&self, input: &Input) -> Option<Token> {
        let waiting = input.frames.iter().rev().find_map(|frame| frame.tokens.get(frame.at).copied());
        waiting.or_else(|| if input.isolated { None } else { self.peek_of_part() })
    }

    fn take(&mut self, input: &mut Input) -> Option<Token> {
        while let Some(frame) = input.frames.last_mut() {
            if let Some(&token) = frame.tokens.get(frame.at) {
                frame.at += 1;
                return Some(token);
            }
            input.frames.pop();
        }
        let token = if input.isolated { None } else { self.peek_of_part() };
        self.at += usize::from(token.is_some());
        token
    }

    /// The arguments of a use of a macro, cut at all commas outside of parentheses.
    fn arguments(&mut self, name: Token, input: &mut Input) -> Result<Vec<Vec<Token>>> {
        self.take(input);
        let mut arguments = vec![Vec::new()];
        let mut depth = 0;
        loop {
            let Some(token) = self.take(input) else {
                let text = self.interner.text(name.symbol);
                let message = format!("the arguments of the macro `{text}` have no `)`");
                return Err(self.sink.error(Kind::Syntax, name.span(), message));
            };
            self.count(&token)?;
            match token.kind {
                TokenKind::Punct(Punct::LeftParen) => depth += 1,
                TokenKind::Punct(Punct::RightParen) if depth == 0 => return Ok(arguments),
                TokenKind::Punct(Punct::RightParen) => depth -= 1,
                TokenKind::Punct(Punct::Comma) if depth == 0 => {
                    arguments.push(vec![token]);
                    continue;
                }
                _ => {}
            }
            if let Some(last) = arguments.last_mut() {
                last.push(token);
            }
        }
    }

    /// Drops the commas before arguments, and joins with their commas those that a variadic parameter takes.
    fn group(mut pieces: Vec<Vec<Token>>, n_parameters: usize, variadic: bool) -> Vec<Vec<Token>> {
        let fixed = if variadic { n_parameters.saturating_sub(1) } else { pieces.len() };
        let rest = pieces.split_off(fixed.min(pieces.len()));
        let mut arguments: Vec<Vec<Token>> = pieces;
        for argument in arguments.iter_mut().skip(1) {
            argument.remove(0);
        }
        if variadic {
            let mut last: Vec<Token> = rest.into_iter().flatten().collect();
            if !arguments.is_empty() && !last.is_empty() {
                last.remove(0);
            }
            if arguments.len() == fixed {
                arguments.push(last);
            }
        }
        arguments
    }

    fn substitute(
        &mut self,
        found: &Macro,
        arguments: &[Vec<Token>],
        used: Token,
        depth: usize,
    ) -> Result<Vec<Token>> {
        let parameters = found.parameters.as_deref().unwrap_or(&[]);
        let parameter = |token: &Token| {
            let named = token.kind == TokenKind::Identifier;
            named.then(|| parameters.iter().position(|p| *p == token.symbol)).flatten()
        };
        let mut expanded: Vec<Option<Vec<Token>>> = vec![None; arguments.len()];
        let mut out: Vec<Token> = Vec::new();
        let body = &found.body;
        let mut at = 0;
        while at < body.len() {
            let token = body[at];
            self.count(&used)?;
            let pasted = at > 0 && body[at - 1].is(Punct::Paste);
            let pastes = body.get(at + 1).is_some_and(|next| next.is(Punct::Paste));
            if token.is(Punct::Paste) {
                at += 1;
                continue;
            }
            let mut piece: Vec<Token> = if token.is(Punct::Hash)
                && found.parameters.is_some()
                && let Some(index) = body.get(at + 1).and_then(parameter)
            {
                at += 1;
                let text = self.stringise(&arguments[index]);
                self.check_length(&text, &used)?;
                lex_piece(&text, &token, self.interner)
            } else if token.symbol == word::VA_OPT
                && token.kind == TokenKind::Identifier
                && found.variadic
                && let Some(end) = closing(body, at + 1)
            {
                let inner = Macro { body: body[at + 2..end].into(), ..found.clone() };
                at = end;
                if arguments.last().is_some_and(|last| !last.is_empty()) {
                    self.substitute(&inner, arguments, used, depth + 1)?
                } else {
                    Vec::new()
                }
            } else if let Some(index) = parameter(&token) {
                let piece = if pasted || pastes {
                    // `, ## __VA_ARGS__` without such arguments drops the comma.
                    let drops = pasted && found.variadic && index + 1 == parameters.len();
                    if drops && arguments[index].is_empty() && out.last().is_some_and(|t| t.is(Punct::Comma))
                    {
                        out.pop();
                    }
                    arguments[index].clone()
                } else if let Some(piece) = &expanded[index] {
                    piece.clone()
                } else {
                    let piece = self.expand_all(&arguments[index], depth + 1)?;
                    expanded[index] = Some(piece.clone());
                    piece
                };
                for _ in &piece {
                    self.count(&used)?;
                }
                piece
            } else {
                let start = self.map.expanded(used.start, token.start);
                vec![Token { start, end: used.end, line_start: false, ..token }]
            };
            if let Some(first) = piece.first_mut() {
                first.space = token.space;
            }
            let comma = out.last().is_some_and(|t| t.is(Punct::Comma));
            if pasted && !piece.is_empty() && !out.is_empty() && !comma {
                let right = piece.remove(0);
                if let Some(left) = out.pop() {
                    let text = format!("{}{}", left.spelling(self.interner), right.spelling(self.interner));
                    self.check_length(&text, &used)?;
                    out.extend(lex_piece(&text, &left, self.interner));
                }
            }
            out.append(&mut piece);
            at += 1;
        }
        Ok(out)
    }

    fn check_length(&mut self, text: &str, used: &Token) -> Result<()> {
        if text.len() <= limits::TOKEN_BYTES {
            return Ok(());
        }
        let message = format!("a macro makes a token of more than {} bytes", limits::TOKEN_BYTES);
        Err(self.sink.limit(used.span(), message))
    }

    fn stringise(&self, argument: &[Token]) -> String {
        let mut text = String::from("\"");
        for (i, token) in argument.iter().enumerate() {
            if i > 0 && token.space {
                text.push(' ');
            }
            for c in token.spelling(self.interner).chars() {
                if matches!(token.kind, TokenKind::Text | TokenKind::Character) && matches!(c, '"' | '\\') {
                    text.push('\\');
                }
                text.push(c);
            }
        }
        text.push('"');
        text
    }
}

/// The index of the parenthesis that closes the one at `open`.
fn closing(body: &[Token], open: usize) -> Option<usize> {
    if !body.get(open)?.is(Punct::LeftParen) {
        return None;
    }
    let mut depth = 0;
    for (at, token) in body.iter().enumerate().skip(open) {
        if token.is(Punct::LeftParen) {
            depth += 1;
        } else if token.is(Punct::RightParen) {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}
