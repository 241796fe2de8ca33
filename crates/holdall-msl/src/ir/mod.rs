//! The typed intermediate representation: what a kernel does, for an interpreter of lanes and for emitters.
//!
//! A [`Program`] is one function with everything inlined. Its shape:
//!
//! * **Registers** ([`Reg`]) hold scalars, one value a thread, and may be written many times. Vectors and structs have been
//!   taken apart. A register that stands for a variable names it; all others are written before they are read.
//! * **Objects** ([`Object`]) are pieces of memory: the buffers of the kernel, threadgroup arrays, tables of constants and
//!   those variables of a thread that are indexed or pointed to. A pointer is two scalars: an object, and an offset in
//!   bytes from its start, as `i64`. The object of an access is mostly an [`Operand::Object`], so known; where a pointer
//!   may point to several, it is a register of type [`Scalar::Object`]. Object [`NULL`] is no object.
//! * **Operations** ([`Op`]) have a kind, destinations, arguments and a span of the user's text. Kinds are a closed set.
//! * **Statements** ([`Stmt`]) are operations, `if`, endless loops, and labelled blocks. [`Stmt::Break`] leaves a block or
//!   loop by its label; at the end of its body, a loop starts again. There are no jumps, no calls, no recursion: what a
//!   thread does is said by masks.
//!
//! Arithmetic is IEEE with the type of the operation, rounded each time; nothing is contracted. Integers wrap around.
//! Shifts take the amount modulo the number of bits. Converting a float to an integer saturates, NaN gives 0.
//! The exact meaning of each pure operation is [`fold::evaluate`].

mod check;
mod display;
pub mod fold;
mod op;
pub(crate) mod optimise;

use crate::scalar::{ElementType, Scalar, Space};
use crate::source::{Position, SourceMap, Span};
pub use op::*;

/// A register of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(pub u32);

/// A piece of memory, by its index in [`Program::objects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u32);

/// The object of null pointers.
pub const NULL: ObjectId = ObjectId(u32::MAX);

/// A block or loop that may be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// A constant. The bits above those of the type are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Const {
    /// The type.
    pub ty: Scalar,
    /// The bits, as in memory.
    pub bits: u64,
}

/// An argument of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The value of a register.
    Reg(Reg),
    /// The same value for all threads.
    Const(Const),
    /// An object, as part of a pointer.
    Object(ObjectId),
}

/// What a register holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// The type.
    pub ty: Scalar,
    /// The variable of which this is a part, by its index in [`Program::variables`]. Such a register may be read before
    /// it is written, if the kernel is wrong; reading it then is what the program says.
    pub variable: Option<u32>,
}

/// A variable of the source that lives in registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A buffer of the kernel, by its index in [`Program::buffers`].
    Buffer(u32),
    /// Memory of the group, without a first value.
    Threadgroup,
    /// Memory of the thread, without a first value.
    Thread,
    /// Constant bytes.
    Table(Vec<u8>),
}

/// A piece of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The name in the source.
    pub name: String,
    /// What it is.
    pub kind: ObjectKind,
    /// The address space.
    pub space: Space,
    /// The size in bytes; of a buffer, whose size is known at the launch, the size of an element.
    pub size: u32,
    /// The alignment in bytes.
    pub align: u32,
    /// Where it is declared.
    pub span: Span,
}

/// What a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BufferRole {
    /// The elements of an input, by its index.
    Input(u32),
    /// The shape of an input: `int` for each axis.
    Shape(u32),
    /// The strides of an input, in elements: `int64_t` for each axis.
    Strides(u32),
    /// The number of axes of an input: one `int`.
    Ndim(u32),
    /// The elements of an output, by its index.
    Output(u32),
    /// Values that are given with the launch, by their index among the kernel's parameters: sizes, strides, factors.
    Parameter(u32),
}

impl BufferRole {
    /// Whether the buffer is memory that is bound with the launch; otherwise, its bytes are part of the launch.
    #[must_use]
    pub fn is_memory(self) -> bool {
        matches!(self, Self::Input(_) | Self::Output(_))
    }
}

