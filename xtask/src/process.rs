//! Running other programs, and where things are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a chore comes to: nothing, or why it failed.
pub type Outcome<T = ()> = Result<T, String>;

/// The root of the repository.
pub fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// The folder that cargo builds in.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(path) => root().join(path),
        None => root().join("target"),
    }
}

/// The cargo that runs this.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Shows a command, runs it and wants it to succeed.
pub fn run(command: &mut Command) -> Outcome {
    eprintln!("+ {}", shown(command));
    let status = command.status().map_err(|e| format!("cannot run {}: {e}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed ({status})", shown(command))) }
}

/// Runs a command and gives what it wrote.
pub fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|e| format!("cannot run {}: {e}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("{} failed: {}", shown(command), String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let name = |p: &std::ffi::OsStr| {
        let path = Path::new(p);
        path.strip_prefix(root()).unwrap_or(path).display().to_string()
    };
    let mut words = vec![Path::new(command.get_program()).file_name().map_or_else(String::new, name)];
    words.extend(command.get_args().map(name));
    words.join(" ")
}
