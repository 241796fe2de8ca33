//! Plain tensors: safetensors, and the unquantized ones of GGUF.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use holdall_core::op::Spec;
use holdall_core::ops::Source;
use holdall_core::{Array, Dtype, Result, Scalar};
use holdall_formats::safetensors::Checkpoint;
use holdall_formats::{ElementType, TensorView};

use super::io_error;

/// Bytes of one part of a load: enough for a read to be worth it, few enough to share among threads.
const PART_BYTES: usize = 2 << 20;

/// All tensors of a safetensors file, a folder of shards, or their index, by name.
///
/// # Errors
/// When a header cannot be read or breaks a rule of the format.
#[track_caller]
pub fn load_safetensors(path: impl AsRef<Path>) -> Result<HashMap<String, Array>> {
    let checkpoint = Checkpoint::open(path).map_err(|e| io_error("load", e))?;
    checkpoint.tensors().iter().map(|view| Ok((view.name().to_owned(), load_view(view)?))).collect()
}

/// The array of a tensor in a file.
///
/// # Errors
/// When the array does not fit in memory.
#[track_caller]
pub fn load_view(view: &TensorView) -> Result<Array> {
    let spec = Spec::new(view.shape(), dtype(view.element()));
    let Some(source) = view.source() else {
        // Nothing to read: a tensor without elements.
        return Array::constant(Scalar::from_f64(0.0, spec.dtype)).broadcast_to(&spec.shape);
    };
    let plain = Plain {
        name: format!("{}: {}", source.name(), view.name()),
        data: source.clone(),
        bytes: view.n_bytes(),
    };
    let mut made = Array::load([spec], Arc::new(plain))?;
    Ok(made.swap_remove(0))
}

/// The array type of a file's element type.
fn dtype(element: ElementType) -> Dtype {
    match element {
        ElementType::Bool => Dtype::Bool,
        ElementType::U8 => Dtype::Uint8,
        ElementType::U16 => Dtype::Uint16,
        ElementType::U32 => Dtype::Uint32,
        ElementType::U64 => Dtype::Uint64,
        ElementType::I8 => Dtype::Int8,
        ElementType::I16 => Dtype::Int16,
        ElementType::I32 => Dtype::Int32,
        ElementType::I64 => Dtype::Int64,
        ElementType::F16 => Dtype::Float16,
        ElementType::BF16 => Dtype::Bfloat16,
        ElementType::F32 => Dtype::Float32,
        ElementType::C64 => Dtype::Complex64,
        _ => Dtype::Float64,
    }
}

/// A file's element type for an array type.
pub fn element_type(dtype: Dtype) -> ElementType {
    match dtype {
        Dtype::Bool => ElementType::Bool,
        Dtype::Uint8 => ElementType::U8,
        Dtype::Uint16 => ElementType::U16,
        Dtype::Uint32 => ElementType::U32,
        Dtype::Uint64 => ElementType::U64,
        Dtype::Int8 => ElementType::I8,
        Dtype::Int16 => ElementType::I16,
        Dtype::Int32 => ElementType::I32,
        Dtype::Int64 => ElementType::I64,
        Dtype::Float16 => ElementType::F16,
        Dtype::Bfloat16 => ElementType::BF16,
        Dtype::Float32 => ElementType::F32,
        Dtype::Float64 => ElementType::F64,
        Dtype::Complex64 => ElementType::C64,
    }
}

#[derive(Debug)]
struct Plain {
    name: String,
    data: holdall_formats::Source,
    bytes: usize,
}

impl Plain {
    fn range(&self, part: usize) -> Range<usize> {
        part * PART_BYTES..((part + 1) * PART_BYTES).min(self.bytes)
    }
}

impl Source for Plain {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn parts(&self) -> usize {
        self.bytes.div_ceil(PART_BYTES)
    }

    fn ranges(&self, part: usize) -> smallvec::SmallVec<[Range<usize>; 3]> {
        std::iter::once(self.range(part)).collect()
    }

    fn fill(
        &self,
        part: usize,
        outputs: &mut [&mut [u8]],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.data.read_exact_at(self.range(part).start as u64, outputs[0])?)
    }
}
