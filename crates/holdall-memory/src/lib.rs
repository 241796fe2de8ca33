//! The memory protocol: a block of device memory, and equally a compiled kernel, module, captured graph or event, is
//! never released, overwritten or given to someone else while work that was promised it may still run.
//!
//! # Who takes part
//!
//! * A stream executes command buffers in order. Its [`Queue`] records them: it has one open *tick*, the number of the
//!   command buffer being recorded. [`Queue::submit`] closes it and gives a [`Completion`] to the device side, which
//!   ends the tick exactly once. All streams that may exchange blocks are in one registry, [`Timelines`].
//! * A [`Pool`] has the memory of a device, from its [`Driver`], in blocks. A block that is given out has one owner, its
//!   [`Storage`].
//! * A [`Resource`] is everything else that a command names.
//!
//! ```
//! use std::sync::Arc;
//! use holdall_memory::{Access, HostDriver, Pool, Timelines, User};
//!
//! let timelines = Timelines::new();
//! let pool = Pool::new(Arc::new(HostDriver::new()), timelines.clone());
//! let mut queue = timelines.register();
//! let storage = pool.take(4000, User::Queue(&queue))?;
//! let block = storage.block();
//! let bound = queue.bind(&storage, Access::Write);
//! drop(storage);
//! // The next array of the stream gets the same memory at once, since its commands run later ...
//! assert_eq!(pool.take(4000, User::Queue(&queue))?.block(), block);
//! // ... but the host does not, before the device has finished.
//! assert_ne!(pool.take(4000, User::Host)?.block(), block);
//! let completion = queue.submit();
//! let tick = completion.tick();
//! // The device runs the commands, which have `bound`, and says so.
//! # let _ = bound;
//! completion.done();
//! timelines.wait(queue.id(), tick)?;
//! # Ok::<(), holdall_memory::Error>(())
//! ```
//!
//! # The states of a block
//!
//! | state | where it is | who may touch its memory | it leaves by |
//! |---|---|---|---|
//! | owned | in a `Storage` | commands that bound it, in the order of the hazards; the host as rule 4 says | drop |
//! | free in order | in the pool, all pending stamps are of one stream | commands recorded before the drop | reuse by that stream at once, or by others as when waiting |
//! | waiting | in the pool, pending stamps of several streams | commands recorded before the drop | reuse by a stream that runs after all stamps |
//! | quiet | in the pool, every stamp has ended | nobody | reuse by anyone, release |
//! | retired | in a retire list | commands recorded before the drop | release, once every stamp has ended |
//!
//! A stamp (q, k) on a block says that the command buffer k of stream q names it. It is *pending* until the device has
//! finished with that command buffer, `done[q] >= k`. Stamps are not taken off; they end.
//!
//! # The rules, and what proves them
//!
//! 1. `done[q]` is monotonic, written by the device side with release and read with acquire. `seen[t][q]`, the newest tick
//!    of q that t has waited for, includes what q had waited for by then.
//! 2. The only way to name a block in a command is [`Queue::bind`], which stamps it. Raw addresses are private.
//! 3. Dropping the `Storage`, which cannot be cloned, is the only free. It calls no driver.
//! 4. Stream t may reuse a block iff for each stamp (q, k): `q == t`, or `seen[t][q] >= k`, or `done[q] >= k`. The host is on
//!    no timeline: it writes if `done[q] >= k` for all, and reads after the last writer. Donation and writing in place
//!    are reuse: [`Queue::may_reuse`].
//! 5. Memory goes back to the driver when each stamp has ended; until then it is in the retire list.
//! 6. Resources are stamped alike, cached by their full key in a bounded [`ResourceCache`], and destroyed through a retire
//!    list.
//! 7. Hazards inside a stream are tracked by [`BlockId`]: arrays that follow each other in the same memory have the same.
//! 8. Every opened tick ends: by its completion, by the drop of that, or by the drop of the queue. A failed tick gives its
//!    error to each waiter. Its blocks stay until the device has finished with them ([`Completion::fail`]), or, if
//!    nobody knows, until a later tick is done or the device is known to be idle ([`Completion::lose`],
//!    [`Timelines::mark_idle`]).
//! 9. Foreign code gets a [`Lease`]: while it is open the block is not reused, and it can end with a tick.
//!
//! The models are in `src/models` and run under loom, each also with its rule off, which loom has to notice
//! (`RUSTFLAGS="--cfg loom" cargo test -p holdall-memory --release --lib`). The oracle, in `src/tests/oracle.rs`, drives pools and
//! streams at random, and finds the missing rule from the uses alone. A policy with a rule off exists for simulated
//! devices only; that [`Pool::simulated`] and [`ResourceCache::simulated`] refuse a real one is tested, too.
//!
//! Whole graphs run under each of these policies on the simulated device of `holdall-sim`, which has to name what is wrong.
//!
//! | rule | shown by | rule off, and found by |
//! |---|---|---|
//! | 1 | `timelines::waits_carry_over_from_stream_to_stream`; `rule_4_reuse_across_streams` | `rule_1_mutation_done_without_release`; waits not recorded: `holdall-sim` |
//! | 2 | `rule_2_drop_while_recorded`, `rule_2_two_recorders_and_a_drop_from_any_thread`; `compile_fail` at [`Storage`], [`Bound`] | `rule_2_mutation_without_stamps`; oracle |
//! | 3 | `rule_3_drop_while_running`; `compile_fail` at [`Storage`], [`Queue::bind`] | `rule_3_mutation_without_pooled_free`; oracle |
//! | 4, streams | `rule_4_reuse_in_stream`, `rule_4_reuse_across_streams`, `rule_4_reuse_after_a_wait`; oracle | `rule_4_mutation_without_reuse_check`, `rule_4_mutation_wait_not_performed`; oracle |
//! | 4, host | `rule_4_host_access` | `rule_4_mutation_without_host_check` |
//! | 5 | `rule_5_trim_with_work_in_flight`, `rule_5_pool_dropped_with_work_in_flight`; oracle | `rule_5_mutation_without_release_check`; oracle |
//! | 6 | `rule_6_eviction_with_an_uncommitted_command_buffer` | `rule_6_mutation_without_resource_retirement` |
//! | 7 | `rule_7_hazards_by_block` | `rule_7_mutation_without_block_hazards` |
//! | 8 | `rule_8_lost_device`, `rule_8_refused_submission`, `rule_8_every_waiter_wakes`, `rule_8_dropped_stream`; oracle | `rule_8_mutation_without_failed_retention`; oracle |
//! | 9 | `rule_9_lease`; `leases::a_lent_block_is_neither_donated_nor_reused` | `rule_9_mutation_without_leases` |
//!
//! # Who may touch what, and why that is enough
//!
//! * *Stamps* are relaxed. Only the recorder of a stream writes that stream's stamps, through `&mut Queue`. Who reads them
//!   to reuse or release the block has got it through the drop of its last owner and the pool's lock, so all stores happen
//!   before. Other readers ([`Storage::is_idle`], waits) speak of what was recorded before they were called.
//! * *`done`* is the one edge from the device back to the host. It never passes a tick whose end is unknown, unless a
//!   later one of the same stream is done: streams run in order.
//! * *Waits* that were recorded must be performed, even when the command buffer fails otherwise, because later command
//!   buffers of the stream, and of streams that wait for it, rely on them. A recorded wait passes when
//!   [`Timelines::wait_ended`] says so; [`Gate`] is the device side of it. If it never can, the command buffer is lost, and so are those after it. A tick that
//!   is dropped before it is submitted never performed its waits; nobody inherits them.
//! * *Locks*: of the pool, one timeline, and the retire list of the registry, which each guard only bookkeeping. The pool's is
//!   held while `done` is read, never while the driver or a waiter is called. Nothing is called back under a lock.
//! * *Reading `done` early is safe*, since it only grows: a stale value keeps a block longer.
//!
//! # Costs
//!
//! A bind is one load and compare, and one store for the first touch in a command buffer. Stamps of four streams lie in the
//! block; others go to a side table. Taking and freeing a block are a lock each. Nothing is counted per command.

mod bins;
mod block;
mod error;
mod gate;
mod host;
#[cfg(loom)]
#[cfg(test)]
mod models;
mod policy;
mod pool;
mod queue;
mod resource;
mod retire;
mod slab;
mod stamps;
mod storage;
mod sync;
#[cfg(not(loom))]
#[cfg(test)]
mod tests;
mod tick;
mod timeline;
mod timelines;

pub use block::{BlockId, BlockInfo, Driver, RawBlock, SimulatedDriver};
pub use error::{Error, ErrorKind, OutOfMemory, Result};
pub use gate::Gate;
pub use host::HostDriver;
pub use policy::Policy;
pub use pool::{Pool, User};
pub use queue::{Access, Bound, Completion, Queue};
pub use resource::{Resource, ResourceCache};
pub use storage::{Lease, Storage};
pub use tick::{QueueId, Tick, TickState};
pub use timelines::Timelines;
