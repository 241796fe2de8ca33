//! Streams and events of the driver, owned.

use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::driver::sys::{CUevent, CUevent_flags, CUstream, CUstream_flags};

use crate::api::{Result, call};
use crate::context::Context;

/// A stream of the driver, on no terms with the default stream.
#[derive(Debug)]
pub(crate) struct RawStream {
    pub raw: CUstream,
    context: Arc<Context>,
}

// SAFETY: streams may be used by any thread.
unsafe impl Send for RawStream {}
// SAFETY: as above; calls that enqueue are serialised by the driver.
unsafe impl Sync for RawStream {}

impl RawStream {
    pub fn new(context: &Arc<Context>) -> Result<Self> {
        context.enter()?;
        let mut raw = null_mut();
        // SAFETY: the driver stores a stream.
        unsafe { call!(cuStreamCreate(&raw mut raw, CUstream_flags::CU_STREAM_NON_BLOCKING as u32)) }?;
        Ok(Self { raw, context: context.clone() })
    }

    /// What is enqueued from now on starts after `event` as it was recorded last.
    pub fn wait_for(&self, event: &Event) -> Result<()> {
        // SAFETY: both handles are alive.
        unsafe { call!(cuStreamWaitEvent(self.raw, event.raw, 0)) }
    }

    /// Waits for everything enqueued so far.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the handle is alive.
        unsafe { call!(cuStreamSynchronize(self.raw)) }
    }
}

impl Drop for RawStream {
    fn drop(&mut self) {
        if self.context.enter().is_ok() {
            // SAFETY: the handle is this value's own; what is enqueued still runs.
            let _ = unsafe { call!(cuStreamDestroy_v2(self.raw)) };
        }
    }
}

/// A point in a stream's work.
#[derive(Debug)]
pub(crate) struct Event {
    raw: CUevent,
    context: Arc<Context>,
}

// SAFETY: events may be used by any thread.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    /// An event without a time, whose waiters sleep.
    pub fn new(context: &Arc<Context>) -> Result<Self> {
        let flags =
            CUevent_flags::CU_EVENT_BLOCKING_SYNC as u32 | CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
        context.enter()?;
        let mut raw = null_mut();
        // SAFETY: the driver stores an event.
        unsafe { call!(cuEventCreate(&raw mut raw, flags)) }?;
        Ok(Self { raw, context: context.clone() })
    }

    /// Marks the end of what `stream` has been given.
    pub fn record(&self, stream: &RawStream) -> Result<()> {
        // SAFETY: both handles are alive.
        unsafe { call!(cuEventRecord(self.raw, stream.raw)) }
    }

    /// Whether the device has come to it.
    pub fn is_done(&self) -> Result<bool> {
        // SAFETY: the handle is alive.
        match unsafe { call!(cuEventQuery(self.raw)) } {
            Ok(()) => Ok(true),
            Err(e) if e.is_not_ready() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Sleeps until the device has come to it.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the handle is alive.
        unsafe { call!(cuEventSynchronize(self.raw)) }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.context.enter().is_ok() {
            // SAFETY: the handle is this value's own; the driver keeps what a stream still waits for.
            let _ = unsafe { call!(cuEventDestroy_v2(self.raw)) };
        }
    }
}
