use super::{open, save, to_bytes, view, write_to};
use crate::{ElementType, ErrorKind, Source, TensorView};

fn golden(bytes: &'static [u8]) -> TensorView {
    view("x", Source::from_bytes("x.npy", bytes)).unwrap()
}

/// The little-endian bytes of 0, 1, 2 … `n`, one by one.
fn counted<const N: usize>(n: usize, bytes: impl Fn(usize) -> [u8; N]) -> Vec<u8> {
    (0..n).flat_map(bytes).collect()
}

#[test]
fn what_numpy_writes_is_read() {
    let c = golden(include_bytes!("../../tests/golden/c.npy"));
    assert_eq!((c.shape(), c.element()), (&[2, 3, 4][..], ElementType::F32));
    assert_eq!(c.read().unwrap(), counted(24, |i| (i as f32).to_le_bytes()));
    assert_eq!(c.file_range(), Some(128..128 + 96));

    let fortran = golden(include_bytes!("../../tests/golden/fortran.npy"));
    assert_eq!((fortran.shape(), fortran.element()), (&[2, 3, 4][..], ElementType::I32));
    assert_eq!(fortran.read().unwrap(), counted(24, |i| (i as i32).to_le_bytes()));
    assert_eq!(fortran.file_range(), None);

    let big = golden(include_bytes!("../../tests/golden/big.npy"));
    assert_eq!((big.shape(), big.element()), (&[2, 3, 4][..], ElementType::U16));
    assert_eq!(big.read().unwrap(), counted(24, |i| (i as u16).to_le_bytes()));

    let both = golden(include_bytes!("../../tests/golden/fortran_big_complex.npy"));
    assert_eq!((both.shape(), both.element()), (&[3, 4][..], ElementType::C64));
    let pair = |i| [(i as f32).to_le_bytes(), 0.5_f32.to_le_bytes()].concat().try_into().unwrap();
    assert_eq!(both.read().unwrap(), counted::<8>(12, pair));

    let scalar = golden(include_bytes!("../../tests/golden/scalar.npy"));
    assert_eq!((scalar.shape(), scalar.element()), (&[][..], ElementType::F64));
    assert_eq!(scalar.read().unwrap(), 0.1_f64.to_le_bytes());

    let empty = golden(include_bytes!("../../tests/golden/empty.npy"));
    assert_eq!((empty.shape(), empty.element(), empty.n_bytes()), (&[0, 3][..], ElementType::Bool, 0));
    assert!(empty.read().unwrap().is_empty());

    for bytes in [include_bytes!("../../tests/golden/v2.npy"), include_bytes!("../../tests/golden/v3.npy")] {
        assert_eq!(
            (golden(bytes).element(), golden(bytes).read().unwrap()),
            (ElementType::Bool, vec![1, 0, 1])
        );
    }
    let bf16 = golden(include_bytes!("../../tests/golden/bf16.npy"));
    assert_eq!((bf16.element(), bf16.read().unwrap()), (ElementType::BF16, vec![0, 0, 0x80, 0x3f, 0, 0x40]));
}

#[test]
fn every_type_and_rank_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for element in ElementType::ALL {
        for shape in [&[][..], &[3], &[2, 3], &[1, 2, 3, 4], &[0], &[3, 0, 2]] {
            let n = shape.iter().product::<usize>() * element.n_bytes();
            let data: Vec<_> = (0..n).map(|i| i as u8).collect();
            let path = folder.path().join("name.npy");
            save(&path, shape, element, &data).unwrap();
            let view = open(&path).unwrap();
            assert_eq!((view.name(), view.shape(), view.element()), ("name", shape, element));
            assert_eq!(view.read().unwrap(), data);
            assert_eq!(view.file_range().unwrap().start % 64, 0);
        }
    }
    // As numpy writes it, byte for byte.
    let wanted = include_bytes!("../../tests/golden/c.npy");
    assert_eq!(to_bytes(&[2, 3, 4], ElementType::F32, &wanted[128..]).unwrap(), wanted);
}

#[test]
fn long_column_major_arrays() {
    // Longer than what is read at a time, and of a size that does not divide it.
    let (rows, cols) = (301, 200);
    let mut text =
        format!("{{'descr': '<f4', 'fortran_order': True, 'shape': ({rows}, {cols})}}").into_bytes();
    text.resize(118, b' ');
    let mut file = [&b"\x93NUMPY\x01\0\x76\0"[..], &text].concat();
    for col in 0..cols {
        file.extend((0..rows).flat_map(|row| ((row * cols + col) as f32).to_le_bytes()));
    }
    let view = view("x", Source::from_bytes("x.npy", file)).unwrap();
    assert_eq!(view.read().unwrap(), counted(rows * cols, |i| (i as f32).to_le_bytes()));
}

#[test]
fn damaged_files_are_refused() {
    let file = |descr: &str, shape: &str, n: usize| {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}");
        let mut bytes =
            [&b"\x93NUMPY\x01\0"[..], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
        bytes.resize(bytes.len() + n, 0);
        bytes
    };
    let error = |bytes: Vec<u8>| view("x", Source::from_bytes("f", bytes)).map(|_| ()).unwrap_err();
    for (bytes, kind, wanted) in [
        (file("<f4", "(3,)", 11), ErrorKind::Malformed, "truncated: shape [3] of f32 takes 12 bytes"),
        (file("<f4", "(4611686018427387904, 4)", 0), ErrorKind::Malformed, "shape: the extents"),
        (file("<f4", "(0, 9223372036854775807, 4)", 0), ErrorKind::Malformed, "shape: the extents"),
        (file("|O", "(1,)", 8), ErrorKind::Unsupported, "descr: type \"|O\" is not supported"),
        (file("<c16", "(1,)", 16), ErrorKind::Unsupported, "descr: type \"<c16\" is not supported"),
        (b"\x93NUMPY\x04\0".to_vec(), ErrorKind::Unsupported, "version: wanted 1, 2 or 3, got 4"),
        (
            b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec(),
            ErrorKind::Limit,
            "header length: wanted at most 65536",
        ),
        (b"PK\x03\x04 and so".to_vec(), ErrorKind::Malformed, "magic: not an npy file"),
        (b"\x93NUM".to_vec(), ErrorKind::Malformed, "magic: cannot read the npy header"),
        (
            b"\x93NUMPY\x03\0\x02\0\0\0\xff\xff".to_vec(),
            ErrorKind::Malformed,
            "header: the header is not UTF-8",
        ),
        (b"\x93NUMPY\x01\0\x02\0{}".to_vec(), ErrorKind::Malformed, "descr: missing from the header"),
    ] {
        let error = error(bytes);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(
            error.to_string().starts_with(&format!("f: tensor \"x\": {wanted}")),
            "wanted {wanted}…, got {error}"
        );
    }
    // Bytes after the array belong to somebody else.
    assert!(view("x", Source::from_bytes("f", file("<f4", "(3,)", 13))).is_ok());
    assert_eq!(open("/nonexistent/x.npy").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(write_to(&mut Vec::new(), &[2], ElementType::F32, &[0; 7]).is_err());
}
