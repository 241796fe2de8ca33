//! Metadata values: scalars, strings and arrays of either.

use super::cursor::{Cursor, Scalar};
use crate::error::{Error, Result};

/// Arrays of arrays may nest this deep; files in use nest not at all.
const MAX_DEPTH: usize = 8;

/// One metadata value of a GGUF file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Unsigned, 8 bits.
    U8(u8),
    /// Signed, 8 bits.
    I8(i8),
    /// Unsigned, 16 bits.
    U16(u16),
    /// Signed, 16 bits.
    I16(i16),
    /// Unsigned, 32 bits.
    U32(u32),
    /// Signed, 32 bits.
    I32(i32),
    /// IEEE binary32.
    F32(f32),
    /// Truth value.
    Bool(bool),
    /// UTF-8 text.
    String(String),
    /// Several values of one type.
    Array(Array),
    /// Unsigned, 64 bits.
    U64(u64),
    /// Signed, 64 bits.
    I64(i64),
    /// IEEE binary64.
    F64(f64),
}

/// An array value: all elements have the same type.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Array {
    /// Unsigned, 8 bits.
    U8(Vec<u8>),
    /// Signed, 8 bits.
    I8(Vec<i8>),
    /// Unsigned, 16 bits.
    U16(Vec<u16>),
    /// Signed, 16 bits.
    I16(Vec<i16>),
    /// Unsigned, 32 bits.
    U32(Vec<u32>),
    /// Signed, 32 bits.
    I32(Vec<i32>),
    /// IEEE binary32.
    F32(Vec<f32>),
    /// Truth values.
    Bool(Vec<bool>),
    /// UTF-8 texts.
    String(Strings),
    /// Arrays, each with a type of its own.
    Array(Vec<Self>),
    /// Unsigned, 64 bits.
    U64(Vec<u64>),
    /// Signed, 64 bits.
    I64(Vec<i64>),
    /// IEEE binary64.
    F64(Vec<f64>),
}

/// A list of strings in one allocation: a vocabulary has a hundred thousand of them.
///
/// ```
/// use holdall_formats::gguf::Strings;
///
/// let list: Strings = ["<s>", "", "Ġthe"].into_iter().collect();
/// assert_eq!((list.len(), list.get(2)), (3, Some("Ġthe")));
/// assert_eq!(list.iter().collect::<Vec<_>>(), ["<s>", "", "Ġthe"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    text: String,
    /// Where each string ends in `text`.
    ends: Vec<usize>,
}

impl Strings {
    /// Number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`, if there are that many.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text.get(start..end)
    }

    /// All strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let text = &self.text[start..end];
            start = end;
            text
        })
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }
}

impl<S: AsRef<str>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Self {
        let mut list = Self::default();
        strings.into_iter().for_each(|s| list.push(s.as_ref()));
        list
    }
}

