//! Launches in checked mode that fail when the kernel makes a mistake.

use std::sync::Arc;
use std::time::Duration;

use super::finding::Findings;
use super::launch::{Binding, Launch, LaunchError};
use super::program::Program;
use crate::kernel::{Kernel, Scratch, Slice};

/// A launch in checked mode whose findings fail its command buffer.
#[derive(Debug)]
pub struct Checked {
    launch: Launch,
    findings: Arc<Findings>,
    starts: Vec<isize>,
}

impl Checked {
    /// As [`Launch::checked`].
    ///
    /// # Errors
    /// As there.
    pub fn new(
        program: Arc<Program>,
        grid: [u32; 3],
        threadgroup: [u32; 3],
        bindings: Vec<Binding>,
    ) -> Result<Self, LaunchError> {
        let findings = Arc::new(Findings::default());
        let launch = Launch::checked(program, grid, threadgroup, bindings, findings.clone())?;
        Ok(Self { launch, findings, starts: Vec::new() })
    }

    /// As [`Launch::initialised`].
    #[must_use]
    pub fn initialised(self) -> Self {
        Self { launch: self.launch.initialised(), ..self }
    }

    /// As [`Launch::initialised_from`].
    #[must_use]
    pub fn initialised_from(self, output: usize) -> Self {
        Self { launch: self.launch.initialised_from(output), ..self }
    }

    /// As [`Launch::deadline`].
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { launch: self.launch.deadline(deadline), ..self }
    }

    /// How many bytes from where memory is bound the buffers begin, which is before it or there.
    #[must_use]
    pub fn starts(self, starts: Vec<isize>) -> Self {
        Self { starts, ..self }
    }
}

impl Kernel for Checked {
    fn items(&self, phase: usize) -> usize {
        self.launch.items(phase)
    }

    unsafe fn run(&self, phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let moved = |(slice, start): (&Slice, &isize)| {
            let bytes = slice.bytes().wrapping_add_signed(-start);
            Slice::new(slice.as_ptr::<u8>().wrapping_offset(*start), bytes)
        };
        let moved: Vec<Slice> = memory.iter().zip(&self.starts).map(moved).collect();
        let memory = if self.starts.is_empty() { memory } else { &moved };
        // SAFETY: passed on to the caller, whose kernel has elements from `starts` on.
        unsafe { self.launch.run(phase, item, memory, scratch) };
        // A checked launch is one item, so that all has run.
        let found = self.findings.list();
        if !found.is_empty() {
            let list: Vec<String> = found.iter().map(ToString::to_string).collect();
            let more = match self.findings.dropped() {
                0 => String::new(),
                n => format!("\nand {n} more at other places"),
            };
            let name = self.launch.program().name();
            scratch.fail(format!("checking `{name}` found\n{}{more}", list.join("\n")));
        }
    }
}
