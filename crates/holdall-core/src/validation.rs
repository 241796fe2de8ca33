//! A check of the memory protocol on any device, while programs run.
//!
//! It looks at command buffers as they are submitted: at their waits and barriers, and at the blocks that their commands
//! name. What runs after what follows from that alone (vector clocks over streams), and every use of a block has to be
//! ordered after the uses that it conflicts with. The pool and the scheduler decide the same by stamps; nothing of theirs
//! is used here, so that a mistake there is seen here.
//!
//! It does not see what the host reads and writes, nor memory that goes back to the driver: the simulated device of
//! `holdall-sim` sees these, too.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use holdall_memory::{BlockId, QueueId, Tick, Timelines};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::command::Command;
use crate::error::{Error, ErrorKind, Origin};

static ENABLED: AtomicBool = AtomicBool::new(false);
static CHECKED: AtomicU64 = AtomicU64::new(0);
static SEEN: Mutex<Option<Seen>> = Mutex::new(None);

/// Checks everything that is submitted from now on, on all devices that follow Holdall's policy. What is wrong is the error of the evaluation that
/// submits it. `HOLDALL_VALIDATE=1` does this from the start.
pub fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// How many uses of blocks have been checked.
pub fn checked_uses() -> u64 {
    CHECKED.load(Ordering::Relaxed)
}

/// Checks a command buffer that is about to be submitted, if that is wanted.
pub(crate) fn check(
    timelines: &Timelines,
    queue: QueueId,
    tick: Tick,
    waits: &[(QueueId, Tick)],
    commands: &[Command],
) -> Option<Error> {
    if !ENABLED.load(Ordering::Relaxed) {
        return None;
    }
    let mut seen = SEEN.lock();
    let found = seen.get_or_insert_default().check(timelines, queue, tick, waits, commands)?;
    Some(Error::new(ErrorKind::Device, found.now.op, found.to_string()).at(found.now.origin))
}

/// By stream, the newest tick that is ordered before something.
type Clock = FxHashMap<QueueId, Tick>;

/// A use of a block by a command.
#[derive(Clone, Copy, Debug)]
struct Use {
    queue: QueueId,
    tick: Tick,
    /// Barriers in the command buffer up to the command.
    epoch: u32,
    /// How many owners the block had had.
    life: u64,
    op: &'static str,
    origin: Origin,
}

/// The uses of a block that a new one can conflict with.
#[derive(Debug, Default)]
struct Block {
    write: Option<Use>,
    /// The last of each stream since.
    reads: SmallVec<[Use; 2]>,
}

/// What was submitted.
#[derive(Debug, Default)]
struct Seen {
    /// What is ordered before the next command buffer of each stream.
    clocks: FxHashMap<QueueId, Clock>,
    /// What was ordered before command buffers that may not have ended.
    buffers: FxHashMap<(QueueId, Tick), Clock>,
    blocks: FxHashMap<BlockId, Block>,
    /// How many blocks there may be before those are forgotten that nothing uses.
    room: usize,
}

/// Two uses of a block that are not ordered.
#[derive(Debug)]
struct Violation {
    block: BlockId,
    now: Use,
    before: Use,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { block, now, before } = self;
        let what = match () {
            () if now.queue == before.queue => "missing barrier",
            () if now.life != before.life => "reuse too early",
            () => "missing wait",
        };
        let (block, op, origin) = (block.get(), before.op, before.origin);
        write!(
            f,
            "{what}: its command on block {block} (owner {}) is not ordered after {op} (built at {origin}, owner {})",
            now.life, before.life
        )
    }
}

