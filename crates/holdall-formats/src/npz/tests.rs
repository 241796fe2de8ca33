use std::io::{self, Cursor, Seek, SeekFrom, Write};

use super::{Compression, Npz, NpzWriter, save};
use crate::{ElementType, ErrorKind, Result, Source, TensorData};

fn open(bytes: impl Into<std::sync::Arc<[u8]>>) -> Result<Npz> {
    Npz::from_source(Source::from_bytes("f.npz", bytes))
}

const STORED: &[u8] = include_bytes!("../../tests/golden/stored.npz");
const DEFLATED: &[u8] = include_bytes!("../../tests/golden/deflated.npz");

#[test]
fn what_numpy_writes_is_read() {
    for (bytes, compressed) in [(STORED, false), (DEFLATED, true)] {
        let file = open(bytes).unwrap();
        let weight = file.tensor("weight").unwrap();
        assert_eq!((weight.shape(), weight.element()), (&[2, 3, 4][..], ElementType::F16));
        let wanted: Vec<_> = (0..24_u8).flat_map(|i| half::f16::from(i).to_le_bytes()).collect();
        assert_eq!(weight.read().unwrap(), wanted);
        assert_eq!(weight.file_range().is_none(), compressed);

        let bias = file.tensor("layer/bias").unwrap();
        assert_eq!((bias.shape(), bias.element()), (&[3, 4][..], ElementType::I64));
        assert_eq!(bias.read().unwrap(), (0..12_i64).flat_map(i64::to_le_bytes).collect::<Vec<_>>());
        assert_eq!(file.tensor("none").unwrap_err().kind(), ErrorKind::NotFound);
    }
    let count = open(DEFLATED).unwrap().tensor("arr_0").unwrap().read().unwrap();
    assert_eq!(count, (0..1000_i16).flat_map(i16::to_le_bytes).collect::<Vec<_>>());
}

#[test]
fn what_is_written_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let data: Vec<u8> = (0..30_000_u32).map(|i| (i / 100) as u8).collect();
    for compression in [Compression::Stored, Compression::Deflated] {
        let tensors = [
            TensorData { name: "a.b/c", shape: &[300, 100], element: ElementType::U8, data: &data },
            TensorData { name: "empty", shape: &[0], element: ElementType::C64, data: &[] },
        ];
        save(&path, &tensors, compression).unwrap();
        let file = Npz::open(&path).unwrap();
        assert_eq!(file.tensors().len(), 2);
        for t in &tensors {
            let view = file.tensor(t.name).unwrap();
            assert_eq!((view.shape(), view.element()), (t.shape, t.element));
            assert_eq!(view.read().unwrap(), t.data);
            // A view may be read by several threads at once.
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| assert_eq!(view.read().unwrap(), t.data));
                }
            });
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len() < 10_000, compression == Compression::Deflated);
        let twice = [tensors[1], tensors[1]];
        assert_eq!(save(&path, &twice, compression).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(Npz::open(&path).unwrap().tensors().len(), 2, "the old file is untouched");
    }
}

#[test]
fn members_of_other_kinds_are_passed_over() {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("readme.txt", zip::write::SimpleFileOptions::default()).unwrap();
    let file = open(zip.finish().unwrap().into_inner()).unwrap();
    assert!(file.tensors().is_empty());
}

#[test]
fn damage_is_found() {
    for whole in [STORED, DEFLATED] {
        for n in 0..whole.len() {
            assert!(open(&whole[..n]).is_err(), "{n} of {} bytes", whole.len());
        }
    }
    // A flipped bit in compressed data: an error of inflate or of the checksum, in every place.
    let data: Vec<u8> = (0..600_u32).map(|i| (i * i / 7) as u8).collect();
    let mut writer = NpzWriter::new(Cursor::new(Vec::new()), Compression::Deflated);
    writer.add("x", &[600], ElementType::U8, &data).unwrap();
    let whole = writer.finish().unwrap().into_inner();
    let start = 30 + "x.npy".len();
    for at in start..start + 300 {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        if let Ok(file) = open(bytes) {
            assert!(file.tensor("x").unwrap().read().is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_member_that_claims_too_much_is_refused() {
    let mut writer = NpzWriter::new(Cursor::new(Vec::new()), Compression::Deflated);
    writer.add("x", &[600], ElementType::U8, &[0; 600]).unwrap();
    let whole = writer.finish().unwrap().into_inner();
    // The uncompressed size in the directory (24 bytes into its entry).
    let entry = whole.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let mut bytes = whole.clone();
    bytes[entry + 24..entry + 28].copy_from_slice(&0xf000_0000_u32.to_le_bytes());
    let error = open(bytes).map(|_| ()).unwrap_err();
    assert_eq!(
        (error.kind(), error.tensor(), error.field()),
        (ErrorKind::Malformed, Some("x"), Some("size"))
    );

    let mut bytes = whole;
    bytes[entry + 24..entry + 28].copy_from_slice(&729_u32.to_le_bytes());
    let error = open(bytes).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("takes 600 bytes after 128, the member has 729"), "{error}");
}

#[test]
fn other_archives_are_refused() {
    assert!(open(&b"not a zip"[..]).unwrap_err().to_string().starts_with("f.npz: not a sound zip archive"));
    let mut encrypted = STORED.to_vec();
    for signature in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = encrypted.windows(4).position(|w| w == signature.0).unwrap() + signature.1;
        encrypted[at] |= 1;
    }
    let error = open(encrypted).map(|_| ()).unwrap_err();
    assert_eq!((error.kind(), error.tensor()), (ErrorKind::Unsupported, Some("weight")), "{error}");
}

/// A disk with room for a number of bytes.
struct SmallDisk {
    disk: Cursor<Vec<u8>>,
    room: u64,
}

impl Write for SmallDisk {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.disk.position() + buf.len() as u64 > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for SmallDisk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.disk.seek(to)
    }
}

#[test]
fn a_full_disk_is_reported_wherever_it_happens() {
    for compression in [Compression::Stored, Compression::Deflated] {
        let write = |room| {
            let mut writer = NpzWriter::new(SmallDisk { disk: Cursor::default(), room }, compression);
            writer.add("a", &[300], ElementType::U8, &[3; 300])?;
            writer.add("b", &[4], ElementType::U8, &[3; 4])?;
            writer.finish()
        };
        let whole = write(u64::MAX).unwrap_or_else(|e| panic!("{e}")).disk.into_inner();
        for room in 0..whole.len() as u64 {
            let error = write(room).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "room for {room} of {} bytes: {error}", whole.len());
        }
        assert_eq!(open(whole).unwrap().tensors().len(), 2);
    }
    let mut writer = NpzWriter::new(SmallDisk { disk: Cursor::default(), room: 10 }, Compression::Stored);
    assert!(writer.add("a", &[1], ElementType::U8, &[1]).is_err());
    assert_eq!(writer.finish().map(|_| ()).unwrap_err().to_string(), "cannot write: an earlier write failed");
}
