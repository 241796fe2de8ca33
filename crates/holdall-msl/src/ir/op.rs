//! Operations.

use smallvec::SmallVec;

use super::{Operand, Reg};
use crate::scalar::{Scalar, Space};
use crate::source::Span;

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// What it does.
    pub kind: OpKind,
    /// What it writes.
    pub dst: SmallVec<[Reg; 4]>,
    /// What it reads.
    pub args: SmallVec<[Operand; 3]>,
    /// Where it comes from.
    pub span: Span,
}

/// What an operation does. Where it says "one type", arguments and destination have the type that the kind names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// The argument. One type, which may be [`Scalar::Object`].
    Copy(Scalar),
    /// One argument, one type.
    Unary(Unary, Scalar),
    /// Two arguments, one type.
    Binary(Binary, Scalar),
    /// Two arguments of a type, which may be [`Scalar::Object`] for `Eq` and `Ne`; gives `bool`.
    Compare(Compare, Scalar),
    /// A `bool` and two arguments of one type: the first of them where it is true.
    Select(Scalar),
    /// From one scalar type to another.
    Convert {
        /// The argument's type.
        from: Scalar,
        /// The destination's type.
        to: Scalar,
    },
    /// The same bits as another type of the same size.
    Bitcast {
        /// The argument's type.
        from: Scalar,
        /// The destination's type.
        to: Scalar,
    },
    /// A function of floats, one type; [`Math::Ldexp`] has a second argument of type `int`.
    Math(Math, Precision, Scalar),
    /// A question about a float; gives `bool`.
    Test(Test, Scalar),
    /// An integer function of one type: see [`Integer`].
    Integer(Integer, Scalar),
    /// A component of an attribute of the thread, as `u32`.
    Attribute(Attribute, u8),
    /// Arguments: object, offset. Destinations: consecutive cells, at most four. A pointer cell has two destinations.
    Load {
        /// The address space.
        space: Space,
        /// What a cell is.
        cell: Cell,
        /// What the offset is a multiple of, if the kernel is right.
        align: u8,
    },
    /// Arguments: object, offset, and the values of consecutive cells, at most four. A pointer cell takes two values.
    Store {
        /// The address space.
        space: Space,
        /// What a cell is.
        cell: Cell,
        /// What the offset is a multiple of, if the kernel is right.
        align: u8,
    },
    /// A variable of the thread begins its life: the object of the argument holds nothing.
    Fresh,
    /// A variable of the thread begins its life: the destination holds nothing.
    Undefined(Scalar),
    /// Arguments: object, offset, operands. The destination, if any, is the old value; of a comparing exchange, which
    /// takes the expected value and the new one, a second destination is whether they were exchanged.
    Atomic {
        /// What is done.
        op: Atomic,
        /// `device` or `threadgroup`.
        space: Space,
        /// The type in memory.
        ty: Scalar,
        /// The order that was asked for.
        order: MemoryOrder,
    },
    /// Threads wait for each other.
    Barrier {
        /// Which threads.
        scope: Scope,
        /// Which memory is ordered: bits of [`MEM_DEVICE`] and the like.
        flags: u32,
    },
    /// Memory is ordered, nobody waits.
    Fence {
        /// Which memory, as above.
        flags: u32,
        /// How.
        order: MemoryOrder,
    },
    /// Threads of a SIMD group exchange values: see [`Simd`].
    Simd(Simd, Scalar),
    /// `a * b + c` of 8×8 matrices that a SIMD group holds, two elements a thread (see [`Simd`] for lanes): six arguments,
    /// the elements of a, b and c; two destinations. All are of the first type; sums are kept in `float`.
    MatrixMultiply {
        /// Type of `a` and `b`.
        factor: Scalar,
        /// Type of `c` and the result.
        sum: Scalar,
    },
}

/// What lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// A scalar, but no object.
    Scalar(Scalar),
    /// A pointer: 8 bytes.
    Pointer,
}

impl Cell {
    /// Bytes.
    #[must_use]
    pub fn size(self) -> u32 {
        match self {
            Self::Scalar(scalar) => scalar.size(),
            Self::Pointer => 8,
        }
    }

    /// How many registers hold it.
    #[must_use]
    pub fn n_registers(self) -> usize {
        if self == Self::Pointer { 2 } else { 1 }
    }
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unary {
    Negate,
    /// All bits of an integer; the other value of a `bool`.
    Not,
}

/// Operators with two operands. Division and remainder of integers by zero are the kernel's mistake; they give 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// Of integers only.
    Remainder,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
    /// Of floats: the other one if one is NaN.
    Min,
    Max,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// How exact a function has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// As Metal's plain functions are in safe mode.
    Default,
    /// `fast::`.
    Fast,
    /// `precise::`.
    Precise,
}

