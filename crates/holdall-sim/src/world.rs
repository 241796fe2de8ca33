//! The simulated machine: streams, their command buffers and the virtual clock.
//!
//! The device runs while the host does something else, but on a clock of its own: it goes on when the host submits (and
//! time has passed for the host) and when a thread waits for it. Nothing depends on the real time or on threads of the
//! device, so a seed and a program that runs on one thread give the same history each time.
//!
//! How long something takes is decided by the seed and by what it is (stream, command buffer, command), never by what
//! happened before. So the times of two policies differ by what the policies do, and not by luck.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use holdall_core::command::{Command, CommandBuffer};
use holdall_memory::{BlockId, Completion, QueueId, Tick, Timelines};
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::block::{Memory, Place};
use crate::execute::Hands;
use crate::order::{Clock, join, raise};
use crate::random::Random;
use crate::report::Report;

/// What the host needs for a command that it records, and for a submission.
const HOST_COMMAND_NS: u64 = 500;
const HOST_SUBMIT_NS: u64 = 2_000;
/// What a command costs whatever it does, and how many bytes it touches in a nanosecond beyond that.
const COMMAND_NS: u64 = 2_000;
const BYTES_PER_NS: u64 = 50;
/// The most that a command buffer is delayed before it starts, and how much longer that is once in a while.
const DELAY_NS: usize = 10_000;
const STALL: u64 = 20;
const STALL_ONE_IN: usize = 8;

/// A simulated machine. Its lock is never held while the pool or the timelines are waited for.
pub(crate) struct World {
    pub timelines: Arc<Timelines>,
    state: Mutex<State>,
    /// Kernels that are gone. Not in the state, since a kernel may be dropped while that is locked.
    destroyed: Mutex<FxHashSet<u64>>,
}

pub(crate) struct State {
    /// Decides orders.
    pub random: Random,
    /// Decides durations.
    seed: u64,
    pub memory: Memory,
    /// Where blocks are, by their present names.
    pub owners: FxHashMap<BlockId, Place>,
    pub streams: Vec<Stream>,
    /// The streams by their timelines; those of other devices too.
    queues: FxHashMap<QueueId, usize>,
    pub host_ns: u64,
    pub report: Report,
    pub hands: Hands,
    /// Command buffers, counted from 0, that the device reports as lost when they start, and runs nevertheless.
    lose: Vec<u64>,
    pub kernels: u64,
}

/// A stream, or what is known of another device's.
pub(crate) struct Stream {
    queue: QueueId,
    /// The newest tick that the device has executed, with all before it.
    pub executed: u64,
    /// When it did.
    finished: Vec<(u64, u64)>,
    /// When it can go on.
    pub time_ns: u64,
    /// What is ordered before the next command buffer.
    clock: Clock,
    pending: VecDeque<Buffer>,
    /// Ticks that failed.
    failed: FxHashSet<u64>,
    /// A tick that a thread waits for, which had not been submitted.
    wanted: u64,
}

/// A command buffer on the device.
struct Buffer {
    tick: u64,
    clock: Clock,
    waits: Vec<(usize, Tick)>,
    commands: Vec<Command>,
    /// Indices of commands in an order that the barriers allow.
    order: Vec<usize>,
    next: usize,
    /// When it reached the device, and how long that takes to look at it.
    arrived_ns: u64,
    delay_ns: u64,
    started: bool,
    lost: bool,
    failure: Option<String>,
    completion: Option<Completion>,
}

/// What a device can do next.
enum Event {
    /// The stream's next step, at this time.
    Step(usize, u64),
    /// Nothing before another device's tick ends.
    Foreign(usize, Tick),
    Nothing,
}

