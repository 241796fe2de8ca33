//! The SIMT engine: kernels written in Metal Shading Language, on the CPU.
//!
//! `holdall-msl` gives a kernel as structured code for one thread. [`Program::compile`] makes flat code of it that does each
//! step for all threads of a threadgroup; a [`Launch`] is that code with a grid, and a [`Kernel`](crate::kernel::Kernel) like
//! any other.
//!
//! # Rows
//! A register is a *row*: a value for each thread (*lane*) of the group. Lanes come in blocks of 32, which are the SIMD groups
//! of the group: block `b` holds the threads with linear indices `32 b ..`, over the extents that the group really has. A
//! register that is the same for the whole group is a *uniform* row of one block, whatever the group's size; operations on it
//! are done once. Constants are uniform rows of the program. A step is a loop over blocks, compiled for each [`Isa`](crate::isa::Isa);
//! 16-bit floats stay 16 bits wide and each step rounds.
//!
//! All lanes take a step before any takes the next. So a group lives in one core's caches: registers whose lives do not
//! overlap share rows, which keeps a group of 256 threads in some 10 to 50 KiB. There is no second loop over parts of a group.
//!
//! Before rows are laid out, values that are computed twice, or in each round of a loop without changing, are computed once: index
//! arithmetic in 64 bits is most of what kernels do.
//!
//! # Masks
//! `active` says which lanes take the next step, `alive` which have not returned. `if`, loops and labelled blocks push the mask
//! with which they end; a lane that breaks out of one, or returns, is struck from all masks inside of it. Code that no
//! lane is active for is jumped over. Blocks before the first and after the last active lane are left out.
//!
//! A step writes lanes that are not active, too, where the analysis shows that nobody can see it (a *local* register: all
//! writes happen with the lanes with which its scope was entered, less those that left the scope). Otherwise, if some living
//! lane is inactive, the step is done aside and the active lanes are copied. Lanes that returned never count: an early return costs nothing.
//!
//! # Memory
//! A pointer is an object and an offset. Every access is checked against the object's size, also in unchecked mode: loads
//! beyond it give 0, stores are dropped. So no kernel harms the process. Threads' own memory is interleaved by
//! lane, so that an access at the same offset is an access to a row. Atomic operations on device memory are
//! atomic across cores; the lanes of a group do theirs in lane order. Plain accesses that race give unspecified values.
//!
//! # Barriers and progress
//! Since lanes are in step, a barrier has nothing to do, with one exception. A loop that contains an atomic operation whose
//! result is used may be waiting for a lane that is elsewhere. When such a loop has gone round 256 times while other
//! lanes live, the group *splits*: the lanes in the loop are put aside, the others go on, and come back to those when
//! they end, wait at a barrier, spin themselves, or want to meet at a SIMD operation. Parts that meet at a barrier or SIMD operation are one
//! again. So threads of a group make progress independently of each other. Programs with such loops have no uniform rows.
//!
//! Groups are claimed in the order of their index. A group may wait for one with a lower index, for that has been
//! claimed by a thread that works on it; one that waits for a higher index may wait until the deadline.
//!
//! Loops are watched: a launch that takes longer than its deadline ends with an error, in whatever group it is.
//!
//! # Checked mode
//! A launch with [`Findings`] runs one group after the other with a shadow of all memory, and reports what the kernel does wrong.

mod access;
mod analysis;
mod attribute;
pub mod cache;
mod checked;
mod code;
mod compile;
mod finding;
mod launch;
mod listing;
mod machine;
mod mask;
mod memory;
mod program;
mod reduce;
mod rows;
mod shadow;
mod simd;
mod split;
mod trial;
mod types;
mod watch;

pub use checked::Checked;
pub use finding::{Finding, FindingKind, Findings};
pub use launch::{Binding, DEADLINE, Launch, LaunchError, MAX_THREADGROUP_BYTES, MAX_THREADS};
pub use program::Program;
pub use trial::Trial;

#[cfg(test)]
mod tests;
