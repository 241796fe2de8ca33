//! Types, paths and template arguments.

use super::{NameKind, Parser, is_reserved};
use crate::ast::{Expr, Path, Segment, TemplateArg, TypeExpr, TypeKind};
use crate::diagnostic::{Kind, Result};
use crate::lex::{Punct, Token, TokenKind};
use crate::scalar::{Scalar, Space};
use crate::source::Span;
use crate::symbol::{Symbol, word};

/// What stands before the type in a declaration, besides `const` and an address space.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Specifiers {
    pub is_constexpr: bool,
    pub is_static: bool,
    pub is_typedef: bool,
    pub is_explicit: bool,
}

pub(super) fn space_of(token: Token) -> Option<Space> {
    if token.kind != TokenKind::Identifier {
        return None;
    }
    Some(match token.symbol {
        word::DEVICE => Space::Device,
        word::CONSTANT => Space::Constant,
        word::THREADGROUP => Space::Threadgroup,
        word::THREAD => Space::Thread,
        _ => return None,
    })
}

fn is_builtin_word(symbol: Symbol) -> bool {
    matches!(
        symbol,
        word::VOID
            | word::BOOL
            | word::CHAR
            | word::SHORT
            | word::INT
            | word::LONG
            | word::FLOAT
            | word::HALF
            | word::DOUBLE
            | word::UNSIGNED
            | word::SIGNED
    )
}

