//! Running a kernel on given or made-up data.

use std::path::Path;
use std::sync::Arc;

use holdall::io::element_type;
use holdall::simt::{self, Program};
use holdall::{Dtype, Scalar};
use holdall_formats::{ElementType, npy};
use holdall_msl::Compiled;
use serde_json::Value;

use super::file::{Argument, KernelFile, wrong};
use crate::error::{Error, Kind, Result};

/// The most bytes of an array that is made up.
const MOST_BYTES: usize = 1 << 30;

/// What a run in checked mode gave.
#[derive(Debug)]
pub struct Tried {
    /// What the kernel does wrong.
    pub findings: Vec<simt::Finding>,
    /// The outputs, and the inputs that were updated.
    pub outputs: Vec<Made>,
}

/// An array that a kernel made.
#[derive(Debug)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Type of its elements.
    pub element: ElementType,
    /// Its elements.
    pub bytes: Vec<u8>,
}

impl KernelFile {
    /// Whether the file says enough to run the kernel.
    pub fn is_runnable(&self) -> bool {
        self.grid.is_some()
            && self.outputs.is_some()
            && (self.inputs.is_some() || self.input_names.is_empty())
    }

    /// Runs the kernel in checked mode. Files are looked for in `folder`.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the data makes no sense; in words, within, when the kernel cannot be run to its end.
    pub fn try_out(&self, compiled: Compiled, folder: &Path) -> Result<std::result::Result<Tried, String>> {
        let mut inputs = Vec::new();
        for (i, input) in self.inputs.iter().flatten().enumerate() {
            let bytes = input.bytes(&self.input_names[i], i, folder)?;
            inputs.push((input.shape.clone(), bytes));
        }
        let mut outputs = Vec::new();
        let mut elements = Vec::new();
        for (name, output) in self.output_names.iter().zip(self.outputs.iter().flatten()) {
            let dtype = output.known_dtype(name)?;
            let n = output.n_elems(name)?;
            let first = Scalar::from_f64(self.init_value.unwrap_or(0.0), dtype).bytes();
            outputs.push(first[..dtype.size()].repeat(n));
            elements.push((name.clone(), output.shape.clone(), element_type(dtype)));
        }
        for i in self.updated() {
            let name = &self.input_names[i];
            let dtype =
                self.inputs.as_ref().map_or(Ok(Dtype::Float32), |inputs| inputs[i].known_dtype(name))?;
            let (shape, bytes): &(Vec<usize>, Vec<u8>) = &inputs[i];
            outputs.push(bytes.clone());
            elements.push((name.clone(), shape.clone(), element_type(dtype)));
        }
        let program = Arc::new(Program::compile_checked(&Arc::new(compiled.program)));
        let mut trial = simt::Trial {
            grid: self.grid.unwrap_or([1; 3]),
            threadgroup: self.threadgroup.unwrap_or([1; 3]),
            inputs,
            outputs,
            initialised_from: if self.init_value.is_some() { 0 } else { self.output_names.len() },
        };
        let findings = trial.run(&program);
        let outputs = elements.into_iter().zip(trial.outputs);
        let outputs = outputs.map(|((name, shape, element), bytes)| Made { name, shape, element, bytes });
        let outputs = outputs.collect();
        Ok(findings.map(|findings| Tried { findings, outputs }))
    }
}

impl Argument {
    fn known_dtype(&self, name: &str) -> Result<Dtype> {
        Dtype::from_name(&self.dtype)
            .ok_or_else(|| wrong(format!("{name}: no type is called {:?}", self.dtype)))
    }

    fn n_elems(&self, name: &str) -> Result<usize> {
        let n = self.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        n.filter(|n| *n <= MOST_BYTES / 8)
            .ok_or_else(|| wrong(format!("{name}: shape {:?} is too large to be tried", self.shape)))
    }

    /// The elements: the file's, the scalar, or numbers that are the same each time.
    fn bytes(&self, name: &str, index: usize, folder: &Path) -> Result<Vec<u8>> {
        let dtype = self.known_dtype(name)?;
        if let Some(file) = &self.file {
            return self.read_file(name, dtype, &folder.join(file));
        }
        let n = self.n_elems(name)?;
        if let Some(scalar) = &self.scalar {
            let value = match scalar {
                Value::Bool(value) => f64::from(u8::from(*value)),
                Value::Number(n) => n.as_f64().unwrap_or(f64::NAN),
                other => return Err(wrong(format!("{name}: scalar: wanted a number, got {other}"))),
            };
            let exact = scalar.as_i64().map(|n| Scalar::from_i64(n, dtype));
            let bytes = exact.unwrap_or_else(|| Scalar::from_f64(value, dtype)).bytes();
            return Ok(bytes[..dtype.size()].repeat(n));
        }
        let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(index as u64 + 1);
        let mut next = || {
            // xorshift64: any sequence without a pattern does.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 11
        };
        let mut bytes = Vec::with_capacity(n * dtype.size());
        for _ in 0..n {
            let value = match dtype {
                Dtype::Bool => Scalar::from_i64((next() % 2) as i64, dtype),
                // Small, since they may be indices.
                _ if dtype.is_integer() => Scalar::from_i64((next() % 4) as i64, dtype),
                _ => Scalar::from_f64(next() as f64 / (1u64 << 52) as f64 - 1.0, dtype),
            };
            bytes.extend_from_slice(&value.bytes()[..dtype.size()]);
        }
        Ok(bytes)
    }

    fn read_file(&self, name: &str, dtype: Dtype, path: &Path) -> Result<Vec<u8>> {
        let refuse = |e: holdall_formats::Error| {
            Error::new(Kind::Usage, format!("{name}: cannot use {}", path.display())).caused_by(e)
        };
        let view = npy::open(path).map_err(refuse)?;
        if view.shape() != self.shape || view.element() != element_type(dtype) {
            return Err(wrong(format!(
                "{name}: {} has shape {:?} of {}, wanted {:?} of {}",
                path.display(),
                view.shape(),
                view.element(),
                self.shape,
                self.dtype
            )));
        }
        view.read().map_err(refuse)
    }
}
