//! Headers that lie.

use crate::gguf::Gguf;
use crate::{ErrorKind, Source};

/// A header being made by hand.
#[derive(Clone)]
struct Header(Vec<u8>);

impl Header {
    fn new(n_tensors: u64, n_entries: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(n_tensors).u64(n_entries)
    }

    fn u32(mut self, v: u32) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }

    fn u64(mut self, v: u64) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }

    fn bytes(mut self, v: &[u8]) -> Self {
        self.0.extend(v);
        self
    }

    fn str(self, v: &str) -> Self {
        self.u64(v.len() as u64).bytes(v.as_bytes())
    }

    fn tensor(self, name: &str, extents: &[u64], code: u32, offset: u64) -> Self {
        let start = self.str(name).u32(extents.len() as u32);
        extents.iter().fold(start, |h, &n| h.u64(n)).u32(code).u64(offset)
    }

    /// Pads to the default alignment and adds data.
    fn data(mut self, n: usize) -> Self {
        let start = self.0.len().next_multiple_of(32);
        self.0.resize(start + n, 0);
        self
    }

    /// The message that reading it gives, without the file's name.
    fn error(self) -> String {
        let error = Gguf::from_source(Source::from_bytes("f", self.0)).map(|_| ()).unwrap_err();
        let text = error.to_string();
        text.strip_prefix("f: ").unwrap_or_else(|| panic!("{text}: no file")).to_owned()
    }
}

const STRING: u32 = 8;
const ARRAY: u32 = 9;

#[test]
fn sane_headers_are_read() {
    let file = Header::new(1, 1).str("k").u32(STRING).str("v").tensor("t", &[2, 3], 0, 0).data(24);
    let file = Gguf::from_source(Source::from_bytes("f", file.0)).unwrap();
    assert_eq!(file.tensor("t").unwrap().shape(), [3, 2]);
    assert_eq!(file.metadata().str("k").unwrap(), "v");
    let mut version_2 = Header::new(0, 0).0;
    version_2[4] = 2;
    assert_eq!(Gguf::from_source(Source::from_bytes("f", version_2)).unwrap().version(), 2);
}

#[test]
fn every_truncation_is_an_error() {
    let whole = Header::new(1, 2)
        .str("k")
        .u32(STRING)
        .str("v")
        .str("a")
        .u32(ARRAY)
        .u32(STRING)
        .u64(2)
        .str("x")
        .str("y")
        .tensor("t", &[2, 3], 0, 0)
        .data(24)
        .0;
    for n in 0..whole.len() {
        let error = Gguf::from_source(Source::from_bytes("f", &whole[..n])).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{n} bytes: {error}");
    }
}

#[test]
fn hostile_metadata() {
    let one = |h: fn(Header) -> Header| h(Header::new(0, 1).str("key")).error();
    for (got, wanted) in [
        (Header::new(0, u64::MAX).error(), "metadata count: truncated: wanted 18446744073709551615 items"),
        (Header::new(1 << 60, 0).error(), "tensor count: truncated: wanted 1152921504606846976 items"),
        (one(|h| h.u32(13).u64(0)), "metadata \"key\": wanted a value type from 0 to 12, got 13"),
        (one(|h| h.u32(7).bytes(&[2])), "metadata \"key\": wanted a bool as 0 or 1, got 2"),
        (
            one(|h| h.u32(STRING).u64(1 << 63)),
            "metadata \"key\": truncated: wanted 9223372036854775808 items of 1",
        ),
        (one(|h| h.u32(STRING).u64(1).bytes(&[0xff])), "metadata \"key\": a string is not UTF-8"),
        (
            one(|h| h.u32(ARRAY).u32(STRING).u64(1 << 60)),
            "metadata \"key\": truncated: wanted 1152921504606846976",
        ),
        (
            one(|h| h.u32(ARRAY).u32(12).u64(1 << 61)),
            "metadata \"key\": truncated: wanted 2305843009213693952",
        ),
        (
            one(|h| h.u32(ARRAY).u32(STRING).u64(2).str("ok").u64(9)),
            "metadata \"key\", element 1: truncated: wanted 9 items",
        ),
        (one(|h| h.u32(ARRAY).u32(ARRAY).u64(u64::MAX)), "metadata \"key\": truncated: wanted"),
        (
            one(|h| (0..9).fold(h.u32(ARRAY), |h, _| h.u32(ARRAY).u64(1)).u32(0).u64(0)),
            "metadata \"key\": arrays nest deeper than 8",
        ),
        (
            Header::new(0, 2).str("key").u32(0).bytes(&[1]).str("key").u32(0).bytes(&[1]).error(),
            "metadata key \"key\": the key occurs twice",
        ),
        (
            Header::new(0, 1).u64(2).bytes(&[0xc3, 0x28, 0, 0, 0, 0, 0, 0]).error(),
            "metadata key 0: a string is not",
        ),
        (
            Header::new(0, 1).str("general.alignment").u32(4).u32(0).error(),
            "general.alignment: wanted a power of two, got 0",
        ),
        (
            Header::new(0, 1).str("general.alignment").u32(4).u32(48).error(),
            "general.alignment: wanted a power of two, got 48",
        ),
        (
            Header::new(0, 1).str("general.alignment").u32(STRING).str("x").error(),
            "general.alignment: wanted an unsigned 32-bit integer, got string",
        ),
    ] {
        assert!(got.starts_with(wanted), "wanted {wanted}…, got {got}");
    }
}

