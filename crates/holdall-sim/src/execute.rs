//! Running one command.
//!
//! Kernels never see the device's memory: each block that a command names is copied into a buffer with guards at both
//! ends, and back if the command may write it. So a kernel that goes astray is found, and hurts nothing.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use holdall_core::command::{Command, Executable, Launch};
use holdall_cpu::CpuLaunch;
use holdall_cpu::kernel::{Kernel, Scratch, Slice};
use smallvec::SmallVec;

use crate::block::{POISON, Place};
use crate::order::is_own;
use crate::violation::{Party, Violation, ViolationKind};
use crate::world::{State, World};

/// A copy of a block of another device, which the host can read, to one of this.
#[derive(Debug)]
pub(crate) struct Import {
    pub bytes: usize,
}

impl Import {
    pub fn of(command: &Command) -> Option<&Self> {
        command.launch.as_any().downcast_ref()
    }
}

impl Executable for Import {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A launch of a kernel that can be destroyed before it runs.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub id: u64,
    pub launch: Launch,
}

impl Executable for Loaded {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A cache line, so that buffers are aligned as device memory is.
#[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([u8; 64]);

const LINE: usize = size_of::<Line>();
/// Lines of guard before and after.
const GUARD: usize = 4;

/// A copy of a block between guards.
struct Bounce {
    lines: Vec<Line>,
    bytes: usize,
    place: Place,
    life: u64,
    writes: bool,
    /// What it held before, if the command may not change it.
    before: Option<Vec<u8>>,
}

impl Bounce {
    fn new(bytes: usize) -> Self {
        let lines = vec![Line([POISON; LINE]); bytes.div_ceil(LINE) + 2 * GUARD];
        Self { lines, bytes, place: (0, 0), life: 0, writes: false, before: None }
    }

    fn data(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[GUARD * LINE..][..self.bytes]
    }

    /// The first byte of the data, as an address in the whole buffer.
    fn start(&mut self) -> *mut u8 {
        self.lines.as_mut_ptr().cast::<u8>().wrapping_add(GUARD * LINE)
    }

    fn guards_hold(&self) -> bool {
        let all: &[u8] = bytemuck::cast_slice(&self.lines);
        let (before, rest) = all.split_at(GUARD * LINE);
        before.iter().chain(&rest[self.bytes..]).all(|byte| *byte == POISON)
    }
}

/// What a device keeps between commands.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    scratch: Scratch,
}

