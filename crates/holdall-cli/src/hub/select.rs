//! Which files of a repository make a model.

use super::reference::has_gguf_extension;
use crate::error::{Error, Kind, Result};

/// The index of weights that are spread over several files.
pub const INDEX: &str = "model.safetensors.index.json";
/// The weights when they are in one file.
pub const SINGLE: &str = "model.safetensors";

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// One GGUF file.
    Gguf(String),
    /// A Hugging Face folder: these files, and those that the index names if it is one of them.
    Folder(Vec<String>),
}

/// Files that go with the weights, where a repository has them.
const COMPANIONS: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
];

/// Chooses among the files of a repository. `wanted` is the GGUF file that the user named.
///
/// # Errors
/// When the wanted file is not there, several GGUF files are and none is named, or no weights are there that can be read.
pub fn plan(repo: &str, files: &[String], wanted: Option<&str>) -> Result<Plan> {
    let ggufs: Vec<&str> = files.iter().map(String::as_str).filter(|file| has_gguf_extension(file)).collect();
    if let Some(wanted) = wanted {
        if ggufs.contains(&wanted) {
            return Ok(Plan::Gguf(wanted.to_owned()));
        }
        let error = Error::new(Kind::NotFound, format!("{repo} has no file {wanted}"));
        return Err(if ggufs.is_empty() {
            error.hint("it has no GGUF file at all")
        } else {
            error.hint(choices(repo, &ggufs))
        });
    }
    let has = |name: &str| files.iter().any(|file| file == name);
    let mut weights: Vec<String> = files.iter().filter(|file| is_weights(file)).cloned().collect();
    if has(INDEX) && !has(SINGLE) {
        weights = vec![INDEX.to_owned()];
    } else if has(SINGLE) {
        weights = vec![SINGLE.to_owned()];
    }
    if !weights.is_empty() && has("config.json") {
        let companions = COMPANIONS.iter().filter(|name| has(name)).map(|name| (*name).to_owned());
        return Ok(Plan::Folder(companions.chain(weights).collect()));
    }
    match ggufs[..] {
        [only] => Ok(Plan::Gguf(only.to_owned())),
        [] => {
            let error = Error::new(
                Kind::Model,
                format!("{repo} has neither safetensors with a config.json nor GGUF files"),
            );
            Err(if files.iter().any(|file| file.ends_with(".bin") || file.ends_with(".pth")) {
                error.hint("its weights are in PyTorch's format, which can run code; look for a safetensors or GGUF version")
            } else {
                error.hint("look for a safetensors or GGUF version of the model")
            })
        }
        _ => Err(Error::new(Kind::Usage, format!("{repo} has {} GGUF files: name one", ggufs.len()))
            .hint(choices(repo, &ggufs))),
    }
}

/// safetensors at the top, other than copies in another layout.
fn is_weights(file: &str) -> bool {
    file.ends_with(".safetensors") && !file.contains('/') && !file.starts_with("consolidated")
}

fn choices(repo: &str, ggufs: &[&str]) -> String {
    const SHOWN: usize = 40;
    let mut text = String::from("choose one of");
    for file in ggufs.iter().take(SHOWN) {
        text.push_str(&format!("\n  {repo}/{file}"));
    }
    if ggufs.len() > SHOWN {
        text.push_str(&format!("\n  … and {} more", ggufs.len() - SHOWN));
    }
    text
}

/// The files that an index of weights names, sorted and each once.
///
/// # Errors
/// When it is not such an index, or names a file outside its folder.
pub fn shards(index: &[u8]) -> Result<Vec<String>> {
    let bad = |what: &str| Error::new(Kind::Model, format!("{INDEX}: {what}"));
    let value: serde_json::Value =
        serde_json::from_slice(index).map_err(|error| bad("not JSON").caused_by(error))?;
    let map = value
        .get("weight_map")
        .and_then(serde_json::Value::as_object)
        .ok_or_else(|| bad("weight_map is missing or no object"))?;
    let mut names = Vec::new();
    for (tensor, file) in map {
        let file = file.as_str().ok_or_else(|| bad(&format!("weight_map: {tensor} names no file")))?;
        if !super::reference::is_safe_path(file) || !file.ends_with(".safetensors") {
            return Err(bad(&format!(
                "weight_map: {tensor} is in {file:?}, which is no safetensors file of the folder"
            )));
        }
        names.push(file.to_owned());
    }
    names.sort();
    names.dedup();
    if names.is_empty() { Err(bad("weight_map names no file")) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(files: &[&str], wanted: Option<&str>) -> Result<Plan> {
        let files: Vec<String> = files.iter().map(|&file| file.to_owned()).collect();
        plan("o/r", &files, wanted)
    }

    #[test]
    fn a_folder_takes_its_companions_and_one_form_of_the_weights() {
        let files = [
            "README.md",
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
        ];
        let want = ["config.json", "tokenizer.json", "model.safetensors"].map(str::to_owned).to_vec();
        assert_eq!(plan_of(&files, None).unwrap(), Plan::Folder(want));
        let files = ["config.json", INDEX, "model-00001-of-00002.safetensors", "consolidated.safetensors"];
        let want = ["config.json", INDEX].map(str::to_owned).to_vec();
        assert_eq!(plan_of(&files, None).unwrap(), Plan::Folder(want));
    }

    #[test]
    fn one_gguf_is_taken_and_several_are_listed() {
        assert_eq!(plan_of(&["a.gguf", "README.md"], None).unwrap(), Plan::Gguf("a.gguf".into()));
        assert_eq!(plan_of(&["a.gguf", "b.gguf"], Some("b.gguf")).unwrap(), Plan::Gguf("b.gguf".into()));
        let error = plan_of(&["a.gguf", "b.gguf"], None).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.hints()[0].contains("o/r/a.gguf\n") && error.hints()[0].contains("o/r/b.gguf"));
        assert_eq!(plan_of(&["a.gguf"], Some("c.gguf")).unwrap_err().kind(), Kind::NotFound);
        assert!(
            plan_of(&["pytorch_model.bin", "config.json"], None).unwrap_err().hints()[0].contains("PyTorch")
        );
        assert_eq!(plan_of(&["config.json"], None).unwrap_err().kind(), Kind::Model);
    }

    #[test]
    fn an_index_names_its_shards() {
        let index = br#"{"weight_map": {"b": "2.safetensors", "a": "1.safetensors", "c": "1.safetensors"}}"#;
        assert_eq!(shards(index).unwrap(), ["1.safetensors", "2.safetensors"]);
        for bad in [
            &b"{"[..],
            b"{}",
            br#"{"weight_map": {}}"#,
            br#"{"weight_map": {"a": 1}}"#,
            br#"{"weight_map": {"a": "../x.safetensors"}}"#,
            br#"{"weight_map": {"a": "/x.safetensors"}}"#,
        ] {
            assert!(shards(bad).is_err());
        }
    }
}
