//! Command buffers that were launched and have not ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdall_core::command::Command;
use holdall_memory::{Completion, Gate, QueueId, Tick, TickState, Timelines};
use parking_lot::{Condvar, Mutex};
use smallvec::SmallVec;

use crate::api::{CudaError, Result};
use crate::context::Context;
use crate::event::Event;

/// Ticks that were waited for.
pub(crate) type Waits = SmallVec<[(QueueId, Tick); 2]>;

/// A command buffer that the driver has.
pub(crate) struct Launched {
    pub completion: Completion,
    /// Behind its last command; none if nothing of it runs.
    pub event: Option<Arc<Event>>,
    pub waits: Waits,
    /// For messages, and to keep what the commands own. Shorter than it was if it failed.
    pub commands: Vec<Command>,
    /// Why not all of it was launched.
    pub failure: Option<String>,
}

/// The launched command buffers of a stream, in order.
pub(crate) struct Ticks {
    context: Arc<Context>,
    pending: Mutex<Pending>,
    news: Condvar,
    /// Who holds this ends ticks.
    reaping: Mutex<Gate>,
    free: Mutex<Vec<Event>>,
}

#[derive(Default)]
struct Pending {
    line: VecDeque<Launched>,
    closed: bool,
}

/// For so long a thread that waits stays awake; the device is often faster than the system's clock.
const AWAKE: Duration = Duration::from_millis(20);
/// Events that are kept.
const MAX_FREE: usize = 32;
/// Ops that a message names.
const MAX_NAMED: usize = 8;

impl Ticks {
    pub fn new(context: Arc<Context>, timelines: Arc<Timelines>) -> Self {
        Self {
            context,
            pending: Mutex::default(),
            news: Condvar::new(),
            reaping: Mutex::new(Gate::new(timelines)),
            free: Mutex::default(),
        }
    }

    /// An event that nobody uses.
    pub fn event(&self) -> Result<Event> {
        match self.free.lock().pop() {
            Some(event) => Ok(event),
            None => Event::new(&self.context),
        }
    }

    /// The next command buffer.
    pub fn push(&self, launched: Launched) {
        self.pending.lock().line.push_back(launched);
        self.news.notify_one();
    }

    /// The event behind a tick, if it was launched and has not ended.
    pub fn event_of(&self, tick: Tick) -> Option<Arc<Event>> {
        let pending = self.pending.lock();
        // One without an event ran nothing; the next one's comes later, which is as good.
        pending.line.iter().filter(|l| l.completion.tick() >= tick).find_map(|l| l.event.clone())
    }

    /// Nothing more will be pushed.
    pub fn close(&self) {
        self.pending.lock().closed = true;
        self.news.notify_all();
    }

    /// Ends ticks as the device comes to their ends, until the stream is closed and all have ended.
    pub fn serve(&self) {
        loop {
            let event = {
                let mut pending = self.pending.lock();
                loop {
                    if let Some(first) = pending.line.front() {
                        break first.event.clone();
                    }
                    if pending.closed {
                        return;
                    }
                    self.news.wait(&mut pending);
                }
            };
            // An error comes out once more where the tick is ended.
            let _ = self.context.enter();
            if let Some(event) = event {
                let _ = event.synchronize();
            }
            self.reap(&mut self.reaping.lock(), None);
        }
    }

    /// Works on a tick's end in the thread that waits for it.
    pub fn help(&self, timelines: &Timelines, queue: QueueId, tick: Tick) {
        let start = Instant::now();
        if self.context.enter().is_err() {
            return;
        }
        loop {
            let free = self.reaping.try_lock().map(|mut gate| self.reap(&mut gate, Some(tick))).is_some();
            if matches!(timelines.state(queue, tick), TickState::Done | TickState::Failed) {
                return;
            }
            // Not launched yet, or being ended: the timeline tells when.
            let Some(event) = self.event_of(tick) else { return };
            if start.elapsed() > AWAKE {
                if !free {
                    return;
                }
                let _ = event.synchronize();
            } else {
                std::hint::spin_loop();
            }
        }
    }

    /// Ends what the device has finished with, up to a tick. Who waits goes no further: this thread may be ending a tick of
    /// another stream at this moment, which later ones of this stream wait for.
    fn reap(&self, gate: &mut Gate, last: Option<Tick>) {
        loop {
            let event = match self.pending.lock().line.front() {
                Some(first) if last.is_none_or(|last| first.completion.tick() <= last) => first.event.clone(),
                _ => return,
            };
            let done = event.as_ref().map_or(Ok(true), |event| event.is_done());
            if matches!(done, Ok(false)) {
                return;
            }
            drop(event);
            // Only who has the gate takes one out, so it is still the same.
            let Some(first) = self.pending.lock().line.pop_front() else { return };
            self.end(first, done.err(), gate);
        }
    }

    fn end(&self, launched: Launched, error: Option<CudaError>, gate: &mut Gate) {
        let Launched { completion, event, waits, commands, failure } = launched;
        let first = self.context.lost().is_none();
        let failure = failure.or_else(|| {
            let error = self.context.note(error?);
            Some(match self.context.lost() {
                Some(lost) if !first => lost.to_owned(),
                _ => format!("{error}, in {}", suspects(&commands)),
            })
        });
        // The device has performed the waits before its commands; those who wait for this tick have to find theirs ended.
        if let Some(completion) = gate.pass(completion, waits) {
            match failure {
                None => completion.done(),
                Some(why) => completion.fail(why),
            }
        }
        drop(commands);
        if let Some(event) = event.and_then(Arc::into_inner) {
            let mut free = self.free.lock();
            if free.len() < MAX_FREE {
                free.push(event);
            }
        }
    }
}

/// The ops of a command buffer, for a message.
fn suspects(commands: &[Command]) -> String {
    if commands.is_empty() {
        return "work before it".to_owned();
    }
    let mut names: Vec<String> =
        commands.iter().map(|command| format!("{} (built at {})", command.op, command.origin)).collect();
    names.dedup();
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    let list = names.join(", ");
    match (commands.len(), more) {
        (1, _) => list,
        (_, 0) => format!("one of {list}; HOLDALL_VALIDATE=1 tells which"),
        (_, more) => format!("one of {list} and {more} more; HOLDALL_VALIDATE=1 tells which"),
    }
}