impl Array {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::String(v) => v.len(),
            Self::Array(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as 64-bit integers, if they are integers that fit.
    #[must_use]
    pub fn to_i64s(&self) -> Option<Vec<i64>> {
        fn widen<T: Copy + TryInto<i64>>(v: &[T]) -> Option<Vec<i64>> {
            v.iter().map(|&x| x.try_into().ok()).collect()
        }
        match self {
            Self::U8(v) => widen(v),
            Self::I8(v) => widen(v),
            Self::U16(v) => widen(v),
            Self::I16(v) => widen(v),
            Self::U32(v) => widen(v),
            Self::I32(v) => widen(v),
            Self::U64(v) => widen(v),
            Self::I64(v) => widen(v),
            _ => None,
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "array of u8",
            Self::I8(_) => "array of i8",
            Self::U16(_) => "array of u16",
            Self::I16(_) => "array of i16",
            Self::U32(_) => "array of u32",
            Self::I32(_) => "array of i32",
            Self::F32(_) => "array of f32",
            Self::Bool(_) => "array of bool",
            Self::String(_) => "array of string",
            Self::Array(_) => "array of arrays",
            Self::U64(_) => "array of u64",
            Self::I64(_) => "array of i64",
            Self::F64(_) => "array of f64",
        }
    }
}

impl Value {
    /// The type, for messages: `u32`, `array of string` …
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::F32(_) => "f32",
            Self::Bool(_) => "bool",
            Self::String(_) => "string",
            Self::Array(a) => a.type_name(),
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F64(_) => "f64",
        }
    }

    /// The value as a signed integer, if it is an integer that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::U64(v) => i64::try_from(v).ok(),
            Self::U8(v) => Some(v.into()),
            Self::I8(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::I16(v) => Some(v.into()),
            Self::U32(v) => Some(v.into()),
            Self::I32(v) => Some(v.into()),
            Self::I64(v) => Some(v),
            _ => None,
        }
    }

    /// The value as an unsigned integer, if it is an integer and not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U64(v) => Some(v),
            _ => self.as_i64().and_then(|v| u64::try_from(v).ok()),
        }
    }

    /// The value as a float, if it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(v) => Some(v.into()),
            Self::F64(v) => Some(v),
            _ => None,
        }
    }

    /// The value as a truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(v) => Some(v),
            _ => None,
        }
    }

    /// The value as text, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(v) => Some(v),
            _ => None,
        }
    }

    /// The value as an array, if it is one.
    #[must_use]
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(v) => Some(v),
            _ => None,
        }
    }

    /// The value as a list of strings, if it is one.
    #[must_use]
    pub fn as_strings(&self) -> Option<&Strings> {
        match self {
            Self::Array(Array::String(v)) => Some(v),
            _ => None,
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        Ok(match cursor.u32()? {
            0 => Self::U8(cursor.scalar()?),
            1 => Self::I8(cursor.scalar()?),
            2 => Self::U16(cursor.scalar()?),
            3 => Self::I16(cursor.scalar()?),
            4 => Self::U32(cursor.scalar()?),
            5 => Self::I32(cursor.scalar()?),
            6 => Self::F32(cursor.scalar()?),
            7 => Self::Bool(truth(cursor.scalar()?)?),
            8 => Self::String(cursor.str()?.to_owned()),
            9 => Self::Array(Array::read(cursor, 1)?),
            10 => Self::U64(cursor.scalar()?),
            11 => Self::I64(cursor.scalar()?),
            12 => Self::F64(cursor.scalar()?),
            other => return Err(unknown_type(other)),
        })
    }
}

impl Array {
    fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self> {
        if depth > MAX_DEPTH {
            return Err(Error::limit(format!("arrays nest deeper than {MAX_DEPTH}")));
        }
        let kind = cursor.u32()?;
        let count = cursor.u64()?;
        fn plain<T: Scalar>(cursor: &mut Cursor<'_>, count: u64) -> Result<Vec<T>> {
            cursor.scalars(count)
        }
        Ok(match kind {
            0 => Self::U8(plain(cursor, count)?),
            1 => Self::I8(plain(cursor, count)?),
            2 => Self::U16(plain(cursor, count)?),
            3 => Self::I16(plain(cursor, count)?),
            4 => Self::U32(plain(cursor, count)?),
            5 => Self::I32(plain(cursor, count)?),
            6 => Self::F32(plain(cursor, count)?),
            7 => Self::Bool(plain(cursor, count)?.into_iter().map(truth).collect::<Result<_>>()?),
            8 => {
                cursor.expect(count, 8)?;
                let mut list = Strings::default();
                list.ends.reserve_exact(count as usize);
                for i in 0..count {
                    let text = cursor.str().map_err(|e| e.in_field(format!("element {i}")))?;
                    list.push(text);
                }
                Self::String(list)
            }
            9 => {
                cursor.expect(count, 12)?;
                let mut list = Vec::with_capacity(count as usize);
                for _ in 0..count {
                    list.push(Self::read(cursor, depth + 1)?);
                }
                Self::Array(list)
            }
            10 => Self::U64(plain(cursor, count)?),
            11 => Self::I64(plain(cursor, count)?),
            12 => Self::F64(plain(cursor, count)?),
            other => return Err(unknown_type(other)),
        })
    }
}

fn truth(byte: u8) -> Result<bool> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::malformed(format!("wanted a bool as 0 or 1, got {other}"))),
    }
}

fn unknown_type(code: u32) -> Error {
    Error::malformed(format!("wanted a value type from 0 to 12, got {code}"))
}
