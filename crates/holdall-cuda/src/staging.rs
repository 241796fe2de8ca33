//! Copies between the host's memory and the device's, through pinned memory.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use holdall_core::device::Export;
use parking_lot::Mutex;

use crate::api::{Result, call};
use crate::context::Context;
use crate::event::{Event, RawStream};

/// Larger copies go piece by piece, one copied by the host while the device copies the other.
const PIECE: usize = 4 << 20;

/// Pinned memory with the copy that uses it.
#[derive(Debug)]
struct Piece {
    memory: *mut u8,
    event: Event,
}

// SAFETY: the memory is the piece's own, and whoever has the lock of the staging uses it.
unsafe impl Send for Piece {}

impl Piece {
    fn new(context: &Arc<Context>) -> Result<Self> {
        let event = Event::new(context)?;
        let mut memory: *mut c_void = null_mut();
        // SAFETY: the driver stores the address of that many bytes.
        unsafe { call!(cuMemHostAlloc(&raw mut memory, PIECE, 0)) }?;
        Ok(Self { memory: memory.cast(), event })
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // The device may still read from it; the event says when it has finished.
        if self.event.synchronize().is_ok() {
            // SAFETY: the memory is this value's own, and no copy uses it.
            let _ = unsafe { call!(cuMemFreeHost(self.memory.cast())) };
        }
    }
}

/// One direction's pieces and a stream for copies that no stream of the user's waits for.
#[derive(Debug, Default)]
struct Lane {
    pieces: Vec<Piece>,
    stream: Option<RawStream>,
}

impl Lane {
    fn prepare(&mut self, context: &Arc<Context>, bytes: usize) -> Result<()> {
        context.enter()?;
        if self.stream.is_none() {
            self.stream = Some(RawStream::new(context)?);
        }
        let wanted = if bytes > PIECE { 2 } else { 1 };
        while self.pieces.len() < wanted {
            self.pieces.push(Piece::new(context)?);
        }
        Ok(())
    }
}

/// The copies of a device.
#[derive(Debug)]
pub(crate) struct Staging {
    context: Arc<Context>,
    up: Mutex<Lane>,
    down: Mutex<Lane>,
}

impl Staging {
    pub fn new(context: Arc<Context>) -> Self {
        Self { context, up: Mutex::default(), down: Mutex::default() }
    }

    /// Enqueues a copy of `bytes` bytes to `to`, which `fill` writes piece by piece: it gets an offset and room. With
    /// a stream, what is enqueued there later finds the bytes; without, they are there on return.
    ///
    /// # Errors
    /// When the device fails or `fill` does.
    ///
    /// # Safety
    /// `to` is device memory of at least so many bytes, and nothing else touches it meanwhile.
    pub unsafe fn upload(
        &self,
        stream: Option<&RawStream>,
        to: u64,
        bytes: usize,
        mut fill: impl FnMut(usize, &mut [u8]) -> holdall_core::Result<()>,
    ) -> holdall_core::Result<()> {
        let error = |e| self.context.error("copy", e);
        let mut lane = self.up.lock();
        lane.prepare(&self.context, bytes).map_err(error)?;
        let Lane { pieces, stream: Some(own) } = &*lane else { return Ok(()) };
        let stream = stream.unwrap_or(own);
        for (i, start) in (0..bytes).step_by(PIECE).enumerate() {
            let len = PIECE.min(bytes - start);
            let piece = &pieces[i % pieces.len()];
            piece.event.synchronize().map_err(error)?;
            // SAFETY: the copy that used the piece has finished, and the lock keeps others away. Bytes of pinned memory that
            // were never written are whatever the system left there, which is initialised.
            fill(start, unsafe { std::slice::from_raw_parts_mut(piece.memory, len) })?;
            // SAFETY: the caller's promise for the destination; the source stays until the event has passed.
            unsafe { call!(cuMemcpyHtoDAsync_v2(to + start as u64, piece.memory.cast(), len, stream.raw)) }
                .and_then(|()| piece.event.record(stream))
                .map_err(error)?;
        }
        if std::ptr::eq(stream, own) {
            own.synchronize().map_err(error)?;
        }
        Ok(())
    }

    /// Copies from `from` to the host.
    ///
    /// # Safety
    /// `from` is device memory of at least so many bytes, whose writers have finished.
    pub unsafe fn download(&self, from: u64, into: &mut [u8]) -> Result<()> {
        if into.is_empty() {
            return Ok(());
        }
        let mut lane = self.down.lock();
        lane.prepare(&self.context, into.len())?;
        let Lane { pieces, stream: Some(stream) } = &*lane else { return Ok(()) };
        let total = into.len();
        let start = |at: usize, piece: &Piece| {
            let len = PIECE.min(total - at);
            // SAFETY: the caller's promise for the source; the piece was read before it is used again.
            unsafe { call!(cuMemcpyDtoHAsync_v2(piece.memory.cast(), from + at as u64, len, stream.raw)) }?;
            piece.event.record(stream)
        };
        for (at, piece) in (0..total).step_by(PIECE).zip(pieces) {
            start(at, piece)?;
        }
        for (i, to) in into.chunks_mut(PIECE).enumerate() {
            let piece = &pieces[i % pieces.len()];
            poll(&piece.event)?;
            // SAFETY: the copy into the piece has finished.
            to.copy_from_slice(unsafe { std::slice::from_raw_parts(piece.memory, to.len()) });
            let next = (i + pieces.len()) * PIECE;
            if next < total {
                start(next, piece)?;
            }
        }
        Ok(())
    }
}

/// Waits for a copy: briefly awake, since most are short.
fn poll(event: &Event) -> Result<()> {
    for _ in 0..200 {
        if event.is_done()? {
            return Ok(());
        }
        std::hint::spin_loop();
    }
    event.synchronize()
}

/// Lets other devices' commands read this device's blocks.
#[derive(Debug)]
pub(crate) struct Exported(pub Arc<Staging>);

impl Export for Exported {
    unsafe fn read(&self, address: *const u8, into: &mut [u8]) -> holdall_core::Result<()> {
        // SAFETY: the caller's promise, which is the same.
        unsafe { self.0.download(address.addr() as u64, into) }.map_err(|e| self.0.context.error("copy", e))
    }
}