impl World {
    pub fn new(timelines: Arc<Timelines>, policy: &'static str, seed: u64, lose: Vec<u64>) -> Arc<Self> {
        let state = State {
            random: Random::new(seed),
            seed,
            memory: Memory::default(),
            owners: FxHashMap::default(),
            streams: Vec::new(),
            queues: FxHashMap::default(),
            host_ns: 0,
            report: Report { policy, seed, ..Report::default() },
            hands: Hands::default(),
            lose,
            kernels: 0,
        };
        Arc::new(Self { timelines, state: Mutex::new(state), destroyed: Mutex::default() })
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub fn is_destroyed(&self, kernel: u64) -> bool {
        self.destroyed.lock().contains(&kernel)
    }

    pub fn destroy(&self, kernel: u64) {
        self.destroyed.lock().insert(kernel);
    }

    /// Takes a command buffer, and lets the device go on up to now.
    pub fn submit(self: &Arc<Self>, commands: CommandBuffer) {
        let (queue, tick) = (commands.completion.queue(), commands.completion.tick());
        let mut state = self.lock();
        if !state.queues.contains_key(&queue) {
            let world: Weak<Self> = Arc::downgrade(self);
            self.timelines.on_wait(queue, move |queue, tick| {
                if let Some(world) = world.upgrade() {
                    world.run_until(queue, tick);
                }
            });
        }
        let stream = state.stream(queue);
        state.submit(stream, commands);
        let now = state.host_ns;
        while let Event::Step(stream, at) = state.next() {
            if at > now {
                break;
            }
            state.step(stream, self);
        }
        let wanted = state.streams[stream].wanted >= tick.get();
        drop(state);
        if wanted {
            self.run_until(queue, tick);
        }
    }

    /// Lets the device go on until it has executed a tick: the host waits. Returns without, if the tick has not been
    /// submitted.
    pub fn run_until(&self, queue: QueueId, tick: Tick) {
        self.run(Some((queue, tick.get())));
    }

    /// Lets the device go on until it has nothing to do.
    pub fn run_all(&self) {
        self.run(None);
    }

    fn run(&self, goal: Option<(QueueId, u64)>) {
        let mut state = self.lock();
        loop {
            if let Some((queue, tick)) = goal {
                let stream = state.stream(queue);
                if let Some(at) = state.streams[stream].finished_at(tick) {
                    state.host_ns = state.host_ns.max(at);
                    return;
                }
            }
            match state.next() {
                Event::Step(stream, _) => state.step(stream, self),
                Event::Foreign(stream, tick) => {
                    let queue = state.streams[stream].queue;
                    drop(state);
                    let ended = self.timelines.wait_ended(queue, tick);
                    state = self.lock();
                    let known = &mut state.streams[stream];
                    known.executed = known.executed.max(tick.get());
                    if ended.is_err() || self.timelines.failure(queue, tick).is_some() {
                        known.failed.insert(tick.get());
                    }
                }
                Event::Nothing => {
                    match goal {
                        Some((queue, tick)) => {
                            let stream = state.stream(queue);
                            let wanted = &mut state.streams[stream].wanted;
                            *wanted = tick.max(*wanted);
                        }
                        None => {
                            let last = state.streams.iter().map(|s| s.time_ns).max().unwrap_or(0);
                            state.host_ns = state.host_ns.max(last);
                        }
                    }
                    return;
                }
            }
        }
    }

    /// What happened so far.
    pub fn report(&self) -> Report {
        let state = self.lock();
        let last = state.streams.iter().map(|s| s.time_ns).max().unwrap_or(0);
        Report { peak_bytes: state.memory.peak, virtual_ns: state.host_ns.max(last), ..state.report.clone() }
    }
}

impl Stream {
    fn new(queue: QueueId) -> Self {
        Self {
            queue,
            executed: 0,
            finished: Vec::new(),
            time_ns: 0,
            clock: Clock::new(),
            pending: VecDeque::new(),
            failed: FxHashSet::default(),
            wanted: 0,
        }
    }

    /// When the device had executed a tick, if it has.
    fn finished_at(&self, tick: u64) -> Option<u64> {
        let at = self.finished.partition_point(|(t, _)| *t < tick);
        (self.executed >= tick).then(|| self.finished.get(at).map_or(0, |(_, at)| *at))
    }
}

impl State {
    /// The number of a stream.
    fn stream(&mut self, queue: QueueId) -> usize {
        *self.queues.entry(queue).or_insert_with(|| {
            self.streams.push(Stream::new(queue));
            self.streams.len() - 1
        })
    }

    fn submit(&mut self, stream: usize, buffer: CommandBuffer) {
        let CommandBuffer { waits, commands, completion } = buffer;
        let tick = completion.tick().get();
        self.host_ns += HOST_SUBMIT_NS + HOST_COMMAND_NS * commands.len() as u64;
        let ordinal = self.report.command_buffers;
        self.report.command_buffers += 1;
        let waits: Vec<_> = waits.into_iter().map(|(queue, tick)| (self.stream(queue), tick)).collect();
        let mut clock = self.streams[stream].clock.clone();
        // What the device has finished by now was over before this was submitted.
        for (s, other) in self.streams.iter().enumerate() {
            raise(&mut clock, s, other.executed);
        }
        for &(s, t) in &waits {
            raise(&mut clock, s, t.get());
            if let Some(buffer) = self.streams[s].pending.iter().find(|b| b.tick == t.get()) {
                join(&mut clock, &buffer.clock);
            }
        }
        let mut order: Vec<usize> = (0..commands.len()).collect();
        let mut start = 0;
        let mut epoch = 0;
        for (i, command) in commands.iter().enumerate() {
            if command.barrier {
                self.random.shuffle(&mut order[start..i]);
                start = i;
                epoch += 1;
            }
            self.order(command, stream, tick, epoch, &clock);
        }
        self.random.shuffle(&mut order[start..]);
        let mut pace = self.pace(stream, tick, 0);
        let delay = pace.below(DELAY_NS) as u64;
        let stall = if pace.one_in(STALL_ONE_IN) { STALL } else { 1 };
        self.streams[stream].clock = clock.clone();
        self.streams[stream].pending.push_back(Buffer {
            tick,
            clock,
            waits,
            commands,
            order,
            next: 0,
            arrived_ns: self.host_ns,
            delay_ns: delay * stall,
            started: false,
            lost: self.lose.contains(&ordinal),
            failure: None,
            completion: Some(completion),
        });
    }

