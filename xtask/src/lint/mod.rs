//! `cargo xtask lint`: what neither rustc nor clippy looks at.

mod files;
mod rules;
mod source;
#[cfg(test)]
mod tests;
mod variables;

use std::fmt;

use crate::process::{self, Outcome};

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// File, from the root of the repository.
    pub path: String,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// Whether it is only to be looked at.
    pub warning: bool,
}

impl Finding {
    fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into(), warning: false }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.warning { "warning" } else { "error" };
        match self.line {
            0 => write!(f, "{}: {kind}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {kind}: {}", self.path, self.message),
        }
    }
}

/// Looks at every file of the repository.
pub fn run() -> Outcome {
    let files = files::read(&process::root())?;
    let mut findings = rules::lengths(&files);
    let mut used = Vec::new();
    for file in files.iter().filter(|f| f.path.ends_with(".rs")) {
        let source = source::Source::parse(&file.text);
        rules::rust(file, &source, &mut findings);
        used.extend(variables::in_rust(file, &source));
    }
    used.extend(variables::in_scripts(&files));
    findings.extend(variables::compare(&files, &used));
    findings.sort_by(|a, b| (a.warning, &a.path, a.line).cmp(&(b.warning, &b.path, b.line)));
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|f| !f.warning).count();
    println!("lint: {} files, {errors} errors, {} warnings", files.len(), findings.len() - errors);
    if errors == 0 { Ok(()) } else { Err("lint found errors".into()) }
}
