//! What the device found wrong.

use std::fmt;

use holdall_core::Origin;

/// Which order between two uses of a block is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hazard {
    /// A read that should come after a write.
    ReadAfterWrite,
    /// A write that should come after a read.
    WriteAfterRead,
    /// A write that should come after a write.
    WriteAfterWrite,
}

/// The kind of a [`Violation`]: which rule of the memory protocol was broken, as the device sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ViolationKind {
    /// A command ran on a block that had gone back to the driver.
    AfterRelease,
    /// A block got a new owner, on another stream, whose commands are not ordered after those of the old one.
    EarlyReuse,
    /// Two commands of one command buffer use a block, and no barrier separates them.
    MissingBarrier(Hazard),
    /// Two streams use an array, and neither waits for the other.
    MissingWait(Hazard),
    /// The present owner of the block has never written it.
    UnwrittenRead,
    /// The host read a block before it was written, or wrote it while it was in use.
    HostAccess,
    /// A binding that begins past the end of its block, or a kernel that wrote past it.
    OutOfBounds,
    /// A kernel wrote a block that it had bound for reading.
    UndeclaredWrite,
    /// A command writes a block that foreign code is using.
    Leased,
    /// A command names a kernel that has been destroyed.
    DestroyedKernel,
}

impl ViolationKind {
    /// A short name: one a row of a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterRelease => "access after release",
            Self::EarlyReuse => "reuse too early",
            Self::MissingBarrier(Hazard::ReadAfterWrite) => "missing barrier (read after write)",
            Self::MissingBarrier(Hazard::WriteAfterRead) => "missing barrier (write after read)",
            Self::MissingBarrier(Hazard::WriteAfterWrite) => "missing barrier (write after write)",
            Self::MissingWait(Hazard::ReadAfterWrite) => "missing wait (read after write)",
            Self::MissingWait(Hazard::WriteAfterRead) => "missing wait (write after read)",
            Self::MissingWait(Hazard::WriteAfterWrite) => "missing wait (write after write)",
            Self::UnwrittenRead => "read of unwritten memory",
            Self::HostAccess => "host access while in use",
            Self::OutOfBounds => "access out of bounds",
            Self::UndeclaredWrite => "write to an input",
            Self::Leased => "write to a leased block",
            Self::DestroyedKernel => "kernel was destroyed",
        }
    }

    /// The rules of the memory protocol (see `holdall-memory`) that rule this out.
    pub fn rules(self) -> &'static str {
        match self {
            Self::AfterRelease => "rules 2, 3, 5",
            Self::EarlyReuse => "rules 2, 4, 8",
            Self::MissingBarrier(_) => "rule 7",
            Self::MissingWait(_) => "rule 1",
            Self::UnwrittenRead | Self::OutOfBounds | Self::UndeclaredWrite => "the kernel's plan",
            Self::HostAccess => "rule 4",
            Self::Leased => "rule 9",
            Self::DestroyedKernel => "rule 6",
        }
    }
}

impl fmt::Display for ViolationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who used a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// The op, or `read` or `upload` for the host.
    pub op: &'static str,
    /// Where the op was built; nothing for the host.
    pub origin: Option<Origin>,
    /// The stream, counted from 0 on this device; nothing for the host.
    pub stream: Option<usize>,
    /// The command buffer on that stream; 0 for the host.
    pub tick: u64,
    /// How many owners the block had had, the one meant by this use included.
    pub life: u64,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.op)?;
        if let Some(origin) = self.origin {
            write!(f, " (built at {origin})")?;
        }
        match self.stream {
            Some(stream) => write!(f, " in command buffer {} of stream {stream}", self.tick),
            None => write!(f, " by the host"),
        }
    }
}

/// One breach of the memory protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What kind it is.
    pub kind: ViolationKind,
    /// Whose access it was.
    pub by: Party,
    /// The block, numbered from 1 in the order in which this device's pool first gave them out.
    pub block: u64,
    /// The use that it collides with, if it is about two.
    pub other: Option<Party>,
    /// When, in nanoseconds of the virtual clock.
    pub at_ns: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} on block {} (life {})", self.kind, self.by, self.block, self.by.life)?;
        if let Some(other) = &self.other {
            write!(f, ", not ordered after {other} (life {})", other.life)?;
        }
        write!(f, ", at {} ns: {}", self.at_ns, self.kind.rules())
    }
}
