//! Rules for single files.

use super::Finding;
use super::files::File;
use super::source::Source;

/// Lines at which a file should be looked at, and at which it must be split.
const REVIEW: usize = 500;
const LIMIT: usize = 800;

/// Longer files, each with the reason why it is one.
const LONG: &[(&str, &str)] = &[];

/// Where code may be unsafe, each with the reason. Everywhere else the crate forbids it.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/holdall-memory/", "raw blocks of memory and their drivers"),
    ("crates/holdall-core/", "reserved: hot paths that a measurement justifies"),
    ("crates/holdall-cpu/", "SIMD intrinsics, and kernels that write disjoint parts of one block"),
    ("crates/holdall-cuda/", "calls the driver, which takes raw addresses"),
    ("crates/holdall-sim/", "implements the unsafe driver trait of the memory protocol"),
];

/// How far above an unsafe block its comment may end.
const NEAR: usize = 3;

/// No file is too long.
pub fn lengths(files: &[File]) -> Vec<Finding> {
    let is_code = |f: &&File| {
        [".rs", ".py", ".sh", ".metal", ".cu"].iter().any(|end| f.path.ends_with(end)) || f.path == ".ci/run"
    };
    let mut findings = Vec::new();
    for file in files.iter().filter(is_code) {
        let lines = file.text.lines().count();
        let reason = LONG.iter().find(|(path, _)| *path == file.path);
        let message = |limit| format!("{lines} lines, above {limit}: split it by subject");
        if lines > LIMIT && reason.is_none() {
            findings.push(Finding::error(&file.path, 0, message(LIMIT)));
        } else if lines > REVIEW && reason.is_none() {
            let finding = Finding::error(&file.path, 0, message(REVIEW));
            findings.push(Finding { warning: true, ..finding });
        }
    }
    for (path, _) in LONG {
        if !files.iter().any(|f| f.path == *path && f.text.lines().count() > LIMIT) {
            findings.push(Finding::error(path, 0, "is in the lint's list of long files, and is not long"));
        }
    }
    findings
}

/// Looks at one Rust file.
pub fn rust(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    let unsafe_allowed = UNSAFE.iter().any(|(path, _)| file.path.starts_with(path));
    let is_crate_root = ["/src/lib.rs", "/src/main.rs"].iter().any(|end| file.path.ends_with(end));
    let forbids = source.code.iter().any(|line| line.contains("#![forbid(unsafe_code)]"));
    if is_crate_root && !unsafe_allowed && !forbids {
        findings.push(Finding::error(&file.path, 0, "this crate has to #![forbid(unsafe_code)]"));
    }
    for (i, line) in source.code.iter().enumerate() {
        let mut error = |message: &str| findings.push(Finding::error(&file.path, i + 1, message));
        for word in ["todo!", "dbg!", "unimplemented!"] {
            if has_word(line, word) {
                error(&format!("{word} is for work that is not finished"));
            }
        }
        let attribute = line.trim_start();
        if attribute.starts_with("#[ignore") {
            error("a test that is ignored tests nothing");
        }
        if attribute.starts_with("#[allow(") || attribute.starts_with("#![allow(") {
            error("use #[expect(lint, reason = \"...\")], which tells when it is no longer needed");
        }
        if !has_word(line, "unsafe") {
            continue;
        }
        if !unsafe_allowed {
            error("unsafe code in a crate that has none");
        } else if needs_comment(source, i) && !has_comment(source, i) {
            error("unsafe without a SAFETY comment in the three lines above");
        }
    }
}

/// Whether `word` stands in `line` on its own.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// Blocks and impls make a promise. Functions, traits and types of functions ask for one: their docs say which.
fn needs_comment(source: &Source, line: usize) -> bool {
    let code = &source.code[line];
    let next = source.code[line + 1..].iter().map(|l| l.trim()).find(|l| !l.is_empty()).unwrap_or("");
    code.match_indices("unsafe").any(|(at, word)| {
        let rest = code[at + word.len()..].trim_start();
        let rest = if rest.is_empty() { next } else { rest };
        rest.starts_with('{') || rest.starts_with("impl")
    })
}

/// Whether a SAFETY comment stands on the line, or ends at most three lines above it.
fn has_comment(source: &Source, line: usize) -> bool {
    let mut at = line;
    let mut distance = 0;
    loop {
        if source.comments[at].contains("SAFETY:") {
            return true;
        }
        if at == 0 {
            return false;
        }
        at -= 1;
        let is_comment = source.code[at].trim().is_empty() && !source.comments[at].trim().is_empty();
        // A comment of several lines is as near as its last line.
        distance += usize::from(!is_comment);
        if distance > NEAR {
            return false;
        }
    }
}