    /// Numbers that decide how long something takes: a command of a command buffer, or (0) its start.
    fn pace(&self, stream: usize, tick: u64, what: usize) -> Random {
        let mut mixed = Random::new(self.seed ^ 0x71C7);
        for part in [stream as u64, tick, what as u64] {
            mixed = Random::new(mixed.next() ^ part);
        }
        mixed
    }

    /// The earliest thing that can happen.
    fn next(&self) -> Event {
        let mut found = Event::Nothing;
        for (s, stream) in self.streams.iter().enumerate() {
            let Some(buffer) = stream.pending.front() else { continue };
            let mut at = stream.time_ns;
            if !buffer.started {
                at = at.max(buffer.arrived_ns);
                let mut blocked = None;
                for &(other, tick) in &buffer.waits {
                    let line = &self.streams[other];
                    match line.finished_at(tick.get()) {
                        Some(finished) => at = at.max(finished),
                        // Another device's.
                        None if line.pending.is_empty() => blocked = Some(Event::Foreign(other, tick)),
                        None => blocked = Some(Event::Nothing),
                    }
                }
                match (blocked, &found) {
                    (None, _) => at += buffer.delay_ns,
                    (Some(Event::Foreign(other, tick)), Event::Nothing) => {
                        found = Event::Foreign(other, tick);
                        continue;
                    }
                    (Some(_), _) => continue,
                }
            }
            if !matches!(found, Event::Step(_, earliest) if earliest <= at) {
                found = Event::Step(s, at);
            }
        }
        found
    }

    /// Starts the stream's next command buffer, runs its next command, or ends it.
    fn step(&mut self, s: usize, world: &World) {
        let Some(mut buffer) = self.streams[s].pending.pop_front() else { return };
        if !buffer.started {
            self.start(s, &mut buffer);
        }
        if let Some(&index) = buffer.order.get(buffer.next)
            && buffer.failure.is_none()
        {
            let command = &buffer.commands[index];
            if let Err(why) = self.execute(world, command, s, buffer.tick) {
                buffer.failure = Some(why);
            }
            let bytes: usize = command.bindings.iter().map(|b| b.bound.bytes()).sum();
            let cost = COMMAND_NS + bytes as u64 / BYTES_PER_NS;
            let more = self.pace(s, buffer.tick, index + 1).below(cost as usize) as u64;
            self.streams[s].time_ns += cost + more;
            buffer.next += 1;
        }
        if buffer.next < buffer.order.len() && buffer.failure.is_none() {
            self.streams[s].pending.push_front(buffer);
            return;
        }
        let stream = &mut self.streams[s];
        stream.executed = buffer.tick;
        stream.finished.push((buffer.tick, stream.time_ns));
        if buffer.failure.is_some() || buffer.lost {
            stream.failed.insert(buffer.tick);
        }
        match (buffer.completion.take(), buffer.failure) {
            (Some(completion), None) => completion.done(),
            (Some(completion), Some(why)) => completion.fail(why),
            (None, _) => {}
        }
    }

    fn start(&mut self, s: usize, buffer: &mut Buffer) {
        buffer.started = true;
        let waited = buffer.waits.iter().filter_map(|(o, t)| self.streams[*o].finished_at(t.get())).max();
        let stream = &mut self.streams[s];
        stream.time_ns = stream.time_ns.max(buffer.arrived_ns).max(waited.unwrap_or(0)) + buffer.delay_ns;
        if buffer.waits.iter().any(|(other, tick)| self.streams[*other].failed.contains(&tick.get())) {
            buffer.failure = Some("what it waited for failed".into());
        }
        if buffer.lost
            && let Some(completion) = buffer.completion.take()
        {
            completion.lose("the device lost it");
        }
    }
}
