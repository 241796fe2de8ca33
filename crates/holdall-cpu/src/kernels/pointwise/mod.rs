//! Fused elementwise programs, run tile by tile without a compiler.
//!
//! A tile of some thousand elements goes through all steps of the program before the next one: each step is a
//! compiled loop over registers that are small buffers in the first-level cache. Inputs without gaps are read and
//! outputs written in place; others are gathered into a register first.

mod lanes;
mod steps;

use holdall_core::device::Pointwise;
use holdall_core::pointwise::Instruction;
use holdall_core::{Dims, Strides};
use holdall_core::{Dtype, Error, ErrorKind, Result};
use smallvec::SmallVec;

use crate::kernel::{Kernel, Scratch, Slice, span};
use steps::{Loop, narrow, register_type, step_loop, widen};

/// Elements of a tile.
const TILE: usize = 1024;

/// Where a register's elements are while a tile is computed.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the memory of this binding, at the tile's position.
    Memory(u32),
    /// In this buffer of the scratch.
    Buffer(u32),
}

/// How an input gets to where the program reads it.
#[derive(Clone, Debug)]
enum Load {
    /// It is read where it lies.
    Direct,
    /// One element for all, widened if it is of a half type.
    Splat(Option<Loop>),
    /// Without gaps, but of a half type.
    Widen(Loop),
    /// By strides, then widened if it is of a half type.
    Gather(Option<Loop>),
}

#[derive(Debug)]
struct Input {
    load: Load,
    /// Bytes of an element in memory.
    bytes: usize,
    strides: Strides,
    buffer: u32,
}

#[derive(Debug)]
struct Compiled {
    run: Loop,
    operands: [u16; 3],
    arity: usize,
    outputs: [u16; 2],
    count: usize,
    /// Rounds to a half type after the step.
    round: Option<(Loop, Loop)>,
}

#[derive(Debug)]
struct Output {
    register: u16,
    bytes: usize,
    narrow: Option<Loop>,
}

/// A fused elementwise program over arrays of given strides. Bindings: inputs, outputs.
#[derive(Debug)]
pub struct PointwiseKernel {
    shape: Dims,
    inputs: Vec<Input>,
    constants: Vec<(u32, [u8; 8], usize)>,
    steps: Vec<Compiled>,
    outputs: Vec<Output>,
    /// Where each register is; outputs may move to memory when that overlaps no input.
    places: Vec<Place>,
    buffers: usize,
    size: usize,
    items: usize,
}

