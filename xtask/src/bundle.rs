//! `cargo xtask gpu-bundle`: the tests for GPUs as a folder that needs no toolchain.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{self, Outcome};

/// What the folder may take, models apart.
const LIMIT_BYTES: u64 = 60 << 20;

/// Packages whose tests run on a GPU, and which test executables of theirs: those that take the default device.
const TESTS: &[(&str, &[&str])] =
    &[("holdall-cuda", &["gpu"]), ("holdall-testing", &["sweep", "ops", "gpu"])];

const SCRIPT: &str = include_str!("bundle/run.sh");

/// Which slice of the default model goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelPart {
    index: usize,
    of: usize,
}

impl ModelPart {
    /// `2/3`: the second of three.
    pub fn parse(text: &str) -> Outcome<Self> {
        let wrong = || format!("--model-part is {text:?}; wanted K/N with K from 1 to N");
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let (index, of) = (index.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        if index == 0 || index > of { Err(wrong()) } else { Ok(Self { index, of }) }
    }

    fn range(self, bytes: u64) -> std::ops::Range<u64> {
        let at = |i: usize| bytes * i as u64 / self.of as u64;
        at(self.index - 1)..at(self.index)
    }
}

/// Makes the bundle in `folder`, which is empty or not there.
pub fn run(folder: &str, model: Option<ModelPart>) -> Outcome {
    let folder = PathBuf::from(folder);
    let failed = |what: &Path, e: std::io::Error| format!("{}: {e}", what.display());
    if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("{} is not empty", folder.display()));
    }
    let tests = folder.join("tests");
    fs::create_dir_all(&tests).map_err(|e| failed(&tests, e))?;
    for (package, names) in TESTS {
        let found = executables(&["test", "--release", "--no-run", "-p", package])?;
        let mut shipped = 0;
        for name in *names {
            if let Some(path) = found.get(*name) {
                ship(path, &tests.join(format!("{package}-{name}")))?;
                shipped += 1;
            }
        }
        if shipped == 0 {
            return Err(format!("{package} has none of the tests {names:?}"));
        }
    }
    let commands = executables(&["build", "--release", "-p", "holdall-cli"])?;
    let command = commands.get("holdall").ok_or("holdall-cli has no command holdall")?;
    ship(command, &folder.join("holdall"))?;
    let script = folder.join("run.sh");
    fs::write(&script, SCRIPT).map_err(|e| failed(&script, e))?;
    make_executable(&script)?;
    let bytes = size(&folder).map_err(|e| failed(&folder, e))?;
    eprintln!("{}: {:.1} MiB", folder.display(), bytes as f64 / f64::from(1 << 20));
    if bytes > LIMIT_BYTES {
        return Err(format!("the bundle takes {bytes} bytes; at most {LIMIT_BYTES} are wanted"));
    }
    model.map_or(Ok(()), |part| ship_model(command, &folder.join("model"), part))
}

/// The executables that a cargo command makes, by the name of their target.
fn executables(arguments: &[&str]) -> Outcome<BTreeMap<String, PathBuf>> {
    let mut command = process::cargo();
    command.args(arguments).arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().map_err(|e| format!("cannot run cargo: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo {} failed ({})", arguments.join(" "), output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter_map(|line| Some((target(line)?, PathBuf::from(value(line, "executable")?))))
        .collect())
}

/// The name of the target that a message of cargo's is about.
fn target(message: &str) -> Option<String> {
    let at = message.find("\"target\":")?;
    value(&message[at..], "name")
}

/// The string that a key has in a line of JSON whose strings hold no quotes, as paths and names do.
fn value(json: &str, key: &str) -> Option<String> {
    let key = format!("\"{key}\":\"");
    let start = json.find(&key)? + key.len();
    let end = start + json[start..].find('"')?;
    Some(json[start..end].to_owned())
}

/// Copies an executable without its symbols.
fn ship(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to).map_err(|e| format!("{}: {e}", from.display()))?;
    process::run(Command::new("strip").arg(to))
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Outcome {
    Ok(())
}

fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        bytes += if data.is_dir() { size(&entry.path())? } else { data.len() };
    }
    Ok(bytes)
}

/// Fetches the default model if need be, and writes one slice of each of its files. `run.sh` joins them when all are there.
fn ship_model(command: &Path, folder: &Path, part: ModelPart) -> Outcome {
    process::run(Command::new(command).args(["models", "fetch"]))?;
    let report = process::output(Command::new(command).args(["doctor", "--json"]))?;
    let at = report.find("\"default_model\"").ok_or("holdall doctor does not name the default model")?;
    // The report is indented: no quote follows a colon directly.
    let path =
        value(&report[at..].replace("\": \"", "\":\""), "path").ok_or("the default model has no path")?;
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let entries = fs::read_dir(&path).map_err(|e| format!("{path}: {e}"))?;
    for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
        let data = fs::read(entry.path()).map_err(|e| format!("{}: {e}", entry.path().display()))?;
        let range = part.range(data.len() as u64);
        let name =
            format!("{}.part-{:03}-of-{:03}", entry.file_name().to_string_lossy(), part.index, part.of);
        let to = folder.join(name);
        fs::write(&to, &data[range.start as usize..range.end as usize])
            .map_err(|e| format!("{}: {e}", to.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_model_are_all_of_it() {
        for (bytes, of) in [(10u64, 3usize), (0, 2), (5, 7), (1 << 33, 5)] {
            let parts = (1..=of).map(|index| ModelPart { index, of }.range(bytes));
            let mut next = 0;
            for range in parts {
                assert_eq!(range.start, next);
                next = range.end;
            }
            assert_eq!(next, bytes);
        }
        assert_eq!(ModelPart::parse("2/3"), Ok(ModelPart { index: 2, of: 3 }));
        for text in ["", "2", "0/3", "4/3", "a/3"] {
            assert!(ModelPart::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn messages_of_cargo_name_executables() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"sweep"},"executable":"/t/sweep-1"}"#;
        assert_eq!(target(line).as_deref(), Some("sweep"));
        assert_eq!(value(line, "executable").as_deref(), Some("/t/sweep-1"));
        assert_eq!(value(&line.replace("\"/t/sweep-1\"", "null"), "executable"), None);
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let here = process::root().join("xtask");
        assert!(run(&here.display().to_string(), None).unwrap_err().contains("not empty"));
    }
}
