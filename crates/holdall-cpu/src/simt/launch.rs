//! A program with a grid: a kernel like any other.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use holdall_msl::ir::ObjectKind;

use super::finding::Findings;
use super::machine::{Geometry, Machine, NOWHERE, Place, Row};
use super::mask::Mask;
use super::program::Program;
use super::rows::BLOCK;
use super::watch::Watch;
use crate::kernel::{Kernel, Scratch, Slice};

/// The most threads that a group may have.
pub const MAX_THREADS: u32 = 1024;

/// How long a launch may take by default.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The most threadgroup memory of a kernel, as on Apple's devices.
pub const MAX_THREADGROUP_BYTES: u32 = 32 << 10;

/// The most memory of the threads of one group together, registers included: what one core works in should not be most of
/// the machine's.
pub const MAX_GROUP_BYTES: usize = 256 << 20;

/// Threads that an item has at least, so that claiming it does not show.
const ITEM_THREADS: u64 = 4096;

/// The bytes of a buffer.
#[derive(Clone, Debug)]
pub enum Binding {
    /// The next of the memory that is bound with the launch, of which so many bytes belong to the buffer.
    Memory(usize),
    /// These: shapes, strides, numbers of axes, and scalars.
    Bytes(Box<[u8]>),
}

/// Why a launch cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaunchError {
    /// A group has too many threads.
    Threads([u32; 3]),
    /// A group without threads.
    Empty([u32; 3]),
    /// Too much threadgroup memory.
    Memory(u32),
    /// Too much memory of the threads of a group together, in bytes.
    Private(usize),
    /// More groups than can be counted.
    Grid([u32; 3]),
    /// Too few or too many buffers.
    Buffers {
        /// Of the program.
        expected: usize,
        /// Of the launch.
        given: usize,
    },
    /// A program for checked mode without findings, or the other way round.
    Mode(&'static str),
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads(group) => {
                write!(f, "a threadgroup of {group:?} has more than {MAX_THREADS} threads")
            }
            Self::Empty(group) => write!(f, "a threadgroup of {group:?} has no threads"),
            Self::Memory(bytes) => write!(
                f,
                "the kernel wants {bytes} bytes of threadgroup memory; there are {MAX_THREADGROUP_BYTES}"
            ),
            Self::Private(bytes) => write!(
                f,
                "the variables of the threads of a group take {bytes} bytes together; there are {MAX_GROUP_BYTES}"
            ),
            Self::Grid(grid) => write!(f, "a grid of {grid:?} has more groups than can be counted"),
            Self::Buffers { expected, given } => {
                write!(f, "the kernel has {expected} buffers, {given} are bound")
            }
            Self::Mode(mode) => write!(f, "the program was compiled for {mode}"),
        }
    }
}

impl std::error::Error for LaunchError {}

/// A program, its grid and its buffers.
///
/// Memory is bound in the order of the [`Binding::Memory`] entries, without gaps. Buffers that the program says it
/// writes (`is_written`) have to be bound for writing, also inputs from which the kernel cast `const` away.
#[derive(Debug)]
pub struct Launch {
    program: Arc<Program>,
    geometry: Geometry,
    bindings: Vec<Binding>,
    deadline: Duration,
    findings: Option<Arc<Findings>>,
    /// Outputs with this index and those after it hold values before the launch.
    initialised: u32,
    items: usize,
    /// When the first item began: a launch runs once.
    started: OnceLock<Instant>,
}

impl Launch {
    /// A launch of exactly the product of `grid` threads in groups of `threadgroup`, or fewer at the edges.
    ///
    /// # Errors
    /// When a group is empty or has more than 1024 threads, or the bindings are not those of the program.
    pub fn new(
        program: Arc<Program>,
        grid: [u32; 3],
        threadgroup: [u32; 3],
        bindings: Vec<Binding>,
    ) -> Result<Self, LaunchError> {
        if program.checked {
            return Err(LaunchError::Mode("checked mode"));
        }
        Self::with(program, grid, threadgroup, bindings, None)
    }

    /// As [`Launch::new`], of a program compiled for checked mode. Mistakes of the kernel go to `findings`.
    ///
    /// # Errors
    /// As there.
    pub fn checked(
        program: Arc<Program>,
        grid: [u32; 3],
        threadgroup: [u32; 3],
        bindings: Vec<Binding>,
        findings: Arc<Findings>,
    ) -> Result<Self, LaunchError> {
        if !program.checked {
            return Err(LaunchError::Mode("unchecked mode"));
        }
        Self::with(program, grid, threadgroup, bindings, Some(findings))
    }

