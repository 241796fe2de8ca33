//! What `--model` may name: a folder, a .gguf file, a Hugging Face repository, or an alias.

use std::fmt;
use std::path::{Path, PathBuf};

use super::alias::{self, Alias};
use crate::env::Env;
use crate::error::{Error, Kind, Result};

/// What the forms of `--model` look like, for error messages.
pub const FORMS: &str = "a model is a folder, a .gguf file, a Hugging Face repo (org/name, org/name@revision or \
                         org/name/file.gguf) or an alias (smollm2)";

/// A model as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A name that Holdall knows.
    Alias(&'static Alias),
    /// A folder or file on this machine.
    Path(PathBuf),
    /// A repository on the Hugging Face hub, or a server like it.
    Repo(RepoRef),
}

/// A repository, a revision and, for GGUF, a file in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoRef {
    /// `org/name`.
    pub repo: String,
    /// Branch, tag or commit; `main` unless given.
    pub revision: String,
    /// The path of a .gguf file in the repository.
    pub file: Option<String>,
}

impl fmt::Display for RepoRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repo)?;
        if self.revision != DEFAULT_REVISION {
            write!(f, "@{}", self.revision)?;
        }
        match &self.file {
            Some(file) => write!(f, "/{file}"),
            None => Ok(()),
        }
    }
}

/// The revision of a repository that names none.
pub const DEFAULT_REVISION: &str = "main";

impl Reference {
    /// Reads what the user wrote. An alias goes first, then what exists on this machine, then repositories.
    ///
    /// # Errors
    /// When it is none of these, with what the forms are.
    pub fn parse(text: &str, env: &Env) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new(Kind::Usage, "the model's name is empty").hint(FORMS));
        }
        if let Some(alias) = alias::find(text) {
            return Ok(Self::Alias(alias));
        }
        let path = env.expand_home(Path::new(text));
        if path.exists() {
            return Ok(Self::Path(path));
        }
        if looks_like_path(text) {
            return Err(Error::new(Kind::NotFound, format!("no such file or folder: {text}")).hint(FORMS));
        }
        match RepoRef::parse(text) {
            Some(repo) => Ok(Self::Repo(repo)),
            None => {
                let known = alias::ALIASES.iter().map(|alias| alias.name).collect::<Vec<_>>().join(", ");
                Err(Error::new(Kind::NotFound, format!("no model is called {text} (aliases: {known})"))
                    .hint(FORMS))
            }
        }
    }
}

fn looks_like_path(text: &str) -> bool {
    let starts = ["/", "./", "../", "~"].iter().any(|start| text.starts_with(start));
    let drive = text.as_bytes().get(1) == Some(&b':');
    let is_gguf = has_gguf_extension(text);
    // org/name/file.gguf has two slashes at least.
    starts
        || drive
        || text.contains('\\')
        || text.ends_with('/')
        || (is_gguf && text.matches('/').count() < 2)
}

/// Whether a name ends in `.gguf`, in any case.
pub fn has_gguf_extension(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

impl RepoRef {
    /// Reads `org/name[@revision][/path/file.gguf]` or `org/name/path/file.gguf@revision`; a revision may hold slashes.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, tail) = match text.split_once('@') {
            Some((head, tail)) if !tail.is_empty() => (head, Some(tail)),
            Some(_) => return None,
            None => (text, None),
        };
        let mut parts = head.splitn(3, '/');
        let (org, name, mut file) = (parts.next()?, parts.next()?, parts.next());
        let mut revision = tail.unwrap_or(DEFAULT_REVISION);
        if file.is_none()
            && has_gguf_extension(revision)
            && let Some((before, after)) = revision.split_once('/')
        {
            (revision, file) = (before, Some(after));
        }
        let file_ok = file.is_none_or(|file| has_gguf_extension(file) && is_safe_path(file));
        let ok = is_repo_part(org) && is_repo_part(name) && file_ok && is_safe_path(revision);
        ok.then(|| Self {
            repo: format!("{org}/{name}"),
            revision: revision.to_owned(),
            file: file.map(str::to_owned),
        })
    }
}

fn is_repo_part(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 96
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && part.bytes().any(|b| b.is_ascii_alphanumeric())
        && !part.contains("--")
        && !part.contains("..")
}

/// Whether a relative path, written with `/`, stays below the folder it is joined to, on every platform.
pub fn is_safe_path(path: &str) -> bool {
    path.split('/').all(is_safe_name)
}

/// Whether a name can be one component of a path on every platform.
pub fn is_safe_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name != "."
        && name != ".."
        && !name
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo(text: &str) -> (String, String, Option<String>) {
        let parsed = RepoRef::parse(text).unwrap_or_else(|| panic!("{text} was not read"));
        (parsed.repo, parsed.revision, parsed.file)
    }

    #[test]
    fn repositories_are_read() {
        let own = |repo: &str, revision: &str, file: Option<&str>| {
            (repo.to_owned(), revision.to_owned(), file.map(str::to_owned))
        };
        assert_eq!(repo("a/b"), own("a/b", "main", None));
        assert_eq!(repo("a/b@v1"), own("a/b", "v1", None));
        assert_eq!(repo("a/b@refs/pr/1"), own("a/b", "refs/pr/1", None));
        assert_eq!(repo("a/b/x.gguf"), own("a/b", "main", Some("x.gguf")));
        assert_eq!(repo("a/b/q4/x.GGUF"), own("a/b", "main", Some("q4/x.GGUF")));
        assert_eq!(repo("a/b@v1/x.gguf"), own("a/b", "v1", Some("x.gguf")));
        assert_eq!(repo("a/b/x.gguf@v1"), own("a/b", "v1", Some("x.gguf")));
    }

    #[test]
    fn what_is_not_a_repository_is_refused() {
        for text in [
            "a",
            "a/",
            "/b",
            "a/b/c",
            "a/../b",
            "a/b@",
            "a/b/../x.gguf",
            "a/b@../x",
            "a b/c",
            "../b",
            "a/b--c",
        ] {
            assert_eq!(RepoRef::parse(text), None, "{text}");
        }
    }

    #[test]
    fn display_reads_back() {
        for text in ["a/b", "a/b@v1", "a/b/x.gguf", "a/b@v1/q/x.gguf"] {
            assert_eq!(RepoRef::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_are_told_apart() {
        let env = Env::from_vars([], None);
        assert!(matches!(Reference::parse("smollm2", &env), Ok(Reference::Alias(_))));
        assert!(matches!(Reference::parse("a/b", &env), Ok(Reference::Repo(_))));
        assert!(matches!(Reference::parse(".", &env), Ok(Reference::Path(_))));
        for text in ["", "nosuch", "./nosuch", "no/such.gguf", "nosuch.gguf", "C:\\x", "a/b/c/d"] {
            let error = Reference::parse(text, &env).unwrap_err();
            assert!(!error.hints().is_empty(), "{text}");
        }
    }
}
