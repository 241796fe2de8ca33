//! Tokens to a syntax tree.
//!
//! C++ can only be parsed by who knows which names are types and templates, so the parser keeps scopes of names, but it
//! resolves nothing else. After a mistake it goes on with the next statement or declaration.

mod declaration;
mod expression;
mod function;
pub(crate) mod literal;
mod statement;
mod types;

use rustc_hash::FxHashMap;

use crate::ast::{Item, Stmt};
use crate::diagnostic::{Kind, Reported, Result, Sink};
use crate::lex::{Punct, Token, TokenKind};
use crate::limits;
use crate::source::Span;
use crate::symbol::{Interner, Symbol, word};

/// What the parser knows about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameKind {
    Type,
    /// A template that makes types.
    TypeTemplate,
    /// The template whose inside this is: its name alone is a type, too.
    OwnTemplate,
    /// A template of functions or values.
    Template,
    /// A variable or function, which hides an outer type of that name.
    Value,
}

/// Names at namespace scope.
pub(crate) type Names = FxHashMap<Symbol, NameKind>;

pub(crate) struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The first half of the `>>` at `at` has been taken as the end of template arguments.
    half: bool,
    pub interner: &'a mut Interner,
    pub sink: &'a mut Sink,
    base: Option<&'static Names>,
    pub globals: Names,
    locals: Vec<(Symbol, NameKind)>,
    /// Inside of template arguments, where `>` is a bracket.
    no_greater: bool,
    depth: u32,
    steps: usize,
    namespaces: u32,
}

/// Where to go back to when a guess was wrong.
struct Mark {
    at: usize,
    half: bool,
    depth: u32,
    n_locals: usize,
    no_greater: bool,
    sink: (usize, usize, bool),
}

impl<'a> Parser<'a> {
    pub(crate) fn new(interner: &'a mut Interner, sink: &'a mut Sink, base: Option<&'static Names>) -> Self {
        Self {
            tokens: &[],
            at: 0,
            half: false,
            interner,
            sink,
            base,
            globals: Names::default(),
            locals: Vec::new(),
            no_greater: false,
            depth: 0,
            steps: 0,
            namespaces: 0,
        }
    }

    /// Parses declarations at namespace scope. `tokens` end with [`TokenKind::End`].
    pub(crate) fn unit(&mut self, tokens: &'a [Token]) -> Vec<Item> {
        (self.tokens, self.at, self.half, self.depth) = (tokens, 0, false, 0);
        let mut items = Vec::new();
        self.items(&mut items, true);
        items
    }

    /// Parses the inside of a function.
    pub(crate) fn body(&mut self, tokens: &'a [Token], names: &[(Symbol, NameKind)]) -> Vec<Stmt> {
        (self.tokens, self.at, self.half, self.depth) = (tokens, 0, false, 0);
        self.locals.clear();
        self.locals.extend_from_slice(names);
        let mut statements = Vec::new();
        self.statements(&mut statements);
        while self.peek().kind != TokenKind::End && !self.sink.is_stopped() {
            self.error_here("unexpected `}`: nothing is open here");
            self.bump();
            self.statements(&mut statements);
        }
        statements
    }

    fn raw(&self, ahead: usize) -> Token {
        self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn peek(&self) -> Token {
        let token = self.raw(0);
        if self.half { Token { kind: TokenKind::Punct(Punct::Greater), ..token } } else { token }
    }

    fn peek_ahead(&self, ahead: usize) -> Token {
        self.raw(ahead)
    }

    fn bump(&mut self) -> Token {
        let token = self.peek();
        self.steps += 1;
        self.half = false;
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    /// The span of the token before.
    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span()
    }

    fn accept(&mut self, punct: Punct) -> bool {
        let found = self.peek().is(punct);
        if found {
            self.bump();
        }
        found
    }

    fn accept_word(&mut self, symbol: Symbol) -> bool {
        let found = self.peek().is_word(symbol);
        if found {
            self.bump();
        }
        found
    }

    fn error_here(&mut self, message: impl Into<String>) -> Reported {
        let span = self.peek().span();
        self.sink.error(Kind::Syntax, span, message)
    }

    fn expected(&mut self, what: &str) -> Reported {
        let token = self.peek();
        let message = format!("expected {what}, got {}", token.describe(self.interner));
        // What is missing at the end of a line is shown there, not at the next token.
        let span = if token.line_start && self.at > 0 {
            let end = self.last_span().end;
            Span::new(end, end)
        } else {
            token.span()
        };
        self.sink.error(Kind::Syntax, span, message)
    }

    fn expect(&mut self, punct: Punct) -> Result<Token> {
        if self.peek().is(punct) {
            return Ok(self.bump());
        }
        let error = self.expected(&format!("`{}`", punct.text()));
        // A semicolon that is missing at the end of a line is the only mistake there.
        let token = self.peek();
        if punct == Punct::Semicolon && token.line_start && token.kind != TokenKind::End {
            return Ok(token);
        }
        Err(error)
    }

    /// Takes the `>` that closes template arguments, which may be half of a `>>`.
    fn expect_greater(&mut self) -> Result<()> {
        let token = self.peek();
        if token.is(Punct::Greater) {
            self.bump();
            Ok(())
        } else if token.is(Punct::Shr) {
            self.half = true;
            self.steps += 1;
            Ok(())
        } else {
            Err(self.expected("`>`"))
        }
    }

    fn identifier(&mut self, what: &str) -> Result<(Symbol, Span)> {
        let token = self.peek();
        if token.kind != TokenKind::Identifier || is_reserved(token.symbol) {
            return Err(self.expected(what));
        }
        self.bump();
        Ok((token.symbol, token.span()))
    }

    fn mark(&self) -> Mark {
        Mark {
            at: self.at,
            half: self.half,
            depth: self.depth,
            n_locals: self.locals.len(),
            no_greater: self.no_greater,
            sink: self.sink.mark(),
        }
    }

    fn back(&mut self, mark: Mark) {
        (self.at, self.half, self.depth) = (mark.at, mark.half, mark.depth);
        self.locals.truncate(mark.n_locals);
        self.no_greater = mark.no_greater;
        // A bound stays reached.
        if self.steps < limits::PARSER_STEPS {
            self.sink.undo(mark.sink);
        }
    }

    /// Tries something; where it fails, nothing has happened.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<Option<T>>) -> Option<T> {
        let mark = self.mark();
        match read(self) {
            Ok(Some(value)) => Some(value),
            _ => {
                self.back(mark);
                None
            }
        }
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > limits::NESTING {
            let message = format!("this is nested more than {} deep", limits::NESTING);
            let span = self.peek().span();
            return Err(self.sink.limit(span, message));
        }
        if self.steps > limits::PARSER_STEPS {
            let span = self.peek().span();
            return Err(self.sink.limit(span, "this takes too long to parse"));
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn in_brackets<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let outer = std::mem::replace(&mut self.no_greater, false);
        let result = read(self);
        self.no_greater = outer;
        result
    }

    fn scoped<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let n = self.locals.len();
        let result = read(self);
        self.locals.truncate(n);
        result
    }

