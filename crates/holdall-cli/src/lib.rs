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
pub mod machine;
pub mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use commands::io::with_standard_streams;
use context::Context;
use engine::Engine;
use error::{Error, Kind, Result};

/// Does what the command line says, and returns the exit code that `--help` documents. Models are run by `engine`.
pub fn run(args: impl IntoIterator<Item = OsString>, engine: Option<&dyn Engine>) -> ExitCode {
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

fn dispatch(command: &Command, engine: Option<&dyn Engine>, cx: &Context) -> Result<()> {
    let engine = || {
        engine.ok_or_else(|| {
            Error::new(Kind::Internal, "this build of holdall has no engine that runs language models")
        })
    };
    match command {
        Command::Generate(args) => {
            let engine = engine()?;
            with_standard_streams(|io| commands::generate::run(args, engine, cx, io))
        }
        Command::Chat(args) => {
            let engine = engine()?;
            with_standard_streams(|io| commands::chat::run(args, engine, cx, io))
        }
        Command::Bench(args) => {
            let engine = engine()?;
            with_standard_streams(|io| commands::bench::run(args, engine, cx, io))
        }
        Command::Models(args) => commands::models::run(&args.command, cx),
        Command::Doctor(args) => commands::doctor::run(args, cx),
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
