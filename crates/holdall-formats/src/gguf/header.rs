//! From the first byte to the list of tensors.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::Gguf;
use super::cursor::Cursor;
use super::ggml_type::GgmlType;
use super::metadata::Metadata;
use super::tensor::GgufTensor;
use super::value::Value;
use crate::error::{Error, Quoted, Result};
use crate::source::Source;
use crate::tensor::extents;

pub(super) const MAGIC: [u8; 4] = *b"GGUF";
pub(super) const DEFAULT_ALIGNMENT: u32 = 32;
pub(super) const ALIGNMENT_KEY: &str = "general.alignment";
/// The most axes that ggml has.
pub(super) const MAX_AXES: usize = 4;

/// Fewest bytes that a key with its value takes: key length, type, value.
const MIN_ENTRY_BYTES: u64 = 8 + 4 + 1;
/// Fewest bytes that a tensor's description takes: name length, axes, type, offset.
const MIN_TENSOR_BYTES: u64 = 8 + 4 + 4 + 8;

/// A tensor as the header describes it, its place not yet checked.
struct Described {
    name: Arc<str>,
    shape: Vec<usize>,
    encoding: GgmlType,
    n_bytes: u64,
    offset: u64,
}

pub(super) fn read(source: &Source) -> Result<Gguf> {
    let mut cursor = Cursor::new(source);
    let magic = cursor.take(4).map_err(|e| e.in_field("magic"))?;
    if *magic != MAGIC {
        return Err(Error::malformed("not a GGUF file: it does not start with \"GGUF\"").in_field("magic"));
    }
    let version = cursor.u32().map_err(|e| e.in_field("version"))?;
    if !(2..=3).contains(&version) {
        return Err(match version.swap_bytes() {
            1..=3 => Error::unsupported("a big-endian GGUF file is not supported"),
            _ => Error::unsupported(format!("wanted 2 or 3, got {version}")),
        }
        .in_field("version"));
    }
    let n_tensors = cursor.u64().map_err(|e| e.in_field("tensor count"))?;
    let n_entries = cursor.u64().map_err(|e| e.in_field("metadata count"))?;
    cursor.expect(n_entries, MIN_ENTRY_BYTES).map_err(|e| e.in_field("metadata count"))?;
    cursor.expect(n_tensors, MIN_TENSOR_BYTES).map_err(|e| e.in_field("tensor count"))?;

    let metadata = read_metadata(&mut cursor, n_entries, source)?;
    let alignment = alignment(&metadata)?;
    let mut described = Vec::new();
    let mut index = HashMap::new();
    for i in 0..n_tensors {
        let tensor = read_description(&mut cursor, i)?;
        match index.entry(tensor.name.clone()) {
            Entry::Vacant(slot) => slot.insert(described.len()),
            Entry::Occupied(_) => {
                return Err(Error::malformed("the name occurs twice")
                    .in_tensor(&*tensor.name)
                    .in_field("name"));
            }
        };
        described.push(tensor);
    }

    // A file without tensors may end before the padding.
    let data_start = cursor.position().next_multiple_of(u64::from(alignment));
    check_overlap(&described)?;
    let tensors =
        described.into_iter().map(|d| place(source, data_start, alignment, d)).collect::<Result<Vec<_>>>()?;
    Ok(Gguf { source: source.clone(), version, alignment, metadata, tensors, index })
}

fn read_metadata(cursor: &mut Cursor<'_>, n_entries: u64, source: &Source) -> Result<Metadata> {
    let mut metadata = Metadata::of_file(source.name());
    for i in 0..n_entries {
        let key = cursor.str().map_err(|e| e.in_field(format!("metadata key {i}")))?.to_owned();
        if metadata.get(&key).is_some() {
            return Err(
                Error::malformed("the key occurs twice").in_field(format!("metadata key {}", Quoted(&key)))
            );
        }
        let value = Value::read(cursor).map_err(|e| {
            let place = format!("metadata {}", Quoted(&key));
            match e.field().map(str::to_owned) {
                Some(inner) => e.with_field(format!("{place}, {inner}")),
                None => e.in_field(place),
            }
        })?;
        metadata.insert(key, value);
    }
    Ok(metadata)
}

