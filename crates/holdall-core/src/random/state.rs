//! Keys, and the key that each thread keeps.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use super::bits::RandomBits;
use crate::Array;
use crate::error::Result;

thread_local! {
    static STATE: RefCell<Option<Array>> = const { RefCell::new(None) };
}

/// The key of a seed: uint32 of shape `[2]`, the seed's upper and lower half.
///
/// # Errors
/// When there is no device or no memory.
#[track_caller]
pub fn key(seed: u64) -> Result<Array> {
    Array::from_slice(&[(seed >> 32) as u32, seed as u32], &[2])
}

/// `n` independent keys from one, of shape `[n, 2]`.
///
/// # Errors
/// When `key` is none, or so many do not fit in memory.
#[track_caller]
pub fn split(key: &Array, n: usize) -> Result<Array> {
    Array::apply(RandomBits { shape: [n, 2].as_slice().into(), width: 32 }, &[key])
}

/// Sets the state of the calling thread. The same seed gives the same numbers on every thread and device.
///
/// # Errors
/// When there is no device or no memory.
#[track_caller]
pub fn seed(seed: u64) -> Result<()> {
    set_state(key(seed)?);
    Ok(())
}

/// The key that the next draw of the calling thread starts from; from the clock unless it was seeded.
///
/// # Errors
/// When there is no device or no memory.
#[track_caller]
pub fn state() -> Result<Array> {
    if let Some(state) = STATE.with_borrow(Clone::clone) {
        return Ok(state);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    let made = key(now)?;
    set_state(made.clone());
    Ok(made)
}

/// Sets the key that the next draw of the calling thread starts from.
pub fn set_state(key: Array) {
    // The old key is dropped outside of the borrow: that may run other code of this thread.
    drop(STATE.replace(Some(key)));
}

/// `key`, or a new one split off the thread's state.
#[track_caller]
pub(super) fn key_or_next(key: Option<&Array>) -> Result<Array> {
    if let Some(key) = key {
        return Ok(key.clone());
    }
    let pair = split(&state()?, 2)?;
    let row = |i: i64| pair.slice_axis(0, i, i + 1)?.reshape_to(&[2]);
    let next = row(1)?;
    set_state(row(0)?);
    Ok(next)
}
