//! From what the user calls a model to a file or folder on this machine, fetching it if need be.
//!
//! Reading goes before asking: what is in Holdall's cache or in the Hugging Face cache is used without a request.

pub mod alias;
mod client;
mod fetch_alias;
pub mod inventory;
pub mod layout;
mod lock;
mod pip;
pub mod reference;
mod repo;
mod select;
mod transfer;
mod url;
mod wheel;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use fetch_alias::{cached as cached_alias, fetch as fetch_alias};
pub use reference::{Reference, RepoRef};

use crate::context::Context;
use crate::error::{Error, Kind, Result};
use select::Plan;

/// In what form a model is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One GGUF file.
    Gguf,
    /// A folder with config.json, tokenizer and safetensors.
    Folder,
}

/// A model that is on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// What to call it: the alias, the repository, or the path.
    pub name: String,
    /// The file or folder.
    pub path: PathBuf,
    /// Which of the two.
    pub form: Form,
}

/// Whether a cached repository is asked for news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// What is cached is used.
    Cached,
    /// The server is asked whether the branch has moved on.
    Newest,
}

/// Finds the model that `text` names, fetching it if it is not on this machine.
///
/// # Errors
/// When it does not exist, cannot be fetched, is not what it should be, or no model can be read from it.
pub fn resolve(text: &str, cx: &Context) -> Result<Model> {
    resolve_with(text, Freshness::Cached, cx)
}

/// As [`resolve`], with a say in whether the server is asked for news of a cached repository.
///
/// # Errors
/// Those of [`resolve`].
pub fn resolve_with(text: &str, freshness: Freshness, cx: &Context) -> Result<Model> {
    match Reference::parse(text, &cx.env)? {
        Reference::Alias(alias) => {
            let path = fetch_alias(alias, cx)?;
            Ok(Model { name: alias.name.to_owned(), path, form: Form::Gguf })
        }
        Reference::Path(path) => local(&path),
        Reference::Repo(repo) => repo::fetch(&repo, freshness, cx),
    }
}

/// Hashes the files of a fetched model again and compares them with what they should be. Returns how many were compared.
///
/// # Errors
/// [`Kind::Checksum`] for the first file that differs; file system errors; Ctrl-C.
pub fn verify(text: &str, model: &Model, cx: &Context) -> Result<usize> {
    match Reference::parse(text, &cx.env)? {
        Reference::Alias(alias) => fetch_alias::verify(alias, &model.path, cx).map(|()| 1),
        Reference::Repo(_) => repo::verify(model, cx),
        Reference::Path(path) => Err(Error::new(
            Kind::Usage,
            format!("nothing to verify {} against: it was not fetched by name", path.display()),
        )),
    }
}

/// Looks at a file or folder that the user named.
fn local(path: &Path) -> Result<Model> {
    let model = |path: &Path, form| Model { name: path.display().to_string(), path: path.to_owned(), form };
    if !path.is_dir() {
        check_gguf(path)?;
        return Ok(model(path, Form::Gguf));
    }
    let files = repo::files_below(path, 0)?;
    match select::plan(&path.display().to_string(), &files, None)? {
        Plan::Folder(_) => Ok(model(path, Form::Folder)),
        Plan::Gguf(file) => {
            let file = path.join(file);
            check_gguf(&file)?;
            Ok(model(&file, Form::Gguf))
        }
    }
}

/// Checks that a file begins as GGUF does.
///
/// # Errors
/// [`Kind::Model`] with what it is instead, when that can be told.
fn check_gguf(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    file.take(4).read_to_end(&mut start).map_err(|error| Error::io("read", path, error))?;
    if start == b"GGUF" {
        return Ok(());
    }
    let error = Error::new(Kind::Model, format!("{} is not a GGUF file", path.display()));
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Err(match (extension, start.as_slice()) {
        ("safetensors", _) => {
            error.hint("give the folder that holds it, with its config.json and tokenizer.json")
        }
        ("gguf", b"vers") => {
            error.hint("it is a pointer of Git LFS: fetch the file itself with git lfs pull")
        }
        ("gguf", _) => error.hint("it may be damaged or cut off: fetch it again"),
        _ => error.hint(reference::FORMS),
    })
}

/// Gives a complete file its final name.
fn settle(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| Error::io("write", to, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_models_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(local(folder.path()).unwrap_err().kind(), Kind::Model);
        fs::write(path("a.gguf"), "GGUF....").unwrap();
        assert_eq!(local(folder.path()).unwrap().path, path("a.gguf"));
        fs::write(path("b.gguf"), "version https://git-lfs").unwrap();
        assert!(local(&path("b.gguf")).unwrap_err().hints()[0].contains("git lfs pull"));
        assert_eq!(local(folder.path()).unwrap_err().kind(), Kind::Usage);
        fs::write(path("config.json"), "{}").unwrap();
        fs::write(path("model.safetensors"), "").unwrap();
        assert_eq!(local(folder.path()).unwrap().form, Form::Folder);
        assert!(local(&path("model.safetensors")).unwrap_err().hints()[0].contains("folder"));
        assert_eq!(local(&path("none.gguf")).unwrap_err().kind(), Kind::NotFound);
    }
}
