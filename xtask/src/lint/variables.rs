//! Environment variables: those that the code names are those that the docs list.

use std::collections::BTreeSet;

use super::Finding;
use super::files::File;
use super::source::Source;

/// The page that lists them.
const PAGE: &str = "docs/environment.md";
/// What ours begin with.
const PREFIX: &str = "HOLDALL_";

/// A variable, and where the code names it.
#[derive(Debug)]
pub struct Use {
    name: String,
    path: String,
    line: usize,
}

/// Variables in the string literals of a file that is no test.
pub fn in_rust(file: &File, source: &Source) -> Vec<Use> {
    let is_test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    if is_test || file.path.starts_with("xtask/") {
        return Vec::new();
    }
    let lines = source.strings.iter().enumerate();
    lines.flat_map(|(i, line)| uses(line, &file.path, i + 1)).collect()
}

/// Variables in scripts.
pub fn in_scripts(files: &[File]) -> Vec<Use> {
    let scripts =
        files.iter().filter(|f| f.path.ends_with(".py") || f.path.ends_with(".sh") || f.path == ".ci/run");
    let lines = scripts.flat_map(|f| f.text.lines().enumerate().map(move |(i, line)| (f, i, line)));
    lines.flat_map(|(f, i, line)| uses(line, &f.path, i + 1)).collect()
}

/// What the code names and the page does not, and the other way round.
pub fn compare(files: &[File], used: &[Use]) -> Vec<Finding> {
    let listed: BTreeSet<String> = files
        .iter()
        .filter(|f| f.path == PAGE)
        .flat_map(|f| f.text.lines().flat_map(names).collect::<Vec<_>>())
        .collect();
    let mut findings: Vec<Finding> = used
        .iter()
        .filter(|u| !listed.contains(&u.name))
        .map(|u| Finding::error(&u.path, u.line, format!("{} is not listed in {PAGE}", u.name)))
        .collect();
    let stale = listed.iter().filter(|name| !used.iter().any(|u| u.name == **name));
    findings.extend(stale.map(|name| Finding::error(PAGE, 0, format!("{name} occurs nowhere in the code"))));
    findings
}

fn uses(line: &str, path: &str, number: usize) -> Vec<Use> {
    names(line).map(|name| Use { name, path: path.into(), line: number }).collect()
}

/// The names in a line. The prefix alone is none.
fn names(line: &str) -> impl Iterator<Item = String> + '_ {
    let of = |(at, _): (usize, &str)| -> String {
        let rest = line[at..].chars();
        rest.take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect()
    };
    line.match_indices(PREFIX).map(of).filter(|name| name.len() > PREFIX.len())
}
