//! Environment variables: every one that the command reads is read here, once, at start.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where models are downloaded from when `HF_ENDPOINT` is not set.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// Names shown by `doctor` because they change how files are fetched.
const NETWORK_VARIABLES: &[&str] = &[
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
    "HF_TOKEN_PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_FIND_LINKS",
    "PIP_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// A secret for the model server; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The secret itself, for the `Authorization` header.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Where the token came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// `HF_TOKEN`.
    Variable,
    /// The file that `huggingface-cli login` writes.
    File(PathBuf),
}

/// The process environment, as far as Holdall's command reads it.
#[derive(Clone)]
pub struct Env {
    vars: BTreeMap<OsString, OsString>,
    home: Option<PathBuf>,
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may hold secrets.
        f.debug_struct("Env").field("names", &self.vars.keys()).finish_non_exhaustive()
    }
}

impl Env {
    /// The environment of this process.
    pub fn from_process() -> Self {
        Self::from_vars(std::env::vars_os(), std::env::home_dir())
    }

    /// An environment with these variables and this home folder.
    pub fn from_vars(vars: impl IntoIterator<Item = (OsString, OsString)>, home: Option<PathBuf>) -> Self {
        Self { vars: vars.into_iter().collect(), home }
    }

    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str).map(str::trim).filter(|value| !value.is_empty())
    }

    /// A variable that names a folder or file; `~/` is expanded.
    fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|value| self.expand_home(Path::new(value)))
    }

    /// Whether a variable holds one of the words that Hugging Face's own tools take for true.
    fn flag(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "on" | "yes" | "true"))
    }

    /// Replaces a leading `~` by the home folder.
    pub fn expand_home(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_path_buf(),
        }
    }

    fn user_cache(&self) -> PathBuf {
        if let Some(path) = self.path("XDG_CACHE_HOME").filter(|path| path.is_absolute()) {
            return path;
        }
        if cfg!(windows)
            && let Some(path) = self.path("LOCALAPPDATA")
        {
            return path;
        }
        let home = self.home.clone().unwrap_or_else(std::env::temp_dir);
        if cfg!(target_os = "macos") { home.join("Library").join("Caches") } else { home.join(".cache") }
    }

    /// Holdall's own cache folder: `HOLDALL_CACHE`, else `holdall` in the user's cache folder.
    pub fn cache(&self) -> PathBuf {
        self.path("HOLDALL_CACHE").unwrap_or_else(|| self.user_cache().join("holdall"))
    }

    /// Where `chat` keeps its line history unless told otherwise: `HOLDALL_HISTORY`, else in the cache folder.
    pub fn history(&self) -> PathBuf {
        self.path("HOLDALL_HISTORY").unwrap_or_else(|| self.cache().join("history.txt"))
    }

    /// The folder of Hugging Face's tools: `HF_HOME`, else `~/.cache/huggingface`.
    pub fn hf_home(&self) -> PathBuf {
        if let Some(path) = self.path("HF_HOME") {
            return path;
        }
        // Hugging Face's tools use ~/.cache on every platform.
        let base = self.path("XDG_CACHE_HOME").or_else(|| self.home.as_ref().map(|home| home.join(".cache")));
        base.unwrap_or_else(std::env::temp_dir).join("huggingface")
    }

    /// The folder of downloaded repositories: `HF_HUB_CACHE`, else `hub` in [`Env::hf_home`].
    pub fn hf_hub_cache(&self) -> PathBuf {
        self.path("HF_HUB_CACHE")
            .or_else(|| self.path("HUGGINGFACE_HUB_CACHE"))
            .unwrap_or_else(|| self.hf_home().join("hub"))
    }

    /// The server that models come from, without a trailing slash.
    pub fn hf_endpoint(&self) -> String {
        self.text("HF_ENDPOINT").unwrap_or(DEFAULT_ENDPOINT).trim_end_matches('/').to_owned()
    }

    /// Whether the network must not be used.
    pub fn hf_offline(&self) -> bool {
        self.flag("HF_HUB_OFFLINE")
    }

    /// The access token and where it came from, if the user has one.
    pub fn hf_token(&self) -> Option<(Token, TokenSource)> {
        if let Some(token) = self.text("HF_TOKEN").or_else(|| self.text("HUGGING_FACE_HUB_TOKEN")) {
            return Some((Token(token.to_owned()), TokenSource::Variable));
        }
        let file = self.path("HF_TOKEN_PATH").unwrap_or_else(|| self.hf_home().join("token"));
        let text = std::fs::read_to_string(&file).ok()?;
        let token = text.trim();
        (!token.is_empty()).then(|| (Token(token.to_owned()), TokenSource::File(file)))
    }

    /// Where programs are looked for: `PATH`.
    pub fn search_path(&self) -> Option<&OsStr> {
        self.get("PATH")
    }

    /// Whether colours are unwanted (`NO_COLOR`, or a terminal that knows none).
    pub fn no_color(&self) -> bool {
        self.get("NO_COLOR").is_some() || self.dumb_terminal()
    }

    /// Whether the terminal cannot move its cursor.
    pub fn dumb_terminal(&self) -> bool {
        self.text("TERM") == Some("dumb")
    }

    /// The variables named `HOLDALL_*`, in order of their names.
    pub fn holdall_variables(&self) -> Vec<(String, String)> {
        self.vars
            .iter()
            .map(|(name, value)| (name.to_string_lossy(), value.to_string_lossy()))
            .filter(|(name, _)| name.starts_with("HOLDALL_"))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect()
    }

    /// The variables in force that change how files are fetched; secrets are replaced by `***`.
    pub fn network_variables(&self) -> Vec<(String, String)> {
        let known = NETWORK_VARIABLES.iter().filter_map(|&name| {
            let value = self.get(name)?.to_string_lossy();
            let shown = if name == "HF_TOKEN" { "***".to_owned() } else { redact_urls(&value) };
            Some((name.to_owned(), shown))
        });
        known.collect()
    }
}

