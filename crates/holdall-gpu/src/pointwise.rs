//! Fused elementwise programs: their text is made of the rows of the table.
//!
//! A program becomes a function of its inputs, and one of three kernels around it: four elements a thread where inputs are as large as the
//! output or one element, and aligned; one element a thread where they are not aligned; and one element a thread by strides. Constants
//! are parameters, so that a program is compiled once whatever they are.

use std::fmt::Write;
use std::sync::Arc;

use holdall_core::command::Launch;
use holdall_core::device::Pointwise;
use holdall_core::pointwise::{Instruction, Program, Step, Text};
use holdall_core::{Dtype, Error, ErrorKind, Result, Strides, size_of};
use holdall_msl::ir::BufferRole;
use holdall_msl::{BufferParameter, ElementType, KernelSource, Signature, Space};
use smallvec::SmallVec;

use crate::Library;
use crate::gpu::{Author, Compiled, Dispatch, Extent, Inline};
use crate::kernel::COMMON;
use crate::layout::merged;
use crate::library::{element, linear};

const NAME: &str = "pointwise";

/// Elements of a thread of the fast kernel.
const WIDTH: usize = 4;

/// How the elements of an input are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// At the output's index.
    Dense,
    /// One for all.
    Same,
    /// By strides.
    Strided,
}

/// What the text depends on besides the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    /// Whether all inputs are dense or the same, and four elements are done at a time.
    is_wide: bool,
    /// Whether indices need 64 bits.
    is_large: bool,
    /// Axes of the strides, after neighbours were merged.
    rank: usize,
}

impl Library {
    /// A launch of a fused elementwise program. Bindings: the inputs, then the outputs.
    ///
    /// # Errors
    /// For float64, and when the kernel does not compile, which is a mistake of this crate.
    pub fn pointwise(&self, request: &Pointwise<'_>) -> Result<Launch> {
        let Pointwise { program, shape, strides, is_aligned } = *request;
        let size = size_of(shape);
        let modes: SmallVec<[Mode; 8]> = strides.iter().map(|strides| mode(shape, strides)).collect();
        let is_plain = modes.iter().all(|mode| *mode != Mode::Strided);
        let (dims, strides) = if is_plain {
            Default::default()
        } else {
            merged(shape, &strides.iter().map(|s| &s[..]).collect::<SmallVec<[&[isize]; 8]>>())
        };
        let extents = extents(program, size, &modes, &dims, &strides);
        let is_large = size > 1 << 31 || extents.iter().any(|extent| extent.bytes > 1 << 31);
        let is_wide = is_plain && is_aligned && size >= WIDTH;
        let form = Shape { is_wide, is_large, rank: dims.len() };
        let compiled =
            self.pointwise.get(key(program, &modes, form), |_| compile(self, program, &modes, form))?;
        let mut inline = Inline::default();
        inline.value(size as u64);
        for step in &program.steps {
            if let Instruction::Constant(value) = step.instruction {
                inline.push(&value.bytes()[..step.dtype.size()]);
            }
        }
        if !dims.is_empty() {
            if is_large {
                inline.values(&dims.iter().map(|d| *d as u64).collect::<SmallVec<[u64; 8]>>());
            } else {
                inline.values(&dims.iter().map(|d| *d as u32).collect::<SmallVec<[u32; 8]>>());
            }
            let mut steps: SmallVec<[i64; 16]> = SmallVec::new();
            for (i, (mode, strides)) in modes.iter().zip(&strides).enumerate() {
                if *mode == Mode::Strided {
                    // Where the first element is in the buffer.
                    steps.push((extents[i].start.unsigned_abs() / program.types[i].size()) as i64);
                    steps.extend(strides.iter().map(|s| *s as i64));
                }
            }
            inline.values(&steps);
        }
        let (grid, group) = linear(if is_wide { size.div_ceil(WIDTH) } else { size });
        let dispatch =
            Dispatch { grid, threadgroup: group, inline: &inline, extents: &extents, is_partial: false };
        self.gpu.launch(&compiled, dispatch)
    }
}

fn mode(shape: &[usize], strides: &[isize]) -> Mode {
    let axes = || shape.iter().zip(strides).filter(|(d, _)| **d != 1);
    if axes().all(|(_, s)| *s == 0) {
        return Mode::Same;
    }
    let mut expected = 1;
    for (d, s) in axes().rev() {
        if *s != expected {
            return Mode::Strided;
        }
        expected *= *d as isize;
    }
    Mode::Dense
}

