//! Compiling and running kernels in tests.

use std::sync::Arc;

use holdall_msl::ir::BufferRole;
use holdall_msl::{ElementType, Input, KernelSource, Output, Signature, TemplateValue, compile, ir};

use super::super::{Binding, Launch, Program};
use super::machine;
use crate::isa::Isa;
use crate::kernel::{Kernel as _, Scratch, Slice};

/// A kernel with its inputs and outputs.
#[derive(Clone)]
pub struct Kernel<'a> {
    pub header: &'a str,
    pub body: &'a str,
    pub inputs: Vec<(&'a str, ElementType, Vec<u8>, Vec<usize>)>,
    pub outputs: Vec<(&'a str, ElementType, usize)>,
    pub template: Vec<(&'a str, TemplateValue)>,
    pub atomic: bool,
    pub grid: [u32; 3],
    pub group: [u32; 3],
}

pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub fn ints(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub fn to_floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().expect("four bytes"))).collect()
}

pub fn to_ints(bytes: &[u8]) -> Vec<i32> {
    bytes.chunks_exact(4).map(|c| i32::from_le_bytes(c.try_into().expect("four bytes"))).collect()
}

impl<'a> Kernel<'a> {
    pub fn new(body: &'a str) -> Self {
        Self {
            header: "",
            body,
            inputs: Vec::new(),
            outputs: Vec::new(),
            template: Vec::new(),
            atomic: false,
            grid: [1, 1, 1],
            group: [32, 1, 1],
        }
    }

    pub fn header(mut self, header: &'a str) -> Self {
        self.header = header;
        self
    }

    pub fn floats(self, name: &'a str, values: &[f32]) -> Self {
        let shape = vec![values.len()];
        self.input(name, ElementType::F32, floats(values), shape)
    }

    pub fn ints(self, name: &'a str, values: &[i32]) -> Self {
        let shape = vec![values.len()];
        self.input(name, ElementType::I32, ints(values), shape)
    }

    pub fn input(mut self, name: &'a str, element: ElementType, data: Vec<u8>, shape: Vec<usize>) -> Self {
        self.inputs.push((name, element, data, shape));
        self
    }

    pub fn output(mut self, name: &'a str, element: ElementType, n: usize) -> Self {
        self.outputs.push((name, element, n));
        self
    }

    pub fn template(mut self, name: &'a str, value: TemplateValue) -> Self {
        self.template.push((name, value));
        self
    }

    pub fn grid(self, grid: u32, group: u32) -> Self {
        self.space([grid, 1, 1], [group, 1, 1])
    }

    pub fn space(mut self, grid: [u32; 3], group: [u32; 3]) -> Self {
        (self.grid, self.group) = (grid, group);
        self
    }

    pub fn compile(&self) -> Arc<ir::Program> {
        let inputs: Vec<Input<'_>> = self
            .inputs
            .iter()
            .map(|(name, element, _, shape)| Input {
                name,
                element: *element,
                ndim: shape.len(),
                n_elems: shape.iter().product(),
            })
            .collect();
        let outputs: Vec<Output<'_>> =
            self.outputs.iter().map(|(name, element, _)| Output { name, element: *element }).collect();
        let signature = Signature::derive(self.body, &inputs, &outputs, self.atomic, &self.template)
            .expect("a signature");
        let source = KernelSource { name: "test", header: self.header, body: self.body };
        let compiled = compile(&source, &signature).unwrap_or_else(|e| panic!("{e}"));
        Arc::new(compiled.program)
    }