impl PointwiseKernel {
    /// Compiles a program for a team of `threads`.
    ///
    /// # Errors
    /// When a row does not exist for the type it is to compute in.
    pub fn new(pointwise: &Pointwise<'_>, threads: usize) -> Result<Self> {
        let program = pointwise.program;
        let (shape, strides) = collapse(pointwise.shape, pointwise.strides);
        let size: usize = shape.iter().product();
        let mut buffers = Buffers::new(program.types.len());
        let mut places = vec![Place::Buffer(0); program.types.len()];
        let mut inputs = Vec::with_capacity(program.inputs);
        for (i, strides) in strides.into_iter().enumerate() {
            let dtype = program.types[i];
            let contiguous = strides[..] == holdall_core::contiguous_strides(&shape)[..];
            let load = match (contiguous, dtype.is_half()) {
                _ if size == 1 && !dtype.is_half() => Load::Direct,
                _ if strides.iter().all(|s| *s == 0) => Load::Splat(dtype.is_half().then(|| widen(dtype))),
                (true, false) => Load::Direct,
                (true, true) => Load::Widen(widen(dtype)),
                (false, half) => Load::Gather(half.then(|| widen(dtype))),
            };
            let mut buffer = 0;
            if matches!(load, Load::Direct) {
                places[i] = Place::Memory(i as u32);
            } else {
                // Inputs keep their buffer for the whole program: a splat is filled once for all tiles.
                buffer = buffers.keep();
                places[i] = Place::Buffer(buffer);
            }
            inputs.push(Input { load, bytes: dtype.size(), strides, buffer });
        }
        let mut constants = Vec::new();
        let mut last_use = vec![0; program.types.len()];
        for (at, step) in program.steps.iter().enumerate() {
            step.operands[..step.arity()].iter().for_each(|r| last_use[usize::from(*r)] = at);
        }
        program.outputs.iter().for_each(|r| last_use[usize::from(*r)] = usize::MAX);
        let mut steps = Vec::with_capacity(program.steps.len());
        for (at, step) in program.steps.iter().enumerate() {
            let output = usize::from(step.output);
            if let Instruction::Constant(value) = step.instruction {
                let buffer = buffers.keep();
                places[output] = Place::Buffer(buffer);
                let register = register_type(step.dtype);
                let (bytes, size) = match step.dtype.is_half() {
                    true => (holdall_core::Scalar::from_f64(value.to_f64(), Dtype::Float32).bytes(), 4),
                    false => (value.bytes(), register.size()),
                };
                constants.push((buffer, bytes, size));
                continue;
            }
            let from = program.types[usize::from(step.operands[0])];
            let run = step_loop(step, from).ok_or_else(|| {
                let name = if let Instruction::Row(row) = step.instruction { row.name } else { "astype" };
                Error::new(ErrorKind::Kernel, name, format!("the CPU has no kernel for {}", step.dtype))
            })?;
            let count =
                if let Instruction::Row(row) = step.instruction { usize::from(row.outputs) } else { 1 };
            let mut outputs = [step.output; 2];
            for (k, out) in outputs.iter_mut().enumerate().take(count) {
                *out = step.output + k as u16;
                places[usize::from(*out)] = Place::Buffer(buffers.take());
            }
            // After the outputs: a step's outputs must not overlap its operands.
            for r in &step.operands[..step.arity()] {
                if let (Place::Buffer(b), true) = (places[usize::from(*r)], last_use[usize::from(*r)] == at) {
                    buffers.give_back(b);
                }
            }
            let dtype = program.types[output];
            let round = dtype.is_half().then(|| (narrow(dtype), widen(dtype)));
            steps.push(Compiled { run, operands: step.operands, arity: step.arity(), outputs, count, round });
        }
        let outputs = program
            .outputs
            .iter()
            .map(|r| {
                let dtype = program.types[usize::from(*r)];
                let narrow = dtype.is_half().then(|| narrow(dtype));
                Output { register: *r, bytes: dtype.size(), narrow }
            })
            .collect();
        // Small arrays are not worth sharing; big ones in pieces that balance.
        let work = size * (steps.len() + inputs.len());
        let items = if work < 32 * TILE { 1 } else { size.div_ceil(TILE).min(8 * threads) };
        Ok(Self { shape, inputs, constants, steps, outputs, places, buffers: buffers.count(), size, items })
    }
}

/// Buffers of a tile, taken and given back as the program goes.
struct Buffers {
    free: Vec<u32>,
    kept: Vec<bool>,
}

impl Buffers {
    fn new(registers: usize) -> Self {
        Self { free: Vec::new(), kept: Vec::with_capacity(registers) }
    }
    fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.kept.push(false);
            self.kept.len() as u32 - 1
        })
    }
    fn keep(&mut self) -> u32 {
        self.kept.push(true);
        self.kept.len() as u32 - 1
    }
    fn give_back(&mut self, buffer: u32) {
        // A step may take one register twice.
        if !self.kept[buffer as usize] && !self.free.contains(&buffer) {
            self.free.push(buffer);
        }
    }
    fn count(&self) -> usize {
        self.kept.len()
    }
}

/// Joins axes that every input walks as one.
fn collapse(shape: &[usize], strides: &[Strides]) -> (Dims, Vec<Strides>) {
    let mut dims: Dims = Dims::new();
    let mut out: Vec<Strides> = vec![Strides::new(); strides.len()];
    for (axis, d) in shape.iter().enumerate() {
        if *d == 1 {
            continue;
        }
        let joins = !dims.is_empty()
            && strides.iter().zip(&out).all(|(s, o)| o[o.len() - 1] == s[axis] * *d as isize);
        if joins {
            let last = dims.len() - 1;
            dims[last] *= d;
            strides.iter().zip(&mut out).for_each(|(s, o)| o[last] = s[axis]);
        } else {
            dims.push(*d);
            strides.iter().zip(&mut out).for_each(|(s, o)| o.push(s[axis]));
        }
    }
    (dims, out)
}

