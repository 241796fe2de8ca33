//! The poisoned device: an asynchronous simulated device that checks every access.
//!
//! [`SimDevice`] implements the traits of a Holdall device, so whole graphs run on it, with the CPU's kernels. It runs
//! command buffers in any order that barriers and waits allow, and its pool can follow any retention
//! [`Policy`](holdall_memory::Policy), wrong ones included. [`compare`] runs random programs ([`Workload`]) of custom
//! kernels and built-in ops under several of them, and [`Stress`] runs such programs on a real device.
//!
//! ```
//! use holdall_core::{Array, Stream};
//! use holdall_sim::{SimDevice, SimOptions};
//!
//! let (sim, id) = SimDevice::add(SimOptions { seed: 1, ..SimOptions::default() })?;
//! let x = Stream::new(id)?.scope(|| Array::from_slice(&[1.0f32, 2.0], &[2])?.add(1.0f32))?;
//! assert_eq!(x.to_vec::<f32>()?, [2.0, 3.0]);
//! assert!(sim.report().is_clean(), "{}", sim.report());
//! # Ok::<(), holdall_core::Error>(())
//! ```
//!
//! # What is simulated
//!
//! * *Order.* The streams run side by side. A command buffer starts when those before it on its stream and those that it
//!   waits for have ended; between two barriers, commands run in a random order, and so do the items of a kernel.
//! * *Time.* A virtual clock: a command costs a fixed time and one by the bytes of its blocks, more or less by chance;
//!   command buffers start late by chance, some very late; the host pays for what it records. The device goes on when the
//!   host submits and when somebody waits (`Timelines::on_wait`), on that thread. So completions come later than
//!   submissions, and yet the same seed and the same program, on one thread, give the same [`Report`]. A host that only
//!   polls sees no progress; [`SimDevice::run_all`] lets the device finish.
//! * *Memory.* Blocks have handles and no addresses. Fresh memory is NaN, and a block is filled with NaN before the first
//!   use by a new owner. Released memory reads as NaN. A kernel works on copies of its blocks with guards around them.
//! * *Faults.* Command buffers that the device reports as lost and runs all the same: [`SimOptions::lose`].
//!
//! Arrays can be copied to it from a device whose memory the host can read, not from it to another device.
//!
//! # What is checked
//!
//! Order is checked when a command buffer is submitted, by vector clocks against all uses submitted before; so a
//! missing barrier or wait is found whatever order the seed picks. What an access finds in memory is checked when it runs.
//! Each access is reported once, as the first [`ViolationKind`] that fits, with the op, where it was built, the block,
//! its life, stream, command buffer and time.
//!
//! | rule of `holdall-memory` | test | policy without it | reported as |
//! |---|---|---|---|
//! | 1 waits | `accesses::waits`, `graphs` | `WITHOUT_WAITS` | [`MissingWait`](ViolationKind::MissingWait) |
//! | 2 stamps | `rules::reuse`, `rules::trim`, `graphs` | `WITHOUT_STAMPS` | [`EarlyReuse`](ViolationKind::EarlyReuse), [`AfterRelease`](ViolationKind::AfterRelease), `MissingWait` where a value's memory is taken over, or [`HostAccess`](ViolationKind::HostAccess) where the host fills it |
//! | 3 free through the pool | `rules::reuse`, `rules::trim`, `graphs` | `WITHOUT_POOLED_FREE` | `AfterRelease` |
//! | 4 reuse | `rules::reuse`, `graphs` | `WITHOUT_REUSE_CHECK` | `EarlyReuse`, or `MissingWait` as above |
//! | 4 host | `accesses::the_host_waits`, `accesses::the_host_writes_no_block_in_use`, `graphs` | `WITHOUT_HOST_CHECK` | [`HostAccess`](ViolationKind::HostAccess) |
//! | 5 release | `rules::trim`, `graphs` | `WITHOUT_RELEASE_CHECK` | `AfterRelease` |
//! | 6 kernels | `rules::evict` | `WITHOUT_RESOURCE_RETIREMENT` | [`DestroyedKernel`](ViolationKind::DestroyedKernel) |
//! | 7 hazards by block | `accesses::barriers`, `graphs` | `WITHOUT_BLOCK_HAZARDS` | [`MissingBarrier`](ViolationKind::MissingBarrier) |
//! | 8 failures | `rules::lose` | `WITHOUT_FAILED_RETENTION` | `EarlyReuse` |
//! | 9 leases | `rules::lend` | `WITHOUT_LEASES` | [`Leased`](ViolationKind::Leased) |
//!
//! `rules::every_missing_rule_is_reported_by_name` goes through all of them, and
//! `rules::with_all_rules_there_is_nothing_to_report` runs the same with the rules on. The kernels' own mistakes are
//! [`UnwrittenRead`](ViolationKind::UnwrittenRead), [`OutOfBounds`](ViolationKind::OutOfBounds) (up to 256 bytes past a block)
//! and [`UndeclaredWrite`](ViolationKind::UndeclaredWrite). Writes count for their whole block: a read of a part that
//! nobody wrote is not reported, but finds NaN.

mod block;
mod compare;
mod device;
mod driver;
mod execute;
mod load;
mod order;
mod random;
mod report;
mod stress;
#[cfg(test)]
mod tests;
mod violation;
mod world;

pub use compare::{COMPARED, Comparison, Outcome, compare};
pub use device::{Loan, SimDevice, SimKernel, SimOptions};
pub use load::{Counts, Difference, Evaluation, Menu, Missing, Outputs, Run, Workload};
pub use report::Report;
pub use stress::{Settings, Stop, Stress, Totals};
pub use violation::{Hazard, Party, Violation, ViolationKind};
