//! What an archive is written to, with a way to stop.

use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Passes writes on until it is abandoned or one fails, then swallows them.
///
/// A zip writer that is dropped tries to complete its archive, and prints to stderr if it cannot. An archive that
/// failed is never looked at, so nothing of that should happen.
#[derive(Debug)]
pub(super) struct Output<W> {
    pub(super) inner: W,
    abandoned: Arc<AtomicBool>,
    /// Where `inner` is, or would be; and how long it is, or would be.
    at: u64,
    end: u64,
}

impl<W: Write + Seek> Output<W> {
    pub(super) fn new(inner: W, abandoned: Arc<AtomicBool>) -> Self {
        Self { inner, abandoned, at: 0, end: 0 }
    }

    fn unless_abandoned<T>(
        &mut self,
        done: impl FnOnce(&mut W) -> io::Result<T>,
        swallowed: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.abandoned.load(Relaxed) {
            return swallowed(self);
        }
        let result = done(&mut self.inner);
        if result.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::Interrupted) {
            self.abandoned.store(true, Relaxed);
        }
        result
    }
}

impl<W: Write + Seek> Write for Output<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.unless_abandoned(|w| w.write(buf), |_| Ok(buf.len()))?;
        self.at = self.at.saturating_add(n as u64);
        self.end = self.end.max(self.at);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_abandoned(W::flush, |_| Ok(()))
    }
}

impl<W: Write + Seek> Seek for Output<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.unless_abandoned(
            |w| w.seek(to),
            |this| {
                let to = match to {
                    SeekFrom::Start(n) => Some(n),
                    SeekFrom::End(n) => this.end.checked_add_signed(n),
                    SeekFrom::Current(n) => this.at.checked_add_signed(n),
                };
                to.ok_or_else(|| io::ErrorKind::InvalidInput.into())
            },
        )?;
        Ok(self.at)
    }
}
