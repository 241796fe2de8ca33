//! Declarations: variables, aliases, enums, namespaces, templates.

use super::types::Specifiers;
use super::{NameKind, Parser};
use crate::ast::{Alias, Enum, Expr, Init, Item, TemplateKind, TemplateParameter, TypeExpr, Variable};
use crate::diagnostic::{Kind, Result};
use crate::lex::{Punct, TokenKind};
use crate::symbol::word;

impl Parser<'_> {
    /// Declarations up to the end, or to the `}` of a namespace.
    pub(super) fn items(&mut self, out: &mut Vec<Item>, outermost: bool) {
        loop {
            let token = self.peek();
            if token.kind == TokenKind::End || self.sink.is_stopped() {
                return;
            }
            if token.is(Punct::RightBrace) {
                if !outermost {
                    return;
                }
                self.error_here("unexpected `}`: nothing is open here");
                self.bump();
                continue;
            }
            if self.accept(Punct::Semicolon) {
                continue;
            }
            let at = self.at;
            if self.item(out).is_err() {
                (self.depth, self.no_greater) = (0, false);
                self.locals.clear();
                self.recover();
                if self.at == at {
                    self.bump();
                }
            }
        }
    }

    fn item(&mut self, out: &mut Vec<Item>) -> Result<()> {
        self.attributes();
        let token = self.peek();
        match token.symbol {
            _ if token.kind != TokenKind::Identifier => return Err(self.expected("a declaration")),
            word::NAMESPACE => return self.namespace(out),
            word::INLINE if self.peek_ahead(1).is_word(word::NAMESPACE) => {
                self.bump();
                return self.namespace(out);
            }
            word::USING | word::TYPEDEF => out.push(self.alias_or_using()?),
            word::STATIC_ASSERT => {
                let (condition, text) = self.static_assert()?;
                out.push(Item::StaticAssert(condition, text, token.span()));
            }
            word::TEMPLATE => {
                if self.peek_ahead(1).is(Punct::Less) {
                    out.push(self.template()?);
                } else {
                    // An explicit instantiation: what is used is instantiated anyway.
                    self.recover();
                }
            }
            word::EXTERN if self.peek_ahead(1).kind == TokenKind::Text => {
                self.bump();
                self.bump();
            }
            word::STRUCT | word::CLASS | word::ENUM if self.defines_type() => {
                let item = self.type_definition(None)?;
                out.push(item);
            }
            _ => out.push(self.function_or_variables(None)?),
        }
        Ok(())
    }

    fn namespace(&mut self, out: &mut Vec<Item>) -> Result<()> {
        self.bump();
        let mut names = Vec::new();
        while self.peek().kind == TokenKind::Identifier {
            names.push(self.bump().symbol);
            self.accept(Punct::Scope);
        }
        if self.peek().is(Punct::Assign) {
            let message = "namespace aliases are not supported";
            return Err(self.error_here(message));
        }
        let open = self.expect(Punct::LeftBrace)?;
        if names.len() > 8 || out.len() > 1_000_000 {
            return Err(self.sink.limit(open.span(), "namespaces are nested too deeply"));
        }
        let mut inner = Vec::new();
        self.in_namespace(&mut inner)?;
        if !self.accept(Punct::RightBrace) {
            return Err(self.sink.error(Kind::Syntax, open.span(), "this `{` is not closed"));
        }
        out.push(Item::Namespace(names, inner));
        Ok(())
    }

    /// Names of namespaces are found without their scopes by the parser, so they are declared as global ones.
    fn in_namespace(&mut self, inner: &mut Vec<Item>) -> Result<()> {
        self.steps += 1;
        self.namespaces += 1;
        if self.namespaces > 16 {
            let span = self.peek().span();
            return Err(self.sink.limit(span, "namespaces are nested more than 16 deep"));
        }
        self.items(inner, false);
        self.namespaces -= 1;
        Ok(())
    }

    pub(super) fn static_assert(&mut self) -> Result<(Expr, Option<String>)> {
        self.bump();
        self.expect(Punct::LeftParen)?;
        let condition = self.in_brackets(Self::assignment)?;
        let mut text = None;
        if self.accept(Punct::Comma) {
            let token = self.bump();
            text = Some(self.interner.text(token.symbol).trim_matches('"').to_owned());
            while self.peek().kind == TokenKind::Text {
                self.bump();
            }
        }
        self.expect(Punct::RightParen)?;
        self.expect(Punct::Semicolon)?;
        Ok((condition, text))
    }

    /// `using …;` and `typedef …;`.
    pub(super) fn alias_or_using(&mut self) -> Result<Item> {
        self.alias(None)
    }

    fn alias(&mut self, template: Option<Vec<TemplateParameter>>) -> Result<Item> {
        let is_typedef = self.bump().symbol == word::TYPEDEF;
        if is_typedef {
            if matches!(self.peek().symbol, word::STRUCT | word::CLASS | word::ENUM) && self.defines_type() {
                return self.typedef_of_definition();
            }
            let base = self.base_type(&mut Specifiers::default())?;
            let ty = self.pointers(base);
            let (name, _) = self.identifier("the name of the type")?;
            let ty = self.arrays(ty)?;
            self.expect(Punct::Semicolon)?;
            self.declare(name, NameKind::Type);
            return Ok(Item::Alias(Alias { name, template: None, ty }));
        }
        if self.accept_word(word::NAMESPACE) {
            let path = self.path()?;
            self.expect(Punct::Semicolon)?;
            return Ok(Item::UsingNamespace(path));
        }
        if self.peek_ahead(1).is(Punct::Assign) {
            let (name, _) = self.identifier("the name of the type")?;
            self.bump();
            let ty = self.type_id()?;
            self.expect(Punct::Semicolon)?;
            let kind = if template.is_some() { NameKind::TypeTemplate } else { NameKind::Type };
            self.declare(name, kind);
            return Ok(Item::Alias(Alias { name, template, ty }));
        }
        let path = self.path()?;
        self.expect(Punct::Semicolon)?;
        Ok(Item::Using(path))
    }

    /// `typedef struct { … } Name;`
    fn typedef_of_definition(&mut self) -> Result<Item> {
        if self.peek().is_word(word::ENUM) {
            let mut made = self.enumeration()?;
            let (name, _) = self.identifier("the name of the type")?;
            self.expect(Punct::Semicolon)?;
            self.declare(name, NameKind::Type);
            made.name = Some(name);
            return Ok(Item::Enum(made));
        }
        let mut made = self.structure(None)?;
        let (name, span) = self.identifier("the name of the type")?;
        self.expect(Punct::Semicolon)?;
        self.declare(name, NameKind::Type);
        if made.name == word::EMPTY {
            made.name = name;
            return Ok(Item::Struct(made));
        }
        let segments = vec![crate::ast::Segment { name: made.name, args: None, span }];
        let kind = crate::ast::TypeKind::Path(crate::ast::Path { segments, span });
        let ty = TypeExpr { kind, is_const: false, space: None, span };
        // Two declarations in one: a namespace without a name is where it stands.
        let alias = Item::Alias(Alias { name, template: None, ty });
        Ok(Item::Namespace(Vec::new(), vec![Item::Struct(made), alias]))
    }

    /// `template <…>` and what it is of.
    pub(super) fn template(&mut self) -> Result<Item> {
        let n = self.locals.len();
        let start = self.bump().span();
        // The parameters are local names, the template is not.
        self.depth += 1;
        let parameters = self.template_parameters();
        self.depth -= 1;
        let parameters = parameters?;
        let token = self.peek();
        let item = match token.symbol {
            word::TEMPLATE if token.kind == TokenKind::Identifier => {
                let message = "templates of templates are not supported";
                return Err(self.sink.error(Kind::Unsupported, start, message));
            }
            word::USING => self.alias(Some(parameters)),
            word::STRUCT | word::CLASS if self.defines_type() => self.type_definition(Some(parameters)),
            _ => self.function_or_variables(Some(parameters)),
        };
        self.locals.truncate(n);
        item
    }

    pub(super) fn template_parameters(&mut self) -> Result<Vec<TemplateParameter>> {
        self.expect(Punct::Less)?;
        let outer = std::mem::replace(&mut self.no_greater, true);
        let mut list = Vec::new();
        while !self.peek().is(Punct::Greater) && !self.peek().is(Punct::Shr) {
            let span = self.peek().span();
            let mut is_type = matches!(self.peek().symbol, word::TYPENAME | word::CLASS)
                && self.peek().kind == TokenKind::Identifier;
            if is_type {
                // `typename T` declares, `typename T::type` is the type of a value.
                let (next, after) = (self.peek_ahead(1), self.peek_ahead(2));
                is_type = next.kind != TokenKind::Identifier || !after.is(Punct::Scope);
            }
            if is_type {
                self.bump();
                if self.peek().is(Punct::Ellipsis) {
                    let message = "template parameter packs are not supported";
                    return Err(self.sink.error(Kind::Unsupported, span, message));
                }
                let mut name = word::EMPTY;
                if self.peek().kind == TokenKind::Identifier {
                    name = self.bump().symbol;
                }
                let default = if self.accept(Punct::Assign) { Some(self.type_id()?) } else { None };
                self.locals.push((name, NameKind::Type));
                list.push(TemplateParameter { name, kind: TemplateKind::Type(default) });
            } else {
                let base = self.base_type(&mut Specifiers::default())?;
                let ty = self.pointers(base);
                let mut name = word::EMPTY;
                if self.peek().kind == TokenKind::Identifier {
                    name = self.bump().symbol;
                }
                let default = if self.accept(Punct::Assign) { Some(self.conditional()?) } else { None };
                self.locals.push((name, NameKind::Value));
                list.push(TemplateParameter { name, kind: TemplateKind::Value(ty, default) });
            }
            if !self.accept(Punct::Comma) {
                break;
            }
        }
        self.no_greater = outer;
        self.expect_greater()?;
        Ok(list)
    }

    /// Whether `struct`, `class` or `enum` here defines or declares a type, rather than naming that of a variable.
    pub(super) fn defines_type(&self) -> bool {
        let mut ahead = 1;
        while self.peek_ahead(ahead).is_word(word::CLASS) || self.peek_ahead(ahead).is_word(word::STRUCT) {
            ahead += 1;
        }
        // Attributes and `alignas(…)` before the name.
        while self.peek_ahead(ahead).is(Punct::LeftBracket) || self.peek_ahead(ahead).is_word(word::ALIGNAS) {
            let mut open = 0;
            loop {
                let token = self.peek_ahead(ahead);
                match token.kind {
                    TokenKind::Punct(Punct::LeftBracket | Punct::LeftParen) => open += 1,
                    TokenKind::Punct(Punct::RightBracket | Punct::RightParen) => open -= 1,
                    TokenKind::End => return false,
                    _ => {}
                }
                ahead += 1;
                if open == 0 && !token.is_word(word::ALIGNAS) {
                    break;
                }
            }
        }
        if self.peek_ahead(ahead).kind == TokenKind::Identifier {
            ahead += 1;
        }
        let next = self.peek_ahead(ahead);
        next.is(Punct::LeftBrace)
            || next.is(Punct::Semicolon)
            || next.is(Punct::Colon)
            || next.is(Punct::Less)
    }

    /// A struct or an enum.
    pub(super) fn type_definition(&mut self, template: Option<Vec<TemplateParameter>>) -> Result<Item> {
        if self.peek().is_word(word::ENUM) {
            let item = self.enumeration()?;
            self.expect(Punct::Semicolon)?;
            return Ok(Item::Enum(item));
        }
        let item = self.structure(template)?;
        if !self.peek().is(Punct::Semicolon) && self.peek().kind == TokenKind::Identifier {
            let message = "declare variables of a struct in a statement of their own";
            return Err(self.error_here(message));
        }
        self.expect(Punct::Semicolon)?;
        Ok(Item::Struct(item))
    }

    pub(super) fn enumeration(&mut self) -> Result<Enum> {
        self.bump();
        let scoped = self.accept_word(word::CLASS) || self.accept_word(word::STRUCT);
        let mut name = None;
        if self.peek().kind == TokenKind::Identifier {
            let symbol = self.bump().symbol;
            self.declare(symbol, NameKind::Type);
            name = Some(symbol);
        }
        let underlying = if self.accept(Punct::Colon) { Some(self.type_id()?) } else { None };
        let mut values = Vec::new();
        if self.accept(Punct::LeftBrace) {
            while !self.peek().is(Punct::RightBrace) {
                let (value, span) = self.identifier("the name of a value")?;
                let init = if self.accept(Punct::Assign) { Some(self.conditional()?) } else { None };
                values.push((value, init, span));
                if !self.accept(Punct::Comma) {
                    break;
                }
            }
            self.expect(Punct::RightBrace)?;
        }
        Ok(Enum { name, scoped, underlying, values })
    }

    /// The declaration of variables, with its `;`.
    pub(super) fn variables(&mut self) -> Result<Vec<Variable>> {
        let mut specifiers = Specifiers::default();
        let base = self.base_type(&mut specifiers)?;
        self.declarators(&base, specifiers)
    }

    pub(super) fn declarators(&mut self, base: &TypeExpr, specifiers: Specifiers) -> Result<Vec<Variable>> {
        let mut list = Vec::new();
        loop {
            let ty = self.pointers(base.clone());
            if self.peek().is(Punct::LeftParen) {
                let message = "pointers to arrays and functions are not supported";
                return Err(self.sink.error(Kind::Unsupported, self.peek().span(), message));
            }
            if self.peek().is(Punct::LeftBracket) && ty.kind_is_auto() {
                let message = "structured bindings are not supported";
                return Err(self.sink.error(Kind::Unsupported, self.peek().span(), message));
            }
            let (name, span) = self.identifier("the name of a variable")?;
            list.push(self.declarator(name, span, ty, specifiers)?);
            if !self.accept(Punct::Comma) {
                break;
            }
        }
        self.expect(Punct::Semicolon)?;
        Ok(list)
    }

    /// What stands behind the name of a variable.
    pub(super) fn declarator(
        &mut self,
        name: crate::symbol::Symbol,
        span: crate::source::Span,
        ty: TypeExpr,
        specifiers: Specifiers,
    ) -> Result<Variable> {
        self.attributes();
        let ty = self.arrays(ty)?;
        self.attributes();
        // The name is known in its own initial value, and hides types.
        self.declare(name, NameKind::Value);
        let init = if self.accept(Punct::Assign) {
            Init::Value(if self.peek().is(Punct::LeftBrace) { self.list()? } else { self.assignment()? })
        } else if self.peek().is(Punct::LeftBrace) {
            Init::Value(self.list()?)
        } else if self.peek().is(Punct::LeftParen) {
            Init::Arguments(self.arguments()?)
        } else if self.peek().is(Punct::Colon) {
            let message = "bit fields are not supported";
            return Err(self.sink.error(Kind::Unsupported, self.peek().span(), message));
        } else {
            Init::None
        };
        Ok(Variable { name, ty, init, is_constexpr: specifiers.is_constexpr, span })
    }
}

impl TypeExpr {
    pub(super) fn kind_is_auto(&self) -> bool {
        match &self.kind {
            crate::ast::TypeKind::Auto => true,
            crate::ast::TypeKind::Reference(inner) => inner.kind_is_auto(),
            _ => false,
        }
    }
}
