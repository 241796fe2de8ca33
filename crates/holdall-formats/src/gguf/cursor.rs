//! Reading the header front to back, with every length checked against the bytes that are really there.

use crate::error::{Error, Result};
use crate::source::Source;

/// No header may be longer: the largest in use (a vocabulary of 256,000 with its merges) take 10 MB.
pub(super) const MAX_HEADER_BYTES: u64 = 256 << 20;

/// How much is read ahead at a time.
const CHUNK: u64 = 256 << 10;

pub(super) struct Cursor<'a> {
    source: &'a Source,
    /// Position in the source of the first byte of `buf`.
    base: u64,
    buf: Vec<u8>,
    /// Position in `buf` of the next byte.
    at: usize,
    /// End of what may be read: the file's, or the longest header.
    end: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, base: 0, buf: Vec::new(), at: 0, end: source.len().min(MAX_HEADER_BYTES) }
    }

    pub(super) fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    pub(super) fn remaining(&self) -> u64 {
        self.end - self.position()
    }

    /// Checks that `count` items of at least `each` bytes can still come.
    pub(super) fn expect(&self, count: u64, each: u64) -> Result<()> {
        match count.checked_mul(each) {
            Some(bytes) if bytes <= self.remaining() => Ok(()),
            _ if self.end < self.source.len() => Err(Error::limit(format!(
                "wanted {count} items of {each} bytes or more, which is past the limit of {MAX_HEADER_BYTES} bytes \
                 for a header"
            ))),
            _ => Err(Error::malformed(format!(
                "truncated: wanted {count} items of {each} bytes or more, {} bytes remain",
                self.remaining()
            ))),
        }
    }

    /// The next `n` bytes. Allocates only what is present.
    pub(super) fn take(&mut self, n: u64) -> Result<&[u8]> {
        self.expect(n, 1)?;
        // `expect` bounds n by MAX_HEADER_BYTES, so it fits.
        let n = n as usize;
        if self.buf.len() - self.at < n {
            self.buf.drain(..self.at);
            self.base += self.at as u64;
            self.at = 0;
            let old = self.buf.len();
            let want = (n as u64).max(CHUNK).min(self.end - self.base);
            self.buf.resize(want as usize, 0);
            self.source.read_exact_at(self.base + old as u64, &mut self.buf[old..])?;
        }
        self.at += n;
        Ok(&self.buf[self.at - n..self.at])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.take(N as u64)?;
        let mut out = [0; N];
        out.copy_from_slice(bytes);
        Ok(out)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn scalar<T: Scalar>(&mut self) -> Result<T> {
        let bytes = self.take(T::N_BYTES as u64)?;
        Ok(T::from_le(bytes))
    }

    /// `count` scalars, converted chunk by chunk.
    pub(super) fn scalars<T: Scalar>(&mut self, count: u64) -> Result<Vec<T>> {
        self.expect(count, T::N_BYTES as u64)?;
        let mut out = Vec::with_capacity(count as usize);
        let mut left = count;
        while left > 0 {
            let n = left.min(CHUNK / T::N_BYTES as u64);
            let bytes = self.take(n * T::N_BYTES as u64)?;
            out.extend(bytes.chunks_exact(T::N_BYTES).map(T::from_le));
            left -= n;
        }
        Ok(out)
    }

    /// A string: its length as 64 bits, then UTF-8.
    pub(super) fn str(&mut self) -> Result<&str> {
        let n = self.u64()?;
        let bytes = self.take(n)?;
        std::str::from_utf8(bytes).map_err(|e| Error::malformed("a string is not UTF-8").because(e))
    }
}

/// A fixed-size number of a GGUF header.
pub(super) trait Scalar: Sized {
    const N_BYTES: usize;
    /// From exactly `N_BYTES` bytes.
    fn from_le(bytes: &[u8]) -> Self;
}

macro_rules! scalar {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            const N_BYTES: usize = size_of::<$t>();
            fn from_le(bytes: &[u8]) -> Self {
                let mut a = [0; size_of::<$t>()];
                a.copy_from_slice(bytes);
                Self::from_le_bytes(a)
            }
        }
    )*};
}

scalar!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);
