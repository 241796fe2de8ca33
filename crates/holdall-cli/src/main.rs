//! The `holdall` command.
#![forbid(unsafe_code)]

fn main() {}
