//! A user's home in a temporary folder, and the program run in it with an environment that is known to the last variable.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use holdall_cli::context::Context;
use holdall_cli::env::Env;
use holdall_cli::ui::Ui;
use tempfile::TempDir;

/// A home folder with nothing in it.
pub struct Home {
    folder: TempDir,
    vars: Vec<(String, OsString)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut home = Self { folder, vars: Vec::new() };
        fs::create_dir(home.path("bin")).unwrap();
        let bin = home.path("bin");
        home.set("HOME", home.path(""));
        // No pip, no Python: only what a test puts there.
        home.set("PATH", bin);
        home.set("HOLDALL_CACHE", home.path("cache"));
        home.set("HF_HOME", home.path("hf"));
        // Nothing listens there.
        home.set("HF_ENDPOINT", "http://127.0.0.1:9");
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.vars.retain(|(known, _)| known != name);
        self.vars.push((name.to_owned(), value.into()));
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdall"));
        command.args(args).env_clear().envs(self.vars.iter().cloned()).current_dir(self.folder.path());
        for name in ["SYSTEMROOT", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// The same surroundings for calls of the library.
    pub fn context(&self) -> Context {
        let vars = self.vars.iter().map(|(name, value)| (OsString::from(name), value.clone()));
        let env = Env::from_vars(vars, Some(self.path("")));
        let ui = Ui::new(&env, false, true);
        Context { env, ui }
    }

    /// Every file below a folder, as paths relative to it, sorted; lock files left out.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let mut found = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(path) = open.pop() {
            let Ok(listing) = fs::read_dir(&path) else { continue };
            for entry in listing.flatten() {
                let path = entry.path();
                if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                } else if !path.to_string_lossy().ends_with(".lock") {
                    found.push(relative(&path, &root));
                }
            }
        }
        found.sort();
        found
    }
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/")
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// Failed with this code, and says each of these on standard error.
    #[track_caller]
    pub fn failed(self, code: i32, says: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        for text in says {
            assert!(self.stderr.contains(text), "{text:?} is not said: {self:#?}");
        }
        assert!(!self.stderr.contains("panicked") && self.stdout.is_empty(), "{self:#?}");
        self
    }
}
