//! Which stream ops are recorded on.

use std::cell::Cell;

use crate::device::DeviceId;
use crate::error::Result;
use crate::runtime::Runtime;

/// A stream by number, of whichever device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamId(pub u32);

/// A sequence of commands on a device. Ops are recorded on the calling thread's current stream; streams may be used
/// from every thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    pub(crate) id: StreamId,
    pub(crate) device: DeviceId,
}

thread_local! {
    static CURRENT: Cell<Option<StreamId>> = const { Cell::new(None) };
}

impl Stream {
    /// A new stream of the device.
    ///
    /// # Errors
    /// When the device has no room for one.
    pub fn new(device: DeviceId) -> Result<Self> {
        Runtime::get()?.new_stream(device)
    }

    /// The device's first stream.
    ///
    /// # Errors
    /// When the device does not exist.
    pub fn default_of(device: DeviceId) -> Result<Self> {
        Runtime::get()?.default_stream(device)
    }

    /// The device that the stream belongs to.
    pub fn device(self) -> DeviceId {
        self.device
    }

    /// Runs `f` with this stream as the one that ops of this thread are recorded on.
    pub fn scope<R>(self, f: impl FnOnce() -> R) -> R {
        within(self.id, f)
    }

    /// Waits for everything recorded on the stream so far.
    ///
    /// # Errors
    /// When the device failed.
    pub fn synchronize(self) -> Result<()> {
        Runtime::get()?.synchronize(self.id)
    }
}

/// The stream that ops of this thread are recorded on: the default device's first, which has number 0, unless a scope
/// says otherwise.
pub(crate) fn current() -> StreamId {
    CURRENT.get().unwrap_or(StreamId(0))
}

/// Runs `f` with ops recorded on `stream`.
pub(crate) fn within<R>(stream: StreamId, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<StreamId>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(Some(stream)));
    f()
}
