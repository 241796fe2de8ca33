//! Whether uses of a block are ordered: vector clocks over streams, barriers inside a command buffer.
//!
//! Checked when a command buffer is submitted, against all that were submitted before. So a missing order is found
//! whatever order the seed then picks, and each access is reported once, by the first thing that is wrong with it.

use holdall_core::command::Command;
use holdall_memory::Bound;
use smallvec::SmallVec;

use crate::block::{Place, Use};
use crate::execute::Import;
use crate::violation::{Hazard, Party, Violation, ViolationKind};
use crate::world::State;

/// By stream, the newest tick that is ordered before a command buffer.
pub(crate) type Clock = Vec<u64>;

/// Raises the entries of `clock` to those of `other`.
pub(crate) fn join(clock: &mut Clock, other: &[u64]) {
    if clock.len() < other.len() {
        clock.resize(other.len(), 0);
    }
    clock.iter_mut().zip(other).for_each(|(a, b)| *a = (*a).max(*b));
}

/// Raises one entry.
pub(crate) fn raise(clock: &mut Clock, stream: usize, tick: u64) {
    if clock.len() <= stream {
        clock.resize(stream + 1, 0);
    }
    clock[stream] = clock[stream].max(tick);
}

/// A block that a command uses, all its bindings taken together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    pub place: Place,
    pub life: u64,
    /// Some binding is for reading only: the contents are an input.
    pub input: bool,
    pub reads: bool,
    pub writes: bool,
}

/// Whether a binding of a command is memory of this device.
pub(crate) fn is_own(command: &Command, index: usize, bound: &Bound) -> bool {
    bound.handle() != 0 && !(index == 0 && Import::of(command).is_some())
}

/// The blocks of this device that a command uses.
pub(crate) fn touches(command: &Command) -> SmallVec<[Touch; 4]> {
    let mut touches: SmallVec<[Touch; 4]> = SmallVec::new();
    for (i, binding) in command.bindings.iter().enumerate() {
        let bound = &binding.bound;
        if !is_own(command, i, bound) {
            continue;
        }
        let (access, place) = (bound.access(), (bound.handle(), bound.offset()));
        // The block of an empty array, which is asked for as one byte, is bound and never written.
        let input = !access.writes() && bound.bytes() > 1;
        match touches.iter_mut().find(|t| t.place == place && t.life == bound.life()) {
            Some(t) => {
                t.input |= input;
                t.reads |= access.reads();
                t.writes |= access.writes();
            }
            None => touches.push(Touch {
                place,
                life: bound.life(),
                input,
                reads: access.reads(),
                writes: access.writes(),
            }),
        }
    }
    touches
}

impl State {
    /// Checks the uses of one command against everything submitted before, and adds them to that.
    pub(crate) fn order(&mut self, command: &Command, stream: usize, tick: u64, epoch: u32, clock: &Clock) {
        let at_ns = self.host_ns;
        for touch in touches(command) {
            let now = Use { stream, tick, epoch, life: touch.life, op: command.op, origin: command.origin };
            let ordered = |a: &Use| {
                if a.stream == stream {
                    (a.tick, a.epoch) < (tick, epoch)
                } else {
                    clock.get(a.stream).is_some_and(|seen| *seen >= a.tick)
                }
            };
            let block = self.memory.block(touch.place);
            let write = block.last_write.filter(|w| !ordered(w));
            let read = block.reads.iter().find(|r| touch.writes && !ordered(r)).copied();
            let found = match (write, read) {
                (Some(w), _) => {
                    let hazard = if touch.reads { Hazard::ReadAfterWrite } else { Hazard::WriteAfterWrite };
                    Some((w, hazard))
                }
                (None, Some(r)) => Some((r, Hazard::WriteAfterRead)),
                (None, None) => None,
            };
            if touch.life > block.life {
                let mut before = block.last_write.iter().chain(&block.reads).peekable();
                if before.peek().is_some() {
                    match before.all(|a| a.stream == stream) {
                        true => self.report.reused_in_stream += 1,
                        false => self.report.reused_across_streams += 1,
                    }
                }
                block.life = touch.life;
                block.written = false;
            }
            let kind = match found {
                Some((a, hazard)) if a.stream == stream => Some(ViolationKind::MissingBarrier(hazard)),
                Some((a, _)) if a.life != touch.life => Some(ViolationKind::EarlyReuse),
                Some((_, hazard)) => Some(ViolationKind::MissingWait(hazard)),
                None if touch.writes && block.loans > 0 => Some(ViolationKind::Leased),
                None if touch.input && touch.life == block.life && !block.written => {
                    Some(ViolationKind::UnwrittenRead)
                }
                None => None,
            };
            let number = block.number;
            if touch.writes {
                block.reads.clear();
                block.last_write = Some(now);
                block.written |= touch.life == block.life;
            } else {
                block.reads.retain(|r| r.stream != stream);
                block.reads.push(now);
            }
            if let Some(kind) = kind {
                let other = found.map(|(a, _)| a.party());
                self.report.add(Violation { kind, by: now.party(), block: number, other, at_ns });
            }
        }
    }

    /// Checks that the host may read or write owner number `life` of a block, and that there is something to read.
    pub(crate) fn host_order(&mut self, place: Place, op: &'static str, writes: bool) {
        let at_ns = self.host_ns;
        let executed: SmallVec<[u64; 8]> = self.streams.iter().map(|s| s.executed).collect();
        let block = self.memory.block(place);
        let life = block.owner;
        let running = |u: &&Use| executed[u.stream] < u.tick;
        let other = if writes {
            block.last_write.iter().chain(&block.reads).find(running)
        } else {
            block.last_write.iter().filter(|w| w.life == life).find(running)
        };
        let kind = match other {
            Some(_) => Some(ViolationKind::HostAccess),
            None if writes && block.loans > 0 => Some(ViolationKind::Leased),
            None if !writes && (block.life != life || !block.written) => Some(ViolationKind::UnwrittenRead),
            None => None,
        };
        let other = other.map(Use::party);
        let number = block.number;
        if writes {
            block.life = life;
            block.written = true;
            block.last_write = None;
            block.reads.clear();
        }
        if let Some(kind) = kind {
            let by = Party { op, origin: None, stream: None, tick: 0, life };
            self.report.add(Violation { kind, by, block: number, other, at_ns });
        }
    }
}
