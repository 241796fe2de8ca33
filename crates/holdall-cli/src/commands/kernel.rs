//! `holdall kernel`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use holdall::simt::Program;
use holdall_formats::npy;
use holdall_msl::cuda::{self, CudaArgument, CudaOptions};
use holdall_msl::{Compiled, KernelSource};
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
        KernelCommand::Run { file, out } => execute(file, out, cx, io),
        KernelCommand::Emit { file, target } => emit(file, *target, cx, io),
    }
}

fn check(files: &[PathBuf], json: bool, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    // All files are read first: a typing mistake should not cost the work on those before it.
    let kernels: Vec<KernelFile> = files.iter().map(|path| KernelFile::read(path)).collect::<Result<_>>()?;
    let mut reports = Vec::new();
    for (path, file) in files.iter().zip(&kernels) {
        interrupt::check()?;
        let begin = Instant::now();
        let mut report = Report {
            name: file.name.clone(),
            compiled: false,
            ran: false,
            seconds: 0.0,
            findings: Vec::new(),
        };
        let Attempt { outcome, assumptions, .. } = kernel::attempt(file)?;
        say(file, &assumptions, cx);
        let mut texts = Vec::new();
        match outcome {
            Ok(compiled) => {
                report.compiled = true;
                report.findings.extend(compiled.warnings.iter().map(Finding::from));
                texts.extend(compiled.warnings.iter().map(ToString::to_string));
                if file.is_runnable() {
                    match file.try_out(compiled, &folder(path))? {
                        Ok(tried) => {
                            report.ran = true;
                            report.findings.extend(tried.findings.iter().map(Finding::from));
                            texts.extend(tried.findings.iter().map(ToString::to_string));
                        }
                        Err(why) => {
                            report.findings.push(Finding::of_launch(why.clone()));
                            texts.push(format!("error: {why}\n"));
                        }
                    }
                }
            }
            Err(mistakes) => {
                report.findings.extend(mistakes.diagnostics().iter().map(Finding::from));
                texts.extend(mistakes.diagnostics().iter().map(ToString::to_string));
            }
        }
        report.seconds = begin.elapsed().as_secs_f64();
        if !json {
            for text in texts {
                io.write(&format!("{}: {text}\n", file.name))?;
            }
        }
        reports.push(report);
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

/// Says what a file leaves open.
fn say(file: &KernelFile, assumptions: &[String], cx: &Context) {
    for assumption in assumptions {
        cx.ui.note(&format!("{}: {assumption}", file.name));
    }
}

/// The folder that paths in a file are seen from.
fn folder(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The kernel of a file, compiled.
fn compiled(file: &KernelFile, cx: &Context) -> Result<Compiled> {
    let Attempt { outcome, assumptions, .. } = kernel::attempt(file)?;
    say(file, &assumptions, cx);
    outcome.map_err(|mistakes| {
        cx.ui.note(mistakes.to_string().trim_end());
        Error::new(Kind::Findings, format!("the kernel {} does not compile", file.name))
    })
}

fn execute(path: &Path, out: &Path, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    let file = KernelFile::read(path)?;
    if !file.is_runnable() {
        return Err(Error::new(
            Kind::Usage,
            format!("{} does not say what to run the kernel on", path.display()),
        )
        .hint("it needs grid, outputs and inputs; holdall kernel check --help shows how"));
    }
    let tried = file.try_out(compiled(&file, cx)?, &folder(path))?;
    let tried = tried.map_err(|why| Error::new(Kind::Findings, format!("{}: {why}", file.name)))?;
    std::fs::create_dir_all(out).map_err(|e| Error::io("make", out, e))?;
    for made in &tried.outputs {
        let to = out.join(format!("{}.npy", made.name));
        npy::save(&to, &made.shape, made.element, &made.bytes)
            .map_err(|e| Error::new(Kind::Io, format!("cannot write {}", to.display())).caused_by(e))?;
        io.write(&format!("{}\n", to.display()))?;
    }
    if tried.findings.is_empty() {
        return Ok(());
    }
    for finding in &tried.findings {
        cx.ui.note(&format!("{}: {finding}", file.name));
    }
    Err(Error::new(Kind::Findings, format!("the kernel {} ran, and has mistakes", file.name)))
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn emit(path: &Path, target: Target, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    let file = KernelFile::read(path)?;
    match target {
        Target::Ir => io.write(&format!("{}\n", compiled(&file, cx)?.program)),
        Target::Simt => {
            let program = Arc::new(compiled(&file, cx)?.program);
            io.write(&format!("{}\n", Program::compile(&program)))
        }
        Target::Cuda => io.write(&cuda(&file, cx)?),
    }
}

/// The kernel's translation unit. What only our own compiler does not know is no reason to give none.
fn cuda(file: &KernelFile, cx: &Context) -> Result<String> {
    let Attempt { outcome, assumptions, signature } = kernel::attempt(file)?;
    say(file, &assumptions, cx);
    if let Err(mistakes) = outcome {
        cx.ui.note(mistakes.to_string().trim_end());
        if mistakes.kind() != holdall_msl::Kind::Unsupported {
            return Err(Error::new(Kind::Findings, format!("the kernel {} does not compile", file.name)));
        }
    }
    let source = KernelSource { name: &file.name, header: &file.header, body: &file.source };
    let group: Option<u32> = file.threadgroup.map(|group| group.iter().product());
    let options = CudaOptions { group_size: group.filter(|n| (1..=1024).contains(n)) };
    let unit = cuda::translate(&source, &signature, &options).map_err(|mistakes| {
        cx.ui.note(mistakes.to_string().trim_end());
        Error::new(Kind::Findings, format!("the kernel {} cannot be translated", file.name))
    })?;
    let mut text = format!("// nvrtc: {}\n// kernel: {}\n", unit.options().join(" "), unit.entry());
    for argument in unit.arguments() {
        let what = match argument {
            CudaArgument::Buffer(i) => format!("buffer {}", signature.buffers()[*i].name),
            CudaArgument::Shape(i) => format!("shape {}", file.input_names[*i as usize]),
            CudaArgument::Strides(i) => format!("strides {}", file.input_names[*i as usize]),
            CudaArgument::Ndim(i) => format!("ndim {}", file.input_names[*i as usize]),
            CudaArgument::Parameter(i, _) => format!("parameter {}", signature.buffers()[*i].name),
            CudaArgument::Launch => "launch".to_owned(),
        };
        text.push_str(&format!("// argument: {what}\n"));
    }
    text.push_str(unit.source());
    Ok(text)
}
