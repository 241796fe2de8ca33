//! What a CPU kernel is: a computation cut into phases of independent work items.
//!
//! A stream runs a command buffer with a team of threads. All threads walk the commands in order; the items of a
//! command (and of all commands that no barrier separates) are claimed one by one from a shared counter. Between two
//! phases of a kernel, and where the recorder placed a barrier, the team waits for its last member. So a kernel never
//! starts threads or waits: it says how many items each phase has and computes one when asked.

use std::fmt::Debug;

/// Memory that a command names: the first byte of the array's data and the bytes up to the end of its block.
///
/// Offsets into a buffer are applied before the kernel sees it; strides are the kernel's own parameters.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    pointer: *mut u8,
    bytes: usize,
}

// SAFETY: a `Slice` is an address and a length; using it is unsafe and ordered by the command buffer's barriers.
unsafe impl Send for Slice {}
// SAFETY: as above; sharing the description of memory shares no memory.
unsafe impl Sync for Slice {}

impl Slice {
    /// Describes `bytes` bytes from `pointer` on.
    pub fn new(pointer: *mut u8, bytes: usize) -> Self {
        Self { pointer, bytes }
    }

    /// The address as a pointer to elements.
    pub fn as_ptr<T>(&self) -> *mut T {
        self.pointer.cast()
    }

    /// Bytes from the pointer to the end of the block.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first `len` elements, for reading.
    ///
    /// # Safety
    /// The memory holds `len` initialised values of `T`, and nothing writes to them while the slice lives.
    pub unsafe fn read<'a, T: bytemuck::Pod>(&self, len: usize) -> &'a [T] {
        debug_assert!(len * size_of::<T>() <= self.bytes, "read of {len} elements in {} bytes", self.bytes);
        // SAFETY: passed on to the caller.
        unsafe { std::slice::from_raw_parts(self.pointer.cast(), len) }
    }

    /// Elements `start .. start + len`, for writing.
    ///
    /// # Safety
    /// The memory holds these elements, and nothing else touches them while the slice lives.
    pub unsafe fn write<'a, T: bytemuck::Pod>(&self, start: usize, len: usize) -> &'a mut [T] {
        debug_assert!((start + len) * size_of::<T>() <= self.bytes, "write past {} bytes", self.bytes);
        // SAFETY: passed on to the caller.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.cast::<T>().add(start), len) }
    }
}

/// Scratch memory of one thread of the team, kept between items.
#[derive(Debug, Default)]
pub struct Scratch {
    lines: Vec<Line>,
    failure: Option<String>,
}

#[derive(Clone, Copy, Debug, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl Scratch {
    /// Ends the command buffer with an error: for kernels whose work can fail, such as reading a file.
    pub fn fail(&mut self, message: impl Into<String>) {
        self.failure.get_or_insert(message.into());
    }

    /// What [`Scratch::fail`] said, once.
    pub fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// `len` elements of scratch, aligned to 64 bytes; what they hold is what the last user left.
    pub fn get<T: bytemuck::Pod>(&mut self, len: usize) -> &mut [T] {
        let lines = (len * size_of::<T>()).div_ceil(64);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; 64]));
        }
        &mut bytemuck::cast_slice_mut(&mut self.lines[..lines])[..len]
    }
}

/// A kernel with its parameters: shapes, strides, widths; memory comes with each call.
///
/// Bindings are passed in the order in which the recorder bound them: inputs, outputs, temporaries.
pub trait Kernel: Debug + Send + Sync {
    /// How many phases; the team waits between them.
    fn phases(&self) -> usize {
        1
    }

    /// Independent work items of a phase. Enough for the team's load to balance, few enough that claiming one
    /// (some 50 ns) does not show. One item means: too small to share.
    fn items(&self, phase: usize) -> usize;

    /// Bytes of each temporary that the recorder shall allocate and bind after the outputs.
    fn temporaries(&self) -> &[usize] {
        &[]
    }

    /// Computes one item.
    ///
    /// # Safety
    /// `memory` holds the bindings that the kernel was made for, sized for its parameters; each item of a phase
    /// runs exactly once, after all items of the phase before, and nobody else touches what the command binds.
    unsafe fn run(&self, phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch);
}

/// The part of `0..len` that falls to `item` of `items`, cut at multiples of `grain`.
pub fn span(len: usize, grain: usize, item: usize, items: usize) -> std::ops::Range<usize> {
    let grains = len.div_ceil(grain);
    let at = |i: usize| (grains * i / items * grain).min(len);
    at(item)..at(item + 1)
}
