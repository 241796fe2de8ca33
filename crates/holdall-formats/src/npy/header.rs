//! The header of an npy array: magic, version, length, and a Python dict as text.

use std::io::Read;

use super::literal;
use crate::element::ElementType;
use crate::error::{Error, Quoted, Result};
use crate::tensor::extents;

const MAGIC: [u8; 6] = *b"\x93NUMPY";
/// Data starts at a multiple of this many bytes, in files of NumPy and ours.
const ALIGNMENT: usize = 64;
const MAX_HEADER_BYTES: u32 = 64 << 10;

/// What an npy header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) shape: Vec<usize>,
    pub(crate) element: ElementType,
    pub(crate) column_major: bool,
    pub(crate) big_endian: bool,
    /// Bytes before the data.
    pub(crate) data_start: u64,
}

impl Header {
    /// Whether the data lies in the file as it is to be read.
    pub(crate) fn is_plain(&self) -> bool {
        !self.column_major && !self.big_endian
    }

    /// Reads from the start of the file to the start of the data.
    pub(crate) fn read(from: &mut impl Read) -> Result<Self> {
        let mut exact = |buf: &mut [u8], field: &'static str| {
            from.read_exact(buf).map_err(|e| Error::io("cannot read the npy header", e).in_field(field))
        };
        let mut start = [0; 8];
        exact(&mut start, "magic")?;
        let [magic @ .., major, _minor] = start;
        if magic != MAGIC {
            return Err(
                Error::malformed("not an npy file: it does not start with \"\\x93NUMPY\"").in_field("magic")
            );
        }
        let (length, prefix) = match major {
            1 => {
                let mut length = [0; 2];
                exact(&mut length, "header length")?;
                (u32::from(u16::from_le_bytes(length)), 10)
            }
            2 | 3 => {
                let mut length = [0; 4];
                exact(&mut length, "header length")?;
                (u32::from_le_bytes(length), 12)
            }
            other => {
                return Err(Error::unsupported(format!("wanted 1, 2 or 3, got {other}")).in_field("version"));
            }
        };
        if length > MAX_HEADER_BYTES {
            return Err(Error::limit(format!("wanted at most {MAX_HEADER_BYTES} bytes, got {length}"))
                .in_field("header length"));
        }
        let mut text = vec![0; length as usize];
        exact(&mut text, "header")?;
        let text = match std::str::from_utf8(&text) {
            Ok(text) => text.to_owned(),
            // Before version 3 the text is Latin-1, whose bytes are the first 256 characters.
            Err(_) if major < 3 => text.iter().copied().map(char::from).collect(),
            Err(e) => return Err(Error::malformed("the header is not UTF-8").because(e).in_field("header")),
        };
        Self::parse(&text, u64::from(length) + prefix)
    }

    fn parse(text: &str, data_start: u64) -> Result<Self> {
        let dict = literal::parse(text).map_err(|e| e.in_field("header"))?;
        let missing = |field| move || Error::malformed("missing from the header").in_field(field);
        let (element, big_endian) = descr(&dict.descr.ok_or_else(missing("descr"))?)?;
        let shape = extents(&dict.shape.ok_or_else(missing("shape"))?)?;
        let fortran = dict.fortran_order.ok_or_else(missing("fortran_order"))?;
        // With one extent above 1 at most, both orders are the same.
        let column_major = fortran && shape.iter().filter(|&&n| n != 1).count() > 1;
        Ok(Self { shape, element, column_major, big_endian, data_start })
    }
}

/// The element type of a `descr`, and whether it is big-endian.
fn descr(text: &str) -> Result<(ElementType, bool)> {
    let unsupported =
        || Error::unsupported(format!("type {} is not supported", Quoted(text))).in_field("descr");
    let (big, code) = match text.as_bytes() {
        [b'>', code @ ..] => (true, code),
        [b'<' | b'|' | b'=', code @ ..] => (false, code),
        code => (false, code),
    };
    let element = match code {
        b"b1" | b"?" => ElementType::Bool,
        b"u1" => ElementType::U8,
        b"u2" => ElementType::U16,
        b"u4" => ElementType::U32,
        b"u8" => ElementType::U64,
        b"i1" => ElementType::I8,
        b"i2" => ElementType::I16,
        b"i4" => ElementType::I32,
        b"i8" => ElementType::I64,
        b"f2" => ElementType::F16,
        b"f4" => ElementType::F32,
        b"f8" => ElementType::F64,
        b"c8" => ElementType::C64,
        // Raw bytes have no order: bfloat16 is always little-endian.
        b"V2" | b"bfloat16" => return Ok((ElementType::BF16, false)),
        _ => return Err(unsupported()),
    };
    Ok((element, big && element.n_bytes() > 1))
}

/// The header of version 1 for an array in row-major, little-endian order.
pub(super) fn to_bytes(shape: &[usize], element: ElementType) -> Result<Vec<u8>> {
    let descr = match element {
        ElementType::Bool => "|b1",
        ElementType::U8 => "|u1",
        ElementType::U16 => "<u2",
        ElementType::U32 => "<u4",
        ElementType::U64 => "<u8",
        ElementType::I8 => "|i1",
        ElementType::I16 => "<i2",
        ElementType::I32 => "<i4",
        ElementType::I64 => "<i8",
        ElementType::F16 => "<f2",
        ElementType::BF16 => "|V2",
        ElementType::F32 => "<f4",
        ElementType::F64 => "<f8",
        ElementType::C64 => "<c8",
    };
    let shape = match shape {
        [n] => format!("({n},)"),
        _ => format!("({})", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    const PREFIX: usize = MAGIC.len() + 2 + 2;
    // Spaces, then a line end, up to the alignment.
    text.resize((PREFIX + text.len() + 1).next_multiple_of(ALIGNMENT) - PREFIX - 1, b' ');
    text.push(b'\n');
    let length =
        u16::try_from(text.len()).map_err(|_| Error::invalid("a shape of so many axes has no npy header"))?;
    Ok([&MAGIC[..], &[1, 0], &length.to_le_bytes(), &text].concat())
}