impl Kernel for PointwiseKernel {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        // One buffer more than the registers need: for gathering and rounding half types.
        let buffers = scratch.get::<u64>((self.buffers + 1) * TILE).as_mut_ptr().cast::<u8>();
        let buffer = |b: u32| buffers.wrapping_add(b as usize * TILE * 8);
        let spare = buffer(self.buffers as u32);
        let count = TILE.min(self.size);
        for (b, bytes, size) in &self.constants {
            // SAFETY: the buffer holds TILE elements of up to 8 bytes.
            unsafe { splat(bytes.as_ptr(), *size, buffer(*b), count) };
        }
        for (input, slice) in self.inputs.iter().zip(memory) {
            if let Load::Splat(widen) = input.load {
                let mut wide = [0u8; 8];
                let from = slice.as_ptr::<u8>().cast_const();
                // SAFETY: the array has an element; widening writes four bytes; a buffer holds TILE elements.
                unsafe {
                    match widen {
                        Some(widen) => {
                            widen(&[from; 3], &[wide.as_mut_ptr(); 2], 1);
                            splat(wide.as_ptr(), 4, buffer(input.buffer), count);
                        }
                        None => splat(from, input.bytes, buffer(input.buffer), count),
                    }
                }
            }
        }
        let outputs = &memory[self.inputs.len()..];
        let mut direct: SmallVec<[(u16, usize); 2]> = SmallVec::new();
        for (k, output) in self.outputs.iter().enumerate() {
            let aliased = memory[..self.inputs.len()].iter().any(|m| m.as_ptr::<u8>() == outputs[k].as_ptr());
            let computed = self.steps.iter().any(|s| s.outputs[..s.count].contains(&output.register));
            if output.narrow.is_none() && !aliased && computed {
                direct.push((output.register, k));
            }
        }
        let part = span(self.size, TILE, item, self.items);
        let mut start = part.start;
        while start < part.end {
            let n = TILE.min(part.end - start);
            // SAFETY: buffers and bindings hold the tile; see `tile`.
            unsafe { self.tile(start, n, memory, &buffer, spare, &direct) };
            start += n;
        }
    }
}

impl PointwiseKernel {
    /// Computes elements `start .. start + n`.
    ///
    /// # Safety
    /// As for [`Kernel::run`]; `n` is at most [`TILE`].
    unsafe fn tile(
        &self,
        start: usize,
        n: usize,
        memory: &[Slice],
        buffer: &dyn Fn(u32) -> *mut u8,
        spare: *mut u8,
        direct: &[(u16, usize)],
    ) {
        let outputs = &memory[self.inputs.len()..];
        for (input, slice) in self.inputs.iter().zip(memory) {
            let to = buffer(input.buffer);
            // SAFETY: strides stay inside of the binding for every index of the shape; buffers hold a tile.
            unsafe {
                match input.load {
                    Load::Direct | Load::Splat(_) => {}
                    Load::Widen(widen) => {
                        widen(&[slice.as_ptr::<u8>().add(start * input.bytes).cast_const(); 3], &[to; 2], n);
                    }
                    Load::Gather(None) => self.gather(input, slice, start, n, to),
                    Load::Gather(Some(widen)) => {
                        self.gather(input, slice, start, n, spare);
                        widen(&[spare.cast_const(); 3], &[to; 2], n);
                    }
                }
            }
        }
        let place = |r: u16| {
            if let Some((_, k)) = direct.iter().find(|(d, _)| *d == r) {
                return outputs[*k].as_ptr::<u8>().wrapping_add(start * self.outputs[*k].bytes);
            }
            match self.places[usize::from(r)] {
                Place::Buffer(b) => buffer(b),
                Place::Memory(i) => {
                    memory[i as usize].as_ptr::<u8>().wrapping_add(start * self.inputs[i as usize].bytes)
                }
            }
        };
        for step in &self.steps {
            let mut x = [std::ptr::null(); 3];
            for (p, r) in x.iter_mut().zip(&step.operands[..step.arity]) {
                *p = place(*r).cast_const();
            }
            let mut y = [std::ptr::null_mut(); 2];
            for (p, r) in y.iter_mut().zip(&step.outputs[..step.count]) {
                *p = place(*r);
            }
            // SAFETY: operands hold a tile and outputs overlap none of them: registers that are alive have buffers of
            // their own, and an output goes straight to memory only where that is no input's.
            unsafe {
                (step.run)(&x, &y, n);
                if let Some((narrow, widen)) = step.round {
                    for y in &y[..step.count] {
                        narrow(&[y.cast_const(); 3], &[spare; 2], n);
                        widen(&[spare.cast_const(); 3], &[*y; 2], n);
                    }
                }
            }
        }
        for (k, output) in self.outputs.iter().enumerate() {
            let from = place(output.register).cast_const();
            let to = outputs[k].as_ptr::<u8>().wrapping_add(start * output.bytes);
            // SAFETY: the output's binding holds the tile.
            unsafe {
                match output.narrow {
                    Some(narrow) => narrow(&[from; 3], &[to; 2], n),
                    None if from == to.cast_const() => {}
                    None => from.copy_to_nonoverlapping(to, n * output.bytes),
                }
            }
        }
    }

