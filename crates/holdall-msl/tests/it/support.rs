//! Compiling and running kernels in tests.

use holdall_msl::{
    Compiled, ElementType, Error, Input, KernelSource, Output, Signature, TemplateValue, compile,
};

use crate::machine;

/// A kernel with its inputs and outputs.
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

    pub fn grid(mut self, grid: u32, group: u32) -> Self {
        (self.grid, self.group) = ([grid, 1, 1], [group, 1, 1]);
        self
    }

    pub fn signature(&self) -> Result<Signature, Error> {
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
        Signature::derive(self.body, &inputs, &outputs, self.atomic, &self.template)
    }

    pub fn compile(&self) -> Result<Compiled, Error> {
        let source = KernelSource { name: "test", header: self.header, body: self.body };
        let compiled = compile(&source, &self.signature()?)?;
        if let Err(error) = compiled.program.check() {
            panic!("{error}\n{}", compiled.program);
        }
        Ok(compiled)
    }

    /// Runs and gives the bytes of the outputs, which are zero before.
    pub fn run(&self) -> Vec<Vec<u8>> {
        let compiled = self.compile().unwrap_or_else(|e| panic!("{e}"));
        let mut buffers = Vec::new();
        for buffer in &compiled.program.buffers {
            use holdall_msl::ir::BufferRole;
            buffers.push(match buffer.role {
                BufferRole::Input(i) => self.inputs[i as usize].2.clone(),
                BufferRole::Shape(i) => {
                    self.inputs[i as usize].3.iter().flat_map(|n| (*n as i32).to_le_bytes()).collect()
                }
                BufferRole::Strides(i) => {
                    let shape = &self.inputs[i as usize].3;
                    let strides =
                        (0..shape.len()).map(|axis| shape[axis + 1..].iter().product::<usize>() as i64);
                    strides.flat_map(i64::to_le_bytes).collect()
                }
                BufferRole::Ndim(i) => (self.inputs[i as usize].3.len() as i32).to_le_bytes().to_vec(),
                BufferRole::Parameter(i) => unreachable!("a derived signature has no parameter {i}"),
                BufferRole::Output(i) => {
                    let (_, element, n) = self.outputs[i as usize];
                    vec![0; n * element.size() as usize]
                }
            });
        }
        machine::run(&compiled.program, self.grid, self.group, &mut buffers);
        let outputs = compiled.program.buffers.iter().zip(buffers);
        outputs
            .filter(|(buffer, _)| matches!(buffer.role, holdall_msl::ir::BufferRole::Output(_)))
            .map(|(_, bytes)| bytes)
            .collect()
    }

    pub fn run_floats(&self) -> Vec<f32> {
        to_floats(&self.run()[0])
    }

    pub fn run_ints(&self) -> Vec<i32> {
        to_ints(&self.run()[0])
    }

    pub fn error(&self) -> String {
        match self.compile() {
            Ok(compiled) => panic!("it compiles:\n{}", compiled.program),
            Err(error) => error.to_string(),
        }
    }
}

/// The value of an expression of type `int`, with statements before it.
pub fn int_of(statements: &str, value: &str) -> i32 {
    let body = format!("{statements}\ny[0] = {value};");
    Kernel::new(&body).output("y", ElementType::I32, 1).run_ints()[0]
}

/// The value of an expression of type `float`, with statements before it.
pub fn float_of(statements: &str, value: &str) -> f32 {
    let body = format!("{statements}\ny[0] = {value};");
    Kernel::new(&body).output("y", ElementType::F32, 1).run_floats()[0]
}