    fn with(
        program: Arc<Program>,
        grid: [u32; 3],
        threadgroup: [u32; 3],
        bindings: Vec<Binding>,
        findings: Option<Arc<Findings>>,
    ) -> Result<Self, LaunchError> {
        let threads = threadgroup.iter().try_fold(1u32, |n, extent| n.checked_mul(*extent));
        match threads {
            Some(0) => return Err(LaunchError::Empty(threadgroup)),
            Some(1..=MAX_THREADS) => {}
            _ => return Err(LaunchError::Threads(threadgroup)),
        }
        let bytes = program.ir.threadgroup_bytes();
        if bytes > MAX_THREADGROUP_BYTES {
            return Err(LaunchError::Memory(bytes));
        }
        let (expected, given) = (program.ir.buffers.len(), bindings.len());
        if expected != given {
            return Err(LaunchError::Buffers { expected, given });
        }
        let nominal = std::array::from_fn(|i| threadgroup[i].min(grid[i]).max(1));
        let threads = nominal.iter().map(|n| u64::from(*n)).product::<u64>();
        let capacity = (threads as usize).next_multiple_of(BLOCK);
        let rows = program.slots.iter().map(|slot| slot.size * if slot.uniform { BLOCK } else { capacity });
        let bytes = rows.fold(Self::private_bytes(&program).saturating_mul(capacity), usize::saturating_add);
        if bytes > MAX_GROUP_BYTES {
            return Err(LaunchError::Private(bytes));
        }
        let geometry = Geometry { grid, nominal };
        let groups = geometry.groups().iter().try_fold(1u64, |n, extent| n.checked_mul(u64::from(*extent)));
        let Some(groups) = groups.filter(|n| *n <= u64::MAX / ITEM_THREADS) else {
            return Err(LaunchError::Grid(grid));
        };
        let items = groups.div_ceil((ITEM_THREADS / threads).max(1)) as usize;
        let items = if findings.is_some() { items.min(1) } else { items };
        let (deadline, initialised, started) = (DEADLINE, u32::MAX, OnceLock::new());
        Ok(Self { program, geometry, bindings, deadline, findings, initialised, items, started })
    }

    /// A launch that takes longer, from its first group on, ends with an error.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Outputs hold values before the launch: checked mode does not ask for each to be written.
    #[must_use]
    pub fn initialised(self) -> Self {
        self.initialised_from(0)
    }

