//! Those who want to see each call of a custom kernel with its inputs, on any device.

use std::fmt::Debug;

use super::CustomKernel;
use crate::error::Result;
use crate::op::Spec;

/// Sees calls of custom kernels when they are recorded: to write them to files, say.
pub trait KernelObserver: Send + Sync + Debug {
    /// Whether it wants to see this call. Then the call's inputs are waited for and read, which is slow.
    fn wants(&self, call: &CustomKernel, inputs: &[&Spec]) -> bool;

    /// The call and the elements of its inputs, row-major, as they are before the kernel runs.
    ///
    /// # Errors
    /// Whatever goes wrong fails the evaluation.
    fn launched(&self, call: &CustomKernel, inputs: &[(&Spec, Vec<u8>)]) -> Result<()>;
}

/// How an observer gets into a program: submitted with `inventory::submit!`.
#[derive(Debug)]
pub struct KernelObserverEntry {
    /// Makes the observer when the first device is needed, if there is anything to observe.
    pub observer: fn() -> Result<Option<Box<dyn KernelObserver>>>,
}

inventory::collect!(KernelObserverEntry);
