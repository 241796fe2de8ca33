//! Arrays that are read from a source, a file usually.

use std::sync::atomic::{AtomicUsize, Ordering};

use holdall_core::ops::Source;
use parking_lot::Mutex;

use crate::event::RawStream;
use crate::staging::Staging;

/// Threads that read at the same time.
const READERS: usize = 4;

/// Reads from a source, several parts at a time, and enqueues copies of what was read to `outputs`.
///
/// # Errors
/// When reading or the device fails.
///
/// # Safety
/// `outputs` are addresses of device memory that the parts of the source fit into, and nothing else touches it before what
/// `stream` has been given so far, nor after but by that stream.
pub(crate) unsafe fn fill(
    staging: &Staging,
    stream: &RawStream,
    source: &dyn Source,
    outputs: &[u64],
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let read = || {
        let mut data = Vec::new();
        while failure.lock().is_none() {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= source.parts() {
                return;
            }
            // SAFETY: the caller's promise; each part is taken once.
            if let Err(why) = unsafe { fill_part(staging, stream, source, part, outputs, &mut data) } {
                failure.lock().get_or_insert(why);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..READERS.min(source.parts()) {
            scope.spawn(read);
        }
        read();
    });
    failure.into_inner().map_or(Ok(()), Err)
}

/// Reads one part into `data`, and enqueues its copies.
///
/// # Safety
/// As [`fill`].
unsafe fn fill_part(
    staging: &Staging,
    stream: &RawStream,
    source: &dyn Source,
    part: usize,
    outputs: &[u64],
    data: &mut Vec<u8>,
) -> Result<(), String> {
    let ranges = source.ranges(part);
    data.resize(ranges.iter().map(ExactSizeIterator::len).sum(), 0);
    let mut rest = &mut data[..];
    let mut pieces = Vec::with_capacity(ranges.len());
    for range in &ranges {
        let (piece, after) = std::mem::take(&mut rest).split_at_mut(range.len());
        pieces.push(piece);
        rest = after;
    }
    source.fill(part, &mut pieces).map_err(|e| format!("{}: {e}", source.name()))?;
    for ((range, data), to) in ranges.iter().zip(pieces).zip(outputs) {
        let copy = |start: usize, piece: &mut [u8]| {
            piece.copy_from_slice(&data[start..start + piece.len()]);
            Ok(())
        };
        // SAFETY: the caller's promise; the part lies in the output.
        unsafe { staging.upload(Some(stream), to + range.start as u64, range.len(), copy) }
            .map_err(|e| e.to_string())?;
    }
    Ok(())
}
