//! Folders in Hugging Face's layout.

use std::fs;
use std::path::Path;

use holdall_lm::{EncodeOptions, ErrorKind, ModelFolder, Tokenizer};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::{build, byte_level, sentencepiece};

const TEXTS: [&str; 6] =
    ["Hello, world!", " the lazy  dog ", "it's 12345\r\n", "日本語 é 👍🏽", "the<|im_end|> the", "<tool>the"];

/// A folder whose tokenizer is the small byte-level one, as `tokenizer.json` describes it.
fn folder(tokenizer_config: &Value, generation_config: &Value, post_processor: &Value) -> TempDir {
    let file = byte_level("smollm");
    let (mut vocab, mut added) = (Map::new(), Vec::new());
    for (id, token) in file.tokens.iter().enumerate() {
        if file.token_types[id] == 1 {
            vocab.insert(token.clone(), json!(id));
        } else {
            let special = file.token_types[id] == 3;
            vocab.insert(token.clone(), json!(id));
            added.push(
                json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": special}),
            );
        }
    }
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": {"direction": "Right", "max_length": 0, "strategy": "LongestFirst", "stride": 9},
        "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, byte_level]},
        "post_processor": post_processor, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": file.merges},
    });
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "tokenizer.json", &tokenizer);
    write(dir.path(), "config.json", &json!({"model_type": "llama", "eos_token_id": 2}));
    write(dir.path(), "tokenizer_config.json", tokenizer_config);
    write(dir.path(), "generation_config.json", generation_config);
    dir
}

fn write(dir: &Path, name: &str, json: &Value) {
    fs::write(dir.join(name), json.to_string()).unwrap();
}

fn open(dir: &TempDir) -> Tokenizer {
    Tokenizer::from_folder(&ModelFolder::open(dir.path()).unwrap()).unwrap()
}