impl Parser<'_> {
    /// Whether a type or a declaration begins `ahead` tokens further, as far as that token and the next ones tell.
    pub(super) fn starts_type(&self, ahead: usize) -> bool {
        let token = self.peek_ahead(ahead);
        if token.kind != TokenKind::Identifier {
            return false;
        }
        match token.symbol {
            word::CONST | word::CONSTEXPR | word::VOLATILE | word::AUTO | word::TYPENAME | word::DECLTYPE => {
                true
            }
            word::STATIC
            | word::INLINE
            | word::EXTERN
            | word::STRUCT
            | word::CLASS
            | word::ENUM
            | word::UNION => true,
            symbol if is_builtin_word(symbol) || space_of(token).is_some() => true,
            _ => self.path_is_type(ahead),
        }
    }

    /// Whether the path that begins there names a type, judged by its last plain name.
    fn path_is_type(&self, mut ahead: usize) -> bool {
        if self.peek_ahead(ahead).is(Punct::Scope) {
            ahead += 1;
        }
        loop {
            let token = self.peek_ahead(ahead);
            if token.kind != TokenKind::Identifier {
                return false;
            }
            let kind = self.kind_of(token.symbol);
            let next = self.peek_ahead(ahead + 1);
            if next.is(Punct::Scope) {
                // A member of a type is a value, unless the member is known as a type.
                ahead += 2;
                continue;
            }
            return match kind {
                Some(NameKind::Type | NameKind::OwnTemplate) => true,
                Some(NameKind::TypeTemplate) => next.is(Punct::Less),
                _ => false,
            };
        }
    }

    pub(super) fn path(&mut self) -> Result<Path> {
        let start = self.peek().span();
        self.accept(Punct::Scope);
        let mut segments = Vec::new();
        loop {
            self.accept_word(word::TEMPLATE);
            let token = self.peek();
            let special = token.is_word(word::OPERATOR) && !segments.is_empty();
            let (name, span) = if special { self.operator_name()? } else { self.identifier("a name")? };
            let args = self.template_args_of(name, !segments.is_empty())?;
            segments.push(Segment { name, args, span });
            if !self.peek().is(Punct::Scope) {
                break;
            }
            self.bump();
        }
        Ok(Path { segments, span: start.to(self.last_span()) })
    }

    fn path_text(&self, path: &Path) -> String {
        let names: Vec<&str> = path.segments.iter().map(|segment| self.interner.text(segment.name)).collect();
        names.join("::")
    }

    /// The template arguments behind a name, if the name is a template's.
    pub(super) fn template_args_of(
        &mut self,
        name: Symbol,
        qualified: bool,
    ) -> Result<Option<Vec<TemplateArg>>> {
        if !self.peek().is(Punct::Less) {
            return Ok(None);
        }
        match self.kind_of(name) {
            Some(NameKind::TypeTemplate | NameKind::Template | NameKind::OwnTemplate) => {
                self.template_args().map(Some)
            }
            // A member template of something unknown: `a::b<int>(x)`.
            None if qualified => Ok(self.attempt(|p| {
                let args = p.template_args()?;
                Ok(p.peek().is(Punct::LeftParen).then_some(args))
            })),
            _ => Ok(None),
        }
    }

    pub(super) fn template_args(&mut self) -> Result<Vec<TemplateArg>> {
        self.nested(|p| {
            p.expect(Punct::Less)?;
            let mut args = Vec::new();
            let outer = std::mem::replace(&mut p.no_greater, true);
            if !p.peek().is(Punct::Greater) && !p.peek().is(Punct::Shr) {
                loop {
                    args.push(p.template_arg()?);
                    if !p.accept(Punct::Comma) {
                        break;
                    }
                }
            }
            p.no_greater = outer;
            p.expect_greater()?;
            Ok(args)
        })
    }

    fn template_arg(&mut self) -> Result<TemplateArg> {
        let ends = |p: &Self| {
            let next = p.peek();
            next.is(Punct::Comma) || next.is(Punct::Greater) || next.is(Punct::Shr)
        };
        if self.starts_type(0) {
            let ty = self.attempt(|p| {
                let ty = p.type_id()?;
                Ok(ends(p).then_some(ty))
            });
            if let Some(ty) = ty {
                return Ok(TemplateArg::Type(ty));
            }
        }
        Ok(TemplateArg::Value(self.conditional()?))
    }

    /// A type without a name, as in casts: base type, `*` and `&`.
    pub(super) fn type_id(&mut self) -> Result<TypeExpr> {
        self.nested(|p| {
            let mut specifiers = Specifiers::default();
            let base = p.base_type(&mut specifiers)?;
            let mut ty = p.pointers(base);
            while p.peek().is(Punct::LeftBracket) && !p.peek_ahead(1).is(Punct::LeftBracket) {
                ty = p.array_suffix(ty)?;
            }
            Ok(ty)
        })
    }

    /// `*`, `&` and what may stand behind them.
    pub(super) fn pointers(&mut self, mut ty: TypeExpr) -> TypeExpr {
        loop {
            let span = ty.span.to(self.peek().span());
            let kind = if self.accept(Punct::Star) {
                TypeKind::Pointer(Box::new(ty))
            } else if self.accept(Punct::And) || self.accept(Punct::AndAnd) {
                TypeKind::Reference(Box::new(ty))
            } else {
                return ty;
            };
            ty = TypeExpr { kind, is_const: false, space: None, span };
            loop {
                let token = self.peek();
                if token.is_word(word::CONST) {
                    ty.is_const = true;
                } else if let Some(space) = space_of(token) {
                    ty.space = Some(space);
                } else if !matches!(token.symbol, word::VOLATILE | word::RESTRICT | word::RESTRICT2)
                    || token.kind != TokenKind::Identifier
                {
                    break;
                }
                self.bump();
            }
        }
    }

    /// The arrays behind the name of a variable: `[2][3]`.
    pub(super) fn arrays(&mut self, ty: TypeExpr) -> Result<TypeExpr> {
        if !self.peek().is(Punct::LeftBracket) || self.peek_ahead(1).is(Punct::LeftBracket) {
            return Ok(ty);
        }
        let mut sizes = Vec::new();
        while self.peek().is(Punct::LeftBracket) && !self.peek_ahead(1).is(Punct::LeftBracket) {
            sizes.push(self.array_size()?);
            if sizes.len() > 16 {
                return Err(self.error_here("an array has at most 16 dimensions"));
            }
        }
        // The first size is the outermost.
        Ok(sizes.into_iter().rev().fold(ty, array_of))
    }

    fn array_suffix(&mut self, ty: TypeExpr) -> Result<TypeExpr> {
        let size = self.array_size()?;
        Ok(array_of(ty, size))
    }

    fn array_size(&mut self) -> Result<(Option<Box<Expr>>, Span)> {
        let start = self.expect(Punct::LeftBracket)?.span();
        let size = if self.peek().is(Punct::RightBracket) {
            None
        } else {
            Some(Box::new(self.in_brackets(Self::conditional)?))
        };
        let end = self.expect(Punct::RightBracket)?.span();
        Ok((size, start.to(end)))
    }

    /// Specifiers and the type that they surround: `const device float`, `static constexpr int`.
    pub(super) fn base_type(&mut self, specifiers: &mut Specifiers) -> Result<TypeExpr> {
        let start = self.peek().span();
        let mut is_const = false;
        let mut space = None;
        let mut kind: Option<TypeKind> = None;
        let (mut sign, mut n_long, mut short) = (None, 0, false);
        let mut typename = false;
        loop {
            self.attributes();
            let token = self.peek();
            if token.kind != TokenKind::Identifier {
                break;
            }
            if let Some(found) = space_of(token) {
                if space.is_some_and(|space| space != found) {
                    return Err(self.error_here("a type has one address space"));
                }
                space = Some(found);
                self.bump();
                continue;
            }
            match token.symbol {
                word::CONST => is_const = true,
                word::CONSTEXPR | word::CONSTEVAL => specifiers.is_constexpr = true,
                word::STATIC => specifiers.is_static = true,
                word::TYPEDEF => specifiers.is_typedef = true,
                word::EXPLICIT => specifiers.is_explicit = true,
                word::TYPENAME => typename = true,
                word::INLINE | word::EXTERN | word::VOLATILE | word::MUTABLE => {}
                word::STRUCT | word::CLASS | word::ENUM | word::RESTRICT | word::RESTRICT2 | word::FRIEND => {
                }
                word::UNSIGNED => sign = Some(false),
                word::SIGNED => sign = Some(true),
                word::LONG => n_long += 1,
                word::SHORT => short = true,
                word::INT if kind.is_none() && (sign.is_some() || n_long > 0 || short) => {}
                word::DOUBLE => {
                    let message = "`double` is not a type of MSL: Metal has no 64-bit floats";
                    return Err(self.sink.error(Kind::Unsupported, token.span(), message));
                }
                word::UNION => {
                    return Err(self.sink.error(Kind::Unsupported, token.span(), "unions are not supported"));
                }
                _ if kind.is_some() || n_long > 0 || short => break,
                word::INT if sign.is_none() => {
                    // `int` may still be followed by `unsigned` and the like.
                    kind = Some(TypeKind::Scalar(Scalar::I32));
                }
                word::VOID => kind = Some(TypeKind::Void),
                word::AUTO => kind = Some(TypeKind::Auto),
                word::BOOL => kind = Some(TypeKind::Scalar(Scalar::Bool)),
                word::CHAR => kind = Some(TypeKind::Scalar(Scalar::I8)),
                word::FLOAT => kind = Some(TypeKind::Scalar(Scalar::F32)),
                word::HALF => kind = Some(TypeKind::Scalar(Scalar::F16)),
                word::DECLTYPE => {
                    self.bump();
                    self.expect(Punct::LeftParen)?;
                    let inner = self.in_brackets(Self::expression)?;
                    self.expect(Punct::RightParen)?;
                    kind = Some(TypeKind::Decltype(Box::new(inner)));
                    continue;
                }
                symbol if is_reserved(symbol) => break,
                _ if sign.is_some() => break,
                _ => {
                    let path = self.path()?;
                    // A member of a type is a value, unless it is known as a type or said to be one.
                    let last = self.kind_of(path.last().name);
                    let known =
                        matches!(last, Some(NameKind::Type | NameKind::TypeTemplate | NameKind::OwnTemplate));
                    if path.segments.len() > 1 && !typename && !known {
                        let message = format!("unknown type `{}`", self.path_text(&path));
                        return Err(self.sink.error(Kind::Name, path.span, message));
                    }
                    kind = Some(TypeKind::Path(path));
                    continue;
                }
            }
            self.bump();
        }
        if self.peek().is(Punct::Scope) && kind.is_none() && sign.is_none() && n_long == 0 && !short {
            kind = Some(TypeKind::Path(self.path()?));
        }
        let signed = sign.unwrap_or(true);
        let pick = |yes, no| if signed { yes } else { no };
        let kind = match kind {
            Some(TypeKind::Scalar(Scalar::I8)) if sign == Some(false) => TypeKind::Scalar(Scalar::U8),
            Some(TypeKind::Scalar(Scalar::I32)) if sign == Some(false) => TypeKind::Scalar(Scalar::U32),
            Some(TypeKind::Scalar(Scalar::I32)) if n_long > 0 => {
                TypeKind::Scalar(pick(Scalar::I64, Scalar::U64))
            }
            Some(kind) => kind,
            None if n_long > 0 => TypeKind::Scalar(pick(Scalar::I64, Scalar::U64)),
            None if short => TypeKind::Scalar(pick(Scalar::I16, Scalar::U16)),
            None if sign.is_some() => TypeKind::Scalar(pick(Scalar::I32, Scalar::U32)),
            None => return Err(self.expected("a type")),
        };
        let span = start.to(self.last_span());
        Ok(TypeExpr { kind, is_const, space, span })
    }
}

fn array_of(mut element: TypeExpr, (size, span): (Option<Box<Expr>>, Span)) -> TypeExpr {
    // Qualifiers of the element are the array's.
    let (is_const, space) = (element.is_const, element.space.take());
    let span = element.span.to(span);
    TypeExpr { kind: TypeKind::Array(Box::new(element), size), is_const, space, span }
}