    /// Makes a name known; at namespace scope for good.
    fn declare(&mut self, name: Symbol, kind: NameKind) {
        if self.depth == 0 {
            self.globals.insert(name, kind);
        } else {
            self.locals.push((name, kind));
        }
        if self.locals.len() == limits::LOCALS {
            let span = self.last_span();
            self.sink.limit(span, format!("more than {} names are visible here", limits::LOCALS));
        }
    }

    fn kind_of(&self, name: Symbol) -> Option<NameKind> {
        let local = self.locals.iter().rev().find(|(symbol, _)| *symbol == name).map(|(_, kind)| *kind);
        let global = local.or_else(|| self.globals.get(&name).copied());
        global.or_else(|| self.base?.get(&name).copied())
    }

    /// Goes to behind the next `;` or `}` at this level, or to before a `}` that closes an outer one.
    fn recover(&mut self) {
        let mut open = 0u32;
        self.half = false;
        loop {
            let token = self.peek();
            match token.kind {
                TokenKind::End => return,
                TokenKind::Punct(Punct::LeftBrace) => open += 1,
                TokenKind::Punct(Punct::RightBrace) if open == 0 => return,
                TokenKind::Punct(Punct::RightBrace) => {
                    open -= 1;
                    if open == 0 {
                        self.bump();
                        self.accept(Punct::Semicolon);
                        return;
                    }
                }
                TokenKind::Punct(Punct::Semicolon) if open == 0 => {
                    self.bump();
                    return;
                }
                _ => {}
            }
            self.bump();
        }
    }

    /// Skips `[[…]]`, `__attribute__((…))` and `alignas(…)`.
    fn attributes(&mut self) {
        loop {
            let token = self.peek();
            if token.is(Punct::LeftBracket) && self.peek_ahead(1).is(Punct::LeftBracket) {
                self.skip_balanced(Punct::LeftBracket, Punct::RightBracket);
            } else if (token.is_word(word::ATTRIBUTE) || token.is_word(word::ALIGNAS))
                && self.peek_ahead(1).is(Punct::LeftParen)
            {
                self.bump();
                self.skip_balanced(Punct::LeftParen, Punct::RightParen);
            } else {
                return;
            }
        }
    }

    fn skip_balanced(&mut self, open: Punct, close: Punct) {
        let mut depth = 0;
        loop {
            let token = self.bump();
            if token.is(open) {
                depth += 1;
            } else if token.is(close) {
                depth -= 1;
            }
            if depth == 0 || self.peek().kind == TokenKind::End {
                return;
            }
        }
    }
}

/// Words that name nothing.
pub(crate) fn is_reserved(symbol: Symbol) -> bool {
    matches!(
        symbol,
        word::IF
            | word::ELSE
            | word::FOR
            | word::WHILE
            | word::DO
            | word::SWITCH
            | word::CASE
            | word::DEFAULT
            | word::BREAK
            | word::CONTINUE
            | word::RETURN
            | word::GOTO
            | word::TRUE
            | word::FALSE
            | word::NULLPTR
            | word::CONST
            | word::CONSTEXPR
            | word::STATIC
            | word::INLINE
            | word::DEVICE
            | word::CONSTANT
            | word::THREADGROUP
            | word::THREAD
            | word::STRUCT
            | word::CLASS
            | word::UNION
            | word::ENUM
            | word::TYPEDEF
            | word::USING
            | word::NAMESPACE
            | word::TEMPLATE
            | word::TYPENAME
            | word::AUTO
            | word::DECLTYPE
            | word::SIZEOF
            | word::ALIGNOF
            | word::OPERATOR
            | word::THIS
            | word::STATIC_CAST
            | word::REINTERPRET_CAST
            | word::CONST_CAST
            | word::UNSIGNED
            | word::SIGNED
            | word::VOID
            | word::BOOL
            | word::CHAR
            | word::SHORT
            | word::INT
            | word::LONG
            | word::FLOAT
            | word::HALF
            | word::DOUBLE
            | word::STATIC_ASSERT
            | word::AS_TYPE
    )
}
