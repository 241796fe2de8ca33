//! A source read front to back, for decoders that want streams.

use std::io::{self, Read, Seek, SeekFrom};

use super::Source;

/// Reads a source from a position of its own; clones share nothing but the source.
#[derive(Clone, Debug)]
pub(crate) struct SourceReader {
    source: Source,
    at: u64,
}

impl SourceReader {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, at: 0 }
    }
}

impl Read for SourceReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.at);
        let n = left.min(buf.len() as u64) as usize;
        self.source.read_exact_at(self.at.min(self.source.len()), &mut buf[..n]).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for SourceReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.source.len().checked_add_signed(n),
            SeekFrom::Current(n) => self.at.checked_add_signed(n),
        };
        self.at = to.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.at)
    }
}