    /// The same of the outputs with this index and those after it.
    #[must_use]
    pub fn initialised_from(self, output: usize) -> Self {
        Self { initialised: output as u32, ..self }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    fn places(&self, memory: &[Slice], shared: *mut u8, private: *mut u8, capacity: usize) -> Vec<Place> {
        let mut memory = memory.iter();
        let (mut shared_end, mut private_end) = (0usize, 0usize);
        let objects = self.program.ir.objects.iter().zip(&self.program.granules);
        objects
            .map(|(object, granule)| {
                let size = object.size as usize;
                match &object.kind {
                    ObjectKind::Buffer(i) => {
                        let role = self.program.ir.buffers[*i as usize].role;
                        let writable = role.is_memory();
                        match &self.bindings[*i as usize] {
                            Binding::Memory(bytes) => {
                                let Some(slice) = memory.next() else { return NOWHERE };
                                let size = slice.bytes().min(*bytes);
                                Place { base: slice.as_ptr(), size, granule: 0, writable, shared: true }
                            }
                            Binding::Bytes(bytes) => {
                                let base = bytes.as_ptr().cast_mut();
                                Place { base, size: bytes.len(), granule: 0, writable: false, shared: false }
                            }
                        }
                    }
                    ObjectKind::Table(bytes) => {
                        let base = bytes.as_ptr().cast_mut();
                        Place { base, size: bytes.len(), granule: 0, writable: false, shared: false }
                    }
                    ObjectKind::Threadgroup => {
                        shared_end = shared_end.next_multiple_of((object.align.max(1) as usize).max(8));
                        let base = shared.wrapping_add(shared_end);
                        shared_end += size;
                        Place { base, size, granule: 0, writable: true, shared: false }
                    }
                    ObjectKind::Thread => {
                        let base = private.wrapping_add(private_end * capacity);
                        // Whole granules of whole lines, so that every row is aligned.
                        private_end += size.next_multiple_of(*granule).next_multiple_of(8);
                        Place { base, size, granule: *granule, writable: true, shared: false }
                    }
                }
            })
            .collect()
    }

    /// Bytes of threadgroup memory, as [`Launch::places`] lays it out.
    fn shared_bytes(program: &Program) -> usize {
        let shared = program.ir.objects.iter().filter(|object| object.kind == ObjectKind::Threadgroup);
        shared.fold(0, |end: usize, object| {
            end.next_multiple_of((object.align.max(1) as usize).max(8)) + object.size as usize
        })
    }

    /// Bytes of each thread's own memory, likewise.
    fn private_bytes(program: &Program) -> usize {
        let objects = program.ir.objects.iter().zip(&program.granules);
        let private = objects.filter(|(object, _)| object.kind == ObjectKind::Thread);
        private
            .map(|(object, granule)| (object.size as usize).next_multiple_of(*granule).next_multiple_of(8))
            .sum()
    }
}

impl Kernel for Launch {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let program = &*self.program;
        let threads: u32 = self.geometry.nominal.iter().product();
        let capacity = (threads as usize).next_multiple_of(BLOCK);
        let (shared, private) = (Self::shared_bytes(program), Self::private_bytes(program));
        let row = |size: usize, uniform: bool| if uniform { BLOCK * size } else { capacity * size };
        let line = |bytes: usize| bytes.next_multiple_of(64);
        let slots: usize = program.slots.iter().map(|slot| line(row(slot.size, slot.uniform))).sum();
        let parts =
            [slots, 3 * line(capacity * 4), 4 * line(capacity * 8), line(shared), line(private * capacity)];
        let arena = scratch.get::<u64>(parts.iter().sum::<usize>() / 8);
        // Threads' and groups' memory holds nothing yet; zeros make a wrong kernel wrong the same way each time.
        arena[parts[..3].iter().sum::<usize>() / 8..].fill(0);
        arena[..slots / 8].fill(0);
        let base = arena.as_mut_ptr().cast::<u8>();
        let mut end = 0;
        let mut take = |bytes: usize| {
            let at = base.wrapping_add(end);
            end += line(bytes);
            at
        };
        let mut rows: Vec<Row> = Vec::with_capacity(program.slots.len() + program.constants.len());
        for slot in &program.slots {
            let stride = if slot.uniform { 0 } else { BLOCK * slot.size };
            rows.push(Row { at: take(row(slot.size, slot.uniform)), stride });
        }
        rows.extend(program.constants.iter().map(|c| Row { at: c.as_ptr().cast_mut(), stride: 0 }));
        let local = std::array::from_fn(|_| Row { at: take(capacity * 4), stride: BLOCK * 4 });
        let aside = take(4 * line(capacity * 8));
        let shared_base = take(shared);
        let private_base = take(private * capacity);
        let places = self.places(memory, shared_base, private_base, capacity);
        let watch = self
            .findings
            .as_ref()
            .map(|findings| Watch::new(program, findings.clone(), &places, self.initialised));
        let started = *self.started.get_or_init(Instant::now);
        let mut machine = Machine {
            program,
            rows,
            places,
            geometry: self.geometry,
            group: [0; 3],
            size: [0; 3],
            n_lanes: 0,
            n_blocks: 0,
            capacity,
            local,
            aside,
            active: Mask::default(),
            alive: Mask::default(),
            stack: vec![Mask::default(); 2 * program.levels],
            low: 0,
            high: 0,
            full: true,
            pc: 0,
            others: Vec::new(),
            met: None,
            spins: 0,
            rounds: 0,
            started,
            deadline: self.deadline,
            watch,
        };
        let groups = self.geometry.groups().map(u64::from);
        let n: u64 = groups.iter().product();
        let first = |item: usize| (u128::from(n) * item as u128 / self.items as u128) as u64;
        let (from, to) = (first(item), first(item + 1));
        for index in from..to {
            let group = [index % groups[0], index / groups[0] % groups[1], index / (groups[0] * groups[1])];
            machine.begin(group.map(|i| i as u32));
            machine.watch_begin(index);
            // Reading the clock takes a twentieth of a small group's time.
            let is_late = (index - from).is_multiple_of(8) && started.elapsed() > self.deadline;
            if is_late || !machine.complete() {
                let span = program.spans[machine.pc];
                let at =
                    program.ir.position(span).map_or(String::new(), |at| format!(", in the loop at {at}"));
                let seconds = self.deadline.as_secs_f64();
                scratch.fail(format!("kernel `{}` did not end within {seconds} s{at}", program.name()));
                return;
            }
        }
        machine.watch_end();
    }
}
