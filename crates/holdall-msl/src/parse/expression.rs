//! Expressions.

use super::{NameKind, Parser, literal};
use crate::ast::{CastKind, Expr, ExprKind, Function, Path, Prefix, Segment};
use crate::diagnostic::{Kind, Result};
use crate::lex::{Punct, TokenKind};
use crate::limits;
use crate::source::Span;
use crate::symbol::word;

/// Binary operators and how tightly they bind.
fn level(punct: Punct) -> Option<u8> {
    Some(match punct {
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
    })
}

fn assignment(punct: Punct) -> Option<Option<Punct>> {
    Some(match punct {
        Punct::Assign => None,
        Punct::AddAssign => Some(Punct::Plus),
        Punct::SubAssign => Some(Punct::Minus),
        Punct::MulAssign => Some(Punct::Star),
        Punct::DivAssign => Some(Punct::Slash),
        Punct::RemAssign => Some(Punct::Percent),
        Punct::AndAssign => Some(Punct::And),
        Punct::OrAssign => Some(Punct::Or),
        Punct::XorAssign => Some(Punct::Xor),
        Punct::ShlAssign => Some(Punct::Shl),
        Punct::ShrAssign => Some(Punct::Shr),
        _ => return None,
    })
}

fn node(kind: ExprKind, span: Span) -> Expr {
    Expr { kind, span }
}

