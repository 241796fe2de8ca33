//! The repository's text files.

use std::path::Path;
use std::process::Command;

use crate::process::{self, Outcome};

/// A text file.
#[derive(Debug)]
pub struct File {
    /// Path from the root, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// Everything that git tracks or would track and that is text.
pub fn read(root: &Path) -> Outcome<Vec<File>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let names = process::output(&mut git)?;
    let mut files = Vec::new();
    for path in names.split('\0').filter(|p| !p.is_empty()) {
        let Ok(bytes) = std::fs::read(root.join(path)) else { continue }; // deleted, not yet committed
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.into(), text });
        }
    }
    Ok(files)
}
