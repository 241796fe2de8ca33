//! Groups whose lanes are at different places of the code, so that lanes can wait for each other.
//!
//! At any time one part of the group runs; the others are put aside with their place in the code and their masks. A part
//! runs until it ends, comes to a barrier or a SIMD operation while there are others, or has gone round a loop
//! that may be waiting `SPINS` times.
//!
//! Lanes behind a barrier wait for all that live. At a SIMD operation, a part waits for others only as long as these do
//! something else than spin: after `PATIENCE` turns without one, it goes on with the lanes that it has.

use super::code::Code;
use super::machine::{Machine, Pause};
use super::mask::Mask;

/// Rounds of a loop before others get a turn.
pub const SPINS: u32 = 256;
/// Turns of spinning parts before one goes on without the others.
const PATIENCE: u32 = 32;

/// A part of a group that does not run.
#[derive(Clone, Debug)]
pub struct Part {
    pc: usize,
    active: Mask,
    stack: Vec<Mask>,
    why: Pause,
}

impl Machine<'_> {
    /// A loop has gone round once more: whether it is somebody else's turn.
    pub fn spun(&mut self) -> bool {
        self.spins += 1;
        if self.spins < SPINS {
            return false;
        }
        self.spins = 0;
        // Other groups may be what the loop waits for, and their threads may want this core.
        if self.full {
            std::thread::yield_now();
        }
        !self.full
    }

    /// Runs the group from its beginning to its end; whether it kept to the deadline.
    pub fn complete(&mut self) -> bool {
        let mut turns = 0;
        loop {
            match self.run() {
                Pause::End => {}
                Pause::Late => return false,
                why => {
                    if why == Pause::Spin {
                        turns += 1;
                    } else {
                        turns = 0;
                    }
                    self.put_aside(why);
                }
            }
            if !self.next(&mut turns) {
                return true;
            }
        }
    }

    /// Puts the lanes that run aside. Lanes of theirs that are not active, being elsewhere in the code, become a part of their own.
    fn put_aside(&mut self, why: Pause) {
        if why == Pause::Spin {
            let rest: Vec<Mask> = self.stack.iter().map(|mask| mask.without(&self.active)).collect();
            let Code::Repeat { level, .. } = self.program.code[self.pc] else { return };
            // Entries above the loop's are left over from constructs that have ended.
            let live = &rest[..2 * level as usize + 1];
            if live.iter().any(Mask::any) {
                for mask in &mut self.stack {
                    *mask = mask.and(&self.active);
                }
                self.others.push(Part { pc: self.pc, active: Mask::default(), stack: rest, why: Pause::End });
            }
        }
        let part = Part { pc: self.pc, active: self.active, stack: self.stack.clone(), why };
        // Parts at the same place of a barrier or SIMD operation are one again.
        if why != Pause::Spin
            && let Some(other) = self.others.iter_mut().find(|other| other.pc == part.pc && other.why == why)
        {
            other.active = other.active.or(&part.active);
            for (mask, more) in other.stack.iter_mut().zip(&part.stack) {
                *mask = mask.or(more);
            }
            return;
        }
        self.others.push(part);
    }

    /// Chooses the part to run next; false if there is none.
    fn next(&mut self, turns: &mut u32) -> bool {
        let find = |others: &[Part], why| others.iter().position(|part| part.why == why);
        let patient = *turns < PATIENCE;
        let chosen = find(&self.others, Pause::End)
            .or_else(|| find(&self.others, Pause::Spin).filter(|_| patient))
            .or_else(|| {
                *turns = 0;
                find(&self.others, Pause::Meet)
            })
            .or_else(|| find(&self.others, Pause::Spin))
            .or_else(|| find(&self.others, Pause::Barrier));
        let Some(chosen) = chosen else { return false };
        let part = self.others.remove(chosen);
        self.pc = part.pc;
        self.stack = part.stack;
        self.met = matches!(part.why, Pause::Barrier | Pause::Meet).then_some(part.pc + 1);
        self.spins = 0;
        self.activate(part.active);
        true
    }
}
