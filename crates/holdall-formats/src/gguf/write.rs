//! Writing GGUF version 3.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use super::ggml_type::GgmlType;
use super::header::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAGIC, MAX_AXES, encoded_bytes};
use super::metadata::Metadata;
use super::value::{Array, Value};
use crate::atomic;
use crate::error::{Error, Result};

/// Collects metadata and encoded tensors and writes them as a GGUF file of version 3.
///
/// Tensor bytes are borrowed and passed through as they are, in any encoding of [`GgmlType`]; nothing is quantized
/// here. Data offsets are multiples of the metadata's `general.alignment`, 32 if it is not set.
#[derive(Debug, Default)]
pub struct GgufWriter<'a> {
    metadata: Metadata,
    tensors: Vec<Entry<'a>>,
    names: HashSet<String>,
}

#[derive(Debug)]
struct Entry<'a> {
    name: String,
    shape: Vec<usize>,
    encoding: GgmlType,
    data: &'a [u8],
}

impl<'a> GgufWriter<'a> {
    /// A file without metadata and tensors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The metadata that will be written.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The metadata to fill in.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Adds a tensor: its shape with the slowest axis first, and its bytes in `encoding`.
    ///
    /// # Errors
    /// If the name was added before, the shape has more than 4 axes, its rows are not whole blocks, or `data` has another
    /// length than the shape takes.
    pub fn add(&mut self, name: &str, shape: &[usize], encoding: GgmlType, data: &'a [u8]) -> Result<()> {
        let check = || {
            if self.names.contains(name) {
                return Err(Error::invalid("the name was added before"));
            }
            if shape.len() > MAX_AXES {
                return Err(Error::invalid(format!("wanted at most {MAX_AXES} axes, got shape {shape:?}")));
            }
            let n_bytes = encoded_bytes(shape, encoding).map_err(|e| Error::invalid(e.to_string()))?;
            if n_bytes != data.len() as u64 {
                return Err(Error::invalid(format!(
                    "shape {shape:?} in {encoding} takes {n_bytes} bytes, got {}",
                    data.len()
                )));
            }
            Ok(())
        };
        check().map_err(|e| e.in_tensor(name))?;
        self.names.insert(name.to_owned());
        self.tensors.push(Entry { name: name.to_owned(), shape: shape.to_vec(), encoding, data });
        Ok(())
    }

    /// Writes the file to `out`, which should be buffered.
    ///
    /// # Errors
    /// If `general.alignment` is not a power of two, or writing fails.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let alignment = self.metadata.get_u32(ALIGNMENT_KEY)?.unwrap_or(DEFAULT_ALIGNMENT);
        if !alignment.is_power_of_two() {
            return Err(
                Error::invalid(format!("wanted a power of two, got {alignment}")).in_field(ALIGNMENT_KEY)
            );
        }
        let header = self.header(alignment);
        let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(|e| Error::io("cannot write", e));
        write(&header)?;
        let mut at = header.len() as u64;
        let mut pad_to_alignment = |at: &mut u64, bytes: &[u8]| {
            write(bytes)?;
            *at += bytes.len() as u64;
            // In pieces: an alignment may be as large as 2 GiB.
            let mut left = at.next_multiple_of(u64::from(alignment)) - *at;
            *at += left;
            while left > 0 {
                let n = left.min(4096) as usize;
                write(&[0; 4096][..n])?;
                left -= n as u64;
            }
            Ok(())
        };
        pad_to_alignment(&mut at, &[])?;
        self.tensors.iter().try_for_each(|tensor| pad_to_alignment(&mut at, tensor.data))
    }

    /// The file as bytes.
    ///
    /// # Errors
    /// If `general.alignment` is not a power of two.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.write_to(&mut out)?;
        Ok(out)
    }

    /// Writes the file to a path: whole, or not at all (a temporary file beside it takes its place at the end).
    ///
    /// # Errors
    /// If `general.alignment` is not a power of two, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic::save(path.as_ref(), |out| self.write_to(out))
    }

    fn header(&self, alignment: u32) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in self.metadata.iter() {
            put_str(&mut out, key);
            put_value(&mut out, value);
        }
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            put_str(&mut out, &tensor.name);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            for &extent in tensor.shape.iter().rev() {
                out.extend((extent as u64).to_le_bytes());
            }
            out.extend(tensor.encoding.code().to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset = (offset + tensor.data.len() as u64).next_multiple_of(u64::from(alignment));
        }
        out
    }
}

fn put_str(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    let mut put = |code: u32, bytes: &[u8]| {
        out.extend(code.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::U8(v) => put(0, &[*v]),
        Value::I8(v) => put(1, &v.to_le_bytes()),
        Value::U16(v) => put(2, &v.to_le_bytes()),
        Value::I16(v) => put(3, &v.to_le_bytes()),
        Value::U32(v) => put(4, &v.to_le_bytes()),
        Value::I32(v) => put(5, &v.to_le_bytes()),
        Value::F32(v) => put(6, &v.to_le_bytes()),
        Value::Bool(v) => put(7, &[u8::from(*v)]),
        Value::String(v) => {
            put(8, &[]);
            put_str(out, v);
        }
        Value::Array(v) => {
            put(9, &[]);
            put_array(out, v);
        }
        Value::U64(v) => put(10, &v.to_le_bytes()),
        Value::I64(v) => put(11, &v.to_le_bytes()),
        Value::F64(v) => put(12, &v.to_le_bytes()),
    }
}

fn put_array(out: &mut Vec<u8>, array: &Array) {
    let mut start = |code: u32| {
        out.extend(code.to_le_bytes());
        out.extend((array.len() as u64).to_le_bytes());
    };
    match array {
        Array::U8(v) => {
            start(0);
            out.extend(v);
        }
        Array::I8(v) => {
            start(1);
            out.extend(v.iter().flat_map(|x| x.to_le_bytes()));
        }
        Array::U16(v) => {
            start(2);
            out.extend(v.iter().flat_map(|x| x.to_le_bytes()));
        }
        Array::I16(v) => {
            start(3);
            out.extend(v.iter().flat_map(|x| x.to_le_bytes()));
        }
        Array::U32(v) => {
            start(4);
            out.extend(v.iter().flat_map(|x| x.to_le_bytes()));
        }
        Array::I32(v) => {
            start(5);
            out.extend(v.iter().flat_map(|x| x.to_le_bytes()));
        }
        Array::F32(v) => {
            start(6);
            out.extend(v.iter().flat_map(|x| x.to_le_bytes()));
        }
        Array::Bool(v) => {
            start(7);
            out.extend(v.iter().map(|&x| u8::from(x)));
        }
        Array::String(v) => {
            start(8);
            v.iter().for_each(|text| put_str(out, text));
        }
        Array::Array(v) => {
            start(9);
            v.iter().for_each(|inner| put_array(out, inner));
        }
        Array::U64(v) => {
            start(10);
            out.extend(v.iter().flat_map(|x| x.to_le_bytes()));
        }
        Array::I64(v) => {
            start(11);
            out.extend(v.iter().flat_map(|x| x.to_le_bytes()));
        }
        Array::F64(v) => {
            start(12);
            out.extend(v.iter().flat_map(|x| x.to_le_bytes()));
        }
    }
}