#[test]
fn a_folder_and_a_gguf_file_agree() {
    let config = json!({"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>", "lstrip": false},
        "chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]});
    let ours = open(&folder(&config, &json!({"eos_token_id": [2, 9]}), &Value::Null));
    let gguf = build(byte_level("smollm"));
    for text in TEXTS {
        for options in [EncodeOptions::RAW, EncodeOptions::PLAIN] {
            let ids = gguf.encode(text, options).unwrap();
            assert_eq!(ours.encode(text, options).unwrap(), ids, "{text:?} {options:?}");
            assert_eq!(ours.decode(&ids, true), gguf.decode(&ids, true));
            assert_eq!(ours.decode(&ids, false), text);
        }
    }
    assert_eq!((ours.bos(), ours.eos(), ours.vocab_size()), (gguf.bos(), gguf.eos(), gguf.vocab_size()));
    assert_eq!(ours.eos_ids(), [0, 2, 9]);
    assert_eq!(ours.chat_template(), Some("D"));
    assert!(ours.warnings().is_empty());
}

#[test]
fn what_goes_around_a_text() {
    let template = json!({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}}});
    let encode = |config: Value, post: &Value| {
        open(&folder(&config, &json!({}), post)).encode("the", EncodeOptions::RAW).unwrap()
    };
    let names = |more: Value| {
        let mut config = json!({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    let the = encode(names(json!({})), &Value::Null);
    let with = |before: &[u32], after: &[u32]| [before, &the, after].concat();
    assert_eq!(encode(names(json!({})), &template), with(&[1], &[]));
    assert_eq!(encode(names(json!({"add_bos_token": false})), &template), the);
    assert_eq!(encode(names(json!({"add_bos_token": true})), &template), with(&[1], &[]));
    assert_eq!(
        encode(names(json!({"add_bos_token": true, "add_eos_token": true})), &Value::Null),
        with(&[1], &[2])
    );
}

#[test]
fn settings_files() {
    let generation = json!({"eos_token_id": 7, "temperature": 0.5, "do_sample": true, "unknown": {}});
    let dir = folder(&json!({"bos_token": null, "chat_template": "C"}), &generation, &Value::Null);
    let model = ModelFolder::open(dir.path()).unwrap();
    assert_eq!(model.eos_ids().unwrap(), [7]);
    assert_eq!(model.generation_config().temperature, Some(0.5));
    assert_eq!(model.config()["model_type"], "llama");
    assert_eq!(model.chat_template(), Some("C"));
    fs::write(dir.path().join("chat_template.jinja"), "J").unwrap();
    assert_eq!(ModelFolder::open(dir.path()).unwrap().chat_template(), Some("J"));
    fs::remove_file(dir.path().join("generation_config.json")).unwrap();
    assert_eq!(ModelFolder::open(dir.path()).unwrap().eos_ids().unwrap(), [2]);

    fs::write(dir.path().join("generation_config.json"), "{").unwrap();
    let error = ModelFolder::open(dir.path()).unwrap_err();
    assert!(
        error.kind() == ErrorKind::ModelFiles && error.to_string().contains("generation_config.json"),
        "{error}"
    );
    let empty = tempfile::tempdir().unwrap();
    let error = ModelFolder::open(empty.path()).unwrap_err();
    assert!(error.to_string().ends_with("config.json: there is no such file"), "{error}");
}

#[test]
fn weight_files_stay_in_the_folder() {
    let dir = folder(&json!({}), &json!({}), &Value::Null);
    let model = ModelFolder::open(dir.path()).unwrap();
    assert!(model.weight_files().unwrap_err().to_string().contains("model.safetensors"));
    fs::write(dir.path().join("model.safetensors"), "").unwrap();
    assert_eq!(model.weight_files().unwrap(), [dir.path().join("model.safetensors")]);

    let index = |map: Value| write(dir.path(), "model.safetensors.index.json", &json!({"weight_map": map}));
    fs::write(dir.path().join("b.safetensors"), "").unwrap();
    index(json!({"x": "model.safetensors", "y": "b.safetensors", "z": "model.safetensors"}));
    let names = ["b.safetensors", "model.safetensors"].map(|name| dir.path().join(name));
    assert_eq!(model.weight_files().unwrap(), names);
    for outside in ["../x.safetensors", "/etc/passwd", "a/b", "", ".."] {
        index(json!({"x": outside}));
        let error = model.weight_files().unwrap_err();
        assert!(error.to_string().contains("is not the name of a file"), "{outside}: {error}");
    }
}

#[test]
fn sentencepiece_from_tokenizer_json() {
    // The same vocabulary with its merges spelled out, as conversions of such models have it.
    let file = sentencepiece();
    let vocab: Map<String, Value> =
        file.tokens.iter().enumerate().map(|(id, t)| (t.clone(), json!(id))).collect();
    let mut scored: Vec<(f32, usize, usize, String, String)> = Vec::new();
    let id = |token: &str| file.tokens.iter().position(|t| t == token);
    for (token, &score) in
        file.tokens.iter().zip(&file.scores).filter(|(t, _)| id(t).is_some_and(|i| file.token_types[i] == 1))
    {
        for (cut, _) in token.char_indices().skip(1) {
            if let (Some(l), Some(r)) = (id(&token[..cut]), id(&token[cut..])) {
                scored.push((-score, l, r, token[..cut].into(), token[cut..].into()));
            }
        }
    }
    scored.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let merges: Vec<Value> = scored.into_iter().map(|(_, _, _, l, r)| json!([l, r])).collect();
    let special = |(id, token): (usize, &str)| {
        json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    let added: Vec<Value> = ["<unk>", "<s>", "</s>"].into_iter().enumerate().map(special).collect();
    let json = json!({"version": "1.0", "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": vocab, "merges": merges}});
    let ours = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
    let gguf = build(file);
    for text in TEXTS {
        let ids = gguf.encode(text, EncodeOptions::PLAIN).unwrap();
        assert_eq!(ours.encode(text, EncodeOptions::PLAIN).unwrap(), ids, "{text:?}");
        assert_eq!(ours.decode(&ids, true), text);
    }
}