fn extents(
    program: &Program,
    size: usize,
    modes: &[Mode],
    dims: &[usize],
    strides: &[Strides],
) -> SmallVec<[Extent; 8]> {
    let inputs = modes.iter().enumerate().map(|(i, mode)| {
        let bytes = program.types[i].size();
        match mode {
            Mode::Dense => Extent::new(size * bytes),
            Mode::Same => Extent::new(bytes),
            Mode::Strided => Extent::strided(dims, &strides[i], bytes),
        }
    });
    let outputs = program.outputs.iter().map(|r| Extent::new(size * program.types[usize::from(*r)].size()));
    inputs.chain(outputs).collect()
}

/// All that the text depends on.
fn key(program: &Program, modes: &[Mode], form: Shape) -> SmallVec<[u64; 16]> {
    let mut key = SmallVec::new();
    let flags = u64::from(form.is_wide) | u64::from(form.is_large) << 1 | (form.rank as u64) << 2;
    key.push(flags | (program.inputs as u64) << 16 | (program.outputs.len() as u64) << 32);
    key.extend(modes.iter().zip(&program.types).map(|(mode, dtype)| *mode as u64 | (*dtype as u64) << 2));
    key.extend(program.outputs.iter().map(|r| u64::from(*r)));
    for step in &program.steps {
        let (kind, row) = match step.instruction {
            Instruction::Row(row) => (0, u64::from(row.index)),
            Instruction::Cast => (1, 0),
            Instruction::Constant(_) => (2, 0),
        };
        let head = kind | row << 2 | (step.dtype as u64) << 12;
        key.push(step.operands[..step.arity()].iter().fold(head, |key, r| key << 16 | u64::from(*r)));
    }
    key
}

/// The text in the making.
struct Writer<'a> {
    program: &'a Program,
    modes: &'a [Mode],
    form: Shape,
}

fn compile(library: &Library, program: &Program, modes: &[Mode], form: Shape) -> Result<Arc<dyn Compiled>> {
    for dtype in program.types.iter().chain(program.steps.iter().map(|step| &step.dtype)) {
        element(NAME, *dtype)?;
    }
    let writer = Writer { program, modes, form };
    let failed = |e: std::fmt::Error| Error::new(ErrorKind::Kernel, NAME, e.to_string());
    let header = writer.header().map_err(failed)?;
    let body = writer.body().map_err(failed)?;
    let signature = Signature::new(writer.buffers()?, &body, &[])
        .map_err(|e| Error::new(ErrorKind::Kernel, NAME, e.to_string()))?;
    let source = KernelSource { name: NAME, header: &header, body: &body };
    library.gpu.kernel(&source, &signature, Author::Library)
}

/// The name of a type in the text.
fn name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "bool",
        Dtype::Uint8 => "uchar",
        Dtype::Uint16 => "ushort",
        Dtype::Uint32 => "uint",
        Dtype::Uint64 => "ulong",
        Dtype::Int8 => "char",
        Dtype::Int16 => "short",
        Dtype::Int32 => "int",
        Dtype::Int64 => "long",
        Dtype::Float16 => "half",
        Dtype::Bfloat16 => "bfloat",
        // Refused before.
        Dtype::Float32 | Dtype::Float64 => "float",
        Dtype::Complex64 => "complex64_t",
    }
}

/// The type of vectors of elements that are moved together.
fn moved(dtype: Dtype) -> Option<&'static str> {
    match dtype {
        Dtype::Bool => Some("uchar"),
        Dtype::Complex64 => None,
        other => Some(name(other)),
    }
}

