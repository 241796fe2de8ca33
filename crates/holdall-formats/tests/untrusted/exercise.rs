//! Everything that can be done with a file of unknown origin. Shared by the fuzz targets and the tests.

use holdall_formats::gguf::{Gguf, Value};
use holdall_formats::npz::Npz;
use holdall_formats::safetensors::SafeTensors;
use holdall_formats::{Source, TensorView, npy};

/// Larger tensors (deflate makes a thousand bytes of one) are not read, so that one input takes little time.
const MAX_READ: usize = 1 << 20;

/// Opens `bytes` as a file of `format` and reads all its tensors. Errors are fine, panics are not.
///
/// `true` if it opened.
pub fn exercise(format: &str, bytes: &[u8]) -> bool {
    let source = Source::from_bytes("input", bytes);
    match format {
        "safetensors" => SafeTensors::from_source(source).map(|f| f.tensors().iter().for_each(read)).is_ok(),
        "npy" => npy::view("x", source).map(|view| read(&view)).is_ok(),
        "npz" => Npz::from_source(source).map(|f| f.tensors().iter().for_each(read)).is_ok(),
        "gguf" => Gguf::from_source(source).map(|f| read_gguf(&f, bytes.len())).is_ok(),
        other => panic!("no format {other}"),
    }
}

fn read(view: &TensorView) {
    let n_elems: usize = view.shape().iter().product();
    assert_eq!((view.n_elems(), view.n_bytes()), (n_elems, n_elems * view.element().n_bytes()));
    if view.n_bytes() > MAX_READ {
        return;
    }
    let read = view.read();
    if let Ok(bytes) = &read {
        assert_eq!(bytes.len(), view.n_bytes());
    }
    // What lies in the file as it is was checked to be there.
    if view.source().is_some() {
        read.expect("plain views can be read");
    }
}

fn read_gguf(file: &Gguf, n_bytes: usize) {
    for (key, value) in file.metadata().iter() {
        assert_eq!(file.metadata().get(key).map(Value::type_name), Some(value.type_name()));
        if let Some(strings) = value.as_strings() {
            assert!(strings.iter().map(str::len).sum::<usize>() <= n_bytes);
            assert!(strings.iter().enumerate().all(|(i, s)| strings.get(i) == Some(s)));
        }
    }
    for t in file.tensors() {
        let (rows, n) = (t.n_rows(), t.n_rows() * t.n_cols());
        assert_eq!(t.data().len(), (rows * t.row_bytes()) as u64);
        if n > MAX_READ {
            continue;
        }
        if let Some(view) = t.plain() {
            read(&view);
        }
        t.dequantize_f32(0..rows, &mut vec![0.0; n]).expect("every encoding has values");
        let half = rows / 2;
        t.dequantize_f16(half..rows, &mut vec![0; (rows - half) * t.n_cols()])
            .expect("rows can be read alone");
        if let Some(layout) = t.affine() {
            let words = layout.weight_shape.iter().product();
            let groups = layout.scale_shape.iter().product();
            let (mut weights, mut scales, mut biases) = (vec![0; words], vec![0; groups], vec![0; groups]);
            // A scale may be infinite.
            let _ = t.read_affine(0..rows, &mut weights, &mut scales, &mut biases);
        }
    }
}
