//! What a device can run.

use holdall_core::{Array, ErrorKind, Result, Stream};

use super::kernels::{KERNELS, Make};
use super::ops::OPS;
use super::step::{Counts, Step};
use crate::random::Random;

/// The custom kernels and built-in ops that programs choose from.
#[derive(Clone, Debug)]
pub struct Menu {
    kernels: Vec<Make>,
    ops: Vec<Make>,
    checks: bool,
}

/// Something that a device cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// An op, a custom kernel, or the checked mode.
    pub name: &'static str,
    /// What the device said.
    pub why: String,
    /// Whether it is a fault: a custom kernel that does not compile, or an op that has a kernel and fails. Otherwise it
    /// is only not there yet.
    pub is_fault: bool,
}

/// Arrays to try things on are this large.
const SIDE: usize = 12;

impl Menu {
    /// Everything there is.
    pub fn full() -> Self {
        let makes = |all: &[(&str, Make)]| all.iter().map(|(_, make)| *make).collect();
        Self { kernels: makes(&KERNELS), ops: makes(&OPS), checks: true }
    }

    /// What the device of `stream` can run, each tried once, and what not.
    ///
    /// # Errors
    /// When the device cannot even hold arrays.
    pub fn of(stream: Stream) -> Result<(Self, Vec<Missing>)> {
        let data: Vec<f32> = (0..SIDE * SIDE).map(|i| (i as f32 * 0.7).sin()).collect();
        let x = stream.scope(|| Array::from_slice(&data, &[SIDE, SIDE]))?;
        let fails = |make: Make, checked: bool| {
            let mut step = Step {
                random: &mut Random::new(0),
                x: &x,
                y: &x,
                n: SIDE,
                salt: 0,
                checked,
                each: false,
                each_custom: false,
                counts: &mut Counts::default(),
            };
            stream.scope(|| make(&mut step).and_then(|made| made.eval())).err()
        };
        let mut missing = Vec::new();
        let mut menu = Self { kernels: Vec::new(), ops: Vec::new(), checks: true };
        for (all, kept, custom) in [(&KERNELS[..], &mut menu.kernels, true), (&OPS[..], &mut menu.ops, false)]
        {
            for &(name, make) in all {
                match fails(make, false) {
                    None => kept.push(make),
                    Some(error) => {
                        let is_fault = custom || error.kind() != ErrorKind::Kernel;
                        missing.push(Missing { name, why: error.to_string(), is_fault });
                    }
                }
            }
        }
        if let Some(error) = menu.kernels.first().and_then(|make| fails(*make, true)) {
            menu.checks = false;
            missing.push(Missing { name: "checked mode", why: error.to_string(), is_fault: false });
        }
        Ok((menu, missing))
    }

    /// Whether there is no custom kernel, or no op, so that no program can be made.
    pub fn is_empty(&self) -> bool {
        self.kernels.is_empty() || self.ops.is_empty()
    }

    /// Whether custom kernels can be checked while they run.
    pub fn checks(&self) -> bool {
        self.checks
    }

    /// A custom kernel, or a built-in op.
    pub(super) fn pick(&self, custom: bool, random: &mut Random) -> Make {
        let from = if custom { &self.kernels } else { &self.ops };
        from[random.below(from.len())]
    }
}
