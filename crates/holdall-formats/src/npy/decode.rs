//! Turning big-endian and column-major data while it is read.

use std::io::{self, Read};

use super::header::Header;
use crate::error::{Error, Result};
use crate::source::{Source, SourceReader};
use crate::tensor::Decode;

/// Bytes read at a time when elements must be scattered.
const CHUNK: usize = 64 << 10;

/// An array whose bytes lie in the file, but not as they are to be read.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) header: Header,
    pub(super) data: Source,
}

impl Decode for Stored {
    fn decode_into(&self, out: &mut [u8]) -> Result<()> {
        self.header
            .decode(&mut SourceReader::new(self.data.clone()), out)
            .map_err(|e| Error::io("cannot read", e).in_file(self.data.name()))
    }
}

impl Header {
    /// Reads the array's data, in the file's order, into `out` in row-major, little-endian order.
    ///
    /// `out` has the array's length.
    pub(crate) fn decode(&self, from: &mut impl Read, out: &mut [u8]) -> io::Result<()> {
        if !self.column_major {
            from.read_exact(out)?;
            self.swap(out);
            return Ok(());
        }
        let size = self.element.n_bytes();
        let mut buf = vec![0; CHUNK.min(out.len())];
        let mut place = Place::new(&self.shape);
        let mut left = out.len();
        while left > 0 {
            // CHUNK is a multiple of every element's size.
            let bytes = &mut buf[..left.min(CHUNK)];
            from.read_exact(bytes)?;
            self.swap(bytes);
            for element in bytes.chunks_exact(size) {
                let at = place.next() * size;
                out[at..at + size].copy_from_slice(element);
            }
            left -= bytes.len();
        }
        Ok(())
    }

    fn swap(&self, bytes: &mut [u8]) {
        if self.big_endian {
            bytes.chunks_exact_mut(self.element.swap_bytes()).for_each(<[u8]>::reverse);
        }
    }
}

/// Counts through an array with its first axis fastest, giving row-major positions.
struct Place {
    /// Per axis: extent, row-major stride, index.
    axes: Vec<(usize, usize, usize)>,
    at: usize,
}

impl Place {
    fn new(shape: &[usize]) -> Self {
        let mut stride = 1;
        let mut axes: Vec<_> = shape
            .iter()
            .rev()
            .map(|&extent| {
                let axis = (extent, stride, 0);
                stride *= extent;
                axis
            })
            .collect();
        axes.reverse();
        Self { axes, at: 0 }
    }

    /// The current position; moves on, and back to the start after the last.
    fn next(&mut self) -> usize {
        let at = self.at;
        for (extent, stride, index) in &mut self.axes {
            *index += 1;
            self.at += *stride;
            if *index < *extent {
                break;
            }
            self.at -= *stride * *extent;
            *index = 0;
        }
        at
    }
}
