//! Kernels on memory of their own, without arrays: for tools that look for mistakes.

use std::sync::Arc;

use holdall_msl::ir::BufferRole;

use super::finding::{Finding, Findings};
use super::launch::{Binding, Launch};
use super::program::Program;
use crate::kernel::{Kernel, Scratch, Slice};

/// What a kernel is tried on.
#[derive(Debug)]
pub struct Trial {
    /// Threads along each axis.
    pub grid: [u32; 3],
    /// Threads of a group along each axis.
    pub threadgroup: [u32; 3],
    /// Shape and elements of each input, row-major.
    pub inputs: Vec<(Vec<usize>, Vec<u8>)>,
    /// Bytes of each output: what it holds at first, and in the end.
    pub outputs: Vec<Vec<u8>>,
    /// What outputs with this index and those after it hold at first counts as written.
    pub initialised_from: usize,
}

impl Binding {
    /// Shape, strides or number of axes of an input, if that is what the buffer holds.
    pub(crate) fn of_facts(role: BufferRole, shape: &[usize], strides: &[isize]) -> Option<Self> {
        match role {
            BufferRole::Shape(_) => {
                Some(Self::Bytes(shape.iter().flat_map(|d| (*d as i32).to_le_bytes()).collect()))
            }
            BufferRole::Strides(_) => {
                Some(Self::Bytes(strides.iter().flat_map(|s| (*s as i64).to_le_bytes()).collect()))
            }
            BufferRole::Ndim(_) => Some(Self::Bytes((shape.len() as i32).to_le_bytes().into())),
            BufferRole::Input(_) | BufferRole::Output(_) | BufferRole::Parameter(_) => None,
        }
    }
}

impl Trial {
    /// Runs a program that was compiled for checked mode, on this thread, and returns what it does wrong.
    ///
    /// # Errors
    /// In words: when the launch cannot be, when there are not as many arguments as the program has, or when the kernel
    /// does not end.
    pub fn run(&mut self, program: &Arc<Program>) -> Result<Vec<Finding>, String> {
        let aligned = |bytes: &[u8]| -> Vec<u64> {
            let words = bytes.chunks(8).map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_ne_bytes(word)
            });
            words.collect()
        };
        let mut inputs: Vec<Vec<u64>> = self.inputs.iter().map(|(_, bytes)| aligned(bytes)).collect();
        let mut outputs: Vec<Vec<u64>> = self.outputs.iter().map(|bytes| aligned(bytes)).collect();
        let missing = |what: &str, i: u32| format!("there is no {what} {i}");
        let mut bindings = Vec::new();
        let mut memory = Vec::new();
        for buffer in &program.ir().buffers {
            let (words, bytes) = match buffer.role {
                BufferRole::Input(i) => {
                    let words = inputs.get_mut(i as usize).ok_or_else(|| missing("input", i))?;
                    (words, self.inputs[i as usize].1.len())
                }
                BufferRole::Output(i) => {
                    let words = outputs.get_mut(i as usize).ok_or_else(|| missing("output", i))?;
                    (words, self.outputs[i as usize].len())
                }
                role @ (BufferRole::Shape(i) | BufferRole::Strides(i) | BufferRole::Ndim(i)) => {
                    let (shape, _) = self.inputs.get(i as usize).ok_or_else(|| missing("input", i))?;
                    let strides = holdall_core::contiguous_strides(shape);
                    bindings.extend(Binding::of_facts(role, shape, &strides));
                    continue;
                }
                BufferRole::Parameter(i) => return Err(missing("parameter", i)),
            };
            memory.push(Slice::new(words.as_mut_ptr().cast(), bytes));
            bindings.push(Binding::Memory(bytes));
        }
        let findings = Arc::new(Findings::default());
        let launch =
            Launch::checked(program.clone(), self.grid, self.threadgroup, bindings, findings.clone())
                .map_err(|e| e.to_string())?;
        let launch = launch.initialised_from(self.initialised_from);
        let mut scratch = Scratch::default();
        for item in 0..launch.items(0) {
            // SAFETY: each slice is a buffer above of at least that many bytes, which nobody else has; items run one
            // after the other.
            unsafe { launch.run(0, item, &memory, &mut scratch) };
        }
        for (to, from) in self.outputs.iter_mut().zip(&outputs) {
            let (bytes, len): (&[u8], _) = (bytemuck::cast_slice(from), to.len());
            to.copy_from_slice(&bytes[..len]);
        }
        scratch.take_failure().map_or_else(|| Ok(findings.list()), Err)
    }
}
