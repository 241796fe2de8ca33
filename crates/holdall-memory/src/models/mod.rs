//! Models of the protocol for loom: every interleaving of a few threads, with relaxed memory.
//!
//! The memory of the modelled device is a row of loom's cells, so an access that nothing orders is reported as a data
//! race, and an access to a released allocation fails an assertion. Each model runs with all rules on, and again, as
//! a mutation, with one off: then loom has to find the hole.

mod blocks;
mod failures;
mod resources;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use loom::cell::UnsafeCell;
use loom::thread;

use crate::sync::Arc;
use crate::{
    Access, Bound, Completion, Driver, OutOfMemory, Policy, Pool, Queue, QueueId, RawBlock, SimulatedDriver,
    Storage, Tick, Timelines, User,
};

/// Large enough for an allocation of its own.
const BYTES: usize = 8192;

/// The memory of the modelled device.
#[derive(Debug)]
struct Cells {
    cells: Vec<UnsafeCell<Payload>>,
    next: AtomicUsize,
    /// Real memory for host access, which never looks at it.
    dummy: Box<[u8]>,
}

#[derive(Debug)]
struct Payload {
    live: bool,
    value: u32,
}

// SAFETY: each access goes through loom's cells, which report the ones that race.
unsafe impl Sync for Cells {}
// SAFETY: as above.
unsafe impl Send for Cells {}

impl Cells {
    fn new(cells: usize) -> Arc<Self> {
        let cells = (0..cells).map(|_| UnsafeCell::new(Payload { live: true, value: 0 })).collect();
        Arc::new(Self { cells, next: AtomicUsize::new(0), dummy: vec![0; BYTES].into() })
    }

    fn write(&self, handle: u64, value: u32) {
        self.cells[handle as usize].with_mut(|payload| {
            // SAFETY: loom has checked that nobody else accesses the cell.
            let payload = unsafe { &mut *payload };
            assert!(payload.live, "write to released memory");
            payload.value = value;
        });
    }

    fn read(&self, handle: u64) -> u32 {
        self.cells[handle as usize].with(|payload| {
            // SAFETY: loom has checked that nobody writes the cell.
            let payload = unsafe { &*payload };
            assert!(payload.live, "read of released memory");
            payload.value
        })
    }

    fn is_live(&self, handle: u64) -> bool {
        // SAFETY: loom has checked that nobody writes the cell.
        self.cells[handle as usize].with(|payload| unsafe { (*payload).live })
    }
}

// SAFETY: the model never uses the address; the dummy memory outlives the blocks, which hold the driver.
unsafe impl Driver for Cells {
    fn allocate(&self, bytes: usize) -> Result<RawBlock, OutOfMemory> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        assert!(at < self.cells.len() && bytes <= self.dummy.len(), "the model needs more cells");
        Ok(RawBlock { address: self.dummy.as_ptr().cast_mut(), bytes, handle: at as u64 })
    }

    unsafe fn release(&self, block: RawBlock) {
        self.cells[block.handle as usize].with_mut(|payload| {
            // SAFETY: loom has checked that nobody else accesses the cell.
            unsafe { (*payload).live = false };
        });
    }

    fn host_addressable(&self) -> bool {
        true
    }
}

// SAFETY: nothing is ever really freed, and each access is checked.
unsafe impl SimulatedDriver for Cells {}

/// A device with its pool.
struct World {
    cells: Arc<Cells>,
    timelines: Arc<Timelines>,
    pool: Arc<Pool>,
}

impl World {
    fn new(cells: usize, policy: Policy) -> Self {
        Self::on(Timelines::new(), cells, policy)
    }

    fn on(timelines: Arc<Timelines>, cells: usize, policy: Policy) -> Self {
        let cells = Cells::new(cells);
        let pool = Pool::simulated(cells.clone(), timelines.clone(), policy);
        Self { cells, timelines, pool }
    }

    fn take(&self, user: User<'_>) -> Storage {
        self.pool.take(BYTES, user).unwrap()
    }

    /// Runs a command buffer on the device: a thread of its own, after the one before it on the stream.
    fn run(&self, completion: Completion, commands: Vec<Command>) -> thread::JoinHandle<()> {
        let (cells, timelines) = (self.cells.clone(), self.timelines.clone());
        thread::spawn(move || {
            let before = Tick(completion.tick().get() - 1);
            // Not for the first: see `explore`.
            if before > Tick::NEVER {
                timelines.wait_ended(completion.queue(), before).unwrap();
            }
            for command in commands {
                command.run(&cells, &timelines);
            }
            completion.done();
        })
    }
}

#[derive(Clone, Copy)]
enum Command {
    Write(Bound, u32),
    Read(Bound, u32),
    Wait(QueueId, Tick),
}

impl Command {
    fn run(self, cells: &Cells, timelines: &Timelines) {
        match self {
            Self::Write(bound, value) => cells.write(bound.handle(), value),
            Self::Read(bound, value) => assert_eq!(cells.read(bound.handle()), value, "overwritten"),
            Self::Wait(queue, tick) => timelines.wait_ended(queue, tick).unwrap(),
        }
    }
}

fn write(queue: &mut Queue, storage: &Storage, value: u32) -> Command {
    Command::Write(queue.bind(storage, Access::Write), value)
}

fn read(queue: &mut Queue, storage: &Storage, value: u32) -> Command {
    Command::Read(queue.bind(storage, Access::Read), value)
}

/// Explores all executions of a model.
///
/// loom backtracks from the *last* access to an atomic only. A thread that loads one and then stores to it hides the
/// loads of others before its own, and loom would not look at the executions in which those see the new value. So the
/// device side never loads `done` before it stores, in the models as in the crate, and models whose point is that
/// something may happen early or late assert that both did, with [`Seen`].
fn explore(model: impl Fn() + Send + Sync + 'static) {
    loom::model::Builder::new().check(model);
}

/// Which of two outcomes some execution of a model had.
#[derive(Debug, Default)]
struct Seen {
    yes: AtomicBool,
    no: AtomicBool,
}

impl Seen {
    fn note(&self, outcome: bool) {
        if outcome { &self.yes } else { &self.no }.store(true, Ordering::Relaxed);
    }

    fn assert_both(&self) {
        assert!(self.yes.load(Ordering::Relaxed), "never happened");
        assert!(self.no.load(Ordering::Relaxed), "always happened");
    }
}
