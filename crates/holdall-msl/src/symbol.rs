//! Names as numbers.

use rustc_hash::FxHashMap;

/// An interned name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Symbol(pub u32);

/// Names and their numbers. The prelude's interner is shared by all compilations, which add to one of their own.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    base: Option<&'static Self>,
    first: u32,
    map: FxHashMap<Box<str>, Symbol>,
    names: Vec<Box<str>>,
}

impl Interner {
    /// An interner that knows the words of the language.
    pub(crate) fn new() -> Self {
        let mut interner = Self::default();
        for word in word::TEXTS {
            interner.intern(word);
        }
        interner
    }

    /// An interner that also knows the names of another.
    pub(crate) fn over(base: &'static Self) -> Self {
        Self { base: Some(base), first: base.len(), ..Self::default() }
    }

    fn len(&self) -> u32 {
        self.first + self.names.len() as u32
    }

    /// The number of a name, if it has one.
    pub(crate) fn find(&self, text: &str) -> Option<Symbol> {
        self.base.and_then(|base| base.find(text)).or_else(|| self.map.get(text).copied())
    }

    /// The number of a name, a new one if need be.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.find(text) {
            return symbol;
        }
        let symbol = Symbol(self.len());
        self.names.push(text.into());
        self.map.insert(text.into(), symbol);
        symbol
    }

    /// The name of a number.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        match self.base {
            Some(base) if symbol.0 < self.first => base.text(symbol),
            _ => &self.names[(symbol.0 - self.first) as usize],
        }
    }
}

macro_rules! words {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// The words of the language that the parser asks for by name.
        pub(crate) mod word {
            use super::Symbol;
            #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "only counts the words")]
            enum Index { $($name),* }
            $(pub(crate) const $name: Symbol = Symbol(Index::$name as u32);)*
            pub(super) const TEXTS: &[&str] = &[$($text),*];
        }
    };
}

words! {
    EMPTY = "", IF = "if", ELSE = "else", FOR = "for", WHILE = "while", DO = "do", SWITCH = "switch",
    CASE = "case", DEFAULT = "default", BREAK = "break", CONTINUE = "continue", RETURN = "return",
    GOTO = "goto", TRUE = "true", FALSE = "false", NULLPTR = "nullptr", CONST = "const",
    CONSTEXPR = "constexpr", STATIC = "static", INLINE = "inline", EXTERN = "extern", VOLATILE = "volatile",
    RESTRICT = "restrict", RESTRICT2 = "__restrict", DEVICE = "device", CONSTANT = "constant",
    THREADGROUP = "threadgroup", THREAD = "thread", STRUCT = "struct", CLASS = "class", UNION = "union",
    ENUM = "enum", TYPEDEF = "typedef", USING = "using", NAMESPACE = "namespace", TEMPLATE = "template",
    TYPENAME = "typename", AUTO = "auto", DECLTYPE = "decltype", SIZEOF = "sizeof", ALIGNOF = "alignof",
    ALIGNAS = "alignas", OPERATOR = "operator", THIS = "this", STATIC_CAST = "static_cast",
    REINTERPRET_CAST = "reinterpret_cast", CONST_CAST = "const_cast", DYNAMIC_CAST = "dynamic_cast",
    AS_TYPE = "as_type", UNSIGNED = "unsigned", SIGNED = "signed", VOID = "void", BOOL = "bool",
    CHAR = "char", SHORT = "short", INT = "int", LONG = "long", FLOAT = "float", HALF = "half",
    DOUBLE = "double", STATIC_ASSERT = "static_assert", PUBLIC = "public", PRIVATE = "private",
    PROTECTED = "protected", METAL = "metal", FRIEND = "friend", VIRTUAL = "virtual", EXPLICIT = "explicit",
    MUTABLE = "mutable", NOEXCEPT = "noexcept", KERNEL = "kernel", ASM = "asm", TRY = "try", THROW = "throw",
    NEW = "new", DELETE = "delete", DEFINE = "define", UNDEF = "undef", IFDEF = "ifdef", IFNDEF = "ifndef",
    ELIF = "elif", ENDIF = "endif", INCLUDE = "include", PRAGMA = "pragma", ERROR = "error",
    WARNING = "warning", LINE = "line", DEFINED = "defined", VA_ARGS = "__VA_ARGS__", VA_OPT = "__VA_OPT__",
    LINE_MACRO = "__LINE__", COUNTER_MACRO = "__COUNTER__", FILE_MACRO = "__FILE__", PRAGMA_OP = "_Pragma",
    HAS_INCLUDE = "__has_include", HAS_FEATURE = "__has_feature", ATTRIBUTE = "__attribute__",
    FINAL = "final", OVERRIDE = "override", NOT = "not", CONSTEVAL = "consteval", ELIFDEF = "elifdef",
    ELIFNDEF = "elifndef", HAS_ATTRIBUTE = "__has_attribute", HAS_BUILTIN = "__has_builtin",
}
