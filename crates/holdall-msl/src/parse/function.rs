//! Functions and structs.

use super::types::Specifiers;
use super::{NameKind, Parser};
use crate::ast::{
    Alias, Enum, Function, Item, Parameter, Struct, TemplateArg, TemplateParameter, TypeExpr, TypeKind,
    Variable,
};
use crate::diagnostic::{Kind, Result};
use crate::lex::{Punct, TokenKind};
use crate::source::Span;
use crate::symbol::{Symbol, word};

/// The parts of a function before its parameters.
struct Head {
    name: Symbol,
    span: Span,
    template: Option<Vec<TemplateParameter>>,
    specialised: Option<Vec<TemplateArg>>,
    result: Option<TypeExpr>,
    specifiers: Specifiers,
    is_conversion: bool,
}

impl Parser<'_> {
    /// `operator+` and the like, as one name.
    pub(super) fn operator_name(&mut self) -> Result<(Symbol, Span)> {
        let start = self.bump().span();
        let token = self.bump();
        let text = match token.kind {
            TokenKind::Punct(Punct::LeftParen) => {
                self.expect(Punct::RightParen)?;
                "()"
            }
            TokenKind::Punct(Punct::LeftBracket) => {
                self.expect(Punct::RightBracket)?;
                "[]"
            }
            TokenKind::Punct(punct) => punct.text(),
            _ => {
                let message = "expected an operator";
                return Err(self.sink.error(Kind::Syntax, token.span(), message));
            }
        };
        let name = self.interner.intern(&format!("operator{text}"));
        Ok((name, start.to(self.last_span())))
    }

    /// A declaration at namespace scope that begins with a type.
    pub(super) fn function_or_variables(&mut self, template: Option<Vec<TemplateParameter>>) -> Result<Item> {
        let mut specifiers = Specifiers::default();
        let start = self.peek();
        if start.is_word(word::KERNEL) {
            let message = "the header defines a whole `kernel`: only the inside of one kernel is compiled";
            return Err(self.sink.error(Kind::Unsupported, start.span(), message));
        }
        if start.kind == TokenKind::Identifier && !self.starts_type(0) && !super::is_reserved(start.symbol) {
            let name = self.interner.text(start.symbol).to_owned();
            let message = self.unknown_type(&name);
            return Err(self.sink.error(Kind::Name, start.span(), message));
        }
        // Names inside belong to the declaration, names of the declaration do not.
        self.depth += 1;
        let base = self.base_type(&mut specifiers);
        self.depth -= 1;
        let base = base?;
        let ty = self.pointers(base.clone());
        let is_operator = self.peek().is_word(word::OPERATOR);
        let (name, span) =
            if is_operator { self.operator_name()? } else { self.identifier("the name of a declaration")? };
        if self.peek().is(Punct::Scope) {
            let message = "members are defined inside of their struct only";
            return Err(self.sink.error(Kind::Unsupported, span, message));
        }
        let mut specialised = None;
        if template.as_ref().is_some_and(Vec::is_empty) && self.peek().is(Punct::Less) {
            specialised = Some(self.template_args()?);
        }
        if self.peek().is(Punct::LeftParen) && self.parameters_follow() {
            let kind = if template.is_some() { NameKind::Template } else { NameKind::Value };
            // An overload that is no template must not hide templates of that name.
            if kind == NameKind::Template || self.kind_of(name) != Some(NameKind::Template) {
                self.globals.insert(name, kind);
            }
            let head = Head {
                name,
                span,
                template,
                specialised,
                result: Some(ty),
                specifiers,
                is_conversion: false,
            };
            return self.function(head, &[]).map(Item::Function);
        }
        if template.is_some() {
            let message = "variable templates are not supported";
            return Err(self.sink.error(Kind::Unsupported, span, message));
        }
        let mut list = vec![self.declarator(name, span, ty, specifiers)?];
        if self.accept(Punct::Comma) {
            list.extend(self.declarators(&base, specifiers)?);
        } else {
            self.expect(Punct::Semicolon)?;
        }
        Ok(Item::Variables(list))
    }

    /// Whether the parenthesis here holds parameters rather than the arguments of a constructor.
    fn parameters_follow(&self) -> bool {
        self.peek_ahead(1).is(Punct::RightParen)
            || self.peek_ahead(1).is(Punct::LeftBracket)
            || self.starts_type(1)
    }

    pub(super) fn parameters(&mut self) -> Result<Vec<Parameter>> {
        self.expect(Punct::LeftParen)?;
        let outer = std::mem::replace(&mut self.no_greater, false);
        let mut list = Vec::new();
        if self.peek().is_word(word::VOID) && self.peek_ahead(1).is(Punct::RightParen) {
            self.bump();
        }
        while !self.accept(Punct::RightParen) {
            let mut specifiers = Specifiers::default();
            let start = self.peek().span();
            if self.peek().kind == TokenKind::Identifier && !self.starts_type(0) {
                let name = self.interner.text(self.peek().symbol).to_owned();
                let message = self.unknown_type(&name);
                return Err(self.sink.error(Kind::Name, start, message));
            }
            let base = self.base_type(&mut specifiers)?;
            let ty = self.pointers(base);
            if self.peek().is(Punct::LeftParen) {
                // `thread float (&x)[4]`, a reference to an array.
                let array = self.attempt(|p| {
                    p.bump();
                    if !p.accept(Punct::And) {
                        return Ok(None);
                    }
                    let (name, span) = p.identifier("a name")?;
                    Ok(p.accept(Punct::RightParen).then_some((name, span)))
                });
                if let Some((name, span)) = array {
                    let ty = self.arrays(ty)?;
                    let span = start.to(span);
                    let kind = TypeKind::Reference(Box::new(ty));
                    let ty = TypeExpr { kind, is_const: false, space: None, span };
                    self.locals.push((name, NameKind::Value));
                    list.push(Parameter { name, ty, default: None, span });
                    if !self.peek().is(Punct::RightParen) {
                        self.expect(Punct::Comma)?;
                    }
                    continue;
                }
                let message = "pointers to functions and arrays are not supported";
                return Err(self.sink.error(Kind::Unsupported, start, message));
            }
            let (mut name, mut span) = (word::EMPTY, start);
            if self.peek().kind == TokenKind::Identifier && !super::is_reserved(self.peek().symbol) {
                (name, span) = self.identifier("a name")?;
                self.locals.push((name, NameKind::Value));
            }
            let ty = self.arrays(ty)?;
            self.attributes();
            let default = if self.accept(Punct::Assign) { Some(self.assignment()?) } else { None };
            list.push(Parameter { name, ty, default, span });
            if !self.peek().is(Punct::RightParen) && !self.accept(Punct::Comma) {
                return Err(self.expected("`,` or `)`"));
            }
        }
        self.no_greater = outer;
        Ok(list)
    }

    /// What stands behind the name of a function. `members` are names that its body sees besides.
    fn function(&mut self, head: Head, members: &[(Symbol, NameKind)]) -> Result<Function> {
        let n = self.locals.len();
        self.locals.extend_from_slice(members);
        let depth = self.depth;
        self.depth += 1;
        let result = self.function_inside(head);
        self.locals.truncate(n);
        if result.is_ok() {
            self.depth = depth;
        }
        result
    }

    fn function_inside(&mut self, head: Head) -> Result<Function> {
        let parameters = self.parameters()?;
        let mut result = head.result;
        loop {
            let token = self.peek();
            let skipped = matches!(
                token.symbol,
                word::CONST
                    | word::THREAD
                    | word::DEVICE
                    | word::CONSTANT
                    | word::THREADGROUP
                    | word::NOEXCEPT
                    | word::OVERRIDE
                    | word::FINAL
                    | word::VOLATILE
            );
            self.attributes();
            if token.kind == TokenKind::Identifier && skipped {
                self.bump();
            } else {
                break;
            }
        }
        if self.accept(Punct::Arrow) {
            result = Some(self.type_id()?);
        }
        let mut initialisers = Vec::new();
        if self.accept(Punct::Colon) {
            loop {
                let path = self.path()?;
                let args = if self.peek().is(Punct::LeftBrace) { self.braced()? } else { self.arguments()? };
                initialisers.push((path, args));
                if !self.accept(Punct::Comma) {
                    break;
                }
            }
        }
        let mut body = None;
        if self.peek().is(Punct::LeftBrace) {
            body = Some(self.block()?);
        } else if self.accept(Punct::Assign) {
            let token = self.bump();
            if token.is_word(word::DEFAULT) {
                body = Some(Vec::new());
            }
            self.expect(Punct::Semicolon)?;
        } else if !self.accept(Punct::Semicolon) {
            return Err(self.expected("`{` or `;`"));
        }
        Ok(Function {
            name: head.name,
            span: head.span,
            template: head.template,
            specialised: head.specialised,
            parameters,
            result,
            initialisers,
            body,
            is_static: head.specifiers.is_static,
            is_conversion: head.is_conversion,
            is_explicit: head.specifiers.is_explicit,
        })
    }

    pub(super) fn structure(&mut self, template: Option<Vec<TemplateParameter>>) -> Result<Struct> {
        self.bump();
        self.attributes();
        let anonymous = self.peek().is(Punct::LeftBrace);
        let name = if anonymous { word::EMPTY } else { self.identifier("the name of the struct")?.0 };
        let mut specialised = None;
        let is_template = template.as_ref().is_some_and(|list| !list.is_empty());
        if self.peek().is(Punct::Less) {
            specialised = Some(self.template_args()?);
        } else if is_template {
            self.declare(name, NameKind::TypeTemplate);
        } else {
            self.declare(name, NameKind::Type);
        }
        self.accept_word(word::FINAL);
        if self.peek().is(Punct::Colon) {
            let message = "inheritance is not supported";
            return Err(self.sink.error(Kind::Unsupported, self.peek().span(), message));
        }
        let mut made = Struct {
            name,
            template,
            specialised,
            fields: Vec::new(),
            methods: Vec::new(),
            statics: Vec::new(),
            aliases: Vec::new(),
            enums: Vec::new(),
            structs: Vec::new(),
            is_complete: false,
        };
        if !self.peek().is(Punct::LeftBrace) {
            return Ok(made);
        }
        made.is_complete = true;
        let n = self.locals.len();
        let generic = is_template || made.specialised.is_some();
        self.nested(|p| {
            let open = p.bump();
            // Inside, the name without arguments is the struct itself.
            p.locals.push((name, if generic { NameKind::OwnTemplate } else { NameKind::Type }));
            while !p.peek().is(Punct::RightBrace) {
                if p.peek().kind == TokenKind::End {
                    return Err(p.sink.error(Kind::Syntax, open.span(), "this `{` is not closed"));
                }
                p.member(&mut made)?;
            }
            p.bump();
            Ok(())
        })?;
        self.locals.truncate(n);
        Ok(made)
    }

    fn member(&mut self, made: &mut Struct) -> Result<()> {
        self.attributes();
        let token = self.peek();
        if self.accept(Punct::Semicolon) {
            return Ok(());
        }
        match token.symbol {
            _ if token.kind != TokenKind::Identifier
                && !token.is(Punct::Scope)
                && !token.is(Punct::Tilde) =>
            {
                return Err(self.expected("a member"));
            }
            word::PUBLIC | word::PRIVATE | word::PROTECTED => {
                self.bump();
                self.expect(Punct::Colon)?;
                return Ok(());
            }
            word::VIRTUAL => {
                let message = "virtual functions are not supported";
                return Err(self.sink.error(Kind::Unsupported, token.span(), message));
            }
            _ if token.is(Punct::Tilde) => {
                let message = "destructors are not supported";
                return Err(self.sink.error(Kind::Unsupported, token.span(), message));
            }
            word::USING | word::TYPEDEF => {
                if let Item::Alias(alias) = self.alias_or_using()? {
                    self.declare_nested(alias.name);
                    made.aliases.push(alias);
                }
                return Ok(());
            }
            word::STATIC_ASSERT => {
                self.static_assert()?;
                return Ok(());
            }
            word::STRUCT | word::CLASS | word::ENUM if self.defines_type() => {
                match self.type_definition(None)? {
                    Item::Enum(item) => {
                        made.enums.push(item);
                    }
                    Item::Struct(item) => {
                        self.declare_nested(item.name);
                        made.structs.push(item);
                    }
                    _ => {}
                }
                return Ok(());
            }
            _ => {}
        }
        let n = self.locals.len();
        let template = if token.is_word(word::TEMPLATE) {
            self.bump();
            Some(self.template_parameters()?)
        } else {
            None
        };
        let result = self.method_or_field(made, template);
        self.locals.truncate(n);
        result
    }

    /// Types inside of structs are also found by `Outer::Inner`.
    fn declare_nested(&mut self, name: Symbol) {
        let known =
            self.globals.contains_key(&name) || self.base.is_some_and(|base| base.contains_key(&name));
        if !known {
            self.globals.insert(name, NameKind::Type);
        }
        self.locals.push((name, NameKind::Type));
    }

    fn method_or_field(&mut self, made: &mut Struct, template: Option<Vec<TemplateParameter>>) -> Result<()> {
        let mut specifiers = Specifiers::default();
        // A constructor has no type: specifiers, the name of the struct, `(`.
        let mut ahead = 0;
        while matches!(
            self.peek_ahead(ahead).symbol,
            word::CONSTEXPR | word::INLINE | word::EXPLICIT | word::THREAD | word::STATIC | word::CONST
        ) && self.peek_ahead(ahead).kind == TokenKind::Identifier
        {
            ahead += 1;
        }
        let token = self.peek_ahead(ahead);
        let constructs = token.is_word(made.name) && self.peek_ahead(ahead + 1).is(Punct::LeftParen);
        let converts = token.is_word(word::OPERATOR);
        if constructs || converts {
            for _ in 0..ahead {
                specifiers.is_explicit |= self.bump().symbol == word::EXPLICIT;
            }
            let span = self.bump().span();
            let result = if converts { Some(self.type_id()?) } else { None };
            let (name, is_conversion) = (made.name, converts);
            let head = Head { name, span, template, specialised: None, result, specifiers, is_conversion };
            made.methods.push(self.function(head, &[])?);
            return Ok(());
        }
        if token.kind == TokenKind::Identifier && !self.starts_type(0) && !super::is_reserved(token.symbol) {
            let name = self.interner.text(token.symbol).to_owned();
            let message = self.unknown_type(&name);
            return Err(self.sink.error(Kind::Name, token.span(), message));
        }
        let base = self.base_type(&mut specifiers)?;
        let ty = self.pointers(base.clone());
        let is_operator = self.peek().is_word(word::OPERATOR);
        let (name, span) =
            if is_operator { self.operator_name()? } else { self.identifier("the name of a member")? };
        if self.peek().is(Punct::LeftParen) {
            if template.is_some() {
                self.globals.entry(name).or_insert(NameKind::Template);
            }
            let result = Some(ty);
            let head =
                Head { name, span, template, specialised: None, result, specifiers, is_conversion: false };
            made.methods.push(self.function(head, &[])?);
            return Ok(());
        }
        let mut list: Vec<Variable> = vec![self.declarator(name, span, ty, specifiers)?];
        if self.accept(Punct::Comma) {
            list.extend(self.declarators(&base, specifiers)?);
        } else {
            self.expect(Punct::Semicolon)?;
        }
        if specifiers.is_static {
            made.statics.extend(list);
        } else {
            made.fields.extend(list);
        }
        Ok(())
    }
}

impl Struct {
    /// The alias or enum of a name inside.
    pub(crate) fn alias(&self, name: Symbol) -> Option<&Alias> {
        self.aliases.iter().find(|alias| alias.name == name)
    }

    pub(crate) fn enumeration(&self, name: Symbol) -> Option<&Enum> {
        self.enums.iter().find(|item| item.name == Some(name))
    }
}