    /// Copies elements `start .. start + n`, counted row-major, of a strided input.
    unsafe fn gather(&self, input: &Input, slice: &Slice, start: usize, n: usize, to: *mut u8) {
        let rank = self.shape.len();
        let inner = self.shape[rank - 1];
        let step = input.strides[rank - 1];
        let base = slice.as_ptr::<u8>();
        let (mut done, mut at) = (0, start);
        while done < n {
            // The run of the innermost axis that `at` lies in.
            let (mut rest, mut offset) = (at / inner, (at % inner) as isize * step);
            for axis in (0..rank - 1).rev() {
                offset += (rest % self.shape[axis]) as isize * input.strides[axis];
                rest /= self.shape[axis];
            }
            let run = (inner - at % inner).min(n - done);
            let from = base.wrapping_offset(offset * input.bytes as isize);
            let target = to.wrapping_add(done * input.bytes);
            // SAFETY: the run lies inside of the array, the target inside of the tile.
            unsafe {
                match (step, input.bytes) {
                    (1, _) => from.copy_to_nonoverlapping(target, run * input.bytes),
                    (0, _) => splat(from, input.bytes, target, run),
                    (_, 1) => strided::<u8>(from, step, target, run),
                    (_, 2) => strided::<u16>(from, step, target, run),
                    (_, 4) => strided::<u32>(from, step, target, run),
                    _ => strided::<u64>(from, step, target, run),
                }
            }
            (done, at) = (done + run, at + run);
        }
    }
}

unsafe fn strided<T: Copy>(from: *const u8, step: isize, to: *mut u8, n: usize) {
    let (from, to) = (from.cast::<T>(), to.cast::<T>());
    for i in 0..n {
        // SAFETY: the caller's run of `n` elements.
        unsafe { *to.add(i) = *from.offset(i as isize * step) };
    }
}

/// Repeats the element of `size` bytes at `from`.
unsafe fn splat(from: *const u8, size: usize, to: *mut u8, n: usize) {
    // SAFETY: the caller's element and room for `n` of them.
    unsafe {
        match size {
            1 => std::slice::from_raw_parts_mut(to, n).fill(*from),
            2 => {
                std::slice::from_raw_parts_mut(to.cast::<u16>(), n).fill(from.cast::<u16>().read_unaligned());
            }
            4 => {
                std::slice::from_raw_parts_mut(to.cast::<u32>(), n).fill(from.cast::<u32>().read_unaligned());
            }
            _ => {
                std::slice::from_raw_parts_mut(to.cast::<u64>(), n).fill(from.cast::<u64>().read_unaligned());
            }
        }
    }
}