impl State {
    /// Runs a command, its items in a random order.
    ///
    /// # Errors
    /// Why the kernel failed.
    pub(crate) fn execute(
        &mut self,
        world: &World,
        command: &Command,
        stream: usize,
        tick: u64,
    ) -> Result<(), String> {
        self.report.commands += 1;
        let mut launch = &command.launch;
        let party =
            |life| Party { op: command.op, origin: Some(command.origin), stream: Some(stream), tick, life };
        let at_ns = self.streams[stream].time_ns;
        if let Some(loaded) = launch.as_any().downcast_ref::<Loaded>() {
            if world.is_destroyed(loaded.id) {
                let kind = ViolationKind::DestroyedKernel;
                self.report.add(Violation { kind, by: party(0), block: 0, other: None, at_ns });
                return Ok(());
            }
            launch = &loaded.launch;
        }
        let mut bounces: SmallVec<[Bounce; 4]> = SmallVec::new();
        let mut slices: SmallVec<[(usize, usize, usize); 6]> = SmallVec::new();
        for (i, binding) in command.bindings.iter().enumerate() {
            let (bound, life) = (&binding.bound, binding.bound.life());
            let (place, bytes) = ((bound.handle(), bound.offset()), bound.bytes());
            let known = bounces.iter().position(|b| b.place == place && b.life == life && place.0 != 0);
            let own = is_own(command, i, bound);
            let at = known.filter(|_| own).unwrap_or(bounces.len());
            if at == bounces.len() {
                let mut bounce = Bounce::new(bytes);
                if own {
                    (bounce.place, bounce.life) = (place, life);
                    let is_live = self.memory.is_live(place);
                    let number = self.memory.block(place).number;
                    match self.memory.bytes_of(place, life, bytes) {
                        Some(memory) => bounce.data().copy_from_slice(memory),
                        None => {
                            let kind = match is_live {
                                true => ViolationKind::OutOfBounds,
                                false => ViolationKind::AfterRelease,
                            };
                            let by = party(life);
                            self.report.add(Violation { kind, by, block: number, other: None, at_ns });
                        }
                    }
                } else if bytes > 0 {
                    // SAFETY: this runs the command buffer in which the binding was made, before its completion, so
                    // the memory, which the host can read, is there, and nobody writes it: `import` and the contract of
                    // foreign storages see to that.
                    let from = unsafe { std::slice::from_raw_parts(bound.address().cast_const(), bytes) };
                    bounce.data().copy_from_slice(from);
                }
                bounces.push(bounce);
            }
            bounces[at].writes |= own && bound.access().writes();
            if binding.offset > bytes {
                let number = self.memory.block(place).number;
                let kind = ViolationKind::OutOfBounds;
                self.report.add(Violation { kind, by: party(life), block: number, other: None, at_ns });
                return Ok(());
            }
            slices.push((at, binding.offset, bytes - binding.offset));
        }
        for bounce in &mut bounces {
            bounce.before = (!bounce.writes).then(|| bounce.data().to_vec());
        }
        let starts: SmallVec<[*mut u8; 4]> = bounces.iter_mut().map(Bounce::start).collect();
        let memory: SmallVec<[Slice; 6]> = slices
            .iter()
            .map(|&(at, offset, bytes)| Slice::new(starts[at].wrapping_add(offset), bytes))
            .collect();
        let result = if let Some(import) = launch.as_any().downcast_ref::<Import>() {
            let bytes = import.bytes.min(memory[0].bytes()).min(memory[1].bytes());
            let from = bounces[0].data()[..bytes].to_vec();
            bounces[1].data()[..bytes].copy_from_slice(&from);
            Ok(())
        } else if let Some(CpuLaunch(kernel)) = launch.as_any().downcast_ref() {
            self.run(kernel, &memory).map_err(|why| format!("{}: {why}", command.op))
        } else {
            Err(format!("{}: was made for another backend", command.op))
        };
        for mut bounce in bounces {
            let changed = bounce.before.take().is_some_and(|before| before != *bounce.data());
            let kind = match (bounce.guards_hold(), changed) {
                (false, _) => Some(ViolationKind::OutOfBounds),
                (true, true) => Some(ViolationKind::UndeclaredWrite),
                (true, false) => None,
            };
            if let Some(kind) = kind {
                let block = self.memory.block(bounce.place).number;
                self.report.add(Violation { kind, by: party(bounce.life), block, other: None, at_ns });
            }
            if bounce.writes
                && let Some(memory) = self.memory.bytes_of(bounce.place, bounce.life, bounce.bytes)
            {
                memory.copy_from_slice(bounce.data());
            }
        }
        result
    }

    fn run(&mut self, kernel: &Arc<dyn Kernel>, memory: &[Slice]) -> Result<(), String> {
        let scratch = &mut self.hands.scratch;
        for phase in 0..kernel.phases() {
            let mut items: Vec<usize> = (0..kernel.items(phase)).collect();
            self.random.shuffle(&mut items);
            for item in items {
                // SAFETY: the recorder bound what the kernel was made for. The buffers are this call's own, as large as
                // the blocks that were bound, and outlive it; items run one by one, phases one after the other.
                let run = || unsafe { kernel.run(phase, item, memory, scratch) };
                catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
                    let text = panic.downcast_ref::<String>().map(String::as_str);
                    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
                    format!("the kernel {kernel:?} panicked: {text}")
                })?;
                if let Some(why) = scratch.take_failure() {
                    return Err(why);
                }
            }
        }
        Ok(())
    }
}
