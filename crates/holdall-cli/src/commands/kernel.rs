//! `holdall kernel`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::io::Io;
use crate::args::{KernelArgs, KernelCommand, Target};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::interrupt;
use crate::kernel::{self, Attempt, Finding, KernelFile};

/// What `--json` prints of a kernel.
#[derive(Debug, Serialize)]
struct Report {
    name: String,
    compiled: bool,
    ran: bool,
    seconds: f64,
    findings: Vec<Finding>,
}

/// Does what `holdall kernel` is asked for.
///
/// # Errors
/// Those of reading the files and of writing to standard output; [`Kind::Findings`] when a kernel has mistakes.
pub fn run(args: &KernelArgs, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    match &args.command {
        KernelCommand::Check { files, json } => check(files, *json, cx, io),
        KernelCommand::Emit { file, target } => emit(file, *target, cx, io),
    }
}

fn check(files: &[PathBuf], json: bool, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    // All files are read first: a typing mistake should not cost the work on those before it.
    let kernels: Vec<KernelFile> = files.iter().map(|path| KernelFile::read(path)).collect::<Result<_>>()?;
    let mut reports = Vec::new();
    for file in &kernels {
        interrupt::check()?;
        let begin = Instant::now();
        let Attempt { outcome, assumptions } = kernel::attempt(file)?;
        for assumption in assumptions {
            cx.ui.note(&format!("{}: {assumption}", file.name));
        }
        let diagnostics = match &outcome {
            Ok(compiled) => &compiled.warnings[..],
            Err(mistakes) => mistakes.diagnostics(),
        };
        if !json {
            for diagnostic in diagnostics {
                io.write(&format!("{}: {diagnostic}\n", file.name))?;
            }
        }
        reports.push(Report {
            name: file.name.clone(),
            compiled: outcome.is_ok(),
            ran: false,
            seconds: begin.elapsed().as_secs_f64(),
            findings: diagnostics.iter().map(Finding::from).collect(),
        });
    }
    if json {
        io.write(&super::json(&reports)?)?;
    }
    let is_wrong = |report: &&Report| report.findings.iter().any(|finding| finding.severity == "error");
    let wrong: Vec<&str> = reports.iter().filter(is_wrong).map(|report| report.name.as_str()).collect();
    if wrong.is_empty() {
        cx.ui.note(&format!("{} checked, no mistakes found", counted(reports.len(), "kernel")));
        return Ok(());
    }
    let message = format!("{} of {} have mistakes", wrong.len(), counted(reports.len(), "kernel"));
    Err(Error::new(Kind::Findings, format!("{message}: {}", wrong.join(", "))))
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn emit(path: &Path, target: Target, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    let file = KernelFile::read(path)?;
    let Attempt { outcome, assumptions } = kernel::attempt(&file)?;
    for assumption in assumptions {
        cx.ui.note(&format!("{}: {assumption}", file.name));
    }
    match (outcome, target) {
        (Ok(compiled), Target::Ir) => io.write(&format!("{}\n", compiled.program)),
        (Err(mistakes), _) => {
            cx.ui.note(mistakes.to_string().trim_end());
            Err(Error::new(Kind::Findings, format!("the kernel {} does not compile", file.name)))
        }
    }
}