impl Seen {
    fn check(
        &mut self,
        timelines: &Timelines,
        queue: QueueId,
        tick: Tick,
        waits: &[(QueueId, Tick)],
        commands: &[Command],
    ) -> Option<Violation> {
        self.forget(timelines);
        let mut clock = self.clocks.remove(&queue).unwrap_or_default();
        for &(other, waited) in waits {
            raise(&mut clock, other, waited);
            if let Some(theirs) = self.buffers.get(&(other, waited)) {
                theirs.iter().for_each(|(q, t)| raise(&mut clock, *q, *t));
            }
        }
        let mut found = None;
        let mut epoch = 0;
        for command in commands {
            epoch += u32::from(command.barrier);
            for (block, life, writes) in uses(command) {
                let (op, origin) = (command.op, command.origin);
                let now = Use { queue, tick, epoch, life, op, origin };
                let is_ordered = |before: &&Use| {
                    if before.queue == queue {
                        return (before.tick, before.epoch) < (tick, epoch);
                    }
                    // What has ended by now is over before this is submitted.
                    clock.get(&before.queue).is_some_and(|seen| *seen >= before.tick)
                        || timelines.done(before.queue) >= before.tick
                };
                CHECKED.fetch_add(1, Ordering::Relaxed);
                let known = self.blocks.entry(block).or_default();
                let conflicts = known.write.iter().chain(known.reads.iter().filter(|_| writes));
                if let Some(before) = conflicts.copied().find(|before| !is_ordered(&before)) {
                    found.get_or_insert(Violation { block, now, before });
                }
                if writes {
                    known.write = Some(now);
                    known.reads.clear();
                } else {
                    known.reads.retain(|read| read.queue != queue);
                    known.reads.push(now);
                }
            }
        }
        self.buffers.insert((queue, tick), clock.clone());
        self.clocks.insert(queue, clock);
        found
    }

    /// Forgets what has ended, once there is a lot of it.
    fn forget(&mut self, timelines: &Timelines) {
        self.buffers.retain(|(queue, tick), _| timelines.done(*queue) < *tick);
        if self.blocks.len() > self.room {
            let is_running = |one: &Use| timelines.done(one.queue) < one.tick;
            self.blocks.retain(|_, b| b.write.iter().chain(&b.reads).any(is_running));
            self.room = (2 * self.blocks.len()).max(1 << 12);
        }
    }
}

/// The blocks that a command uses, each once: its number, its life, and whether it is written.
fn uses(command: &Command) -> SmallVec<[(BlockId, u64, bool); 4]> {
    let mut all: SmallVec<[(BlockId, u64, bool); 4]> = SmallVec::new();
    for binding in &command.bindings {
        let (block, writes) = (binding.bound.block(), binding.bound.access().writes());
        match all.iter_mut().find(|(known, ..)| *known == block) {
            Some((.., written)) => *written |= writes,
            None => all.push((block, binding.bound.life(), writes)),
        }
    }
    all
}

fn raise(clock: &mut Clock, queue: QueueId, tick: Tick) {
    let entry = clock.entry(queue).or_insert(tick);
    *entry = tick.max(*entry);
}

#[cfg(test)]
mod tests {
    use std::any::Any;
    use std::sync::Arc;

    use holdall_memory::{Access, Completion, HostDriver, Pool, Queue, Storage, User};

    use super::*;
    use crate::command::{Binding, Executable};

    #[derive(Debug)]
    struct Nothing;

    impl Executable for Nothing {
        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    /// Command buffers made by hand, so that they can be wrong.
    struct Bench {
        timelines: Arc<Timelines>,
        pool: Arc<Pool>,
        seen: Seen,
        a: Queue,
        b: Queue,
        /// The command buffers that run.
        running: Vec<Completion>,
    }

    impl Bench {
        fn new() -> Self {
            let timelines = Timelines::new();
            let pool = Pool::new(Arc::new(HostDriver::new()), timelines.clone());
            let (a, b) = (timelines.register(), timelines.register());
            Self { timelines, pool, seen: Seen::default(), a, b, running: Vec::new() }
        }

        fn take(&self) -> Storage {
            self.pool.take(5000, User::Queue(&self.a)).unwrap()
        }

