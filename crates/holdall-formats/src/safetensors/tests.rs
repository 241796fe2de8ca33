use super::checkpoint::{INDEX_FILE, parse_index};
use super::{Checkpoint, SafeTensors, save, save_sharded, to_bytes};
use crate::{ElementType, ErrorKind, Result, Source, TensorData};

fn open(bytes: impl Into<std::sync::Arc<[u8]>>) -> Result<SafeTensors> {
    SafeTensors::from_source(Source::from_bytes("f", bytes))
}

/// A file of a given JSON header with `n` bytes of data.
fn file(json: &str, n: usize) -> Vec<u8> {
    let mut bytes = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    bytes.resize(bytes.len() + n, 7);
    bytes
}

fn tensor<'a>(name: &'a str, shape: &'a [usize], data: &'a [u8]) -> TensorData<'a> {
    TensorData { name, shape, element: ElementType::U8, data }
}

#[test]
fn what_mlx_writes_is_read() {
    let file = open(&include_bytes!("../../tests/golden/mlx.safetensors")[..]).unwrap();
    assert!(file.metadata().is_empty());
    let b = file.tensor("b").unwrap();
    assert_eq!((b.shape(), b.element()), (&[3][..], ElementType::BF16));
    assert_eq!(b.read().unwrap(), [0, 0, 0x80, 0x3f, 0, 0x40]);
    let c = file.tensor("c").unwrap();
    assert_eq!((c.shape(), c.element()), (&[1, 1][..], ElementType::C64));
    assert_eq!(c.read().unwrap(), [1_f32.to_le_bytes(), 2_f32.to_le_bytes()].concat());
}

#[test]
fn metadata_may_be_null_and_8_bit_floats_are_bytes() {
    let json = r#"{"__metadata__":null,"s":{"dtype":"F8_E8M0","shape":[2],"data_offsets":[0,2]},
        "q":{"dtype":"F8_E4M3","shape":[],"data_offsets":[2,3],"later":{"x":[1]}}}  "#;
    let file = open(file(json, 3)).unwrap();
    assert_eq!(file.tensors().iter().map(crate::TensorView::name).collect::<Vec<_>>(), ["s", "q"]);
    assert!(file.tensors().iter().all(|t| t.element() == ElementType::U8));
    assert_eq!(file.tensor("q").unwrap().read().unwrap(), [7]);
}

