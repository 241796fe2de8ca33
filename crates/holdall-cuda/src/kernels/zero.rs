//! Counters that are zero before a launch.

use std::sync::Arc;

use holdall_core::Result;
use holdall_core::device::{Argument, Plan};
use holdall_memory::Access;
use smallvec::smallvec;

use super::{Choice, Handwritten, Variants, int};
use crate::launch::Parameter;
use crate::module::Loader;

pub(super) static ZERO: Handwritten = Handwritten::new("zero", &[include_str!("zero.cu")]);

/// Makes temporaries zero.
#[derive(Debug)]
pub(super) struct Zero(Variants);

impl Zero {
    pub fn new(loader: &Arc<Loader>) -> Self {
        Self(Variants::new(&ZERO, loader))
    }

    /// Begins the plan by making the `n` 4-byte words of a temporary zero: fresh memory has what was there before.
    pub fn first(&self, plan: &mut Plan, temporary: usize, n: usize) -> Result<()> {
        let choice = Choice {
            defines: smallvec![],
            grid: [n.div_ceil(256) as u32, 1, 1],
            threads: 256,
            shared_bytes: 0,
        };
        let launch = choice.launch(&self.0, &[Parameter::Binding(0), int(n)])?;
        plan.launches.insert(0, (launch, smallvec![(Argument::Temporary(temporary), Access::Write)]));
        Ok(())
    }
}