/// A buffer that the launch has to bind. Buffer `i` is object `i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// The name of the parameter.
    pub name: String,
    /// What it holds.
    pub role: BufferRole,
    /// The element type.
    pub element: ElementType,
    /// The kernel loads from it.
    pub is_read: bool,
    /// The kernel stores to it or does atomic operations on it.
    pub is_written: bool,
}

/// A list of statements.
pub type Block = Vec<Stmt>;

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// An operation.
    Op(Op),
    /// Threads go one way or the other.
    If {
        /// A `bool`.
        condition: Operand,
        /// For threads where it is true.
        then: Block,
        /// For threads where it is false.
        otherwise: Block,
        /// The condition.
        span: Span,
    },
    /// The body again and again, until threads break out of it.
    Loop {
        /// What `Break` names.
        label: Label,
        /// What is repeated.
        body: Block,
        /// The head of the loop.
        span: Span,
    },
    /// The body once; threads may leave it early.
    Block {
        /// What `Break` names.
        label: Label,
        /// The statements.
        body: Block,
    },
    /// Threads leave the block or loop of that label, which is around this.
    Break {
        /// The label.
        label: Label,
        /// The `break`, `continue` or `return`.
        span: Span,
    },
    /// Threads are done with the kernel.
    Return {
        /// The `return`.
        span: Span,
    },
}

/// A kernel.
#[derive(Clone, Debug)]
pub struct Program {
    /// The name of the kernel.
    pub name: String,
    /// The buffers to bind, in order.
    pub buffers: Vec<Buffer>,
    /// All pieces of memory; the buffers first.
    pub objects: Vec<Object>,
    /// All registers.
    pub registers: Vec<Register>,
    /// The variables that registers belong to.
    pub variables: Vec<Variable>,
    /// What a thread does.
    pub body: Block,
    /// How many labels there are.
    pub n_labels: u32,
    /// The texts that spans belong to.
    pub map: SourceMap,
}

impl Program {
    /// The object of an id; `None` for [`NULL`].
    #[must_use]
    pub fn object(&self, id: ObjectId) -> Option<&Object> {
        self.objects.get(id.0 as usize)
    }

    /// Part, line and column of the start of a span.
    #[must_use]
    pub fn position(&self, span: Span) -> Option<Position> {
        self.map.position(span.start)
    }

    /// The type of an operand.
    #[must_use]
    pub fn type_of(&self, operand: Operand) -> Scalar {
        match operand {
            Operand::Reg(reg) => self.registers[reg.0 as usize].ty,
            Operand::Const(constant) => constant.ty,
            Operand::Object(_) => Scalar::Object,
        }
    }

    /// Bytes of threadgroup memory that the kernel needs, with each object at a multiple of its alignment.
    #[must_use]
    pub fn threadgroup_bytes(&self) -> u32 {
        let shared = self.objects.iter().filter(|object| object.kind == ObjectKind::Threadgroup);
        shared.fold(0, |end: u32, object| {
            let align = object.align.max(1);
            end.div_ceil(align).saturating_mul(align).saturating_add(object.size)
        })
    }

    /// Checks the invariants of the representation. It is for tests: the compiler keeps them.
    ///
    /// # Errors
    /// The first broken one, in words.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), String> {
        check::check(self)
    }
}

impl Const {
    /// A constant from the low bits of a value.
    #[must_use]
    pub fn new(ty: Scalar, bits: u64) -> Self {
        let mask = if ty.bits() >= 64 { u64::MAX } else { (1 << ty.bits()) - 1 };
        Self { ty, bits: bits & mask }
    }

    /// The value, sign-extended for signed types; of integers only.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        let unused = 64 - self.ty.bits();
        if self.ty.is_signed() { ((self.bits << unused) as i64) >> unused } else { self.bits as i64 }
    }
}

impl Operand {
    /// The constant, if it is one.
    #[must_use]
    pub fn as_const(self) -> Option<Const> {
        match self {
            Self::Const(constant) => Some(constant),
            _ => None,
        }
    }
}

impl From<Const> for Operand {
    fn from(constant: Const) -> Self {
        Self::Const(constant)
    }
}

impl From<Reg> for Operand {
    fn from(reg: Reg) -> Self {
        Self::Reg(reg)
    }
}