impl Parser<'_> {
    /// With commas.
    pub(super) fn expression(&mut self) -> Result<Expr> {
        let mut left = self.assignment()?;
        let mut n = 0;
        while self.peek().is(Punct::Comma) {
            self.bump();
            self.chain(&mut n)?;
            let right = self.assignment()?;
            let span = left.span.to(right.span);
            left = node(ExprKind::Comma(Box::new(left), Box::new(right)), span);
        }
        Ok(left)
    }

    fn chain(&mut self, n: &mut usize) -> Result<()> {
        *n += 1;
        if *n > limits::CHAIN {
            let span = self.peek().span();
            let message = format!("an expression has more than {} operators in a row", limits::CHAIN);
            return Err(self.sink.limit(span, message));
        }
        Ok(())
    }

    /// One argument or initial value.
    pub(super) fn assignment(&mut self) -> Result<Expr> {
        self.nested(|p| {
            let left = p.conditional()?;
            let TokenKind::Punct(punct) = p.peek().kind else { return Ok(left) };
            let Some(op) = assignment(punct) else { return Ok(left) };
            p.bump();
            let right = if p.peek().is(Punct::LeftBrace) { p.list()? } else { p.assignment()? };
            let span = left.span.to(right.span);
            Ok(node(ExprKind::Assign(op, Box::new(left), Box::new(right)), span))
        })
    }

    pub(super) fn conditional(&mut self) -> Result<Expr> {
        self.nested(|p| {
            let condition = p.binary(1)?;
            if !p.accept(Punct::Question) {
                return Ok(condition);
            }
            let yes = p.in_brackets(Self::expression)?;
            p.expect(Punct::Colon)?;
            let no = p.assignment()?;
            let span = condition.span.to(no.span);
            Ok(node(ExprKind::Conditional(Box::new(condition), Box::new(yes), Box::new(no)), span))
        })
    }

    fn binary(&mut self, lowest: u8) -> Result<Expr> {
        let mut left = self.unary()?;
        let mut n = 0;
        loop {
            let TokenKind::Punct(op) = self.peek().kind else { return Ok(left) };
            let Some(at) = level(op).filter(|at| *at >= lowest) else { return Ok(left) };
            if self.no_greater && matches!(op, Punct::Greater | Punct::Shr) {
                return Ok(left);
            }
            self.chain(&mut n)?;
            self.bump();
            let right = self.nested(|p| p.binary(at + 1))?;
            let span = left.span.to(right.span);
            left = node(ExprKind::Binary(op, Box::new(left), Box::new(right)), span);
        }
    }

    fn unary(&mut self) -> Result<Expr> {
        let token = self.peek();
        let prefix = match token.kind {
            TokenKind::Punct(Punct::Plus) => Prefix::Plus,
            TokenKind::Punct(Punct::Minus) => Prefix::Minus,
            TokenKind::Punct(Punct::Not) => Prefix::Not,
            TokenKind::Punct(Punct::Tilde) => Prefix::Tilde,
            TokenKind::Punct(Punct::Star) => Prefix::Dereference,
            TokenKind::Punct(Punct::And) => Prefix::AddressOf,
            TokenKind::Punct(Punct::Inc) => Prefix::Increment,
            TokenKind::Punct(Punct::Dec) => Prefix::Decrement,
            TokenKind::Punct(Punct::LeftParen) if self.starts_type(1) => {
                if let Some(cast) = self.cast()? {
                    return Ok(cast);
                }
                return self.postfix();
            }
            TokenKind::Identifier if token.symbol == word::NOT => Prefix::Not,
            TokenKind::Identifier if token.symbol == word::SIZEOF || token.symbol == word::ALIGNOF => {
                return self.size_of();
            }
            _ => return self.postfix(),
        };
        self.bump();
        let operand = self.nested(Self::unary)?;
        let span = token.span().to(operand.span);
        Ok(node(ExprKind::Prefix(prefix, Box::new(operand)), span))
    }

    /// `(T)x`; `None` where the parenthesis holds an expression.
    fn cast(&mut self) -> Result<Option<Expr>> {
        let start = self.peek().span();
        let ty = self.attempt(|p| {
            p.bump();
            let ty = p.in_brackets(Self::type_id)?;
            Ok(p.accept(Punct::RightParen).then_some(ty))
        });
        let Some(ty) = ty else { return Ok(None) };
        if self.peek().is(Punct::LeftBrace) {
            let args = self.braced()?;
            let span = start.to(self.last_span());
            let made = node(ExprKind::Construct { ty: Box::new(ty), args, braces: true }, span);
            return self.suffixes(made).map(Some);
        }
        let operand = self.nested(Self::unary)?;
        let span = start.to(operand.span);
        Ok(Some(node(ExprKind::Cast(CastKind::C, Box::new(ty), Box::new(operand)), span)))
    }

    fn size_of(&mut self) -> Result<Expr> {
        let word = self.bump();
        if self.peek().is(Punct::LeftParen) && self.starts_type(1) {
            let ty = self.attempt(|p| {
                p.bump();
                let ty = p.in_brackets(Self::type_id)?;
                Ok(p.accept(Punct::RightParen).then_some(ty))
            });
            if let Some(ty) = ty {
                let span = word.span().to(self.last_span());
                let ty = Box::new(ty);
                let align = word.symbol == word::ALIGNOF;
                return Ok(node(if align { ExprKind::Alignof(ty) } else { ExprKind::SizeofType(ty) }, span));
            }
        }
        let operand = self.nested(Self::unary)?;
        let span = word.span().to(operand.span);
        Ok(node(ExprKind::SizeofExpr(Box::new(operand)), span))
    }

    fn postfix(&mut self) -> Result<Expr> {
        let primary = self.primary()?;
        self.suffixes(primary)
    }

    fn suffixes(&mut self, mut left: Expr) -> Result<Expr> {
        // Each suffix makes the tree deeper, so they count as nesting.
        let mut n = 0;
        loop {
            let token = self.peek();
            let TokenKind::Punct(punct) = token.kind else { return Ok(left) };
            let kind = match punct {
                Punct::LeftBracket => {
                    self.bump();
                    let index = self.in_brackets(Self::expression)?;
                    self.expect(Punct::RightBracket)?;
                    ExprKind::Index(Box::new(left.take()), Box::new(index))
                }
                Punct::LeftParen => ExprKind::Call(Box::new(left.take()), self.arguments()?),
                Punct::Dot | Punct::Arrow => {
                    self.bump();
                    let dependent = self.accept_word(word::TEMPLATE);
                    if self.peek().is(Punct::Tilde) {
                        let message = "destructors are not supported";
                        return Err(self.sink.error(Kind::Unsupported, token.span(), message));
                    }
                    let (name, span) = if self.peek().is_word(word::OPERATOR) {
                        self.operator_name()?
                    } else {
                        self.identifier("the name of a member")?
                    };
                    let explicit = self.peek().is(Punct::Less)
                        && (dependent || self.kind_of(name) == Some(NameKind::Template));
                    let args = if explicit { Some(self.template_args()?) } else { None };
                    let segment = Segment { name, args, span };
                    ExprKind::Member(Box::new(left.take()), segment, punct == Punct::Arrow)
                }
                Punct::Inc | Punct::Dec => {
                    self.bump();
                    let step = if punct == Punct::Inc { 1 } else { -1 };
                    ExprKind::Postfix(step, Box::new(left.take()))
                }
                _ => return Ok(left),
            };
            n += 1;
            if n > limits::NESTING {
                return Err(self.sink.limit(token.span(), "this expression is nested too deeply"));
            }
            left = node(kind, left.span.to(self.last_span()));
        }
    }

    pub(super) fn arguments(&mut self) -> Result<Vec<Expr>> {
        self.expect(Punct::LeftParen)?;
        self.in_brackets(|p| p.comma_list(Punct::RightParen))
    }

    pub(super) fn braced(&mut self) -> Result<Vec<Expr>> {
        self.expect(Punct::LeftBrace)?;
        self.in_brackets(|p| p.comma_list(Punct::RightBrace))
    }

    fn comma_list(&mut self, close: Punct) -> Result<Vec<Expr>> {
        let mut list = Vec::new();
        while !self.accept(close) {
            list.push(if self.peek().is(Punct::LeftBrace) { self.list()? } else { self.assignment()? });
            if !self.peek().is(close) && !self.accept(Punct::Comma) {
                return Err(self.expected(&format!("`,` or `{}`", close.text())));
            }
        }
        Ok(list)
    }

    /// `{…}`.
    pub(super) fn list(&mut self) -> Result<Expr> {
        self.nested(|p| {
            let start = p.peek().span();
            if p.peek_ahead(1).is(Punct::Dot) {
                let message = "designated initialisers are not supported";
                return Err(p.sink.error(Kind::Unsupported, start, message));
            }
            let list = p.braced()?;
            Ok(node(ExprKind::List(list), start.to(p.last_span())))
        })
    }

    fn primary(&mut self) -> Result<Expr> {
        let token = self.peek();
        let span = token.span();
        match token.kind {
            TokenKind::Number => {
                self.bump();
                self.number(token.symbol, span)
            }
            TokenKind::Text => {
                while self.peek().kind == TokenKind::Text {
                    self.bump();
                }
                Ok(node(ExprKind::Text, span))
            }
            TokenKind::Character => {
                self.bump();
                self.character(token.symbol, span)
            }
            TokenKind::Punct(Punct::LeftParen) => {
                self.bump();
                let inner = self.nested(|p| p.in_brackets(Self::expression))?;
                self.expect(Punct::RightParen)?;
                Ok(node(inner.kind, span.to(self.last_span())))
            }
            TokenKind::Punct(Punct::LeftBracket) => self.nested(Self::lambda),
            TokenKind::Punct(Punct::Scope) => self.name(),
            TokenKind::Identifier => self.word(),
            _ => Err(self.expected("an expression")),
        }
    }

    fn number(&mut self, symbol: crate::symbol::Symbol, span: Span) -> Result<Expr> {
        let text = self.interner.text(symbol).to_owned();
        if let Some((value, scalar)) = literal::integer(&text) {
            return Ok(node(ExprKind::Integer(value, scalar), span));
        }
        if let Some((value, scalar, double)) = literal::float(&text) {
            if double {
                self.sink.warn(span, "MSL has no `double`: this literal is a `float`");
            }
            return Ok(node(ExprKind::Float(value, scalar), span));
        }
        Err(self.sink.error(Kind::Syntax, span, format!("`{text}` is not a number")))
    }

    fn character(&mut self, symbol: crate::symbol::Symbol, span: Span) -> Result<Expr> {
        let text = self.interner.text(symbol);
        let inner = text.trim_matches('\'');
        let value = match inner {
            "\\n" => Some('\n'),
            "\\t" => Some('\t'),
            "\\0" => Some('\0'),
            "\\r" => Some('\r'),
            "\\\\" => Some('\\'),
            "" | "\\" if text == "'\\''" => Some('\''),
            _ => inner.chars().next().filter(|_| inner.chars().count() == 1),
        };
        match value.and_then(|c| u8::try_from(c).ok()) {
            Some(byte) => Ok(node(ExprKind::Integer(u64::from(byte), crate::scalar::Scalar::I8), span)),
            None => Err(self.sink.error(Kind::Syntax, span, "expected one ASCII character")),
        }
    }

    fn word(&mut self) -> Result<Expr> {
        let token = self.peek();
        let span = token.span();
        let simple = match token.symbol {
            word::TRUE => Some(ExprKind::Bool(true)),
            word::FALSE => Some(ExprKind::Bool(false)),
            word::NULLPTR => Some(ExprKind::Null),
            word::THIS => Some(ExprKind::This),
            _ => None,
        };
        if let Some(kind) = simple {
            self.bump();
            return Ok(node(kind, span));
        }
        match token.symbol {
            word::STATIC_CAST => self.named_cast(CastKind::Static),
            word::REINTERPRET_CAST => self.named_cast(CastKind::Reinterpret),
            word::CONST_CAST => self.named_cast(CastKind::Const),
            word::AS_TYPE => self.as_type(),
            word::NEW | word::DELETE | word::THROW | word::DYNAMIC_CAST => {
                let message = format!("{} is not supported in kernels", token.describe(self.interner));
                Err(self.sink.error(Kind::Unsupported, span, message))
            }
            word::METAL
                if self.peek_ahead(1).is(Punct::Scope) && self.peek_ahead(2).is_word(word::AS_TYPE) =>
            {
                self.bump();
                self.bump();
                self.as_type()
            }
            _ if self.starts_type(0) => {
                let ty = self.attempt(|p| {
                    let mut specifiers = super::types::Specifiers::default();
                    let ty = p.base_type(&mut specifiers)?;
                    let next = p.peek();
                    Ok((next.is(Punct::LeftParen) || next.is(Punct::LeftBrace)).then_some(ty))
                });
                match ty {
                    Some(ty) => self.construct(ty, span),
                    // `T::value`: the path decides.
                    None => self.name(),
                }
            }
            _ => self.name(),
        }
    }

    fn construct(&mut self, ty: crate::ast::TypeExpr, start: Span) -> Result<Expr> {
        let braces = self.peek().is(Punct::LeftBrace);
        let args = if braces { self.braced()? } else { self.arguments()? };
        Ok(node(ExprKind::Construct { ty: Box::new(ty), args, braces }, start.to(self.last_span())))
    }

    fn name(&mut self) -> Result<Expr> {
        let token = self.peek();
        if token.kind == TokenKind::Identifier && super::is_reserved(token.symbol) {
            return Err(self.expected("an expression"));
        }
        let path: Path = self.path()?;
        let span = path.span;
        Ok(node(ExprKind::Name(path), span))
    }

    fn in_angles(&mut self) -> Result<Box<crate::ast::TypeExpr>> {
        self.expect(Punct::Less)?;
        let outer = std::mem::replace(&mut self.no_greater, true);
        let ty = self.type_id()?;
        self.no_greater = outer;
        self.expect_greater()?;
        Ok(Box::new(ty))
    }

    fn named_cast(&mut self, kind: CastKind) -> Result<Expr> {
        self.nested(|p| {
            let start = p.bump().span();
            let ty = p.in_angles()?;
            p.expect(Punct::LeftParen)?;
            let operand = p.in_brackets(Self::expression)?;
            p.expect(Punct::RightParen)?;
            Ok(node(ExprKind::Cast(kind, ty, Box::new(operand)), start.to(p.last_span())))
        })
    }

    fn as_type(&mut self) -> Result<Expr> {
        self.nested(|p| {
            let start = p.bump().span();
            let ty = p.in_angles()?;
            p.expect(Punct::LeftParen)?;
            let operand = p.in_brackets(Self::expression)?;
            p.expect(Punct::RightParen)?;
            Ok(node(ExprKind::AsType(ty, Box::new(operand)), start.to(p.last_span())))
        })
    }

    /// `[&](int x) { … }`. What is captured needs no list: lambdas are called where they were made.
    fn lambda(&mut self) -> Result<Expr> {
        let start = self.expect(Punct::LeftBracket)?.span();
        while !self.accept(Punct::RightBracket) {
            let token = self.bump();
            if token.is(Punct::Assign)
                && !self.peek().is(Punct::RightBracket)
                && !self.peek().is(Punct::Comma)
            {
                return Err(self.sink.error(
                    Kind::Unsupported,
                    token.span(),
                    "captures with a value are not supported",
                ));
            }
            if token.kind == TokenKind::End {
                return Err(self.expected("`]`"));
            }
        }
        self.scoped(|p| {
            let parameters = if p.peek().is(Punct::LeftParen) { p.parameters()? } else { Vec::new() };
            while matches!(p.peek().symbol, word::MUTABLE | word::CONSTEXPR | word::NOEXCEPT)
                && p.peek().kind == TokenKind::Identifier
            {
                p.bump();
            }
            let result = if p.accept(Punct::Arrow) { Some(p.type_id()?) } else { None };
            let body = p.block()?;
            let span = start.to(p.last_span());
            let auto = crate::ast::TypeExpr {
                kind: crate::ast::TypeKind::Auto,
                is_const: false,
                space: None,
                span: start,
            };
            let function = Function {
                name: word::EMPTY,
                span: start,
                template: None,
                specialised: None,
                parameters,
                result: Some(result.unwrap_or(auto)),
                initialisers: Vec::new(),
                body: Some(body),
                is_static: false,
                is_conversion: false,
                is_explicit: false,
            };
            Ok(node(ExprKind::Lambda(Box::new(function)), span))
        })
    }
}

impl Expr {
    /// Takes the expression out, to become part of a larger one.
    fn take(&mut self) -> Self {
        let span = self.span;
        Self { kind: std::mem::replace(&mut self.kind, ExprKind::Null), span }
    }
}