fn alignment(metadata: &Metadata) -> Result<u32> {
    let alignment = metadata.get_u32(ALIGNMENT_KEY)?.unwrap_or(DEFAULT_ALIGNMENT);
    if alignment.is_power_of_two() {
        Ok(alignment)
    } else {
        Err(Error::malformed(format!("wanted a power of two, got {alignment}")).in_field(ALIGNMENT_KEY))
    }
}

fn read_description(cursor: &mut Cursor<'_>, i: u64) -> Result<Described> {
    let name: Arc<str> = cursor.str().map_err(|e| e.in_field(format!("name of tensor {i}")))?.into();
    let fault = |field: &'static str| {
        let name = name.clone();
        move |e: Error| e.in_tensor(&*name).in_field(field)
    };
    let n_axes = cursor.u32().map_err(fault("axes"))?;
    if n_axes as usize > MAX_AXES {
        return Err(fault("axes")(Error::malformed(format!("wanted at most {MAX_AXES} axes, got {n_axes}"))));
    }
    let mut shape = Vec::with_capacity(MAX_AXES);
    for _ in 0..n_axes {
        shape.push(cursor.u64().map_err(fault("extents"))?);
    }
    // The file has the fastest axis first.
    shape.reverse();
    let shape = extents(&shape).map_err(fault("extents"))?;
    let code = cursor.u32().map_err(fault("encoding"))?;
    let encoding = GgmlType::from_code(code).map_err(fault("encoding"))?;
    let n_bytes = encoded_bytes(&shape, encoding).map_err(fault("extents"))?;
    let offset = cursor.u64().map_err(fault("offset"))?;
    Ok(Described { name, shape, encoding, n_bytes, offset })
}

/// Bytes of a tensor in the file. Also proves that its element count, times 8 bytes, fits memory's address range, on
/// which all later arithmetic relies.
pub(super) fn encoded_bytes(shape: &[usize], encoding: GgmlType) -> Result<u64> {
    let last = shape.last().copied().unwrap_or(1);
    if !last.is_multiple_of(encoding.block_elems()) {
        return Err(Error::malformed(format!(
            "wanted rows of a multiple of {} elements for {encoding}, got {last}",
            encoding.block_elems()
        )));
    }
    let too_large = || Error::malformed(format!("the extents {shape:?} multiply to too many elements"));
    // Zero extents count as one, so that products of the others are safe as well.
    let bound = shape.iter().try_fold(8_usize, |n, &extent| n.checked_mul(extent.max(1)));
    bound.filter(|&n| isize::try_from(n).is_ok()).ok_or_else(too_large)?;
    let n_elems: usize = shape.iter().product();
    let n_blocks = n_elems / encoding.block_elems();
    n_blocks.checked_mul(encoding.block_bytes()).map(|n| n as u64).ok_or_else(too_large)
}

/// Refuses tensors that share bytes: two names for the same data are not in the format.
fn check_overlap(tensors: &[Described]) -> Result<()> {
    let mut by_offset: Vec<&Described> = tensors.iter().filter(|t| t.n_bytes > 0).collect();
    by_offset.sort_unstable_by_key(|t| t.offset);
    for pair in by_offset.windows(2) {
        // Past the end of the number range means past the end of the file, which `place` reports.
        let end = pair[0].offset.saturating_add(pair[0].n_bytes);
        if end > pair[1].offset {
            return Err(Error::malformed(format!(
                "its data at {} overlaps tensor {}, which ends at {end}",
                pair[1].offset,
                Quoted(&pair[0].name)
            ))
            .in_tensor(&*pair[1].name)
            .in_field("offset"));
        }
    }
    Ok(())
}

fn place(source: &Source, data_start: u64, alignment: u32, tensor: Described) -> Result<GgufTensor> {
    let Described { name, shape, encoding, n_bytes, offset } = tensor;
    let data = (|| {
        if !offset.is_multiple_of(u64::from(alignment)) {
            return Err(Error::malformed(format!("wanted a multiple of {alignment}, got {offset}")));
        }
        if n_bytes == 0 {
            return source.slice(0, 0);
        }
        data_start.checked_add(offset).and_then(|start| source.slice(start, n_bytes).ok()).ok_or_else(|| {
            Error::malformed(format!(
                "truncated: wanted {n_bytes} bytes at {offset} after {data_start}, the file has {} bytes",
                source.len()
            ))
        })
    })()
    .map_err(|e| e.in_tensor(&*name).in_field("offset"))?;
    Ok(GgufTensor { name, shape: shape.into(), encoding, data })
}