    /// The bytes of all buffers before the launch; outputs are zero.
    pub fn buffers(&self, program: &ir::Program) -> Vec<Vec<u8>> {
        let bytes = |buffer: &ir::Buffer| match buffer.role {
            BufferRole::Input(i) => self.inputs[i as usize].2.clone(),
            BufferRole::Shape(i) => {
                self.inputs[i as usize].3.iter().flat_map(|n| (*n as i32).to_le_bytes()).collect()
            }
            BufferRole::Strides(i) => {
                let shape = &self.inputs[i as usize].3;
                let strides = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product::<usize>() as i64);
                strides.flat_map(i64::to_le_bytes).collect()
            }
            BufferRole::Ndim(i) => (self.inputs[i as usize].3.len() as i32).to_le_bytes().to_vec(),
            BufferRole::Parameter(i) => unreachable!("a derived signature has no parameter {i}"),
            BufferRole::Output(i) => {
                let (_, element, n) = self.outputs[i as usize];
                vec![0; n * element.size() as usize]
            }
        };
        program.buffers.iter().map(bytes).collect()
    }

    /// How the buffers are bound.
    pub fn bindings(program: &ir::Program, buffers: &[Vec<u8>]) -> Vec<Binding> {
        let binding = |(buffer, bytes): (&ir::Buffer, &Vec<u8>)| match buffer.role {
            BufferRole::Input(_) | BufferRole::Output(_) => Binding::Memory(bytes.len()),
            _ => Binding::Bytes(bytes.clone().into()),
        };
        program.buffers.iter().zip(buffers).map(binding).collect()
    }

    /// The outputs among the buffers.
    pub fn outputs(program: &ir::Program, buffers: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let outputs = program.buffers.iter().zip(buffers);
        outputs
            .filter(|(buffer, _)| matches!(buffer.role, BufferRole::Output(_)))
            .map(|(_, bytes)| bytes)
            .collect()
    }

    /// What the engine gives at a vector level.
    pub fn run_at(&self, isa: Isa) -> Vec<Vec<u8>> {
        let ir = self.compile();
        let mut buffers = self.buffers(&ir);
        let program = Arc::new(Program::compile_for(&ir, isa, false));
        let launch = Launch::new(program, self.grid, self.group, Self::bindings(&ir, &buffers));
        run(&launch.expect("a launch"), &ir, &mut buffers).unwrap_or_else(|e| panic!("{e}"));
        Self::outputs(&ir, buffers)
    }

    /// What the engine gives at all levels, which must agree.
    pub fn run(&self) -> Vec<Vec<u8>> {
        let mut results = Isa::available().into_iter().map(|isa| self.run_at(isa));
        let first = results.next().expect("a level");
        for other in results {
            assert_eq!(first, other, "the levels differ:\n{}", self.body);
        }
        first
    }

    /// What the reference gives.
    pub fn reference(&self) -> Vec<Vec<u8>> {
        let ir = self.compile();
        let mut buffers = self.buffers(&ir);
        let group = std::array::from_fn(|i| self.group[i].min(self.grid[i]));
        machine::run(&ir, self.grid, group, &mut buffers);
        Self::outputs(&ir, buffers)
    }

    /// The engine gives the reference's bytes, which are returned.
    pub fn exact(&self) -> Vec<Vec<u8>> {
        let (got, want) = (self.run(), self.reference());
        assert_eq!(got, want, "{}\n{}", self.body, self.compile());
        got
    }

    /// The engine gives the reference's floats, nearly.
    pub fn near(&self) -> Vec<Vec<u8>> {
        let (got, want) = (self.run(), self.reference());
        for (got, want) in got.iter().zip(&want) {
            close(&to_floats(got), &to_floats(want));
        }
        got
    }
}

/// Runs a launch, item by item.
pub fn run(launch: &Launch, ir: &ir::Program, buffers: &mut [Vec<u8>]) -> Result<(), String> {
    let memory: Vec<Slice> = ir
        .buffers
        .iter()
        .zip(buffers)
        .filter(|(buffer, _)| matches!(buffer.role, BufferRole::Input(_) | BufferRole::Output(_)))
        .map(|(_, bytes)| Slice::new(bytes.as_mut_ptr(), bytes.len()))
        .collect();
    let mut scratch = Scratch::default();
    for item in 0..launch.items(0) {
        // SAFETY: the slices are the buffers that were bound, which nobody else touches.
        unsafe { launch.run(0, item, &memory, &mut scratch) };
    }
    scratch.take_failure().map_or(Ok(()), Err)
}

pub fn close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let near = (got - want).abs() <= 1e-5 * want.abs().max(1.0)
            || (got.is_nan() && want.is_nan())
            || got == want;
        assert!(near, "{i}: {got} and {want}");
    }
}