macro_rules! functions {
    ($(#[$meta:meta])* $kind:ident { $($name:ident = $text:literal / $arity:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are those of MSL")]
        pub enum $kind { $($name),* }

        impl $kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in MSL.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The number of arguments.
            #[must_use]
            pub fn arity(self) -> usize {
                match self { $(Self::$name => $arity),* }
            }
        }
    };
}

functions! {
    /// Functions of floats. For `half` and `bfloat`, the result is the `float` one, rounded.
    Math {
        Abs = "abs" / 1, Floor = "floor" / 1, Ceil = "ceil" / 1, Trunc = "trunc" / 1, Round = "round" / 1,
        Rint = "rint" / 1, Sqrt = "sqrt" / 1, Rsqrt = "rsqrt" / 1, Exp = "exp" / 1, Exp2 = "exp2" / 1,
        Exp10 = "exp10" / 1, Expm1 = "expm1" / 1, Log = "log" / 1, Log2 = "log2" / 1, Log10 = "log10" / 1,
        Log1p = "log1p" / 1, Sin = "sin" / 1, Cos = "cos" / 1, Tan = "tan" / 1, Asin = "asin" / 1,
        Acos = "acos" / 1, Atan = "atan" / 1, Sinh = "sinh" / 1, Cosh = "cosh" / 1, Tanh = "tanh" / 1,
        Asinh = "asinh" / 1, Acosh = "acosh" / 1, Atanh = "atanh" / 1, Sinpi = "sinpi" / 1, Cospi = "cospi" / 1,
        Tanpi = "tanpi" / 1, Atan2 = "atan2" / 2, Pow = "pow" / 2, Powr = "powr" / 2, Fmod = "fmod" / 2,
        Copysign = "copysign" / 2, Nextafter = "nextafter" / 2, Ldexp = "ldexp" / 2, Fma = "fma" / 3,
    }
}

functions! {
    /// Integer functions. `ExtractBits` takes value, offset, count; `InsertBits` base, value, offset, count: offset and
    /// count are `u32`, all else is of one type.
    Integer {
        PopCount = "popcount" / 1, LeadingZeros = "clz" / 1, TrailingZeros = "ctz" / 1, ReverseBits = "reverse_bits" / 1,
        Abs = "abs" / 1, MulHi = "mulhi" / 2, Rotate = "rotate" / 2, AddSaturated = "addsat" / 2,
        SubSaturated = "subsat" / 2, AbsDiff = "absdiff" / 2, HalfAdd = "hadd" / 2, RoundedHalfAdd = "rhadd" / 2,
        ExtractBits = "extract_bits" / 3, InsertBits = "insert_bits" / 4,
    }
}

functions! {
    /// Questions about a float.
    Test {
        IsNan = "isnan" / 1, IsInf = "isinf" / 1, IsFinite = "isfinite" / 1, IsNormal = "isnormal" / 1,
        SignBit = "signbit" / 1,
    }
}

functions! {
    /// What the threads of a SIMD group do together: 32 threads, those that have left or are masked out do not take part.
    /// Lane numbers and deltas are `u32`. `Any`, `All` and `Ballot` take a `bool`; `Ballot` and `ActiveMask` give `u64`,
    /// `First` gives `bool`. A value from a lane that does not take part is indeterminate; shuffles by a delta keep the
    /// thread's own value where the lane would be outside of the group.
    Simd {
        Sum = "simd_sum" / 1, Product = "simd_product" / 1, Min = "simd_min" / 1, Max = "simd_max" / 1,
        And = "simd_and" / 1, Or = "simd_or" / 1, Xor = "simd_xor" / 1,
        PrefixInclusiveSum = "simd_prefix_inclusive_sum" / 1, PrefixExclusiveSum = "simd_prefix_exclusive_sum" / 1,
        PrefixInclusiveProduct = "simd_prefix_inclusive_product" / 1,
        PrefixExclusiveProduct = "simd_prefix_exclusive_product" / 1,
        Broadcast = "simd_broadcast" / 2, BroadcastFirst = "simd_broadcast_first" / 1, Shuffle = "simd_shuffle" / 2,
        ShuffleXor = "simd_shuffle_xor" / 2, ShuffleUp = "simd_shuffle_up" / 2, ShuffleDown = "simd_shuffle_down" / 2,
        RotateUp = "simd_shuffle_rotate_up" / 2, RotateDown = "simd_shuffle_rotate_down" / 2,
        FillUp = "simd_shuffle_and_fill_up" / 3, FillDown = "simd_shuffle_and_fill_down" / 3,
        Any = "simd_any" / 1, All = "simd_all" / 1, Ballot = "simd_ballot" / 1, ActiveMask = "simd_active_threads_mask" / 0,
        First = "simd_is_first" / 0,
        QuadBroadcast = "quad_broadcast" / 2, QuadShuffle = "quad_shuffle" / 2, QuadShuffleXor = "quad_shuffle_xor" / 2,
        QuadShuffleUp = "quad_shuffle_up" / 2, QuadShuffleDown = "quad_shuffle_down" / 2, QuadSum = "quad_sum" / 1,
        QuadMin = "quad_min" / 1, QuadMax = "quad_max" / 1,
    }
}

