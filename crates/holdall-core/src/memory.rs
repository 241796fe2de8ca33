//! Memory figures and limits of a device, by MLX's names.

use crate::device::DeviceId;
use crate::error::Result;

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident = $method:ident;)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// When the device does not exist.
        pub fn $name(device: DeviceId) -> Result<usize> {
            Ok(device.get()?.pool().$method())
        }
    )* };
}

figures! {
    /// Bytes of blocks that arrays own.
    get_active_memory = active_bytes;
    /// The most that the active bytes have been since the start or [`reset_peak_memory`].
    get_peak_memory = peak_bytes;
    /// Bytes of blocks that are kept for reuse.
    get_cache_memory = cached_bytes;
    /// The most that active, cached and retired bytes may reach together.
    get_memory_limit = memory_limit;
}

/// Sets the peak to what is active now.
///
/// # Errors
/// When the device does not exist.
pub fn reset_peak_memory(device: DeviceId) -> Result<()> {
    device.get()?.pool().reset_peak();
    Ok(())
}

/// Sets the limit on all memory in bytes and returns the previous one. Allocations beyond it fail.
///
/// # Errors
/// When the device does not exist.
pub fn set_memory_limit(device: DeviceId, bytes: usize) -> Result<usize> {
    Ok(device.get()?.pool().set_memory_limit(bytes))
}

/// Sets the limit on cached memory in bytes and returns the previous one. What is over it is released.
///
/// # Errors
/// When the device does not exist.
pub fn set_cache_limit(device: DeviceId, bytes: usize) -> Result<usize> {
    Ok(device.get()?.pool().set_cache_limit(bytes))
}

/// Releases all cached blocks; those that the device may still touch, as soon as it has finished with them.
///
/// # Errors
/// When the device does not exist.
pub fn clear_cache(device: DeviceId) -> Result<()> {
    device.get()?.pool().clear_cache();
    Ok(())
}
