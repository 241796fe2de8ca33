//! A front end for the Metal Shading Language: a kernel's source and signature in, a typed representation and diagnostics
//! out. It knows no arrays and no devices.
//!
//! * [`Signature`]: the parameters that a kernel gets, derived from names, types and what the body mentions.
//! * [`compile`]: preprocessor, parser, type checker. Names are resolved, templates instantiated, calls inlined.
//! * [`cuda`]: the same kernel as CUDA C++, for NVRTC.
//! * [`ir`]: what comes out, for an interpreter of lanes and for emitters.
//! * [`Error`], [`Diagnostic`]: what is wrong, with the user's own lines.
//!
//! Any text may come in: it compiles or it is an error, in bounded time, memory and depth.
//!
//! ```
//! use holdall_msl::{ElementType, Input, KernelSource, Output, Signature, compile};
//!
//! let body = "uint i = thread_position_in_grid.x; y[i] = metal::exp(x[i]);";
//! let input = Input { name: "x", element: ElementType::F32, ndim: 1, n_elems: 1000 };
//! let output = Output { name: "y", element: ElementType::F32 };
//! let signature = Signature::derive(body, &[input], &[output], false, &[])?;
//! let kernel = compile(&KernelSource { name: "exponential", header: "", body }, &signature)?;
//! assert!(kernel.program.buffers[0].is_read && kernel.program.buffers[1].is_written);
//! println!("{}", kernel.program);
//! # Ok::<(), holdall_msl::Error>(())
//! ```
#![forbid(unsafe_code)]

mod ast;
pub mod cuda;
mod diagnostic;
pub mod ir;
mod known;
mod lex;
mod limits;
mod lower;
mod nearest;
mod parse;
mod prelude;
mod preprocess;
mod scalar;
mod signature;
mod source;
mod symbol;

pub use diagnostic::{Diagnostic, Error, Kind, Label, Note, Severity};
pub use scalar::{ElementType, Scalar, Space};
pub use signature::{BufferParameter, Input, Output, Signature, TemplateValue, is_small};
pub use source::{Location, Part, Position, SourceMap, Span};

use diagnostic::Sink;
use parse::{NameKind, Parser};
use preprocess::Preprocessor;
use symbol::Interner;

/// The text of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct KernelSource<'a> {
    /// A name, for people.
    pub name: &'a str,
    /// Declarations before the kernel.
    pub header: &'a str,
    /// The inside of the kernel.
    pub body: &'a str,
}

/// A kernel that compiled.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What it does.
    pub program: ir::Program,
    /// What looks like a mistake and is none.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles a kernel.
///
/// # Errors
/// Everything that is wrong with the text, as far as one mistake does not hide another.
pub fn compile(source: &KernelSource<'_>, signature: &Signature) -> Result<Compiled, Error> {
    for (part, text) in [("header", source.header), ("body", source.body)] {
        if text.len() > limits::SOURCE_BYTES {
            return Err(Error::argument(format!("the {part} has more than {} bytes", limits::SOURCE_BYTES)));
        }
    }
    // What recurses is bounded, by more than the stack of a small thread holds.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("msl".to_owned()).stack_size(limits::STACK_BYTES);
        let running = thread.spawn_scoped(scope, || compile_here(source, signature));
        let joined =
            running.map_err(|error| Error::argument(format!("cannot start a thread: {error}")))?.join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn compile_here(source: &KernelSource<'_>, signature: &Signature) -> Result<Compiled, Error> {
    let prelude = prelude::prelude();
    let mut interner = Interner::over(&prelude.interner);
    let mut map = prelude.map.clone();
    let mut sink = Sink::default();
    let mut preprocessor = Preprocessor::new(&mut interner, &mut map, &mut sink, Some(&prelude.macros));
    let header = preprocessor.run(Part::Header, source.header);
    let body = preprocessor.run(Part::Body, source.body);
    let (Ok(header), Ok(body)) = (header, body) else {
        return Err(Error::new(sink.finish(&map)));
    };
    let transparent = ["metal", "std", "mlx", "simd"].map(|name| interner.intern(name));
    let buffers = signature.buffers().iter().map(|buffer| interner.intern(&buffer.name)).collect::<Vec<_>>();
    let attributes = signature.attributes().iter().map(|a| interner.intern(a.name())).collect::<Vec<_>>();
    let template = signature.template().iter().map(|(name, _)| interner.intern(name)).collect::<Vec<_>>();
    let mut names: Vec<_> = buffers.iter().chain(&attributes).map(|name| (*name, NameKind::Value)).collect();
    for (name, (_, value)) in template.iter().zip(signature.template()) {
        let kind = if matches!(value, TemplateValue::Type(_)) { NameKind::Type } else { NameKind::Value };
        names.push((*name, kind));
    }
    let symbols = [buffers, attributes, template].concat();
    let mut parser = Parser::new(&mut interner, &mut sink, Some(&prelude.names));
    let items = parser.unit(&header);
    let statements = parser.body(&body, &names);
    if sink.has_errors() {
        return Err(Error::new(sink.finish(&map)));
    }
    let parsed = lower::Parsed {
        name: source.name,
        header: &items,
        body: &statements,
        signature,
        symbols: &symbols,
        transparent: &transparent,
    };
    let mut program = lower::lower(&parsed, &interner, &mut sink, prelude::language(), map);
    let failed = sink.has_errors();
    let diagnostics = sink.finish(&program.map);
    if failed {
        return Err(Error::new(diagnostics));
    }
    ir::optimise::optimise(&mut program);
    Ok(Compiled { program, warnings: diagnostics })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_prelude_is_well_formed() {
        assert_eq!(super::prelude::prelude().mistakes, Vec::<String>::new());
    }
}
