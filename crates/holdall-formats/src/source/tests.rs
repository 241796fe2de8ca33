use std::fs;
use std::io::{Read, Seek, SeekFrom};

use super::{Source, SourceReader};
use crate::gguf::{Gguf, GgufTensor};
use crate::{Error, ErrorKind, TensorView};

#[test]
fn what_threads_share_may_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Source>();
    shared::<TensorView>();
    shared::<GgufTensor>();
    shared::<Gguf>();
    shared::<Error>();
}

#[test]
fn ranges_are_checked() {
    let whole = Source::from_bytes("f", *b"0123456789");
    let part = whole.slice(2, 6).unwrap();
    assert_eq!((part.len(), part.file_offset(), part.slice(1, 2).unwrap().file_offset()), (6, 2, 3));
    let mut two = [0; 2];
    part.read_exact_at(4, &mut two).unwrap();
    assert_eq!(&two, b"67");
    for (offset, len) in [(5, 2), (7, 0), (u64::MAX, 1), (0, u64::MAX), (u64::MAX, u64::MAX)] {
        assert_eq!(part.slice(offset, len).unwrap_err().kind(), ErrorKind::Malformed, "{len} at {offset}");
    }
    assert!(part.read_exact_at(5, &mut two).is_err() && part.read_exact_at(u64::MAX, &mut two).is_err());
    assert!(part.slice(6, 0).unwrap().is_empty());
}

#[test]
fn files_are_read_by_position_from_several_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(&path, &bytes).unwrap();
    let source = Source::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (source, bytes) = (source.clone(), &bytes);
            scope.spawn(move || {
                for at in (start * 777..300_000).step_by(1009) {
                    let mut buf = [0; 1000];
                    source.read_exact_at(at as u64, &mut buf).unwrap();
                    assert_eq!(buf, bytes[at..at + 1000]);
                }
            });
        }
    });
}

#[test]
fn a_file_that_shrinks_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, [0; 100]).unwrap();
    let source = Source::open(&path).unwrap();
    fs::write(&path, [0; 10]).unwrap();
    let error = source.read_exact_at(5, &mut [0; 10]).unwrap_err();
    assert_eq!((error.kind(), error.file()), (ErrorKind::Malformed, path.to_str()));
}

#[test]
fn only_regular_files_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Source::open(folder.path()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let error = Source::open(folder.path().join("none")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("none: cannot open: "), "{error}");
    assert!(std::error::Error::source(&error).is_some(), "the I/O error can be looked at");
}

#[test]
fn streams_stay_within_the_source() {
    let mut reader = SourceReader::new(Source::from_bytes("f", *b"0123456789").slice(2, 6).unwrap());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "234567");
    assert_eq!(reader.seek(SeekFrom::End(-2)).unwrap(), 4);
    assert_eq!(reader.seek(SeekFrom::Current(-1)).unwrap(), 3);
    assert!(reader.seek(SeekFrom::Current(-4)).is_err());
    reader.seek(SeekFrom::Start(u64::MAX)).unwrap();
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
}