        /// Submits commands on the first stream, or the second: for each its block, how it uses it, and whether a barrier
        /// comes before it. Returns the tick, and what is wrong.
        fn submit(
            &mut self,
            second: bool,
            waits: &[(QueueId, Tick)],
            commands: &[(&Storage, Access, bool)],
        ) -> ((QueueId, Tick), Option<String>) {
            let queue = if second { &mut self.b } else { &mut self.a };
            let command = |&(storage, access, barrier): &(&Storage, Access, bool)| Command {
                launch: Arc::new(Nothing),
                bindings: std::iter::once(Binding { bound: queue.bind(storage, access), offset: 0 })
                    .collect(),
                barrier,
                op: "test",
                origin: Origin::caller(),
            };
            let commands: Vec<Command> = commands.iter().map(command).collect();
            let completion = queue.submit();
            let (id, tick) = (completion.queue(), completion.tick());
            self.running.push(completion);
            let found = self.seen.check(&self.timelines, id, tick, waits, &commands);
            ((id, tick), found.map(|found| found.to_string()))
        }
    }

    const READ: Access = Access::Read;
    const WRITE: Access = Access::Write;

    #[test]
    fn barriers_order_commands() {
        for (first, second, conflicts) in
            [(WRITE, READ, true), (READ, WRITE, true), (WRITE, WRITE, true), (READ, READ, false)]
        {
            for barrier in [false, true] {
                let mut bench = Bench::new();
                let x = bench.take();
                let (_, found) = bench.submit(false, &[], &[(&x, first, false), (&x, second, barrier)]);
                let wrong = conflicts && !barrier;
                assert_eq!(found.is_some(), wrong, "{first:?}, {second:?}, {barrier}: {found:?}");
                assert!(found.is_none_or(|text| text.starts_with("missing barrier")));
            }
        }
    }

    #[test]
    fn waits_order_streams_and_carry_over() {
        for wait in [false, true] {
            let mut bench = Bench::new();
            let (x, y) = (bench.take(), bench.take());
            let (first, found) = bench.submit(false, &[], &[(&x, WRITE, false)]);
            assert_eq!(found, None);
            let waits = if wait { &[first][..] } else { &[] };
            assert_eq!(bench.submit(true, waits, &[(&y, WRITE, false)]).1, None);
            // A later command buffer needs no wait of its own.
            let (_, found) = bench.submit(true, &[], &[(&x, READ, false)]);
            assert_eq!(found.is_some(), !wait, "{found:?}");
            assert!(
                found.is_none_or(|text| text.starts_with("missing wait") && text.contains("validation.rs"))
            );
        }
    }

    #[test]
    fn a_third_stream_inherits_what_it_waits_for() {
        let mut bench = Bench::new();
        let (x, y) = (bench.take(), bench.take());
        let (first, _) = bench.submit(false, &[], &[(&x, WRITE, false)]);
        let (second, _) = bench.submit(true, &[first], &[(&y, WRITE, false)]);
        bench.a = bench.timelines.register();
        assert_eq!(bench.submit(false, &[second], &[(&x, WRITE, false)]).1, None);
    }

    #[test]
    fn what_has_ended_is_ordered_and_forgotten() {
        let mut bench = Bench::new();
        let x = bench.take();
        assert_eq!(bench.submit(false, &[], &[(&x, WRITE, false)]).1, None);
        bench.running.drain(..).for_each(Completion::done);
        assert_eq!(bench.submit(true, &[], &[(&x, WRITE, false)]).1, None);
        assert_eq!((bench.seen.buffers.len(), bench.seen.blocks.len()), (1, 1));
        bench.running.drain(..).for_each(Completion::done);
        bench.seen.room = 0;
        let y = bench.take();
        assert_eq!(bench.submit(true, &[], &[(&y, WRITE, false)]).1, None);
        assert_eq!((bench.seen.buffers.len(), bench.seen.blocks.len()), (1, 1));
    }

    #[test]
    fn a_block_with_a_new_owner_is_reused_too_early() {
        let mut bench = Bench::new();
        let x = bench.take();
        assert_eq!(bench.submit(false, &[], &[(&x, WRITE, false)]).1, None);
        let block = x.block();
        drop(x);
        // For the first stream that is fine, but the second uses it.
        let x = bench.take();
        assert_eq!(x.block(), block);
        let (_, found) = bench.submit(true, &[], &[(&x, WRITE, false)]);
        assert!(found.is_some_and(|text| text.starts_with("reuse too early") && text.contains("owner 1")));
    }
}