#[test]
fn hostile_tensors() {
    const MAX: u64 = u64::MAX;
    let one =
        |extents: &[u64], code, offset| Header::new(1, 0).tensor("t", extents, code, offset).data(64).error();
    for (got, wanted) in [
        (
            one(&[17], 0, 0),
            "tensor \"t\": offset: truncated: wanted 68 bytes at 0 after 64, the file has 128",
        ),
        (one(&[1], 0, 64), "tensor \"t\": offset: truncated: wanted 4 bytes at 64"),
        (one(&[1], 0, MAX - 31), "tensor \"t\": offset: truncated: wanted 4 bytes at 18446744073709551584"),
        (one(&[1], 0, 4), "tensor \"t\": offset: wanted a multiple of 32, got 4"),
        (one(&[1; 5], 0, 0), "tensor \"t\": axes: wanted at most 4 axes, got 5"),
        (one(&[MAX], 0, 0), "tensor \"t\": extents: the extents [18446744073709551615] multiply to too many"),
        (
            one(&[1 << 32, 1 << 32], 0, 0),
            "tensor \"t\": extents: the extents [4294967296, 4294967296] multiply",
        ),
        (
            one(&[0, MAX, MAX], 0, 0),
            "tensor \"t\": extents: the extents [18446744073709551615, 18446744073709551615, 0] multiply",
        ),
        (one(&[1 << 58, 8], 2, 0), "tensor \"t\": extents: the extents"),
        (
            one(&[33, 1], 2, 0),
            "tensor \"t\": extents: wanted rows of a multiple of 32 elements for Q4_0, got 33",
        ),
        (one(&[1], 17, 0), "tensor \"t\": encoding: encoding IQ2_XS (17) is not supported"),
        (one(&[1], 1000, 0), "tensor \"t\": encoding: encoding 1000 is not known"),
        (
            Header::new(2, 0).tensor("t", &[1], 0, 0).tensor("t", &[1], 0, 32).data(64).error(),
            "tensor \"t\": name: the name occurs twice",
        ),
        (
            Header::new(2, 0).tensor("b", &[8], 0, 32).tensor("a", &[9], 0, 0).data(64).error(),
            "tensor \"b\": offset: its data at 32 overlaps tensor \"a\", which ends at 36",
        ),
        (
            Header::new(1, 0).u64(1).bytes(&[0xff]).u32(0).u32(0).u64(0).data(4).error(),
            "name of tensor 0: a string is not UTF-8",
        ),
    ] {
        assert!(got.starts_with(wanted), "wanted {wanted}…, got {got}");
    }
}

#[test]
fn other_files_are_told_apart() {
    let error = |bytes: &[u8]| Header(bytes.to_vec()).error();
    assert!(error(b"PK\x03\x04").starts_with("magic: not a GGUF file"));
    assert!(error(b"GGU").starts_with("magic: truncated"));
    assert_eq!(error(b"GGUF\x01\0\0\0"), "version: wanted 2 or 3, got 1");
    assert_eq!(error(b"GGUF\0\0\0\x03"), "version: a big-endian GGUF file is not supported");
}
