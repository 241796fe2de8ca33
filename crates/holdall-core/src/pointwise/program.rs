//! Several elementwise ops as one kernel: a straight-line program that each element runs.

use crate::dtype::Dtype;
use crate::pointwise::Row;
use crate::scalar::Scalar;

/// A value of a [`Program`] by number: first the inputs, then the outputs of each step in order.
pub type Register = u16;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// An op of the table.
    Row(&'static Row),
    /// A conversion to the step's type from that of its operand.
    Cast,
    /// A constant.
    Constant(Scalar),
}

/// One step: an instruction, what it takes, and where its outputs go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What to do.
    pub instruction: Instruction,
    /// The type in which to compute: that of the operands of a row (a condition apart), the target of a cast.
    pub dtype: Dtype,
    /// Operands; only the first [`Step::arity`] count.
    pub operands: [Register; 3],
    /// The first output; a second follows it.
    pub output: Register,
}

impl Step {
    /// How many operands the step takes.
    pub fn arity(&self) -> usize {
        match self.instruction {
            Instruction::Row(row) => usize::from(row.arity),
            Instruction::Cast => 1,
            Instruction::Constant(_) => 0,
        }
    }
}

/// A straight-line program in single assignment form.
///
/// Half-precision values are rounded after each step, so that a fused chain gives what its ops give one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Program {
    /// The type of every register, inputs first.
    pub types: Vec<Dtype>,
    /// How many of the registers are inputs.
    pub inputs: usize,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Which registers are written to memory, in order of the output bindings.
    pub outputs: Vec<Register>,
}

impl Program {
    /// A program with inputs of these types and no steps yet.
    pub fn new(inputs: impl IntoIterator<Item = Dtype>) -> Self {
        let types: Vec<_> = inputs.into_iter().collect();
        Self { inputs: types.len(), types, ..Self::default() }
    }

    /// Makes room for steps to come.
    pub fn reserve(&mut self, steps: usize) {
        self.types.reserve(steps);
        self.steps.reserve(steps);
    }

    /// A program that copies its one input.
    pub fn copy(dtype: Dtype) -> Self {
        Self { outputs: vec![0], ..Self::new([dtype]) }
    }

    /// A constant: a new step, unless the program has it already.
    pub fn constant(&mut self, value: Scalar) -> Register {
        let known = self.steps.iter().find(|step| step.instruction == Instruction::Constant(value));
        if let Some(step) = known {
            return step.output;
        }
        self.push(Instruction::Constant(value), value.dtype(), &[], &[value.dtype()])
    }

    /// Appends a conversion.
    pub fn cast(&mut self, x: Register, to: Dtype) -> Register {
        self.push(Instruction::Cast, to, &[x], &[to])
    }

    /// Appends an op that computes in `dtype` and gives `outputs`; returns the first output's register.
    pub fn row(&mut self, row: &'static Row, dtype: Dtype, operands: &[Register], output: Dtype) -> Register {
        self.push(Instruction::Row(row), dtype, operands, &[output; 2][..usize::from(row.outputs)])
    }

    fn push(
        &mut self,
        instruction: Instruction,
        dtype: Dtype,
        x: &[Register],
        outputs: &[Dtype],
    ) -> Register {
        let output = self.types.len() as Register;
        let mut operands = [0; 3];
        operands[..x.len()].copy_from_slice(x);
        self.types.extend_from_slice(outputs);
        self.steps.push(Step { instruction, dtype, operands, output });
        output
    }
}
