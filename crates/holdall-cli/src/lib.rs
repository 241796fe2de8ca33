//! The `holdall` command as a library, so that its parts can be tested and a model engine plugged in.
//!
//! [`run`] parses the command line and does what it says. Models are found and fetched by [`hub`]; every environment
//! variable is read by [`mod@env`]; messages go through [`ui`]; failures are [`error::Error`]s, which decide the exit code.
#![forbid(unsafe_code)]

pub mod args;
mod commands;
pub mod context;
pub mod engine;
pub mod env;
pub mod error;
pub mod hub;
pub mod interrupt;
mod kernel;
pub mod language_model;
pub mod machine;
pub mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use commands::io::with_standard_streams;
use context::Context;
use engine::Engine;
use error::{Kind, Result};

/// Does what the command line says, and returns the exit code that `--help` documents. Models are run by `engine`.
pub fn run(args: impl IntoIterator<Item = OsString>, engine: &dyn Engine) -> ExitCode {
    let env = env::Env::from_process();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(refused(&error)),
    };
    let ui = ui::Ui::new(&env, cli.global.verbose, cli.global.quiet);
    let cx = Context { env, ui };
    let outcome = interrupt::install().and_then(|()| dispatch(&cli.command, engine, &cx));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cx.ui.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn dispatch(command: &Command, engine: &dyn Engine, cx: &Context) -> Result<()> {
    match command {
        Command::Generate(args) => with_standard_streams(|io| commands::generate::run(args, engine, cx, io)),
        Command::Chat(args) => with_standard_streams(|io| commands::chat::run(args, engine, cx, io)),
        Command::Bench(args) => with_standard_streams(|io| commands::bench::run(args, engine, cx, io)),
        Command::Models(args) => commands::models::run(&args.command, cx),
        Command::Kernel(args) => with_standard_streams(|io| commands::kernel::run(args, cx, io)),
        Command::Stress(args) => with_standard_streams(|io| commands::stress::run(args, cx, io)),
        Command::Doctor(args) => commands::doctor::run(args, engine, cx),
    }
}

/// Prints what the parser has to say: help and version to standard output, complaints to standard error.
fn refused(error: &clap::Error) -> u8 {
    let printed = error.print();
    if error.use_stderr() {
        return Kind::Usage.exit_code();
    }
    match printed.map_err(ui::stdout_error) {
        Ok(()) => 0,
        Err(error) => error.kind().exit_code(),
    }
}
