//! `cargo xtask ci`.

use std::process::Command;

use crate::process::{self, Outcome};

/// Runs the gate, `.ci/run`.
pub fn run() -> Outcome {
    process::run(Command::new("bash").arg(".ci/run").current_dir(process::root()))
}
