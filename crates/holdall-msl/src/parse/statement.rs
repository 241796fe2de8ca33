//! Statements.

use super::{NameKind, Parser};
use crate::ast::{Branch, Expr, Stmt, StmtKind};
use crate::diagnostic::{Kind, Result};
use crate::lex::{Punct, TokenKind};
use crate::source::Span;
use crate::symbol::word;

impl Parser<'_> {
    /// Statements up to a `}` or the end, with recovery after mistakes.
    pub(super) fn statements(&mut self, out: &mut Vec<Stmt>) {
        loop {
            let token = self.peek();
            if token.kind == TokenKind::End || token.is(Punct::RightBrace) || self.sink.is_stopped() {
                return;
            }
            let (depth, at, n) = (self.depth, self.at, self.locals.len());
            match self.statement() {
                Ok(statement) => out.push(statement),
                Err(_) => {
                    (self.depth, self.no_greater) = (depth, false);
                    self.locals.truncate(n);
                    self.recover();
                    // Something is taken each time.
                    if self.at == at && !self.peek().is(Punct::RightBrace) {
                        self.bump();
                    }
                }
            }
        }
    }

    pub(super) fn block(&mut self) -> Result<Vec<Stmt>> {
        self.nested(|p| {
            let open = p.expect(Punct::LeftBrace)?;
            let outer = std::mem::replace(&mut p.no_greater, false);
            let n = p.locals.len();
            let mut list = Vec::new();
            p.statements(&mut list);
            p.locals.truncate(n);
            p.no_greater = outer;
            if !p.accept(Punct::RightBrace) {
                let message = "this `{` is not closed";
                return Err(p.sink.error(Kind::Syntax, open.span(), message));
            }
            Ok(list)
        })
    }

    fn parenthesised(&mut self) -> Result<Expr> {
        self.expect(Punct::LeftParen)?;
        let inner = self.in_brackets(Self::expression)?;
        self.expect(Punct::RightParen)?;
        Ok(inner)
    }

    fn boxed(&mut self) -> Result<Box<Stmt>> {
        self.scoped(Self::statement).map(Box::new)
    }

    pub(super) fn statement(&mut self) -> Result<Stmt> {
        self.nested(|p| {
            p.attributes();
            let start = p.peek().span();
            let kind = p.statement_kind(start)?;
            Ok(Stmt { kind, span: start.to(p.last_span()) })
        })
    }

    fn statement_kind(&mut self, start: Span) -> Result<StmtKind> {
        let token = self.peek();
        match token.kind {
            TokenKind::Punct(Punct::Semicolon) => {
                self.bump();
                return Ok(StmtKind::Empty);
            }
            TokenKind::Punct(Punct::LeftBrace) => return self.block().map(StmtKind::Block),
            TokenKind::Identifier => {}
            _ => return self.expression_statement(),
        }
        match token.symbol {
            word::IF => self.branches(),
            word::FOR => self.scoped(|p| p.for_loop(start)),
            word::WHILE => {
                self.bump();
                let condition = self.parenthesised()?;
                self.warn_assignment(&condition);
                Ok(StmtKind::While(condition, self.boxed()?))
            }
            word::DO => {
                self.bump();
                let body = self.boxed()?;
                if !self.accept_word(word::WHILE) {
                    return Err(self.expected("`while`"));
                }
                let condition = self.parenthesised()?;
                self.expect(Punct::Semicolon)?;
                Ok(StmtKind::DoWhile(body, condition))
            }
            word::SWITCH => {
                self.bump();
                let value = self.parenthesised()?;
                Ok(StmtKind::Switch(value, self.boxed()?))
            }
            word::CASE => {
                self.bump();
                let value = self.conditional()?;
                self.expect(Punct::Colon)?;
                Ok(StmtKind::Case(Some(value)))
            }
            word::DEFAULT => {
                self.bump();
                self.expect(Punct::Colon)?;
                Ok(StmtKind::Case(None))
            }
            word::BREAK | word::CONTINUE => {
                self.bump();
                self.expect(Punct::Semicolon)?;
                Ok(if token.symbol == word::BREAK { StmtKind::Break } else { StmtKind::Continue })
            }
            word::RETURN => {
                self.bump();
                let value = if self.peek().is(Punct::Semicolon) {
                    None
                } else if self.peek().is(Punct::LeftBrace) {
                    Some(self.list()?)
                } else {
                    Some(self.expression()?)
                };
                self.expect(Punct::Semicolon)?;
                Ok(StmtKind::Return(value))
            }
            word::GOTO => Err(self.sink.error(Kind::Unsupported, start, "`goto` is not supported")),
            word::TRY | word::THROW => {
                Err(self.sink.error(Kind::Unsupported, start, "exceptions are not supported"))
            }
            word::ASM => Err(self.sink.error(Kind::Unsupported, start, "`asm` is not supported")),
            word::STATIC_ASSERT => {
                let (condition, text) = self.static_assert()?;
                Ok(StmtKind::StaticAssert(condition, text))
            }
            word::USING | word::TYPEDEF => {
                let item = self.alias_or_using()?;
                Ok(StmtKind::Item(Box::new(item)))
            }
            word::STRUCT | word::CLASS | word::ENUM if self.defines_type() => {
                let item = self.type_definition(None)?;
                Ok(StmtKind::Item(Box::new(item)))
            }
            word::TEMPLATE | word::NAMESPACE => {
                let message =
                    format!("{} is not allowed inside of a function", token.describe(self.interner));
                Err(self.sink.error(Kind::Syntax, start, message))
            }
            _ if self.starts_declaration() => {
                let list = self.variables()?;
                Ok(StmtKind::Variables(list))
            }
            _ => {
                // Types that are missing here are named before their arguments are misunderstood.
                let next = self.peek_ahead(1);
                let declares = next.is(Punct::Less) || next.kind == TokenKind::Identifier;
                let missing = crate::known::unsupported_type(self.interner.text(token.symbol));
                if let Some(message) = missing.filter(|_| declares && self.kind_of(token.symbol).is_none()) {
                    return Err(self.sink.error(Kind::Unsupported, start, message));
                }
                self.expression_statement()
            }
        }
    }

    fn expression_statement(&mut self) -> Result<StmtKind> {
        let start = self.peek();
        let value = self.expression()?;
        if !self.peek().is(Punct::Semicolon) {
            // `Foo x;` with an unknown type reads as the expression `Foo`.
            let next = self.peek();
            let is_name = matches!(value.kind, crate::ast::ExprKind::Name(_));
            if is_name && next.kind == TokenKind::Identifier && start.kind == TokenKind::Identifier {
                let name = self.interner.text(start.symbol).to_owned();
                let message = self.unknown_type(&name);
                return Err(self.sink.error(Kind::Name, value.span, message));
            }
        }
        self.expect(Punct::Semicolon)?;
        Ok(StmtKind::Expr(value))
    }

    /// Says that a name is no type, and which similar name is one.
    pub(super) fn unknown_type(&self, name: &str) -> String {
        let all = self.base.into_iter().flatten().chain(&self.globals);
        let types = all.filter(|(_, kind)| matches!(kind, NameKind::Type | NameKind::TypeTemplate));
        let local = self.locals.iter().filter(|(_, kind)| *kind == NameKind::Type).map(|(symbol, _)| *symbol);
        let names = types.map(|(symbol, _)| *symbol).chain(local);
        let near = crate::nearest::nearest(name, names.map(|symbol| self.interner.text(symbol)));
        crate::known::unsupported_type(name).unwrap_or_else(|| match near {
            Some(near) => format!("unknown type `{name}`: did you mean `{near}`?"),
            None => format!("unknown type `{name}`"),
        })
    }

    fn branches(&mut self) -> Result<StmtKind> {
        let mut branches = Vec::new();
        loop {
            self.bump();
            let is_constexpr = self.accept_word(word::CONSTEXPR);
            let n = self.locals.len();
            self.expect(Punct::LeftParen)?;
            let mut init = None;
            let mut declared = None;
            if self.starts_declaration() {
                let span = self.peek().span();
                let (list, condition) = self.condition_variables()?;
                init = Some(Stmt { kind: StmtKind::Variables(list), span });
                declared = condition;
            }
            let condition = match declared {
                Some(condition) => condition,
                None => self.in_brackets(Self::expression)?,
            };
            self.warn_assignment(&condition);
            self.expect(Punct::RightParen)?;
            let body = self.scoped(Self::statement)?;
            branches.push(Branch { is_constexpr, init, condition, body });
            self.locals.truncate(n);
            if !self.accept_word(word::ELSE) {
                return Ok(StmtKind::If { branches, otherwise: None });
            }
            self.attributes();
            if !self.peek().is_word(word::IF) {
                let otherwise = Some(self.boxed()?);
                return Ok(StmtKind::If { branches, otherwise });
            }
        }
    }

    /// The declaration in `if (int i = f(); i > 0)`, or the one in `if (int i = f())`, which is the condition, too.
    fn condition_variables(&mut self) -> Result<(Vec<crate::ast::Variable>, Option<Expr>)> {
        let mut specifiers = super::types::Specifiers::default();
        let base = self.base_type(&mut specifiers)?;
        let ty = self.pointers(base.clone());
        let (name, span) = self.identifier("the name of a variable")?;
        let mut list = vec![self.declarator(name, span, ty, specifiers)?];
        if self.peek().is(Punct::RightParen) {
            let segments = vec![crate::ast::Segment { name, args: None, span }];
            let path = crate::ast::Path { segments, span };
            return Ok((list, Some(Expr { kind: crate::ast::ExprKind::Name(path), span })));
        }
        if self.accept(Punct::Comma) {
            list.extend(self.declarators(&base, specifiers)?);
        } else {
            self.expect(Punct::Semicolon)?;
        }
        Ok((list, None))
    }

    /// `=` where `==` was meant. Parentheses around it do not silence this: they are not in the tree.
    fn warn_assignment(&mut self, condition: &Expr) {
        if let crate::ast::ExprKind::Assign(None, ..) = condition.kind {
            self.sink.warn(condition.span, "this condition assigns: did you mean `==`?");
        }
    }

    fn for_loop(&mut self, start: Span) -> Result<StmtKind> {
        self.bump();
        self.expect(Punct::LeftParen)?;
        let init = if self.accept(Punct::Semicolon) {
            None
        } else if self.starts_declaration() {
            let span = self.peek().span();
            let ranged = self.attempt(|p| {
                let mut specifiers = super::types::Specifiers::default();
                let base = p.base_type(&mut specifiers)?;
                p.pointers(base);
                p.identifier("a name")?;
                Ok(p.peek().is(Punct::Colon).then_some(()))
            });
            if ranged.is_some() {
                let message = "`for` over a range is not supported";
                return Err(self.sink.error(Kind::Unsupported, start, message));
            }
            let kind = StmtKind::Variables(self.variables()?);
            Some(Box::new(Stmt { kind, span }))
        } else {
            let value = self.expression()?;
            self.expect(Punct::Semicolon)?;
            Some(Box::new(Stmt { span: value.span, kind: StmtKind::Expr(value) }))
        };
        let condition = if self.peek().is(Punct::Semicolon) { None } else { Some(self.expression()?) };
        if let Some(condition) = &condition {
            self.warn_assignment(condition);
        }
        self.expect(Punct::Semicolon)?;
        let step = if self.peek().is(Punct::RightParen) { None } else { Some(self.expression()?) };
        self.expect(Punct::RightParen)?;
        let body = self.boxed()?;
        Ok(StmtKind::For { init, condition, step, body })
    }

    /// Whether a declaration begins here, rather than an expression.
    pub(super) fn starts_declaration(&mut self) -> bool {
        if !self.starts_type(0) {
            return false;
        }
        let token = self.peek();
        let next = self.peek_ahead(1);
        // The common case, and specifiers, which begin no expression.
        if next.kind == TokenKind::Identifier {
            return true;
        }
        if matches!(token.symbol, word::CONST | word::CONSTEXPR | word::STATIC | word::AUTO) {
            return true;
        }
        if next.is(Punct::LeftParen) || next.is(Punct::LeftBrace) {
            return token.symbol == word::DECLTYPE && self.declares_after_type();
        }
        self.declares_after_type()
    }

    fn declares_after_type(&mut self) -> bool {
        let mark = self.mark();
        let mut specifiers = super::types::Specifiers::default();
        let declares = self.base_type(&mut specifiers).is_ok_and(|base| {
            self.pointers(base);
            let next = self.peek();
            next.kind == TokenKind::Identifier && !super::is_reserved(next.symbol)
        });
        self.back(mark);
        declares
    }
}
