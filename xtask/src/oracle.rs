//! `cargo xtask oracle`: comparisons with programs of others, from PyPI.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Outcome};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Op results with MLX and NumPy.
    Ops,
    /// Greedy tokens of a real model with MLX.
    Tokens,
    /// CUDA kernels with NVRTC, which needs no GPU: translated, portable and hand-written ones.
    Cuda,
    /// All of these.
    All,
}

impl Part {
    /// The part called `name`.
    pub fn named(name: &str) -> Outcome<Self> {
        match name {
            "ops" => Ok(Self::Ops),
            "tokens" => Ok(Self::Tokens),
            "cuda" => Ok(Self::Cuda),
            "all" => Ok(Self::All),
            _ => Err(format!("unknown part {name:?}; there are ops, tokens, cuda and all")),
        }
    }
}

/// Makes the virtual environment if need be, and compares.
pub fn run(part: Part) -> Outcome {
    let scripts = process::root().join("xtask").join("oracle");
    let folder = process::target().join("oracle");
    let python = environment(&scripts.join("requirements.txt"), &folder.join("venv"))?;
    let mut outcomes = Vec::new();
    if matches!(part, Part::Ops | Part::All) {
        outcomes.push(ops(&python, &scripts, &folder.join("cases")));
    }
    if matches!(part, Part::Tokens | Part::All) {
        outcomes.push(tokens(&python, &scripts));
    }
    if matches!(part, Part::Cuda | Part::All) {
        outcomes.push(cuda(&python, &scripts, &folder.join("kernels")));
        outcomes.push(portable(&python, &scripts, &folder.join("portable")));
        outcomes.push(handwritten(&python, &folder.join("venv").join("cubins")));
    }
    // All parts run, so that one look shows everything.
    outcomes.into_iter().collect()
}

/// The Python of a virtual environment that has the packages of `requirements`.
fn environment(requirements: &Path, venv: &Path) -> Outcome<PathBuf> {
    let python =
        if cfg!(windows) { venv.join("Scripts").join("python.exe") } else { venv.join("bin").join("python") };
    let wanted =
        std::fs::read_to_string(requirements).map_err(|e| format!("{}: {e}", requirements.display()))?;
    // Written last: an environment that was interrupted has none.
    let stamp = venv.join("requirements.txt");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    let system = if cfg!(windows) { "python" } else { "python3" };
    process::run(Command::new(system).args(["-m", "venv", "--clear"]).arg(venv))?;
    process::run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(requirements),
    )?;
    std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(python)
}

fn ops(python: &Path, scripts: &Path, cases: &Path) -> Outcome {
    process::run(Command::new(python).arg(scripts.join("cases.py")).arg(cases))?;
    process::run(
        process::cargo()
            .args(["run", "--release", "-p", "holdall-testing", "--example", "oracle", "--"])
            .arg(cases),
    )
}

fn tokens(python: &Path, scripts: &Path) -> Outcome {
    let command = command()?;
    process::run(Command::new(python).arg(scripts.join("tokens.py")).arg(command))
}

fn cuda(python: &Path, scripts: &Path, kernels: &Path) -> Outcome {
    let command = command()?;
    empty(kernels)?;
    process::run(Command::new(python).arg(scripts.join("kernels.py")).arg(kernels))?;
    process::run(Command::new(python).arg(scripts.join("cuda.py")).arg(kernels).arg("--emit").arg(command))
}

/// The kernels that the tests of the portable backend ask for.
fn portable(python: &Path, scripts: &Path, texts: &Path) -> Outcome {
    empty(texts)?;
    process::run(
        process::cargo()
            // Of the whole workspace, so that what was built for all tests is not built again with fewer features.
            .args(["test", "--quiet", "--workspace", "--test", "gpu"])
            .env("HOLDALL_SIMT_KERNELS", texts),
    )?;
    let metal = process::root().join("crates").join("holdall-gpu").join("kernels");
    process::run(Command::new(python).arg(scripts.join("portable.py")).arg(texts).arg(metal))
}

/// The hand-written kernels. `cubins` are of the environment's NVRTC, and go with it.
fn handwritten(python: &Path, cubins: &Path) -> Outcome {
    let script = process::root().join("bench").join("cuda").join("run.py");
    process::run(
        Command::new(python)
            .arg(script)
            .arg("--compile")
            .env("ARCHS", "sm_80,sm_90a,sm_100")
            .env("CUBINS", cubins),
    )
}

/// Removes a folder: kernels that are no more would be compiled, too.
fn empty(folder: &Path) -> Outcome {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {e}", folder.display())),
        _ => Ok(()),
    }
}

/// The command, built.
fn command() -> Outcome<PathBuf> {
    process::run(process::cargo().args(["build", "--release", "-p", "holdall-cli"]))?;
    let name = if cfg!(windows) { "holdall.exe" } else { "holdall" };
    Ok(process::target().join("release").join(name))
}
