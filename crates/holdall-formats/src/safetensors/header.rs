//! The JSON header of a safetensors file.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::SafeTensors;
use crate::element::ElementType;
use crate::error::{Error, Quoted, Result};
use crate::source::Source;
use crate::tensor::{TensorView, byte_count, extents};

/// The longest header that the format's own reader takes.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The header's length comes first, as 64 bits.
pub(super) const LENGTH_BYTES: u64 = 8;
pub(super) const METADATA_KEY: &str = "__metadata__";

/// One tensor's entry.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The whole header: entries in file order, names checked to be unique.
#[derive(Default)]
struct Header {
    metadata: Option<BTreeMap<String, String>>,
    entries: Vec<(Arc<str>, Entry)>,
    index: HashMap<Arc<str>, usize>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                let mut seen_metadata = false;
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA_KEY {
                        if std::mem::replace(&mut seen_metadata, true) {
                            return Err(A::Error::custom(format!("{METADATA_KEY} occurs twice")));
                        }
                        header.metadata =
                            map.next_value().map_err(|e| A::Error::custom(format!("{METADATA_KEY}: {e}")))?;
                        continue;
                    }
                    let name: Arc<str> = name.into();
                    let at =
                        |e: &dyn fmt::Display| A::Error::custom(format!("tensor {}: {e}", Quoted(&name)));
                    let entry = map.next_value().map_err(|e| at(&e))?;
                    match header.index.entry(name.clone()) {
                        MapEntry::Vacant(slot) => slot.insert(header.entries.len()),
                        MapEntry::Occupied(_) => return Err(at(&"the name occurs twice")),
                    };
                    header.entries.push((name, entry));
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

pub(super) fn read(source: &Source) -> Result<SafeTensors> {
    let (header, data_start) = read_json(source)?;
    let data = source.slice(data_start, source.len() - data_start)?;
    let mut tensors = Vec::with_capacity(header.entries.len());
    let mut ranges = Vec::with_capacity(header.entries.len());
    for (name, entry) in header.entries {
        let range = entry.data_offsets;
        tensors.push(view(&name, entry, &data).map_err(|e| e.in_tensor(&*name))?);
        ranges.push((range, name));
    }
    check_cover(ranges, data.len())?;
    Ok(SafeTensors {
        source: source.clone(),
        metadata: header.metadata.unwrap_or_default(),
        tensors,
        index: header.index,
    })
}

fn read_json(source: &Source) -> Result<(Header, u64)> {
    let mut length = [0; LENGTH_BYTES as usize];
    source.read_exact_at(0, &mut length).map_err(|e| e.in_field("header length"))?;
    let length = u64::from_le_bytes(length);
    let present = source.len() - LENGTH_BYTES;
    let fault = |e: Error| Err(e.in_field("header length"));
    // Before the limit, since a file of another kind claims a random length.
    if length > present {
        return fault(Error::malformed(format!(
            "truncated: wanted a header of {length} bytes, {present} remain"
        )));
    }
    if length > MAX_HEADER_BYTES {
        return fault(Error::limit(format!("wanted at most {MAX_HEADER_BYTES} bytes, got {length}")));
    }
    let mut json = vec![0; length as usize];
    source.read_exact_at(LENGTH_BYTES, &mut json)?;
    let header = serde_json::from_slice(&json)
        .map_err(|e| Error::malformed(format!("cannot read the JSON: {e}")).in_field("header"))?;
    Ok((header, LENGTH_BYTES + length))
}

fn view(name: &Arc<str>, entry: Entry, data: &Source) -> Result<TensorView> {
    let element = element(&entry.dtype)?;
    let shape = extents(&entry.shape)?;
    let n_bytes = byte_count(&shape, element)? as u64;
    let [start, end] = entry.data_offsets;
    let fault = |text: String| Err(Error::malformed(text).in_field("data_offsets"));
    if start > end || end > data.len() {
        return fault(format!("wanted a range within {} bytes of data, got {start}..{end}", data.len()));
    }
    if end - start != n_bytes {
        return fault(format!("shape {shape:?} of {element} takes {n_bytes} bytes, got {start}..{end}"));
    }
    TensorView::plain(name.clone(), shape, element, data.slice(start, n_bytes)?)
}

/// Every byte of data belongs to exactly one tensor: the format allows neither overlaps nor gaps.
fn check_cover(mut ranges: Vec<([u64; 2], Arc<str>)>, n_bytes: u64) -> Result<()> {
    ranges.sort_unstable();
    let mut end = 0;
    let mut before: Arc<str> = "".into();
    for ([start, stop], name) in ranges {
        if start != end {
            let text = match start < end {
                true => {
                    format!("its data from {start} overlaps tensor {}, which ends at {end}", Quoted(&before))
                }
                false => format!("a gap: its data starts at {start}, the data before it ends at {end}"),
            };
            return Err(Error::malformed(text).in_tensor(&*name).in_field("data_offsets"));
        }
        end = stop;
        before = name;
    }
    if end != n_bytes {
        return Err(Error::malformed(format!("wanted {end} bytes of data, got {n_bytes}")).in_field("data"));
    }
    Ok(())
}

fn element(dtype: &str) -> Result<ElementType> {
    Ok(match dtype {
        "BOOL" => ElementType::Bool,
        // MLX keeps 8-bit floats as raw bytes: they are scales or codes of quantized weights.
        "U8" | "F8_E4M3" | "F8_E8M0" => ElementType::U8,
        "U16" => ElementType::U16,
        "U32" => ElementType::U32,
        "U64" => ElementType::U64,
        "I8" => ElementType::I8,
        "I16" => ElementType::I16,
        "I32" => ElementType::I32,
        "I64" => ElementType::I64,
        "F16" => ElementType::F16,
        "BF16" => ElementType::BF16,
        "F32" => ElementType::F32,
        "F64" => ElementType::F64,
        "C64" => ElementType::C64,
        other => {
            return Err(
                Error::unsupported(format!("type {} is not supported", Quoted(other))).in_field("dtype")
            );
        }
    })
}

/// The format's name for an element type.
pub(super) fn dtype(element: ElementType) -> &'static str {
    match element {
        ElementType::Bool => "BOOL",
        ElementType::U8 => "U8",
        ElementType::U16 => "U16",
        ElementType::U32 => "U32",
        ElementType::U64 => "U64",
        ElementType::I8 => "I8",
        ElementType::I16 => "I16",
        ElementType::I32 => "I32",
        ElementType::I64 => "I64",
        ElementType::F16 => "F16",
        ElementType::BF16 => "BF16",
        ElementType::F32 => "F32",
        ElementType::F64 => "F64",
        ElementType::C64 => "C64",
    }
}