/// Atomic operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Atomic {
    Load,
    Store,
    Exchange,
    CompareExchange,
    Add,
    Subtract,
    Min,
    Max,
    And,
    Or,
    Xor,
}

/// Memory orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum MemoryOrder {
    Relaxed,
    Acquire,
    Release,
    AcquireRelease,
    Sequential,
}

/// The threads that a barrier is for: those that have not left the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Scope {
    Threadgroup,
    Simdgroup,
}

/// Barriers order device memory.
pub const MEM_DEVICE: u32 = 1;
/// Barriers order threadgroup memory.
pub const MEM_THREADGROUP: u32 = 2;
/// Barriers order textures.
pub const MEM_TEXTURE: u32 = 4;

macro_rules! attributes {
    ($($name:ident = $text:literal / $n:literal),* $(,)?) => {
        /// What a thread knows about itself and the grid.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are those of MSL")]
        pub enum Attribute { $($name),* }

        impl Attribute {
            /// All of them, in the order of parameters.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in MSL, and of the parameter.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The number of components: 3 for `uint3`, 1 for `uint`.
            #[must_use]
            pub fn n_components(self) -> u8 {
                match self { $(Self::$name => $n),* }
            }
        }
    };
}

attributes! {
    DispatchQuadgroupsPerThreadgroup = "dispatch_quadgroups_per_threadgroup" / 1,
    DispatchSimdgroupsPerThreadgroup = "dispatch_simdgroups_per_threadgroup" / 1,
    DispatchThreadsPerThreadgroup = "dispatch_threads_per_threadgroup" / 3,
    GridOrigin = "grid_origin" / 3,
    GridSize = "grid_size" / 3,
    QuadgroupIndexInThreadgroup = "quadgroup_index_in_threadgroup" / 1,
    QuadgroupsPerThreadgroup = "quadgroups_per_threadgroup" / 1,
    SimdgroupIndexInThreadgroup = "simdgroup_index_in_threadgroup" / 1,
    SimdgroupsPerThreadgroup = "simdgroups_per_threadgroup" / 1,
    ThreadExecutionWidth = "thread_execution_width" / 1,
    ThreadIndexInQuadgroup = "thread_index_in_quadgroup" / 1,
    ThreadIndexInSimdgroup = "thread_index_in_simdgroup" / 1,
    ThreadIndexInThreadgroup = "thread_index_in_threadgroup" / 1,
    ThreadPositionInGrid = "thread_position_in_grid" / 3,
    ThreadPositionInThreadgroup = "thread_position_in_threadgroup" / 3,
    ThreadgroupPositionInGrid = "threadgroup_position_in_grid" / 3,
    ThreadgroupsPerGrid = "threadgroups_per_grid" / 3,
    ThreadsPerGrid = "threads_per_grid" / 3,
    ThreadsPerSimdgroup = "threads_per_simdgroup" / 1,
    ThreadsPerThreadgroup = "threads_per_threadgroup" / 3,
}

impl OpKind {
    /// It reads its arguments, writes its destination and does nothing else; nor can it be the kernel's mistake.
    #[must_use]
    pub fn is_pure(self) -> bool {
        match self {
            Self::Binary(Binary::Divide | Binary::Remainder, ty) => ty.is_float(),
            Self::Copy(_)
            | Self::Unary(..)
            | Self::Binary(..)
            | Self::Compare(..)
            | Self::Select(_)
            | Self::Convert { .. }
            | Self::Bitcast { .. }
            | Self::Math(..)
            | Self::Test(..)
            | Self::Integer(..)
            | Self::Attribute(..) => true,
            _ => false,
        }
    }

    /// Nothing is lost when its destinations are not read, unless somebody watches for mistakes: see
    /// [`Program::discard_unread`](super::Program::discard_unread).
    #[must_use]
    pub fn is_droppable(self) -> bool {
        self.is_pure()
            || matches!(
                self,
                Self::Load { .. } | Self::Undefined(_) | Self::Binary(..) | Self::MatrixMultiply { .. }
            )
    }

    /// The value is the same for all threads of the grid if the arguments are.
    #[must_use]
    pub fn keeps_uniform(self) -> bool {
        match self {
            Self::Attribute(attribute, _) => matches!(
                attribute,
                Attribute::GridOrigin
                    | Attribute::GridSize
                    | Attribute::ThreadsPerGrid
                    | Attribute::ThreadgroupsPerGrid
                    | Attribute::ThreadExecutionWidth
                    | Attribute::ThreadsPerSimdgroup
                    | Attribute::DispatchThreadsPerThreadgroup
            ),
            Self::Load { space, .. } => space == Space::Constant,
            _ => self.is_pure(),
        }
    }
}
