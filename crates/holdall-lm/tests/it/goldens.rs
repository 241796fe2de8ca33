//! Ids against those of an independent implementation, named in the data files.

use holdall_lm::EncodeOptions;
use holdall_lm::tokenizer::GgufTokenizer;
use serde_json::Value;

use crate::support::{build, byte_level, of, sentencepiece};

fn goldens() -> Value {
    serde_json::from_str(include_str!("../data/small_goldens.json")).unwrap()
}

#[test]
fn each_pre_tokenizer_cuts_as_the_oracle() {
    let goldens = goldens();
    let strings: Vec<String> = of(&goldens["strings"]);
    let mut results = std::collections::HashSet::new();
    for (pre, rows) in goldens["byte_level"].as_object().unwrap() {
        let tokenizer = build(byte_level(pre));
        // A row is missing where the oracle's patterns are known to be approximations.
        let rows: Vec<Option<Vec<u32>>> = of(rows);
        assert_eq!(rows.len(), strings.len());
        let options = EncodeOptions { parse_special: true, add_special: false };
        for (text, expected) in strings.iter().zip(&rows) {
            if let Some(expected) = expected {
                assert_eq!(&tokenizer.encode(text, options).unwrap(), expected, "{pre}: {text:?}");
            }
        }
        results.insert(rows);
    }
    // `dbrx` and `llama-bpe` differ in what goes around the text only, at least on these strings.
    assert_eq!(results.len(), 9, "the strings do not tell the pre-tokenizers apart");
}

#[test]
fn sentencepiece_with_and_without_a_prefix_space() {
    let goldens = goldens();
    let strings: Vec<String> = of(&goldens["strings"]);
    for (name, add_space_prefix) in [("prefix", None), ("plain", Some(false))] {
        let tokenizer = build(GgufTokenizer { add_space_prefix, ..sentencepiece() });
        let rows: Vec<Vec<u32>> = of(&goldens["sentencepiece"][name]);
        for (text, expected) in strings.iter().zip(&rows) {
            let ids = tokenizer.encode(text, EncodeOptions::RAW).unwrap();
            assert_eq!(&ids, expected, "{name}: {text:?}");
            let special = text.contains("<|") || text.contains("<tool>");
            if !special {
                assert_eq!(&tokenizer.decode(&ids, true), text, "{name}");
            }
        }
    }
}

#[test]
fn special_tokens_in_the_text() {
    let tokenizer = build(byte_level("smollm"));
    let end = tokenizer.id("<|im_end|>").unwrap();
    let tool = tokenizer.id("<tool>").unwrap();
    let text = "the<|im_end|><tool>";

    let parsed = tokenizer.encode(text, EncodeOptions::RAW).unwrap();
    assert!(parsed.ends_with(&[end, tool]));
    assert_eq!(tokenizer.decode(&parsed, false), text);
    // A user-defined token is text that the user reads; a control token is not.
    assert_eq!(tokenizer.decode(&parsed, true), "the<tool>");

    let plain = tokenizer.encode(text, EncodeOptions::PLAIN).unwrap();
    assert!(!plain.contains(&end) && plain.ends_with(&[tool]));
    assert_eq!(tokenizer.decode(&plain, true), text);
}

#[test]
fn a_bos_only_where_the_settings_add_one() {
    let first = |file: GgufTokenizer, options| build(file).encode("the", options).unwrap()[0];
    let (bos, eos) = (1, 2);
    assert_ne!(first(byte_level("smollm"), EncodeOptions::RAW), bos);
    // The pre-tokenizer implies it; the file can say no.
    assert_eq!(first(byte_level("llama-bpe"), EncodeOptions::RAW), bos);
    assert_ne!(first(byte_level("llama-bpe"), EncodeOptions::TEMPLATED), bos);
    let silent = GgufTokenizer { add_bos: Some(false), ..byte_level("llama-bpe") };
    assert_ne!(first(silent, EncodeOptions::RAW), bos);
    let both = GgufTokenizer { add_bos: Some(true), add_eos: Some(true), ..byte_level("smollm") };
    let ids = build(both).encode("the", EncodeOptions::RAW).unwrap();
    assert_eq!((ids[0], ids[ids.len() - 1]), (bos, eos));
    assert_eq!(first(sentencepiece(), EncodeOptions::RAW), bos);
}

#[test]
fn end_tokens_are_those_named_and_those_known() {
    let tokenizer = build(byte_level("smollm"));
    assert_eq!(tokenizer.eos_ids(), [0, 2]);
    let mut tokenizer = build(GgufTokenizer { eot: Some(9), ..byte_level("smollm") });
    assert_eq!(tokenizer.eos_ids(), [0, 2, 9]);
    tokenizer.add_eos_ids(&[7, 2]);
    assert_eq!(tokenizer.eos_ids(), [0, 2, 7, 9]);
    // An ordinary token that merely reads like one does not end anything.
    let mut file = byte_level("smollm");
    file.token_types[0] = 1;
    assert_eq!(build(file).eos_ids(), [2]);
}

#[test]
fn a_file_without_pre_tokenizer_is_warned_about() {
    let unnamed = build(GgufTokenizer { pre: None, ..byte_level("") });
    assert_eq!(unnamed.warnings().len(), 1);
    let named = build(byte_level("default"));
    assert!(named.warnings().is_empty());
    let text = "Hello... 12345";
    let ids = |t: &holdall_lm::Tokenizer| t.encode(text, EncodeOptions::PLAIN).unwrap();
    assert_eq!(ids(&unnamed), ids(&named));
}
