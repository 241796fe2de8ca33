//! Writing safetensors: one file, or shards under an index.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::header::{LENGTH_BYTES, METADATA_KEY, dtype};
use crate::atomic::{self, PendingFile};
use crate::error::{Error, Result};
use crate::tensor::TensorData;

/// Writes a safetensors file to `out`, which should be buffered.
///
/// Data lies in order of falling element size, and starts at a multiple of 8, so that every tensor is aligned. Without
/// metadata no `__metadata__` is written; mlx-lm expects `("format", "mlx")` there, transformers `("format", "pt")`.
///
/// # Errors
/// If a name occurs twice or is `__metadata__`, data has another length than its shape takes, or writing fails.
pub fn write_to(out: &mut impl Write, tensors: &[TensorData<'_>], metadata: &[(&str, &str)]) -> Result<()> {
    let mut names = HashSet::new();
    for tensor in tensors {
        tensor.check()?;
        if tensor.name == METADATA_KEY {
            return Err(Error::invalid("this name is reserved by the format").in_tensor(tensor.name));
        }
        if !names.insert(tensor.name) {
            return Err(Error::invalid("the name occurs twice").in_tensor(tensor.name));
        }
    }
    let mut ordered: Vec<_> = tensors.iter().collect();
    ordered.sort_by_key(|t| std::cmp::Reverse(t.element.n_bytes()));

    let mut header = Map::new();
    if !metadata.is_empty() {
        let texts: Map<_, _> = metadata.iter().map(|&(key, text)| (key.to_owned(), text.into())).collect();
        header.insert(METADATA_KEY.to_owned(), Value::Object(texts));
    }
    let mut offset = 0;
    for tensor in &ordered {
        let end = offset + tensor.data.len();
        header.insert(
            tensor.name.to_owned(),
            json!({ "dtype": dtype(tensor.element), "shape": tensor.shape, "data_offsets": [offset, end] }),
        );
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Spaces after the JSON are allowed; the length before it takes 8 bytes itself.
    header.resize(header.len().next_multiple_of(LENGTH_BYTES as usize), b' ');

    let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(|e| Error::io("cannot write", e));
    write(&(header.len() as u64).to_le_bytes())?;
    write(&header)?;
    ordered.iter().try_for_each(|tensor| write(tensor.data))
}

/// A safetensors file as bytes; see [`write_to`].
///
/// # Errors
/// If a name occurs twice or is `__metadata__`, or data has another length than its shape takes.
pub fn to_bytes(tensors: &[TensorData<'_>], metadata: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    write_to(&mut out, tensors, metadata)?;
    Ok(out)
}

/// Writes a safetensors file to a path: whole, or not at all (a temporary file beside it takes its place at the end).
///
/// # Errors
/// As [`write_to`], or if the file cannot be written.
pub fn save(path: impl AsRef<Path>, tensors: &[TensorData<'_>], metadata: &[(&str, &str)]) -> Result<()> {
    atomic::save(path.as_ref(), |out| write_to(out, tensors, metadata))
}

/// Writes a checkpoint into a folder as mlx-lm does: shards of at most `max_shard_bytes` of data (mlx-lm: 5 GiB),
/// filled in the order given, and `model.safetensors.index.json`. A single shard is named `model.safetensors`. A tensor
/// larger than a shard gets one to itself. Returns the paths written, the index last.
///
/// All files are written beside their places first; only when the last is complete are they renamed, the index last.
///
/// # Errors
/// As [`save`]; nothing is replaced unless every file could be written.
pub fn save_sharded(
    folder: impl AsRef<Path>,
    tensors: &[TensorData<'_>],
    metadata: &[(&str, &str)],
    max_shard_bytes: u64,
) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    let mut names = HashSet::new();
    if let Some(twice) = tensors.iter().find(|t| !names.insert(t.name)) {
        return Err(Error::invalid("the name occurs twice").in_tensor(twice.name));
    }
    let shards = split(tensors, max_shard_bytes);
    let n = shards.len();
    let mut weight_map = Vec::with_capacity(tensors.len());
    let mut pending = Vec::with_capacity(n + 1);
    let mut paths = Vec::with_capacity(n + 1);
    for (i, shard) in shards.iter().enumerate() {
        let file = match n {
            1 => "model.safetensors".to_owned(),
            _ => format!("model-{:05}-of-{n:05}.safetensors", i + 1),
        };
        weight_map.extend(shard.iter().map(|t| (t.name, file.clone())));
        let path = folder.join(file);
        pending.push(PendingFile::write(&path, |out| write_to(out, shard, metadata))?);
        paths.push(path);
    }
    weight_map.sort_unstable();
    let weight_map: Map<_, _> =
        weight_map.into_iter().map(|(name, file)| (name.to_owned(), file.into())).collect();
    let index = json!({
        "metadata": {
            "total_size": tensors.iter().map(|t| t.data.len() as u64).sum::<u64>(),
            "total_parameters": n_parameters(tensors),
        },
        "weight_map": weight_map,
    });
    let path = folder.join(super::checkpoint::INDEX_FILE);
    pending.push(PendingFile::write(&path, |out| {
        write!(out, "{index:#}").map_err(|e| Error::io("cannot write", e))
    })?);
    paths.push(path);
    pending.into_iter().try_for_each(PendingFile::commit)?;
    Ok(paths)
}

fn split<'a, 't>(tensors: &'t [TensorData<'a>], max_bytes: u64) -> Vec<&'t [TensorData<'a>]> {
    let mut shards = Vec::new();
    let (mut start, mut bytes) = (0, 0_u64);
    for (i, tensor) in tensors.iter().enumerate() {
        let size = tensor.data.len() as u64;
        if i > start && bytes + size > max_bytes {
            shards.push(&tensors[start..i]);
            (start, bytes) = (i, 0);
        }
        bytes += size;
    }
    // An empty checkpoint still has one, empty, file.
    shards.push(&tensors[start..]);
    shards
}

/// Elements of all tensors. Packed 32-bit codes count as the words that they are.
fn n_parameters(tensors: &[TensorData<'_>]) -> u64 {
    tensors.iter().map(|t| (t.data.len() / t.element.n_bytes()) as u64).sum()
}
