//! Writes the seeds of the fuzz corpus: `cargo run -p holdall-formats --example make_corpus` at the repository's root.
//!
//! Files named `ok-…` open, files named `bad-…` do not; the corpus test holds them to it.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use holdall_formats::gguf::{Array, GgmlType, GgufWriter, Value};
use holdall_formats::npz::{Compression, NpzWriter};
use holdall_formats::{ElementType, Result, TensorData, npy, safetensors};

fn main() -> Result<()> {
    let data: Vec<u8> = (0..=255).cycle().map(|i: u8| i.wrapping_mul(37)).take(2000).collect();
    put("safetensors", safetensors(&data)?);
    put("npy", npy(&data)?);
    put("npz", npz(&data)?);
    put("gguf", gguf(&data)?);
    Ok(())
}

type Files = Vec<(&'static str, Vec<u8>)>;

fn put(format: &str, files: Files) {
    let folder = Path::new("fuzz/corpus").join(format);
    fs::create_dir_all(&folder).expect("the corpus folder can be made");
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("a corpus file can be written");
    }
}

fn safetensors(data: &[u8]) -> Result<Files> {
    let names = ["a.weight", "b", "é", ""];
    let tensors: Vec<_> = ElementType::ALL
        .iter()
        .zip(names.iter().cycle())
        .take(names.len())
        .map(|(&element, &name)| TensorData {
            name,
            shape: &[2, 3],
            element,
            data: &data[..6 * element.n_bytes()],
        })
        .collect();
    let raw =
        |json: &str, n: usize| [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &data[..n]].concat();
    Ok(vec![
        ("ok-empty", safetensors::to_bytes(&[], &[])?),
        ("ok-types", safetensors::to_bytes(&tensors, &[("format", "mlx")])?),
        (
            "ok-null-metadata",
            raw(r#"{"__metadata__":null,"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4),
        ),
        ("ok-float8", raw(r#"{"x":{"dtype":"F8_E4M3","shape":[0,4],"data_offsets":[0,0]}}"#, 0)),
        ("bad-nothing", Vec::new()),
        ("bad-length", (1_u64 << 63).to_le_bytes().to_vec()),
        ("bad-json", raw(r#"{"x":{"dtype":"F32","shape":[[[[["#, 0)),
        (
            "bad-offsets",
            raw(
                r#"{"x":{"dtype":"U8","shape":[8],"data_offsets":[18446744073709551608,18446744073709551615]}}"#,
                8,
            ),
        ),
        (
            "bad-product",
            raw(r#"{"x":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0),
        ),
        (
            "bad-twice",
            raw(
                r#"{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
                0,
            ),
        ),
    ])
}

fn npy(data: &[u8]) -> Result<Files> {
    let raw = |major: u8, dict: &str, n: usize| {
        let length = (dict.len() as u32).to_le_bytes();
        let length = if major == 1 { &length[..2] } else { &length };
        [b"\x93NUMPY", &[major, 0][..], length, dict.as_bytes(), &data[..n]].concat()
    };
    Ok(vec![
        ("ok-f32", npy::to_bytes(&[2, 3], ElementType::F32, &data[..24])?),
        ("ok-bf16", npy::to_bytes(&[], ElementType::BF16, &data[..2])?),
        ("ok-fortran", raw(1, "{'descr': '<i8', 'fortran_order': True, 'shape': (2, 3, 2), }\n", 96)),
        ("ok-big-endian", raw(2, "{'descr': '>c8', 'fortran_order': True, 'shape': (3, 2)}", 48)),
        ("ok-version-3", raw(3, "{\"shape\": (0L,), \"descr\": \"?\", \"fortran_order\": False}", 0)),
        ("bad-magic", data[..40].to_vec()),
        ("bad-object", raw(1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8)),
        ("bad-structured", raw(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 8)),
        (
            "bad-product",
            raw(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (4294967296, 4294967296)}", 8),
        ),
        ("bad-length", b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec()),
    ])
}

fn npz(data: &[u8]) -> Result<Files> {
    let archive = |compression| -> Result<Vec<u8>> {
        let mut writer = NpzWriter::new(Cursor::new(Vec::new()), compression);
        writer.add("weight", &[4, 3], ElementType::F16, &data[..24])?;
        writer.add("layer/bias", &[100], ElementType::U8, &[7; 100])?;
        Ok(writer.finish()?.into_inner())
    };
    let (stored, deflated) = (archive(Compression::Stored)?, archive(Compression::Deflated)?);
    let directory = deflated.windows(4).position(|w| w == b"PK\x01\x02").unwrap_or(0);
    let changed = |at: usize, value: u32| {
        let mut bytes = deflated.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    Ok(vec![
        ("ok-empty", NpzWriter::new(Cursor::new(Vec::new()), Compression::Stored).finish()?.into_inner()),
        ("ok-checksum", changed(directory + 16, 0xdead_beef)),
        ("bad-compressed-size", changed(directory + 20, u32::MAX - 1)),
        ("bad-size", changed(directory + 24, 0xf000_0000)),
        ("bad-offset", changed(directory + 42, 0x7fff_ffff)),
        ("bad-truncated", deflated[..deflated.len() - 30].to_vec()),
        ("bad-nothing", Vec::new()),
        ("ok-stored", stored),
        ("ok-deflated", deflated),
    ])
}

fn gguf(data: &[u8]) -> Result<Files> {
    let mut all = GgufWriter::new();
    for &encoding in GgmlType::ALL {
        let shape = [2, encoding.block_elems()];
        all.add(encoding.name(), &shape, encoding, &data[..2 * encoding.block_bytes()])?;
    }
    let mut values = GgufWriter::new();
    let metadata = values.metadata_mut();
    metadata.insert("general.alignment", Value::U32(64));
    metadata.insert("general.architecture", Value::String("llama".into()));
    metadata.insert("i", Value::I8(-3));
    metadata.insert("f", Value::F64(0.5));
    metadata.insert("b", Value::Bool(true));
    metadata.insert("tokens", Value::Array(Array::String(["<s>", "", "Ġé"].into_iter().collect())));
    metadata.insert("scores", Value::Array(Array::F32(vec![0.0, -1.0])));
    metadata.insert("nested", Value::Array(Array::Array(vec![Array::U8(vec![1]), Array::Array(vec![])])));
    values.add("q", &[3, 1, 64], GgmlType::Q4_0, &data[..108])?;
    values.add("s", &[], GgmlType::F32, &data[..4])?;

    let start = |n_tensors: u64, n_entries: u64| {
        [&b"GGUF\x03\0\0\0"[..], &n_tensors.to_le_bytes(), &n_entries.to_le_bytes()].concat()
    };
    let deep =
        (0..9).fold([start(0, 1), vec![1, 0, 0, 0, 0, 0, 0, 0, b'k', 9, 0, 0, 0]].concat(), |mut h, _| {
            h.extend([9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
            h
        });
    Ok(vec![
        ("ok-empty", GgufWriter::new().to_bytes()?),
        ("ok-encodings", all.to_bytes()?),
        ("ok-values", values.to_bytes()?),
        ("bad-counts", start(u64::MAX, 1 << 60)),
        ("bad-depth", deep),
        ("bad-version", b"GGUF\x01\0\0\0".to_vec()),
        ("bad-big-endian", b"GGUF\0\0\0\x03".to_vec()),
        ("bad-string", [start(0, 1), (1_u64 << 62).to_le_bytes().to_vec()].concat()),
    ])
}
