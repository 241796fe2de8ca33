//! The preprocessor: tokens to tokens, with directives obeyed and macros replaced.
//!
//! A token that comes out of a macro keeps two places: where the macro was used, which is what diagnostics and operations
//! show, and where the definition has the token, which is a note.

mod condition;
mod directive;
mod macros;

use rustc_hash::FxHashMap;

use crate::diagnostic::{Kind, Result, Sink};
use crate::lex::{Token, TokenKind, lex};
use crate::limits;
use crate::source::{Part, SourceMap, Span};
use crate::symbol::{Interner, Symbol};
pub(crate) use directive::is_known_include;
pub(crate) use macros::Macro;

/// Macros and the state of `#if`, over the parts of a kernel.
#[derive(Debug)]
pub(crate) struct Preprocessor<'a> {
    pub interner: &'a mut Interner,
    pub map: &'a mut SourceMap,
    pub sink: &'a mut Sink,
    base: Option<&'static FxHashMap<Symbol, Macro>>,
    /// What this kernel defines; `None` hides a macro of the prelude.
    defined: FxHashMap<Symbol, Option<Macro>>,
    conditions: Vec<Condition>,
    /// The lines of the part that is being read, and how far it has been read.
    tokens: Vec<Token>,
    at: usize,
    n_out: usize,
    counter: u32,
}

/// An open `#if`.
#[derive(Debug)]
struct Condition {
    span: Span,
    /// The lines are used.
    active: bool,
    /// Some branch has been used, or the whole is in lines that are not.
    done: bool,
    saw_else: bool,
}

impl<'a> Preprocessor<'a> {
    pub(crate) fn new(
        interner: &'a mut Interner,
        map: &'a mut SourceMap,
        sink: &'a mut Sink,
        base: Option<&'static FxHashMap<Symbol, Macro>>,
    ) -> Self {
        Self {
            interner,
            map,
            sink,
            base,
            defined: FxHashMap::default(),
            conditions: Vec::new(),
            tokens: Vec::new(),
            at: 0,
            n_out: 0,
            counter: 0,
        }
    }

    /// Preprocesses a part. The result ends with [`TokenKind::End`].
    pub(crate) fn run(&mut self, part: Part, text: &str) -> Result<Vec<Token>> {
        let first = self.map.add(part, text);
        self.tokens = lex(text, first, self.interner, self.sink)?;
        self.at = 0;
        self.conditions.clear();
        let mut out = Vec::with_capacity(self.tokens.len());
        while let Some(token) = self.next_of_part()? {
            self.expand_into(token, &mut out)?;
        }
        if let Some(open) = self.conditions.last() {
            self.sink.error(Kind::Syntax, open.span, "this `#if` has no `#endif`");
        }
        out.push(self.tokens[self.tokens.len() - 1]);
        Ok(out)
    }

    /// The next token that lines in use have outside of directives.
    fn next_of_part(&mut self) -> Result<Option<Token>> {
        loop {
            let token = self.tokens[self.at];
            if token.kind == TokenKind::End {
                return Ok(None);
            }
            self.at += 1;
            if token.line_start && token.is(crate::lex::Punct::Hash) {
                self.directive(token)?;
            } else if self.is_active() {
                return Ok(Some(token));
            }
        }
    }

    fn is_active(&self) -> bool {
        self.conditions.last().is_none_or(|condition| condition.active)
    }

    /// The next token of the part without taking it, past line ends but not past directives.
    fn peek_of_part(&self) -> Option<Token> {
        let token = self.tokens[self.at];
        let directive = token.line_start && token.is(crate::lex::Punct::Hash);
        (token.kind != TokenKind::End && !directive).then_some(token)
    }

    fn find(&self, symbol: Symbol) -> Option<Macro> {
        match self.defined.get(&symbol) {
            Some(own) => own.clone(),
            None => self.base.and_then(|base| base.get(&symbol)).cloned(),
        }
    }

    fn is_defined(&self, symbol: Symbol) -> bool {
        match self.defined.get(&symbol) {
            Some(own) => own.is_some(),
            None => self.base.is_some_and(|base| base.contains_key(&symbol)),
        }
    }

    /// The macros that are defined, for the next part's base.
    pub(crate) fn into_macros(self) -> FxHashMap<Symbol, Macro> {
        self.defined.into_iter().filter_map(|(symbol, own)| Some((symbol, own?))).collect()
    }

    fn count(&mut self, token: &Token) -> Result<()> {
        self.n_out += 1;
        if self.n_out > limits::TOKENS {
            return Err(self
                .sink
                .limit(token.span(), "macros make more than a million tokens of the source"));
        }
        Ok(())
    }
}
