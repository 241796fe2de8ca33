//! `cargo xtask loom`.

use crate::process::{self, Outcome};

/// Runs the models of the memory protocol. They have their own target folder, since a `cfg` rebuilds everything.
pub fn run() -> Outcome {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = process::cargo();
    command
        .args(["test", "-p", "holdall-memory", "--release", "--lib"])
        .env("RUSTFLAGS", format!("{flags} --cfg loom").trim())
        .env("CARGO_TARGET_DIR", process::target().join("loom"));
    process::run(&mut command)
}