/// Replaces `user:password@` in each URL of a text by `***@`.
pub fn redact_urls(text: &str) -> String {
    let redact = |word: &str| match word.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            match rest[..end].rfind('@') {
                Some(at) => format!("{scheme}://***@{}", &rest[at + 1..]),
                None => word.to_owned(),
            }
        }
        // A proxy may be given without its scheme.
        None => match word.rfind('@') {
            Some(at) if word[..at].contains(':') => format!("***@{}", &word[at + 1..]),
            _ => word.to_owned(),
        },
    };
    text.split(' ').map(redact).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        Env::from_vars(pairs.iter().map(|(k, v)| (k.into(), v.into())), Some("/home/u".into()))
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn cache_folders_follow_the_variables() {
        assert_eq!(env(&[]).cache(), Path::new("/home/u/.cache/holdall"));
        assert_eq!(env(&[("XDG_CACHE_HOME", "/x")]).cache(), Path::new("/x/holdall"));
        assert_eq!(
            env(&[("XDG_CACHE_HOME", "/x"), ("HOLDALL_CACHE", "~/h")]).cache(),
            Path::new("/home/u/h")
        );
        assert_eq!(env(&[]).hf_hub_cache(), Path::new("/home/u/.cache/huggingface/hub"));
        assert_eq!(env(&[("HF_HOME", "/hf")]).hf_hub_cache(), Path::new("/hf/hub"));
        assert_eq!(env(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/c")]).hf_hub_cache(), Path::new("/c"));
    }

    #[test]
    fn flags_and_endpoint() {
        assert!(env(&[("HF_HUB_OFFLINE", "True")]).hf_offline());
        assert!(!env(&[("HF_HUB_OFFLINE", "0")]).hf_offline());
        assert!(!env(&[("HF_HUB_OFFLINE", "")]).hf_offline());
        assert_eq!(env(&[("HF_ENDPOINT", "http://h:1/")]).hf_endpoint(), "http://h:1");
        assert_eq!(env(&[("HF_ENDPOINT", "")]).hf_endpoint(), DEFAULT_ENDPOINT);
    }

    #[test]
    fn secrets_are_not_shown() {
        let env = env(&[("HF_TOKEN", "hf_secret"), ("HTTPS_PROXY", "http://me:pw@proxy:8080/x")]);
        let (token, source) = env.hf_token().unwrap();
        assert_eq!((token.reveal(), source), ("hf_secret", TokenSource::Variable));
        let shown = format!("{:?} {token:?} {:?}", env.network_variables(), env);
        assert!(!shown.contains("secret") && !shown.contains("pw"), "{shown}");
        assert!(shown.contains("http://***@proxy:8080/x"), "{shown}");
        assert_eq!(redact_urls("me:pw@proxy:1"), "***@proxy:1");
        assert_eq!(redact_urls("http://h/a@b"), "http://h/a@b");
    }
}
