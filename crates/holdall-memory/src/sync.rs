//! The synchronisation primitives of this crate, in one place so that loom can stand in for them.
//!
//! Everything that two threads may touch goes through here. `Arc` is the standard one in both builds: loom's
//! cannot hold trait objects, and leaving its reference counts out of the model is the strict choice, since it
//! removes orderings instead of adding any.

pub(crate) use std::sync::Arc;

#[cfg(not(loom))]
mod imp {
    pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    /// Blocks on `condvar` and gives the guard back.
    pub(crate) fn wait<'a, T>(condvar: &Condvar, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(&mut guard);
        guard
    }
}

#[cfg(loom)]
mod imp {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Condvar, MutexGuard};

    /// loom's mutex with the signatures of `parking_lot`.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            match self.0.lock() {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            }
        }
    }

    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        match condvar.wait(guard) {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

pub(crate) use imp::*;

/// True when a model has failed and is being torn down: destructors cannot ask loom for anything any more.
#[cfg(loom)]
pub(crate) fn model_failed() -> bool {
    std::thread::panicking()
}

#[cfg(not(loom))]
pub(crate) const fn model_failed() -> bool {
    false
}
