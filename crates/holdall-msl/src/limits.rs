//! Bounds on what a kernel may ask of the compiler. Whatever the text is, compiling it ends, in bounded time and memory.

/// The stack of a compilation. What the bounds below allow takes under 5 MiB in release builds, more without optimisation.
pub(crate) const STACK_BYTES: usize = 64 << 20;
/// Bytes of a header or a body.
pub(crate) const SOURCE_BYTES: usize = 4 << 20;
/// Tokens after preprocessing, header and body together.
pub(crate) const TOKENS: usize = 1_000_000;
/// Macros inside of macros.
pub(crate) const MACRO_DEPTH: usize = 64;
/// Brackets, statements and types inside of each other in the text.
pub(crate) const NESTING: u32 = 120;
/// Operators of one level in a row: `a + b + c + …`.
pub(crate) const CHAIN: usize = 2000;
/// Steps of the parser. Only reading the same tokens over and over, as one of several things they may be, gets there.
pub(crate) const PARSER_STEPS: usize = 8_000_000;
/// Expressions, statements and calls inside of each other while calls are inlined.
pub(crate) const LOWERING_DEPTH: u32 = 256;
/// Calls inside of each other.
pub(crate) const CALL_DEPTH: u32 = 48;
/// Operations of the lowered kernel, before anything is dropped.
pub(crate) const OPERATIONS: usize = 1_000_000;
/// Structs that templates are instantiated to.
pub(crate) const STRUCTS: usize = 10_000;
/// Template parameters that name template parameters.
pub(crate) const TEMPLATE_DEPTH: u32 = 32;
/// Scalars in a value that is handled as a whole.
pub(crate) const VALUE_SCALARS: usize = 4096;
/// Names that a function sees at one place.
pub(crate) const LOCALS: usize = 4096;
/// Names that all lambdas together see.
pub(crate) const SEEN: usize = 200_000;
/// Functions of one name.
pub(crate) const OVERLOADS: usize = 256;
/// Bytes of a variable.
pub(crate) const OBJECT_BYTES: u64 = 1 << 26;
/// Bytes of a token that a macro puts together.
pub(crate) const TOKEN_BYTES: usize = 4096;
/// What a call counts in operations, even if nothing is left of it.
pub(crate) const CALL_COST: usize = 16;
/// Steps of the evaluation of one constant expression.
pub(crate) const CONSTANT_STEPS: usize = 200_000;
/// Steps of the evaluation of all constant expressions.
pub(crate) const ALL_CONSTANT_STEPS: usize = 4_000_000;
/// Diagnostics that one compilation reports.
pub(crate) const DIAGNOSTICS: usize = 20;
