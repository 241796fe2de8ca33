//! The `holdall` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    holdall_cli::run(std::env::args_os(), None)
}
