//! Syntax tree to typed representation, in one walk: names are resolved, types checked, templates instantiated and calls
//! inlined while operations are emitted.
//!
//! Every variable is an object in memory at first, so that places, references and pointers are one thing: an object and an
//! offset. What never needed memory becomes registers in [`crate::ir::optimise`].

mod aggregate;
mod builtin;
mod call;
mod constant;
mod convert;
mod declaration;
mod emit;
mod expression;
mod inline;
mod kernel;
mod logic;
mod member;
mod name;
mod operator;
mod overload;
mod resolve;
pub(crate) mod scope;
mod statement;
mod structure;
mod template;
mod types;
mod value;

use rustc_hash::FxHashMap;

use crate::ast;
use crate::diagnostic::{Kind, Result, Sink};
use crate::ir::Label;
use crate::known::KnownTypes;
use crate::limits;
use crate::source::Span;
use crate::symbol::{Interner, Symbol};
use emit::Builder;
pub(crate) use kernel::{Parsed, lower};
use scope::{Binding, Closure, Globals};
use types::{Ty, Types};
use value::Place;

/// What is known before any kernel is.
pub(crate) struct Language {
    pub types: &'static KnownTypes,
    pub functions: &'static Functions,
    pub globals: &'static Globals<'static>,
}

pub(crate) use builtin::{Functions, functions};

/// The state of lowering a kernel.
pub(crate) struct Lower<'a> {
    pub names: &'a Interner,
    pub sink: &'a mut Sink,
    pub language: &'static Language,
    pub globals: Globals<'a>,
    pub types: Types<'a>,
    pub builder: Builder,
    /// Where operations come from at the moment.
    at: Span,
    locals: Vec<(Symbol, Binding<'a>)>,
    frame: Frame<'a>,
    depth: u32,
    /// The functions that are being inlined, the innermost last.
    calls: Vec<&'a ast::Function>,
    closures: Vec<Closure<'a>>,
    /// Variables at namespace scope that have been used, by their declaration.
    variables: FxHashMap<*const ast::Variable, Binding<'a>>,
    instances: FxHashMap<(*const ast::Struct, Vec<structure::Key>), Ty>,
    /// Functions that have been inlined somewhere.
    called: rustc_hash::FxHashSet<*const ast::Function>,
    /// How deeply templates and constants are instantiated in each other.
    template_depth: u32,
    /// Steps that constant expressions have taken.
    constant_steps: usize,
    /// Names that lambdas see.
    n_seen: usize,
    /// Inside of attempts whose mistakes nobody sees.
    n_quiet: u32,
}

/// The function that is being lowered.
#[derive(Clone, Debug, Default)]
struct Frame<'a> {
    /// Where its names begin.
    base: usize,
    namespace: u32,
    is_prelude: bool,
    /// The struct that it is a member of.
    structure: Option<Ty>,
    this: Option<Place>,
    result: Target<'a>,
    on_break: Option<Label>,
    on_continue: Option<Label>,
}

/// What `return` does.
#[derive(Clone, Debug, Default)]
enum Target<'a> {
    /// The thread is done.
    #[default]
    Kernel,
    /// The value goes to a variable, and control to behind the inlined function.
    Inlined {
        ty: Option<resolve::Resolved>,
        place: Option<Place>,
        closure: Option<Closure<'a>>,
        label: Label,
    },
}

impl<'a> Lower<'a> {
    /// The declarations of the prelude.
    pub(crate) fn prelude(&self) -> &'a Globals<'a> {
        self.language.globals
    }

    pub(crate) fn text(&self, symbol: Symbol) -> &'a str {
        self.names.text(symbol)
    }

    /// Runs something with operations attributed to a span. Inside of the prelude they stay with the user's call.
    fn attributed<T>(&mut self, span: Span, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let outer = self.at;
        if !self.frame.is_prelude {
            self.at = span;
        }
        self.depth += 1;
        let result = if self.depth > limits::LOWERING_DEPTH {
            let message = "expressions, statements and calls are nested too deeply here";
            Err(self.sink.limit(self.at, message))
        } else {
            run(self)
        };
        self.depth -= 1;
        self.at = outer;
        result
    }

    /// Runs something with names that are forgotten afterwards.
    fn scoped<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let n = self.locals.len();
        let result = run(self);
        self.locals.truncate(n);
        result
    }

    /// Runs something as if inside of another function, with these names alone.
    fn in_frame<T>(
        &mut self,
        frame: Frame<'a>,
        bindings: impl IntoIterator<Item = (Symbol, Binding<'a>)>,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let n = self.locals.len();
        let outer = std::mem::replace(&mut self.frame, Frame { base: n, ..frame });
        self.locals.extend(bindings);
        let result = run(self);
        self.locals.truncate(n);
        self.frame = outer;
        result
    }

    /// Runs something whose mistakes are not the user's: an overload that does not fit.
    fn quietly<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Option<T> {
        let mark = self.sink.mark();
        self.n_quiet += 1;
        let result = run(self);
        self.n_quiet -= 1;
        if result.is_err() {
            self.sink.undo(mark);
        }
        result.ok()
    }

    fn unsupported(&mut self, span: Span, what: &str) -> crate::diagnostic::Reported {
        self.sink.error(Kind::Unsupported, span, format!("{what} not supported"))
    }
}