impl Writer<'_> {
    fn constants(&self) -> impl Iterator<Item = &Step> {
        self.program.steps.iter().filter(|step| matches!(step.instruction, Instruction::Constant(_)))
    }

    fn n_strided(&self) -> usize {
        self.modes.iter().filter(|mode| **mode == Mode::Strided).count()
    }

    fn buffers(&self) -> Result<Vec<BufferParameter>> {
        let mut buffers = Vec::new();
        let mut push = |name: String, role, element, n_elems: usize, is_reference| {
            let space = if n_elems > 0 { Space::Constant } else { Space::Device };
            let n_elems = n_elems as u32;
            buffers.push(BufferParameter {
                name,
                role,
                element,
                space,
                is_reference,
                is_atomic: false,
                n_elems,
            });
        };
        for (i, dtype) in self.program.types[..self.program.inputs].iter().enumerate() {
            push(format!("x{i}"), BufferRole::Input(i as u32), element(NAME, *dtype)?, 0, false);
        }
        for (i, r) in self.program.outputs.iter().enumerate() {
            let dtype = self.program.types[usize::from(*r)];
            push(format!("y{i}"), BufferRole::Output(i as u32), element(NAME, dtype)?, 0, false);
        }
        push("size".into(), BufferRole::Parameter(0), ElementType::U64, 1, true);
        let mut next = 1;
        for step in self.constants() {
            let role = BufferRole::Parameter(next);
            push(format!("r{}", step.output), role, element(NAME, step.dtype)?, 1, true);
            next += 1;
        }
        if self.form.rank > 0 {
            let sizes = if self.form.is_large { ElementType::U64 } else { ElementType::U32 };
            push("dims".into(), BufferRole::Parameter(next), sizes, self.form.rank, false);
            let n = self.n_strided() * (self.form.rank + 1);
            push("steps".into(), BufferRole::Parameter(next + 1), ElementType::I64, n, false);
        }
        Ok(buffers)
    }

    /// The program as a function.
    fn header(&self) -> Result<String, std::fmt::Error> {
        let types = &self.program.types;
        let mut text = String::from(COMMON);
        let inputs = (0..self.program.inputs).map(|i| format!("{} r{i}", name(types[i])));
        let constants = self.constants().map(|step| format!("{} r{}", name(step.dtype), step.output));
        let outputs = self.program.outputs.iter().enumerate();
        let outputs = outputs.map(|(i, r)| format!("thread {}& y{i}", name(types[usize::from(*r)])));
        let list: Vec<String> = inputs.chain(constants).chain(outputs).collect();
        writeln!(text, "inline void holdall_program({}) {{", list.join(", "))?;
        for step in &self.program.steps {
            self.step(&mut text, step)?;
        }
        for (i, r) in self.program.outputs.iter().enumerate() {
            writeln!(text, "  y{i} = r{r};")?;
        }
        text.push_str("}\n");
        Ok(text)
    }

    fn step(&self, text: &mut String, step: &Step) -> std::fmt::Result {
        let types = &self.program.types;
        match step.instruction {
            Instruction::Constant(_) => {}
            Instruction::Cast => {
                let from = types[usize::from(step.operands[0])];
                let value = cast(&format!("r{}", step.operands[0]), from, step.dtype);
                writeln!(text, "  {} r{} = {value};", name(step.dtype), step.output)?;
            }
            Instruction::Row(row) => {
                let operands: SmallVec<[Text; 3]> = step.operands[..step.arity()]
                    .iter()
                    .map(|r| {
                        let is_half = types[usize::from(*r)].is_half();
                        Text::new(if is_half { format!("float(r{r})") } else { format!("r{r}") })
                    })
                    .collect();
                for (i, value) in (row.text)(&operands).iter().enumerate() {
                    let output = usize::from(step.output) + i;
                    let its = name(types[output]);
                    writeln!(text, "  {its} r{output} = {its}({});", value.as_str())?;
                }
            }
        }
        Ok(())
    }

    fn body(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let index = if self.form.is_large { "ulong" } else { "uint" };
        writeln!(text, "{index} i = holdall_index<{index}>(thread_position_in_grid);")?;
        writeln!(text, "{index} n = {index}(size);")?;
        if self.form.is_wide {
            self.wide(&mut text, index)?;
        } else {
            writeln!(text, "if (i >= n) return;")?;
            self.single(&mut text, index)?;
        }
        Ok(text)
    }

    /// Four elements, or those that are left.
    fn wide(&self, text: &mut String, index: &str) -> std::fmt::Result {
        let types = &self.program.types;
        writeln!(text, "{index} first = i * {WIDTH};\nif (first + {WIDTH} <= n) {{")?;
        let element = |i: usize, k: usize| match (self.modes[i], moved(types[i])) {
            (Mode::Same, _) => format!("x{i}[0]"),
            (_, None) => format!("x{i}[first + {k}]"),
            (_, Some(_)) => format!("{}(v{i}[{k}])", name(types[i])),
        };
        for (i, mode) in self.modes.iter().enumerate() {
            if let (Mode::Dense, Some(its)) = (mode, moved(types[i])) {
                let its = format!("vec<{its}, {WIDTH}>");
                writeln!(text, "  {its} v{i} = reinterpret_cast<const device {its}*>(x{i})[i];")?;
            }
        }
        for (i, r) in self.program.outputs.iter().enumerate() {
            writeln!(text, "  {} w{i}[{WIDTH}];", name(types[usize::from(*r)]))?;
        }
        for k in 0..WIDTH {
            let inputs = (0..self.program.inputs).map(|i| element(i, k));
            let outputs = (0..self.program.outputs.len()).map(|i| format!("w{i}[{k}]"));
            writeln!(text, "  holdall_program({});", self.arguments(inputs, outputs))?;
        }
        for (i, r) in self.program.outputs.iter().enumerate() {
            match moved(types[usize::from(*r)]) {
                Some(its) => {
                    let parts: Vec<String> = (0..WIDTH).map(|k| format!("{its}(w{i}[{k}])")).collect();
                    let its = format!("vec<{its}, {WIDTH}>");
                    let parts = parts.join(", ");
                    writeln!(text, "  reinterpret_cast<device {its}*>(y{i})[i] = {its}({parts});")?;
                }
                None => {
                    for k in 0..WIDTH {
                        writeln!(text, "  y{i}[first + {k}] = w{i}[{k}];")?;
                    }
                }
            }
        }
        writeln!(text, "}} else {{\n  for ({index} i = first; i < n; ++i) {{")?;
        self.single(text, index)?;
        text.push_str("  }\n}\n");
        Ok(())
    }

    /// Element `i`.
    fn single(&self, text: &mut String, index: &str) -> std::fmt::Result {
        let rank = self.form.rank;
        if rank > 0 {
            let place = if self.form.is_large { "long" } else { "int" };
            writeln!(text, "{index} rest = i;")?;
            let strided = || (0..self.modes.len()).filter(|i| self.modes[*i] == Mode::Strided);
            for (at, i) in strided().enumerate() {
                writeln!(text, "{place} o{i} = {place}(steps[{}]);", at * (rank + 1))?;
            }
            for axis in (0..rank).rev() {
                if axis == 0 {
                    writeln!(text, "{index} c0 = rest;")?;
                } else {
                    writeln!(text, "{index} c{axis} = rest % dims[{axis}];\nrest /= dims[{axis}];")?;
                }
                for (at, i) in strided().enumerate() {
                    let step = at * (rank + 1) + 1 + axis;
                    writeln!(text, "o{i} += {place}(c{axis}) * {place}(steps[{step}]);")?;
                }
            }
        }
        let types = &self.program.types;
        for (i, r) in self.program.outputs.iter().enumerate() {
            writeln!(text, "{} z{i};", name(types[usize::from(*r)]))?;
        }
        let inputs = self.modes.iter().enumerate().map(|(i, mode)| match mode {
            Mode::Dense => format!("x{i}[i]"),
            Mode::Same => format!("x{i}[0]"),
            Mode::Strided => format!("x{i}[o{i}]"),
        });
        let outputs = (0..self.program.outputs.len()).map(|i| format!("z{i}"));
        writeln!(text, "holdall_program({});", self.arguments(inputs, outputs))?;
        for i in 0..self.program.outputs.len() {
            writeln!(text, "y{i}[i] = z{i};")?;
        }
        Ok(())
    }

    fn arguments(
        &self,
        inputs: impl Iterator<Item = String>,
        outputs: impl Iterator<Item = String>,
    ) -> String {
        let constants = self.constants().map(|step| format!("r{}", step.output));
        inputs.chain(constants).chain(outputs).collect::<Vec<_>>().join(", ")
    }
}

/// A value of one type in another.
fn cast(x: &str, from: Dtype, to: Dtype) -> String {
    let its = name(to);
    match (from, to) {
        (from, to) if from == to => x.to_owned(),
        (Dtype::Complex64, Dtype::Bool) => format!("({x}.real != 0.0f || {x}.imag != 0.0f)"),
        (Dtype::Complex64, to) => cast(&format!("{x}.real"), Dtype::Float32, to),
        (from, Dtype::Bool) if from.is_half() => format!("(float({x}) != 0.0f)"),
        (_, Dtype::Bool) => format!("({x} != {}(0))", name(from)),
        (_, Dtype::Complex64) => format!("complex64_t(float({x}), 0.0f)"),
        (_, Dtype::Float16 | Dtype::Bfloat16) => format!("{its}(float({x}))"),
        (from, to) if from.is_inexact() && !to.is_inexact() => {
            let function = match to {
                Dtype::Uint64 => "holdall_to_ulong",
                Dtype::Int64 | Dtype::Uint32 => "holdall_to_long",
                _ => "holdall_to_int",
            };
            format!("{its}({function}(float({x})))")
        }
        _ => format!("{its}({x})"),
    }
}
