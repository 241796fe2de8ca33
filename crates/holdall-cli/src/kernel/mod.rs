//! Custom kernels in files: reading, compiling, and what is wrong with them.

mod file;
mod finding;
mod trial;

pub use file::KernelFile;
pub use finding::Finding;

use holdall_msl::{Compiled, Error as Mistakes, KernelSource, Signature, compile};

use crate::error::Result;

/// A kernel that was compiled, or why it could not be.
#[derive(Debug)]
pub struct Attempt {
    /// What came out.
    pub outcome: std::result::Result<Compiled, Mistakes>,
    /// In words, what the file does not say and was assumed.
    pub assumptions: Vec<String>,
    /// The parameters that it was compiled with.
    pub signature: Signature,
}

/// Compiles a kernel. Where the file says nothing of template parameters, names that look like types are taken for some.
///
/// # Errors
/// When the file makes no sense. That the kernel does not compile is an outcome.
pub fn attempt(file: &KernelFile) -> Result<Attempt> {
    let attempt = |types: &[String]| -> Result<Attempt> {
        let parameters = file.parameters(types)?;
        let source = KernelSource { name: &file.name, header: &file.header, body: &file.source };
        let outcome = compile(&source, &parameters.signature);
        Ok(Attempt { outcome, assumptions: parameters.assumptions, signature: parameters.signature })
    };
    let first = attempt(&[])?;
    if first.outcome.is_ok() || !file.template.is_empty() {
        return Ok(first);
    }
    let types = likely_types(&file.source);
    if types.is_empty() {
        return Ok(first);
    }
    let second = attempt(&types)?;
    Ok(if second.outcome.is_ok() { second } else { first })
}

/// Names that look like template parameters that are types: `T`, `InT`, `T2`.
fn likely_types(source: &str) -> Vec<String> {
    let mut names: Vec<String> = source
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| {
            let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
            stem.ends_with('T')
                && stem.chars().filter(|c| c.is_uppercase()).count() <= 2
                && stem.starts_with(char::is_uppercase)
        })
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::likely_types;

    #[test]
    fn names_of_types_are_told_from_others() {
        let source = "T x = InT(1); for (int i = 0; i < COUNT; i++) { T2 y; T x2; outT z; INFINITY; }";
        assert_eq!(likely_types(source), ["InT", "T", "T2"]);
    }
}