#[test]
fn every_type_comes_back() {
    let data: Vec<Vec<u8>> =
        ElementType::ALL.iter().map(|e| (0..6 * e.n_bytes()).map(|i| i as u8).collect()).collect();
    let mut tensors: Vec<_> = (ElementType::ALL.iter().zip(&data))
        .map(|(e, data)| TensorData { name: e.name(), shape: &[2, 3], element: *e, data })
        .collect();
    tensors.push(TensorData { name: "empty", shape: &[4, 0], element: ElementType::F32, data: &[] });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    save(&path, &tensors, &[("format", "mlx"), ("é\"", "\n")]).unwrap();
    let file = SafeTensors::open(&path).unwrap();
    // The open file stays readable.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(file.metadata()["é\""], "\n");
    assert_eq!(file.tensors().len(), tensors.len());
    for t in &tensors {
        let view = file.tensor(t.name).unwrap();
        assert_eq!(
            (view.shape(), view.element(), view.read().unwrap()),
            (t.shape, t.element, t.data.to_vec())
        );
        assert_eq!(view.file_range().unwrap().start % t.element.n_bytes() as u64, 0);
    }
    assert_eq!(file.tensor("none").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(open(to_bytes(&[], &[]).unwrap()).unwrap().tensors().is_empty());
}

#[test]
fn the_writer_refuses_what_no_reader_takes() {
    let good = tensor("a", &[1], &[1]);
    for tensors in [&[good, good][..], &[tensor("__metadata__", &[1], &[1])], &[tensor("a", &[2], &[1])]] {
        assert_eq!(to_bytes(tensors, &[]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn hostile_headers() {
    const MAX: u64 = u64::MAX;
    let one = |dtype: &str, shape: &str, offsets: &str| {
        file(&format!(r#"{{"t":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#), 8)
    };
    let two = |a: &str, b: &str| {
        let json = format!(
            r#"{{"a":{{"dtype":"U8","shape":[4],"data_offsets":{a}}},"b":{{"dtype":"U8","shape":[4],"data_offsets":{b}}}}}"#
        );
        file(&json, 8)
    };
    for (bytes, wanted) in [
        (vec![], "header length: truncated: wanted 8 bytes at 0 of 0"),
        (
            MAX.to_le_bytes().to_vec(),
            "header length: truncated: wanted a header of 18446744073709551615 bytes, 0 remain",
        ),
        (
            (1_u64 << 63).to_le_bytes().to_vec(),
            "header length: truncated: wanted a header of 9223372036854775808",
        ),
        (file("{", 0), "header: cannot read the JSON: EOF"),
        (
            file("[]", 0),
            "header: cannot read the JSON: invalid type: sequence, expected an object of tensors",
        ),
        (file("{} x", 0), "header: cannot read the JSON: trailing characters"),
        (file("{}", 1), "data: wanted 0 bytes of data, got 1"),
        (
            file(r#"{"__metadata__":{"a":1}}"#, 0),
            "header: cannot read the JSON: __metadata__: invalid type: integer",
        ),
        (
            file(r#"{"__metadata__":{},"__metadata__":{}}"#, 0),
            "header: cannot read the JSON: __metadata__ occurs",
        ),
        (
            file(r#"{"t":{"dtype":"U8"}}"#, 0),
            "header: cannot read the JSON: tensor \"t\": missing field `shape`",
        ),
        (one("F4", "[8]", "[0,8]"), "tensor \"t\": dtype: type \"F4\" is not supported"),
        (
            one("U8", "[-8]", "[0,8]"),
            "header: cannot read the JSON: tensor \"t\": invalid value: integer `-8`",
        ),
        (
            one("U8", "[9]", "[0,9]"),
            "tensor \"t\": data_offsets: wanted a range within 8 bytes of data, got 0..9",
        ),
        (
            one("U8", "[8]", "[8,0]"),
            "tensor \"t\": data_offsets: wanted a range within 8 bytes of data, got 8..0",
        ),
        (one("U8", "[7]", "[0,8]"), "tensor \"t\": data_offsets: shape [7] of u8 takes 7 bytes, got 0..8"),
        (
            one("U8", "[8]", &format!("[{},{MAX}]", MAX - 8)),
            "tensor \"t\": data_offsets: wanted a range within",
        ),
        (one("F32", "[4611686018427387904,4]", "[0,8]"), "tensor \"t\": shape: the extents"),
        (one("F32", "[0,18446744073709551615]", "[0,0]"), "tensor \"t\": shape: the extents"),
        (
            two("[0,4]", "[2,6]"),
            "tensor \"b\": data_offsets: its data from 2 overlaps tensor \"a\", which ends at 4",
        ),
        (two("[0,4]", "[0,4]"), "tensor \"b\": data_offsets: its data from 0 overlaps tensor \"a\""),
        (two("[4,8]", "[0,4]").into_iter().chain([0]).collect(), "data: wanted 8 bytes of data, got 9"),
        (one("U8", "[4]", "[4,8]"), "tensor \"t\": data_offsets: a gap: its data starts at 4"),
        (
            file(
                r#"{"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
                0,
            ),
            "header: cannot read the JSON: tensor \"t\": the name occurs twice",
        ),
    ] {
        let error = open(bytes).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("f: {wanted}")), "wanted {wanted}…, got {error}");
    }
    let deep = "[".repeat(100_000);
    assert!(open(file(&format!(r#"{{"t":{{"x":{deep}"#), 0)).is_err());
    assert!(open(file("{\"\u{0}\":", 0)).is_err());
    let mut not_utf8 = file(r#"{"aaa":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, 0);
    not_utf8[11] = 0xff;
    assert!(open(not_utf8).is_err());
}

#[test]
fn every_truncation_is_an_error() {
    let whole = to_bytes(&[tensor("a", &[2], &[1, 2]), tensor("b", &[1], &[3])], &[("k", "v")]).unwrap();
    for n in 0..whole.len() {
        assert!(open(&whole[..n]).is_err(), "{n} bytes");
    }
}

#[test]
fn shards_come_back_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = [1, 2, 3, 4, 5, 6];
    let tensors = [tensor("b", &[4], &data[..4]), tensor("a", &[3], &data[..3]), tensor("c", &[6], &data)];
    let paths = save_sharded(folder.path(), &tensors, &[("format", "mlx")], 7).unwrap();
    let names: Vec<_> = paths.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json"
        ]
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing else is left");
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(&paths[2]).unwrap()).unwrap();
    assert_eq!(index["metadata"]["total_size"], 13);
    assert_eq!(index["weight_map"]["a"], names[0]);
    assert_eq!(index["weight_map"]["c"], names[1]);

    for path in [folder.path(), &paths[2]] {
        let checkpoint = Checkpoint::open(path).unwrap();
        assert_eq!((checkpoint.files().len(), checkpoint.tensors().len()), (2, 3));
        for t in &tensors {
            assert_eq!(checkpoint.tensor(t.name).unwrap().read().unwrap(), t.data);
        }
        assert_eq!(checkpoint.tensor("d").unwrap_err().kind(), ErrorKind::NotFound);
    }
    // Without its index, a folder is all its shards.
    std::fs::remove_file(&paths[2]).unwrap();
    assert_eq!(Checkpoint::open(folder.path()).unwrap().tensors().len(), 3);
    assert_eq!(Checkpoint::open(&paths[0]).unwrap().tensors().len(), 2);
    std::fs::copy(&paths[0], folder.path().join("model-copy.safetensors")).unwrap();
    let error = Checkpoint::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("another file holds this name too"), "{error}");
}

#[test]
fn one_shard_has_the_plain_name() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Checkpoint::open(folder.path()).unwrap_err().kind(), ErrorKind::NotFound);
    let paths = save_sharded(folder.path(), &[tensor("a", &[1], &[1])], &[], 1 << 30).unwrap();
    assert_eq!(paths[0].file_name().unwrap(), "model.safetensors");
    assert_eq!(Checkpoint::open(folder.path()).unwrap().tensors().len(), 1);
}

#[test]
fn an_index_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path().join("s.safetensors"), &[tensor("a", &[1], &[1])], &[]).unwrap();
    let error = |index: &str| {
        std::fs::write(folder.path().join(INDEX_FILE), index).unwrap();
        Checkpoint::open(folder.path()).map(|_| ()).unwrap_err().to_string()
    };
    for (index, wanted) in [
        ("{", "weight_map: cannot read the JSON"),
        ("{}", "weight_map: cannot read the JSON: missing field `weight_map`"),
        (
            r#"{"weight_map":{"a":"../s.safetensors"}}"#,
            "weight_map: wanted the name of a file beside the index",
        ),
        (r#"{"weight_map":{"a":"/etc/passwd"}}"#, "weight_map: wanted the name of a file beside the index"),
        (r#"{"weight_map":{"a":""}}"#, "weight_map: wanted the name of a file beside the index"),
        (r#"{"weight_map":{"a":"none.safetensors"}}"#, "none.safetensors: cannot open"),
        (
            r#"{"weight_map":{"z":"s.safetensors"}}"#,
            "tensor \"z\": the index places it in \"s.safetensors\", which lacks",
        ),
    ] {
        let error = error(index);
        assert!(error.contains(wanted), "{index}: wanted …{wanted}…, got {error}");
    }
    assert!(parse_index(br#"{"metadata":{"total_size":1},"weight_map":{}}"#).unwrap().is_empty());
}
