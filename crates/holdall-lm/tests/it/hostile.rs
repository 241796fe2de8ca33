//! Broken and malicious vocabularies and templates give errors: no panic, no hang, no huge allocation.

use holdall_lm::tokenizer::GgufTokenizer;
use holdall_lm::{ChatTemplate, ErrorKind, Message, RenderOptions, Tokenizer};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{byte_level, sentencepiece};

fn refused(change: impl FnOnce(&mut GgufTokenizer)) -> String {
    let mut file = byte_level("gpt-2");
    change(&mut file);
    Tokenizer::from_gguf(file).unwrap_err().to_string()
}

#[test]
fn broken_vocabularies_are_named() {
    let cases = [
        (refused(|f| f.tokens.clear()), "tokenizer.ggml.tokens: the vocabulary is empty"),
        (refused(|f| f.tokens[9] = f.tokens[8].clone()), "has two ids, 8 and 9"),
        (
            refused(|f| f.token_types.truncate(408)),
            "tokenizer.ggml.token_type: 408 entries for a vocabulary of 409",
        ),
        (refused(|f| f.scores = vec![1.0]), "tokenizer.ggml.scores: 1 entries"),
        (refused(|f| f.bos = Some(409)), "tokenizer.ggml.bos_token_id: 409 is outside"),
        (refused(|f| f.eot = Some(u32::MAX)), "tokenizer.ggml.eot_token_id: 4294967295 is outside"),
        (refused(|f| f.merges[3] = "nothing".into()), "tokenizer.ggml.merges[3]: \"nothing\" is not a pair"),
        (refused(|f| f.merges[3] = "a b c".into()), "is not a pair"),
        (refused(|f| f.merges[3] = " a".into()), "is not a pair"),
        (refused(|f| f.merges[3] = "語 a".into()), "out of vocabulary"),
        (refused(|f| f.merges[3] = "q z".into()), "out of vocabulary"),
        (
            refused(|f| f.merges[3] = "<|endoftext|> <|im_start|>".into()),
            "does not merge into a token of the vocabulary",
        ),
        (refused(|f| f.pre = Some("new".into())), "the pre-tokenizer \"new\" is not known (known: gpt-2,"),
        (refused(|f| f.model = "rwkv".into()), "\"rwkv\" is not supported (supported: gpt2, llama)"),
        (refused(|f| (f.bos, f.add_bos) = (None, Some(true))), "there is no tokenizer.ggml.bos_token_id"),
    ];
    for (message, part) in cases {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
    let mut file = sentencepiece();
    file.scores.clear();
    assert!(Tokenizer::from_gguf(file).unwrap_err().to_string().contains("needs scores"));
}

#[test]
fn odd_vocabularies_that_are_still_fine() {
    let mut file = byte_level("gpt-2");
    file.merges.push(file.merges[0].clone());
    file.token_types[5] = 77;
    Tokenizer::from_gguf(file).unwrap();
    let mut file = sentencepiece();
    file.scores[300] = f32::NAN;
    Tokenizer::from_gguf(file).unwrap();
    // One enormous token: no quadratic work.
    let mut file = sentencepiece();
    file.tokens[300] = "a".repeat(4 << 20);
    Tokenizer::from_gguf(file).unwrap();
    let alone =
        GgufTokenizer { model: "gpt2".into(), tokens: vec![String::new()], ..GgufTokenizer::default() };
    Tokenizer::from_gguf(alone).unwrap();
}

#[test]
fn broken_tokenizer_json_is_refused() {
    let model = |vocab: serde_json::Value, merges: serde_json::Value| json!({"type": "BPE", "vocab": vocab, "merges": merges});
    let decoder =
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    let whole = |model| json!({"version": "1.0", "added_tokens": [], "model": model, "decoder": decoder});
    let cases = [
        ("{", "EOF"),
        ("[1]", "wanted a JSON object"),
        ("{}", "there is no decoder"),
        (r#"{"decoder": {"type": "CTC"}}"#, "\"CTC\" with these settings is not supported"),
        (&whole(model(json!({}), json!([]))).to_string(), "the vocabulary is empty"),
        (&whole(model(json!({"a": 0, "b": 1}), json!(["a b"]))).to_string(), "merges[0]"),
        (&whole(model(json!({"a": 0, "b": 1}), json!([["a", "語"]]))).to_string(), "merges[0]"),
        (
            &whole(model(json!({"a": 0, "b": 4_000_000_000_u32}), json!([]))).to_string(),
            "the largest id is 4000000000",
        ),
        (&whole(model(json!({"a": -1}), json!([]))).to_string(), "tokenizer.json: "),
    ];
    for (json, part) in cases {
        let error = Tokenizer::from_json(json.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(part), "{error} does not say {part:?}");
    }
}

fn render(template: &str) -> holdall_lm::Result<String> {
    ChatTemplate::new(template, None, None)?.render(&[Message::user("hi")], &RenderOptions::default())
}

#[test]
fn templates_that_ask_for_too_much_are_stopped() {
    let greedy = [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
        "{{ 'x' * 100000000000 }}",
        "{% for i in range(99999) %}{{ 'x' * 99999 }}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ [1] | tojson(indent=1000000) }}",
    ];
    for template in greedy {
        let start = std::time::Instant::now();
        let error = render(template).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChatTemplate, "{template}");
        assert!(start.elapsed().as_secs() < 20, "{template}");
    }
}

#[test]
fn templates_reach_nothing_outside() {
    for template in
        ["{% include '/etc/passwd' %}", "{% import 'x' as x %}", "{% extends 'y' %}", "{{ open('x') }}"]
    {
        assert_eq!(render(template).unwrap_err().kind(), ErrorKind::ChatTemplate, "{template}");
    }
    assert!(render(&"x".repeat(2 << 20)).unwrap_err().to_string().contains("bytes are more than"));
    assert!(ChatTemplate::new(&"{{ (".repeat(100_000), None, None).is_err());
}

proptest! {
    #[test]
    fn no_template_panics(template in "(\\{%|%\\}|\\{\\{|\\}\\}|-|generation|endgeneration| |if|endif|for|in|messages|[a-z'\"|.(\\[é]){0,40}") {
        let _ = render(&template);
    }

    #[test]
    fn no_small_vocabulary_panics(
        tokens in prop::collection::vec("[ab▁<>0x]{0,4}", 0..8),
        types in prop::collection::vec(-1..8_i32, 0..8),
        scores in prop::collection::vec(any::<f32>(), 0..8),
        merges in prop::collection::vec("[ab ]{0,4}", 0..4),
        ids in prop::collection::vec(prop::option::of(0..9_u32), 6),
        spm in any::<bool>(),
        text in "[ab▁ <>0x]{0,20}",
    ) {
        let file = GgufTokenizer {
            model: if spm { "llama" } else { "gpt2" }.into(),
            tokens, token_types: types, scores, merges,
            bos: ids[0], eos: ids[1], unk: ids[2], pad: ids[3], eot: ids[4], eom: ids[5],
            ..GgufTokenizer::default()
        };
        if let Ok(tokenizer) = Tokenizer::from_gguf(file) {
            for options in [holdall_lm::EncodeOptions::RAW, holdall_lm::EncodeOptions::PLAIN] {
                if let Ok(ids) = tokenizer.encode(&text, options) {
                    tokenizer.decode(&ids, true);
                }
            }
        }
    }
}
