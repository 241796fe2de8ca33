//! The `holdall` program, driven from outside, with a model server and a pip of the tests' own.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod alias;
mod book;
mod doctor;
mod fetch;
mod home;
mod kernel;
mod kernel_dump;
mod program;
mod repo;
mod server;
mod stress;
