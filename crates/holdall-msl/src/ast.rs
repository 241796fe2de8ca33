//! The syntax tree. Names are not resolved and nothing has a type; the parser only knows which names are types.

use crate::lex::Punct;
use crate::scalar::{Scalar, Space};
use crate::source::Span;
use crate::symbol::Symbol;

/// A name with its scopes and template arguments: `metal::vec<float, 4>`.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub segments: Vec<Segment>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub name: Symbol,
    pub args: Option<Vec<TemplateArg>>,
    pub span: Span,
}

impl Path {
    pub(crate) fn last(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    /// The name, if it is nothing else.
    pub(crate) fn simple(&self) -> Option<Symbol> {
        match self.segments.as_slice() {
            [Segment { name, args: None, .. }] => Some(*name),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum TemplateArg {
    Type(TypeExpr),
    Value(Expr),
}

#[derive(Clone, Debug)]
pub(crate) struct TypeExpr {
    pub kind: TypeKind,
    pub is_const: bool,
    pub space: Option<Space>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum TypeKind {
    Void,
    Auto,
    Scalar(Scalar),
    Path(Path),
    Decltype(Box<Expr>),
    Pointer(Box<TypeExpr>),
    Reference(Box<TypeExpr>),
    Array(Box<TypeExpr>, Option<Box<Expr>>),
}

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CastKind {
    C,
    Static,
    Reinterpret,
    Const,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    Plus,
    Minus,
    Not,
    Tilde,
    Dereference,
    AddressOf,
    Increment,
    Decrement,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Integer(u64, Scalar),
    Float(f64, Scalar),
    Bool(bool),
    Null,
    Text,
    Name(Path),
    This,
    Prefix(Prefix, Box<Expr>),
    /// `x++` and `x--`: the step is 1 or -1.
    Postfix(i8, Box<Expr>),
    Binary(Punct, Box<Expr>, Box<Expr>),
    /// With the operator of `+=` and the like.
    Assign(Option<Punct>, Box<Expr>, Box<Expr>),
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    Comma(Box<Expr>, Box<Expr>),
    Call(Box<Expr>, Vec<Expr>),
    /// `T(a, b)` and `T{a, b}`.
    Construct {
        ty: Box<TypeExpr>,
        args: Vec<Expr>,
        braces: bool,
    },
    Cast(CastKind, Box<TypeExpr>, Box<Expr>),
    AsType(Box<TypeExpr>, Box<Expr>),
    Index(Box<Expr>, Box<Expr>),
    /// The last field: `->` rather than `.`.
    Member(Box<Expr>, Segment, bool),
    List(Vec<Expr>),
    SizeofType(Box<TypeExpr>),
    SizeofExpr(Box<Expr>),
    Alignof(Box<TypeExpr>),
    Lambda(Box<Function>),
}

#[derive(Clone, Debug)]
pub(crate) struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum StmtKind {
    Empty,
    Expr(Expr),
    Variables(Vec<Variable>),
    Item(Box<Item>),
    Block(Vec<Stmt>),
    If {
        /// `if`, `else if`, `else if` …: each with what is declared before the condition, if anything.
        branches: Vec<Branch>,
        otherwise: Option<Box<Stmt>>,
    },
    For {
        init: Option<Box<Stmt>>,
        condition: Option<Expr>,
        step: Option<Expr>,
        body: Box<Stmt>,
    },
    While(Expr, Box<Stmt>),
    DoWhile(Box<Stmt>, Expr),
    Switch(Expr, Box<Stmt>),
    /// A label; `None` is `default`.
    Case(Option<Expr>),
    Break,
    Continue,
    Return(Option<Expr>),
    StaticAssert(Expr, Option<String>),
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub is_constexpr: bool,
    pub init: Option<Stmt>,
    pub condition: Expr,
    pub body: Stmt,
}

#[derive(Clone, Debug)]
pub(crate) enum Init {
    None,
    /// `= value` and `= {…}`, `{…}`.
    Value(Expr),
    /// `(a, b)`.
    Arguments(Vec<Expr>),
}

#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub name: Symbol,
    pub ty: TypeExpr,
    pub init: Init,
    pub is_constexpr: bool,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// Without a name it is [`crate::symbol::word::EMPTY`].
    pub name: Symbol,
    pub ty: TypeExpr,
    pub default: Option<Expr>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct TemplateParameter {
    pub name: Symbol,
    pub kind: TemplateKind,
}

#[derive(Clone, Debug)]
pub(crate) enum TemplateKind {
    Type(Option<TypeExpr>),
    Value(TypeExpr, Option<Expr>),
}

#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub name: Symbol,
    pub span: Span,
    /// `template <…>`; an empty list is a full specialisation.
    pub template: Option<Vec<TemplateParameter>>,
    pub specialised: Option<Vec<TemplateArg>>,
    pub parameters: Vec<Parameter>,
    /// `None` for constructors.
    pub result: Option<TypeExpr>,
    pub initialisers: Vec<(Path, Vec<Expr>)>,
    pub body: Option<Vec<Stmt>>,
    pub is_static: bool,
    pub is_conversion: bool,
    pub is_explicit: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Struct {
    pub name: Symbol,
    pub template: Option<Vec<TemplateParameter>>,
    pub specialised: Option<Vec<TemplateArg>>,
    pub fields: Vec<Variable>,
    pub methods: Vec<Function>,
    pub statics: Vec<Variable>,
    pub aliases: Vec<Alias>,
    pub enums: Vec<Enum>,
    pub structs: Vec<Struct>,
    pub is_complete: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Alias {
    pub name: Symbol,
    pub template: Option<Vec<TemplateParameter>>,
    pub ty: TypeExpr,
}

#[derive(Clone, Debug)]
pub(crate) struct Enum {
    pub name: Option<Symbol>,
    pub scoped: bool,
    pub underlying: Option<TypeExpr>,
    pub values: Vec<(Symbol, Option<Expr>, Span)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Item {
    Function(Function),
    Struct(Struct),
    Alias(Alias),
    Enum(Enum),
    Variables(Vec<Variable>),
    /// A variable template, such as `is_same_v`.
    Namespace(Vec<Symbol>, Vec<Self>),
    UsingNamespace(Path),
    /// `using a::b;`
    Using(Path),
    StaticAssert(Expr, Option<String>, Span),
}
