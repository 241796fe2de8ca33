//! Random use of pools, streams and failures, checked against the invariant in its plainest form: nothing is reused or
//! released while some command buffer that names it is neither ordered before the new use nor ended.

use std::collections::HashMap;

use super::{Fake, fake};
use crate::sync::Arc;
use crate::{Access, Completion, Policy, Pool, Queue, QueueId, Storage, Tick, Timelines, User};

/// A place in the device's memory: allocation and offset.
type Place = (u64, usize);

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Failed,
    Lost,
}

/// One stream as the oracle sees it: everything that ever happened, and no conclusions.
struct Stream {
    queue: Queue,
    running: Vec<Completion>,
    ends: HashMap<u64, End>,
    idle_up_to: u64,
    /// The tick of each recorded wait, and what it waits for.
    waits: Vec<(u64, QueueId, u64)>,
}

impl Stream {
    fn ended(&self, tick: u64) -> bool {
        let done = self.ends.iter().filter(|&(_, &end)| end == End::Done).map(|(&tick, _)| tick).max();
        let mut up_to = done.unwrap_or(0).max(self.idle_up_to);
        while self.ends.get(&(up_to + 1)) == Some(&End::Failed) {
            up_to += 1;
        }
        tick <= up_to
    }
}

struct World {
    seed: u64,
    driver: Arc<Fake>,
    timelines: Arc<Timelines>,
    pool: Arc<Pool>,
    streams: Vec<Stream>,
    held: Vec<(Storage, Place)>,
    uses: HashMap<Place, Vec<(QueueId, u64)>>,
    violation: Option<String>,
}

impl World {
    fn new(seed: u64, policy: Policy) -> Self {
        // A full device would make the pool wait for command buffers that this very thread has to end.
        let (driver, timelines, pool) = fake(usize::MAX, policy);
        let streams = (0..6)
            .map(|_| Stream {
                queue: timelines.register(),
                running: Vec::new(),
                ends: HashMap::new(),
                idle_up_to: 0,
                waits: Vec::new(),
            })
            .collect();
        let (held, uses) = (Vec::new(), HashMap::new());
        Self { seed, driver, timelines, pool, streams, held, uses, violation: None }
    }

