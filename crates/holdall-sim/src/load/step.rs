//! One step of a program.

use std::ops::AddAssign;

use holdall_core::ops::KernelCall;
use holdall_core::{Array, Result};

use crate::random::Random;

/// What a program has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ops, calls of custom kernels included.
    pub operations: u64,
    /// Calls of custom kernels.
    pub custom_kernel_calls: u64,
    /// Those of them in checked mode.
    pub checked_calls: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.custom_kernel_calls += other.custom_kernel_calls;
        self.checked_calls += other.checked_calls;
    }
}

/// What a step makes its result of.
pub(super) struct Step<'a> {
    /// Decides the program.
    pub random: &'a mut Random,
    pub x: &'a Array,
    pub y: &'a Array,
    /// Elements of a side of both.
    pub n: usize,
    /// Part of the text of custom kernels.
    pub salt: u32,
    /// Whether custom kernels are checked while they run.
    pub checked: bool,
    /// Whether each op is evaluated before the next is built,
    pub each: bool,
    /// or at least each call of a custom kernel.
    pub each_custom: bool,
    pub counts: &'a mut Counts,
}

impl Step<'_> {
    /// Counts an op, and evaluates it if that is the way.
    pub fn done(&mut self, made: Result<Array>) -> Result<Array> {
        let made = made?;
        self.counts.operations += 1;
        if self.each {
            made.eval()?;
        }
        Ok(made)
    }

    /// Calls a custom kernel.
    pub fn call(&mut self, call: KernelCall) -> Result<Vec<Array>> {
        let made = call.checked(self.checked).build()?;
        self.counts.operations += 1;
        self.counts.custom_kernel_calls += 1;
        self.counts.checked_calls += u64::from(self.checked);
        if self.each || self.each_custom {
            holdall_core::eval(&made.iter().collect::<Vec<_>>())?;
        }
        Ok(made)
    }
}
