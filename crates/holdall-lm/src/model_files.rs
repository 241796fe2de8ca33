//! The files of a model in Hugging Face's layout: finding them, and reading the small ones.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::{Error, ErrorKind, Result};

/// Largest file of settings that is read, in bytes.
const MAX_SETTINGS_BYTES: u64 = 16 << 20;

/// Largest `tokenizer.json` or index of weights that is read, in bytes.
const MAX_LARGE_JSON_BYTES: u64 = 512 << 20;

/// A folder with `config.json`, `tokenizer.json`, safetensors files and the settings around them.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    path: PathBuf,
    config: Value,
    generation_config: GenerationConfig,
    tokenizer_config: TokenizerConfig,
    chat_template: Option<String>,
}

/// The settings of `generation_config.json` that Holdall follows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct GenerationConfig {
    /// Tokens that end a generation.
    #[serde(default)]
    pub eos_token_id: Ids,
    /// Whether the model's authors sample (rather than take the likeliest token).
    pub do_sample: Option<bool>,
    /// Divides the logits before sampling.
    pub temperature: Option<f32>,
    /// Samples among the likeliest tokens that hold this much probability together.
    pub top_p: Option<f32>,
    /// Samples among this many of the likeliest tokens.
    pub top_k: Option<u32>,
    /// Samples among tokens that have at least this share of the likeliest token's probability.
    pub min_p: Option<f32>,
    /// Divides (or multiplies, below zero) the logits of tokens that already occurred.
    pub repetition_penalty: Option<f32>,
}

/// One id or a list of ids, as configurations write them; none when null or absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<OneOrMore>")]
pub struct Ids(pub Vec<u32>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

impl From<Option<OneOrMore>> for Ids {
    fn from(ids: Option<OneOrMore>) -> Self {
        Self(match ids {
            None => Vec::new(),
            Some(OneOrMore::One(id)) => vec![id],
            Some(OneOrMore::More(ids)) => ids,
        })
    }
}

/// The settings of `tokenizer_config.json` that Holdall follows.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct TokenizerConfig {
    #[serde(default)]
    pub(crate) bos_token: Option<TokenName>,
    #[serde(default)]
    pub(crate) eos_token: Option<TokenName>,
    pub(crate) add_bos_token: Option<bool>,
    pub(crate) add_eos_token: Option<bool>,
    #[serde(default)]
    chat_template: Option<Templates>,
}

/// A token's text, plain or within an object.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum TokenName {
    Plain(String),
    Object { content: String },
}

impl TokenName {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Object { content: text } => text,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<NamedTemplate>),
}

#[derive(Clone, Debug, Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

impl ModelFolder {
    /// Opens a folder and reads its settings; `config.json` must be there, the others may be absent.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFiles`] names the file that is missing, unreadable, too large or not what it should be.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let config: Value = read_json(&path.join("config.json"), MAX_SETTINGS_BYTES)?
            .ok_or_else(|| missing(&path.join("config.json")))?;
        if !config.is_object() {
            return Err(file_error(format!("{}: wanted a JSON object", path.join("config.json").display())));
        }
        let generation_config =
            read_json(&path.join("generation_config.json"), MAX_SETTINGS_BYTES)?.unwrap_or_default();
        let tokenizer_config: TokenizerConfig =
            read_json(&path.join("tokenizer_config.json"), MAX_SETTINGS_BYTES)?.unwrap_or_default();
        let chat_template = match read_limited(&path.join("chat_template.jinja"), MAX_SETTINGS_BYTES)? {
            Some(bytes) => Some(String::from_utf8(bytes).map_err(|_| {
                file_error(format!("{}: not UTF-8", path.join("chat_template.jinja").display()))
            })?),
            None => match tokenizer_config.chat_template.clone() {
                None => None,
                Some(Templates::One(template)) => Some(template),
                Some(Templates::Named(templates)) => {
                    templates.into_iter().find(|t| t.name == "default").map(|t| t.template)
                }
            },
        };
        Ok(Self { path, config, generation_config, tokenizer_config, chat_template })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole `config.json`, an object.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// `generation_config.json`; nothing set if there is none.
    pub fn generation_config(&self) -> &GenerationConfig {
        &self.generation_config
    }

    /// The chat template: `chat_template.jinja`, else the one in `tokenizer_config.json` (of several the one named
    /// `default`).
    pub fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    pub(crate) fn tokenizer_config(&self) -> &TokenizerConfig {
        &self.tokenizer_config
    }

    /// The end tokens that `generation_config.json` names, else those of `config.json`.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFiles`] if `config.json` has something else than ids there.
    pub fn eos_ids(&self) -> Result<Vec<u32>> {
        let Ids(ids) = &self.generation_config.eos_token_id;
        if !ids.is_empty() {
            return Ok(ids.clone());
        }
        let key = self.config.get("eos_token_id").cloned().unwrap_or(Value::Null);
        let Ids(ids) = serde_json::from_value(key).map_err(|e| {
            file_error(format!("{}: eos_token_id: wanted ids", self.path.join("config.json").display()))
                .with_source(e)
        })?;
        Ok(ids)
    }

    /// The text of `tokenizer.json`.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFiles`] if it is missing, unreadable or too large.
    pub fn tokenizer_json(&self) -> Result<Vec<u8>> {
        let path = self.path.join("tokenizer.json");
        read_limited(&path, MAX_LARGE_JSON_BYTES)?.ok_or_else(|| missing(&path))
    }

    /// The safetensors files that hold the weights, in order of their names: those of
    /// `model.safetensors.index.json` if there is one, else `model.safetensors`.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFiles`] if a file is missing or the index names one outside the folder.
    pub fn weight_files(&self) -> Result<Vec<PathBuf>> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: std::collections::BTreeMap<String, String>,
        }
        let index_path = self.path.join("model.safetensors.index.json");
        let names: BTreeSet<String> = match read_json::<Index>(&index_path, MAX_LARGE_JSON_BYTES)? {
            Some(index) => index.weight_map.into_values().collect(),
            None => BTreeSet::from(["model.safetensors".to_owned()]),
        };
        if names.is_empty() {
            return Err(file_error(format!("{}: weight_map names no file", index_path.display())));
        }
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            if !is_plain_name(&name) {
                return Err(file_error(format!(
                    "{}: weight_map: {name:?} is not the name of a file in the folder",
                    index_path.display()
                )));
            }
            let file = self.path.join(name);
            if !file.is_file() {
                return Err(missing(&file));
            }
            files.push(file);
        }
        Ok(files)
    }
}

fn is_plain_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(part)), None) if part == name)
}

fn file_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ModelFiles, message)
}

fn missing(path: &Path) -> Error {
    file_error(format!("{}: there is no such file", path.display()))
}

/// Reads a file of at most `limit` bytes; `None` if it does not exist.
fn read_limited(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let failed =
        |e: std::io::Error| file_error(format!("{}: cannot be read: {e}", path.display())).with_source(e);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(file_error(format!("{}: more than {limit} bytes", path.display())));
    }
    Ok(Some(bytes))
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path, limit: u64) -> Result<Option<T>> {
    let Some(bytes) = read_limited(path, limit)? else { return Ok(None) };
    let value = serde_json::from_slice(&bytes)
        .map_err(|e| file_error(format!("{}: {e}", path.display())).with_source(e))?;
    Ok(Some(value))
}