    /// A number below `n`.
    fn random(&mut self, n: usize) -> usize {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn ended(&self, queue: QueueId, tick: u64) -> bool {
        self.streams[queue.index()].ended(tick)
    }

    /// True when what `user` records now runs after the tick, by the waits alone.
    fn ordered(&self, user: QueueId, queue: QueueId, tick: u64) -> bool {
        let mut todo = vec![(user, u64::MAX)];
        let mut been: Vec<(QueueId, u64)> = Vec::new();
        while let Some((stream, up_to)) = todo.pop() {
            if stream == queue && tick <= up_to {
                return true;
            }
            if been.iter().any(|&(s, t)| s == stream && t >= up_to) {
                continue;
            }
            been.push((stream, up_to));
            let waits = &self.streams[stream.index()].waits;
            todo.extend(waits.iter().filter(|wait| wait.0 <= up_to).map(|&(_, q, t)| (q, t)));
        }
        false
    }

    fn check(&mut self, what: &str, place: Place, user: Option<QueueId>) {
        for &(queue, tick) in self.uses.get(&place).into_iter().flatten() {
            let ordered = user.is_some_and(|user| self.ordered(user, queue, tick));
            if !ordered && !self.ended(queue, tick) {
                let text = format!("{what} {place:?} while tick {tick} of stream {} uses it", queue.index());
                self.violation.get_or_insert(text);
                return;
            }
        }
    }

    fn check_releases(&mut self) {
        for handle in self.driver.released() {
            let places: Vec<_> = self.uses.keys().copied().filter(|place| place.0 == handle).collect();
            for place in places {
                self.check("released", place, None);
                self.uses.remove(&place);
            }
        }
    }

    fn take(&mut self) {
        const SIZES: [usize; 6] = [1, 64, 3000, 5000, 40_000, 150_000];
        let bytes = SIZES[self.random(SIZES.len())];
        let by_host = self.random(6) == 0;
        let at = self.random(self.streams.len());
        let queue = &self.streams[at].queue;
        let (user, id) = if by_host { (User::Host, None) } else { (User::Queue(queue), Some(queue.id())) };
        let taken = self.pool.take(bytes, user);
        self.check_releases();
        let Ok(storage) = taken else { return };
        let info = *self.driver.state.lock().unwrap().reused.last().unwrap();
        let place = (info.handle, info.offset);
        self.check("reused", place, id);
        self.held.push((storage, place));
        if let Some(at) = id.map(QueueId::index) {
            self.bind(at, self.held.len() - 1);
        }
    }

    fn bind(&mut self, stream: usize, held: usize) {
        let access = [Access::Read, Access::Write, Access::ReadWrite][self.random(3)];
        let queue = &mut self.streams[stream].queue;
        let bound = queue.bind(&self.held[held].0, access);
        let place = (bound.handle(), bound.offset());
        assert_eq!(place, self.held[held].1);
        let (id, tick) = (queue.id(), queue.open().get());
        self.uses.entry(place).or_default().push((id, tick));
    }

    fn end(&mut self, stream: usize) {
        if self.streams[stream].running.is_empty() {
            return;
        }
        let how = self.random(8);
        let any = self.random(self.streams[stream].running.len());
        let stream = &mut self.streams[stream];
        // Only failures may be reported out of order.
        let at = if how < 2 { any } else { 0 };
        let completion = stream.running.remove(at);
        let tick = completion.tick().get();
        let end = match how {
            0 => End::Failed,
            1 => End::Lost,
            _ => End::Done,
        };
        match end {
            End::Failed => completion.fail("failed"),
            End::Lost => completion.lose("lost"),
            End::Done => completion.done(),
        }
        stream.ends.insert(tick, end);
    }

    fn step(&mut self) {
        let stream = self.random(self.streams.len());
        match self.random(16) {
            0..4 => self.take(),
            4..6 if !self.held.is_empty() => {
                let at = self.random(self.held.len());
                self.bind(stream, at);
            }
            6..9 if !self.held.is_empty() => {
                let at = self.random(self.held.len());
                drop(self.held.swap_remove(at));
            }
            9..11 => {
                let completion = self.streams[stream].queue.submit();
                self.streams[stream].running.push(completion);
            }
            11..13 => self.end(stream),
            13 => {
                // A wait for something recent that was submitted.
                let other = self.random(self.streams.len());
                let submitted = self.streams[other].queue.open().get() - 1;
                let tick = submitted.saturating_sub(self.random(3) as u64);
                let id = self.streams[other].queue.id();
                let waiting = &mut self.streams[stream];
                waiting.queue.wait_for(id, Tick(tick));
                waiting.waits.push((waiting.queue.open().get(), id, tick));
            }
            14 => match self.random(4) {
                0 => self.pool.clear_cache(),
                1 => self.pool.poll(),
                2 => {
                    let limit = self.random(300_000);
                    self.pool.set_cache_limit(limit);
                }
                _ => {
                    let id = self.streams[stream].queue.id();
                    self.timelines.mark_idle(id);
                    self.streams[stream].idle_up_to = self.streams[stream].queue.open().get() - 1;
                }
            },
            _ if !self.held.is_empty() => {
                let at = self.random(self.held.len());
                let (storage, place) = &self.held[at];
                let place = *place;
                if self.streams[stream].queue.may_reuse(storage) {
                    let id = self.streams[stream].queue.id();
                    self.check("donated", place, Some(id));
                }
                if self.held[at].0.is_idle() {
                    self.check("called idle", place, None);
                }
            }
            _ => {}
        }
        self.check_releases();
    }

    /// Ends everything: then nothing may be left.
    fn finish(mut self) -> Result<(), String> {
        for at in 0..self.streams.len() {
            while !self.streams[at].running.is_empty() {
                self.end(at);
            }
        }
        for stream in &mut self.streams {
            let completion = stream.queue.submit();
            stream.ends.insert(completion.tick().get(), End::Done);
            completion.done();
        }
        self.held.clear();
        self.pool.clear_cache();
        self.check_releases();
        if self.violation.is_none() {
            let left = (self.pool.active_bytes(), self.pool.cached_bytes(), self.pool.retired_bytes());
            assert_eq!((left, self.driver.live_bytes()), ((0, 0, 0), 0), "memory is left");
        }
        self.violation.map_or(Ok(()), Err)
    }
}

fn run(seed: u64, policy: Policy) -> Result<(), String> {
    let mut world = World::new(seed, policy);
    for _ in 0..600 {
        world.step();
        if world.violation.is_some() {
            break;
        }
    }
    world.finish()
}

/// The first violation that some seed shows.
fn violation(policy: Policy) -> Option<String> {
    (0..100).find_map(|seed| run(seed, policy).err())
}

#[test]
fn the_invariant_holds() {
    for policy in [Policy::HOLDALL, Policy::RETAINED_UNTIL_COMPLETE] {
        for seed in 0..400 {
            if let Err(violation) = run(seed, policy) {
                panic!("seed {seed}, {}: {violation}", policy.name());
            }
        }
    }
}

#[test]
fn each_missing_rule_is_found() {
    let cases = [
        (Policy::UNRETAINED, "reused"),
        (Policy::WITHOUT_STAMPS, "reused"),
        (Policy::WITHOUT_POOLED_FREE, "released"),
        (Policy::WITHOUT_REUSE_CHECK, "reused"),
        (Policy::WITHOUT_RELEASE_CHECK, "released"),
        (Policy::WITHOUT_FAILED_RETENTION, "re"),
    ];
    for (policy, what) in cases {
        let found = violation(policy).unwrap_or_else(|| panic!("{}: not found", policy.name()));
        assert!(found.starts_with(what), "{}: {found}", policy.name());
    }
}
