//! Small vocabularies: 256 bytes (or byte tokens), special tokens and some hundred merges each.

use holdall_lm::Tokenizer;
use holdall_lm::tokenizer::GgufTokenizer;
use serde_json::Value;

const BYTE_LEVEL: &str = include_str!("../data/byte_level_vocabulary.json");
const SENTENCEPIECE: &str = include_str!("../data/sentencepiece_vocabulary.json");

pub(crate) fn byte_level(pre: &str) -> GgufTokenizer {
    GgufTokenizer { pre: Some(pre.to_owned()), ..vocabulary(BYTE_LEVEL) }
}

pub(crate) fn sentencepiece() -> GgufTokenizer {
    vocabulary(SENTENCEPIECE)
}

pub(crate) fn build(file: GgufTokenizer) -> Tokenizer {
    Tokenizer::from_gguf(file).unwrap()
}

fn vocabulary(json: &str) -> GgufTokenizer {
    let json: Value = serde_json::from_str(json).unwrap();
    let key = |name: &str| json.get(format!("tokenizer.ggml.{name}"));
    let id = |name: &str| key(name).map(|id| id.as_u64().unwrap() as u32);
    GgufTokenizer {
        model: key("model").unwrap().as_str().unwrap().to_owned(),
        tokens: key("tokens").map(of).unwrap(),
        token_types: key("token_type").map(of).unwrap(),
        scores: key("scores").map(of).unwrap_or_default(),
        merges: key("merges").map(of).unwrap_or_default(),
        bos: id("bos_token_id"),
        eos: id("eos_token_id"),
        unk: id("unknown_token_id"),
        ..GgufTokenizer::default()
    }
}

/// Any JSON as a type.
pub(crate) fn of<T: serde::de::DeserializeOwned>(json: &Value) -> T {
    T::deserialize(json).unwrap()
}
