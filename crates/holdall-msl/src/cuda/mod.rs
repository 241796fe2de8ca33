//! Kernels as CUDA C++ for NVRTC: the text, how to launch it, and what the compiler's log means.
//!
//! [`translate`] makes a whole translation unit of a kernel. It needs no headers, of CUDA or of anybody else. The user's text
//! is rewritten token by token and keeps its lines; templates, structs and macros are left to the compiler. So CUDA takes
//! more than [`crate::compile`] does, and says less well what is wrong: compile first and show those diagnostics, and
//! when all that [`crate::compile`] has against a kernel is [`Kind::Unsupported`](crate::Kind::Unsupported), try the
//! translation; or translate at once, and ask [`crate::compile`] only if NVRTC refuses.
//!
//! # Launching
//!
//! * NVRTC gets [`CudaKernel::source`], [`CudaKernel::options`] and an architecture, `sm_80` or newer. The kernel is called
//!   [`CudaKernel::entry`]. It uses static shared memory only.
//! * Groups: along each axis, the nominal group is the smaller of threadgroup and grid, and there are
//!   `grid.div_ceil(group)` groups. A launch has one block for each group: `gridDim = (product of the groups, 1, 1)`, at most
//!   2³¹ - 1, the x axis running fastest; `blockDim = (product of the nominal group, 1, 1)`.
//! * A group at the edge is smaller. Positions come from the index over its real extents, x fastest, so that simd groups are
//!   those of Metal; threads beyond the product leave before the body.
//! * Parameters are those of [`CudaKernel::arguments`], in order. A buffer is a pointer, everything else is passed by
//!   value, with the sizes of [`CudaArgument::size`].
//!
//! # What differs from the CPU's engine
//!
//! * A simd operation is of the lanes that the hardware has together (`__activemask()`). After a branch the compiler brings
//!   lanes together again where Metal's would, but CUDA does not promise it.
//! * The order in which floats are added by prefix sums, and by sums over lanes with gaps between them; the last places of
//!   functions like `exp`.
//! * Shifts by the width of the type and more, divisions of integers by zero and floats that do not fit into an integer:
//!   the engine defines them, C++ does not.
//! * Functions cannot be overloaded by address space: in CUDA, all pointers are alike.

mod branch;
mod log;
mod number;
mod rewrite;
mod tokens;
mod unit;

use crate::diagnostic::Error;
use crate::ir::BufferRole;
use crate::signature::{BufferParameter, Signature};
use crate::source::Part;
use crate::{KernelSource, limits};
use log::Texts;
use rewrite::{Text, Whole};

/// The most axes that facts about an array have room for.
pub const MAX_AXES: usize = 16;

/// What a translation depends on besides the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CudaOptions {
    /// The most threads of a block, if they are known: kernels may then use more registers. Without, the compiler assumes
    /// nothing, and a launch of large groups can fail for want of registers.
    pub group_size: Option<u32>,
}

/// A parameter of a translated kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CudaArgument {
    /// The address of a buffer, by its index in [`Signature::buffers`].
    Buffer(usize),
    /// The shape of an input: 16 `i32`, of which the first count.
    Shape(u32),
    /// The strides of an input, in elements: 16 `i64`, of which the first count.
    Strides(u32),
    /// The number of axes of an input: an `i32`.
    Ndim(u32),
    /// Values that are given with the launch, by the buffer's index in [`Signature::buffers`], and how many bytes they are.
    Parameter(usize, usize),
    /// Six `u32`: the grid in threads, then the nominal group, both as x, y, z.
    Launch,
}

impl CudaArgument {
    /// Bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Buffer(_) => 8,
            Self::Shape(_) => 4 * MAX_AXES,
            Self::Strides(_) => 8 * MAX_AXES,
            Self::Ndim(_) => 4,
            Self::Parameter(_, bytes) => bytes,
            Self::Launch => 24,
        }
    }
}

/// A kernel as CUDA C++.
#[derive(Clone, Debug)]
pub struct CudaKernel {
    source: String,
    entry: String,
    arguments: Vec<CudaArgument>,
    texts: Texts,
}

impl CudaKernel {
    /// The translation unit.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The name of the kernel in it, which is not mangled.
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// The parameters of the kernel.
    #[must_use]
    pub fn arguments(&self) -> &[CudaArgument] {
        &self.arguments
    }

    /// The options of NVRTC that the meaning of kernels depends on. The architecture comes on top.
    #[must_use]
    pub fn options(&self) -> &'static [&'static str] {
        // Products are not fused with sums, as on the CPU: code that keeps rounding errors depends on it.
        &["--std=c++17", "--device-as-default-execution-space", "--fmad=false", "--disable-warnings"]
    }

    /// What the compiler's log says, at the places of the user's own text.
    #[must_use]
    pub fn diagnose(&self, log: &str) -> Error {
        self.texts.read(log)
    }
}

/// Translates a kernel.
///
/// # Errors
/// Text that cannot be read as tokens, or is too long. Everything else is found by the CUDA compiler.
pub fn translate(
    source: &KernelSource<'_>,
    signature: &Signature,
    options: &CudaOptions,
) -> Result<CudaKernel, Error> {
    for (part, text) in [("header", source.header), ("body", source.body)] {
        if text.len() > limits::SOURCE_BYTES {
            return Err(Error::argument(format!("the {part} has more than {} bytes", limits::SOURCE_BYTES)));
        }
    }
    let mut whole = Whole { is_short: unit::has_short_types(signature), ..Whole::default() };
    let header = Text::read(Part::Header, source.header, &mut whole)?;
    let body = Text::read(Part::Body, source.body, &mut whole)?;
    let header = header.rewrite(&mut whole);
    let body = body.rewrite(&mut whole);
    let entry = unit::entry(source.name);
    let unit = unit::Unit { entry: &entry, header: &header, body: &body, signature, whole: &whole, options };
    Ok(CudaKernel {
        source: unit.text(),
        arguments: unit::arguments(signature),
        texts: Texts { header: source.header.to_owned(), body: source.body.to_owned() },
        entry,
    })
}

fn argument(index: usize, buffer: &BufferParameter) -> CudaArgument {
    match buffer.role {
        BufferRole::Input(_) | BufferRole::Output(_) => CudaArgument::Buffer(index),
        BufferRole::Shape(i) => CudaArgument::Shape(i),
        BufferRole::Strides(i) => CudaArgument::Strides(i),
        BufferRole::Ndim(i) => CudaArgument::Ndim(i),
        BufferRole::Parameter(_) => {
            CudaArgument::Parameter(index, buffer.n_elems as usize * buffer.element.size() as usize)
        }
    }
}
