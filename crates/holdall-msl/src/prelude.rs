//! What every kernel sees: MLX's helpers and the constants of the language, written in MSL and parsed once.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::ast::Item;
use crate::diagnostic::Sink;
use crate::known::{self, KnownTypes};
use crate::lower::scope::Globals;
use crate::lower::{Functions, Language, functions};
use crate::parse::{Names, Parser};
use crate::preprocess::{Macro, Preprocessor};
use crate::source::{Part, SourceMap};
use crate::symbol::{Interner, Symbol};

pub(crate) const TEXT: &str = include_str!("prelude.metal");

/// The parsed prelude.
pub(crate) struct Prelude {
    pub interner: Interner,
    pub map: SourceMap,
    pub macros: FxHashMap<Symbol, Macro>,
    pub names: Names,
    types: KnownTypes,
    functions: Functions,
    items: Vec<Item>,
    /// What is wrong with it; a test says that nothing is.
    pub mistakes: Vec<String>,
}

fn parse() -> Prelude {
    let mut interner = Interner::new();
    let (mut names, types) = known::tables(&mut interner);
    let mut map = SourceMap::default();
    let mut sink = Sink::default();
    let mut preprocessor = Preprocessor::new(&mut interner, &mut map, &mut sink, None);
    let tokens = preprocessor.run(Part::Prelude, TEXT).unwrap_or_default();
    let macros = preprocessor.into_macros();
    // Names that the lowering looks for.
    for name in ["operator()", "operator[]", "operator*"] {
        interner.intern(name);
    }
    let mut parser = Parser::new(&mut interner, &mut sink, None);
    parser.globals = names;
    let items = if tokens.is_empty() { Vec::new() } else { parser.unit(&tokens) };
    names = parser.globals;
    let mistakes = sink.finish(&map).iter().map(ToString::to_string).collect();
    Prelude { interner, map, macros, names, types, functions: functions(), items, mistakes }
}

/// The prelude.
pub(crate) fn prelude() -> &'static Prelude {
    static PRELUDE: OnceLock<Prelude> = OnceLock::new();
    PRELUDE.get_or_init(parse)
}

/// The language, for the lowering.
pub(crate) fn language() -> &'static Language {
    static GLOBALS: OnceLock<Globals<'static>> = OnceLock::new();
    static LANGUAGE: OnceLock<Language> = OnceLock::new();
    LANGUAGE.get_or_init(|| {
        let prelude = prelude();
        debug_assert!(prelude.mistakes.is_empty(), "{:?}", prelude.mistakes);
        let globals = GLOBALS.get_or_init(|| Globals::collect(&prelude.items, true, &[]));
        Language { types: &prelude.types, functions: &prelude.functions, globals }
    })
}
