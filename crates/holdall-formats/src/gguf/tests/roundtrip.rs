//! What is written is read again.

use super::random_bytes;
use crate::gguf::{Array, GgmlType, Gguf, GgufWriter, Strings, Value};
use crate::{ElementType, ErrorKind, Source};

fn every_value() -> Vec<(&'static str, Value)> {
    let strings: Strings = ["", "<s>", "Ġthé"].into_iter().collect();
    let nested = Array::Array(vec![
        Array::U8(vec![1, 2]),
        Array::Array(vec![Array::String(strings.clone()), Array::F64(vec![])]),
    ]);
    vec![
        ("u8", Value::U8(200)),
        ("i8", Value::I8(-100)),
        ("u16", Value::U16(60_000)),
        ("i16", Value::I16(-30_000)),
        ("u32", Value::U32(4_000_000_000)),
        ("i32", Value::I32(-2_000_000_000)),
        ("f32", Value::F32(1e-5)),
        ("bool", Value::Bool(true)),
        ("string", Value::String("héllo\0".into())),
        ("u64", Value::U64(u64::MAX)),
        ("i64", Value::I64(i64::MIN)),
        ("f64", Value::F64(0.1)),
        ("a.u8", Value::Array(Array::U8(vec![0, 255]))),
        ("a.i8", Value::Array(Array::I8(vec![-1]))),
        ("a.u16", Value::Array(Array::U16(vec![1, 2]))),
        ("a.i16", Value::Array(Array::I16(vec![-1, 2]))),
        ("a.u32", Value::Array(Array::U32(vec![1, 2, 3]))),
        // Longer than what is read ahead at a time.
        ("a.i32", Value::Array(Array::I32((0..200_000).collect()))),
        ("a.f32", Value::Array(Array::F32(vec![0.5, f32::INFINITY]))),
        ("a.bool", Value::Array(Array::Bool(vec![true, false]))),
        ("a.string", Value::Array(Array::String(strings))),
        ("a.array", Value::Array(nested)),
        ("a.u64", Value::Array(Array::U64(vec![u64::MAX]))),
        ("a.i64", Value::Array(Array::I64(vec![]))),
        ("a.f64", Value::Array(Array::F64(vec![0.1]))),
    ]
}

#[test]
fn metadata_of_every_type() {
    let mut writer = GgufWriter::new();
    for (key, value) in every_value() {
        writer.metadata_mut().insert(key, value);
    }
    let file = Gguf::from_source(Source::from_bytes("all.gguf", writer.to_bytes().unwrap())).unwrap();
    assert_eq!(file.metadata().iter().map(|(k, v)| (k, v.clone())).collect::<Vec<_>>(), every_value());
    assert_eq!(file.metadata(), writer.metadata());
    assert!(file.tensors().is_empty());

    let m = file.metadata();
    assert_eq!((m.u64("u8").unwrap(), m.i64("i8").unwrap(), m.u64("u64").unwrap()), (200, -100, u64::MAX));
    assert_eq!((m.f32("f32").unwrap(), m.f64("f64").unwrap(), m.bool("bool").unwrap()), (1e-5, 0.1, true));
    assert_eq!(m.strings("a.string").unwrap().get(2), Some("Ġthé"));
    assert_eq!(m.array("a.u8").unwrap().to_i64s(), Some(vec![0, 255]));
    assert_eq!(m.get_u32("none").unwrap(), None);
    assert_eq!(m.u32("none").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(m.u32("none").unwrap_err().to_string(), "all.gguf: no metadata key \"none\"");
    assert_eq!(
        m.u32("u64").unwrap_err().to_string(),
        "all.gguf: u64: wanted an unsigned 32-bit integer, got u64"
    );
    assert!(
        m.u64("i8").is_err() && m.i64("u64").is_err() && m.f32("u8").is_err() && m.strings("a.u8").is_err()
    );
}

#[test]
fn tensors_of_every_encoding_and_rank() {
    for alignment in [None, Some(1), Some(8), Some(4096)] {
        let mut writer = GgufWriter::new();
        if let Some(alignment) = alignment {
            writer.metadata_mut().insert("general.alignment", Value::U32(alignment));
        }
        let data: Vec<_> = GgmlType::ALL.iter().map(|e| random_bytes(3, 6 * e.block_bytes())).collect();
        for (encoding, data) in GgmlType::ALL.iter().zip(&data) {
            writer.add(encoding.name(), &[3, 1, 2 * encoding.block_elems()], *encoding, data).unwrap();
        }
        writer.add("scalar", &[], GgmlType::F32, &[1, 2, 3, 4]).unwrap();
        writer.add("empty", &[0, 32], GgmlType::Q4_0, &[]).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gguf");
        writer.save(&path).unwrap();
        let file = Gguf::open(&path).unwrap();
        // The open file stays readable.
        std::fs::remove_file(&path).unwrap();
        assert_eq!((file.version(), file.alignment()), (3, alignment.unwrap_or(32)));
        assert_eq!(file.tensors().len(), GgmlType::ALL.len() + 2);
        for (encoding, data) in GgmlType::ALL.iter().zip(&data) {
            let t = file.tensor(encoding.name()).unwrap();
            assert_eq!((t.encoding(), t.shape()), (*encoding, &[3, 1, 2 * encoding.block_elems()][..]));
            assert_eq!((t.n_rows(), t.n_cols()), (3, 2 * encoding.block_elems()));
            assert_eq!(t.data().file_offset() % u64::from(file.alignment()), 0);
            let mut bytes = vec![0; data.len()];
            t.data().read_exact_at(0, &mut bytes).unwrap();
            assert_eq!(&bytes, data);
            t.dequantize_f32(0..3, &mut vec![0.0; 6 * encoding.block_elems()]).unwrap();
        }
        let scalar = file.tensor("scalar").unwrap().plain().unwrap();
        assert_eq!((scalar.shape(), scalar.element()), (&[][..], ElementType::F32));
        assert_eq!(scalar.read().unwrap(), [1, 2, 3, 4]);
        assert_eq!(file.tensor("empty").unwrap().n_rows(), 0);
        assert_eq!(file.tensor("none").unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn the_writer_refuses_what_no_reader_takes() {
    let mut writer = GgufWriter::new();
    writer.add("a", &[2], GgmlType::F32, &[0; 8]).unwrap();
    for (name, shape, encoding, n) in [
        ("a", &[2][..], GgmlType::F32, 8),
        ("b", &[2], GgmlType::F32, 7),
        ("b", &[1, 1, 1, 1, 2], GgmlType::F32, 8),
        ("b", &[16], GgmlType::Q4_0, 9),
        ("b", &[usize::MAX, 32], GgmlType::Q4_0, 18),
    ] {
        let error = writer.add(name, shape, encoding, &[0; 18][..n]).unwrap_err();
        assert_eq!(
            (error.kind(), error.tensor()),
            (ErrorKind::InvalidArgument, Some(name)),
            "{shape:?} {encoding}"
        );
    }
    writer.metadata_mut().insert("general.alignment", Value::U32(24));
    assert!(writer.to_bytes().is_err());
}
