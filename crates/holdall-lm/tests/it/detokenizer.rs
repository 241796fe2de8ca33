//! Streaming and one-shot decoding agree, and decoding undoes encoding.

use holdall_lm::{Detokenizer, EncodeOptions, Tokenizer};
use proptest::prelude::*;

use crate::support::{build, byte_level, sentencepiece};

fn streamed(mut detokenizer: Detokenizer, ids: &[u32]) -> String {
    let mut text = String::new();
    for &id in ids {
        text.push_str(detokenizer.push(id));
    }
    text.push_str(detokenizer.finish());
    text
}

/// All bytes of the tokens at once, without any state.
fn joined(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids.iter().filter_map(|&id| tokenizer.token_bytes(id)).flatten().copied().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_character_of_four_tokens_comes_whole() {
    let tokenizer = build(byte_level("gpt-2"));
    let ids = tokenizer.encode("a😀", EncodeOptions::PLAIN).unwrap();
    assert_eq!(ids.len(), 5);
    let mut detokenizer = tokenizer.detokenizer(true);
    let texts: Vec<String> = ids.iter().map(|&id| detokenizer.push(id).to_owned()).collect();
    assert_eq!(texts, ["a", "", "", "", "😀"]);
    assert_eq!(detokenizer.finish(), "");
}

#[test]
fn what_is_unfinished_or_wrong_turns_into_replacement_characters() {
    let tokenizer = build(byte_level("gpt-2"));
    let smile = tokenizer.encode("😀", EncodeOptions::PLAIN).unwrap();
    let a = tokenizer.encode("a", EncodeOptions::PLAIN).unwrap()[0];
    let mut detokenizer = tokenizer.detokenizer(true);
    assert_eq!(detokenizer.push(smile[0]), "");
    assert_eq!(detokenizer.push(smile[1]), "");
    assert_eq!(detokenizer.push(a), "\u{fffd}a");
    assert_eq!(detokenizer.push(smile[3]), "\u{fffd}");
    assert_eq!(detokenizer.push(smile[0]), "");
    assert_eq!(detokenizer.finish(), "\u{fffd}");
    assert_eq!(detokenizer.finish(), "");
    assert_eq!(detokenizer.push(u32::MAX), "");
}

#[test]
fn the_prefix_space_goes_once_and_not_in_continued_text() {
    let tokenizer = build(sentencepiece());
    let ids = tokenizer.encode("the the", EncodeOptions::PLAIN).unwrap();
    assert_eq!(tokenizer.decode(&ids, true), "the the");
    assert_eq!(streamed(tokenizer.detokenizer(true).continuing(), &ids), " the the");
    // A BOS in front is skipped and does not use up the stripping.
    let ids = tokenizer.encode("the", EncodeOptions::RAW).unwrap();
    assert_eq!(tokenizer.decode(&ids, true), "the");
}

#[test]
fn a_long_text_streams_in_linear_time() {
    let tokenizer = build(byte_level("gpt-2"));
    let ids: Vec<u32> = (0..2_000_000).map(|i| 3 + i % 256).collect();
    let mut detokenizer = tokenizer.detokenizer(true);
    let start = std::time::Instant::now();
    let length: usize = ids.iter().map(|&id| detokenizer.push(id).len()).sum();
    assert!(length >= ids.len());
    // Decoding everything again for each id would take hours.
    assert!(start.elapsed().as_secs() < 20);
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(text in any::<String>(), pre in 0..10_usize) {
        let pre = ["gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", "qwen35", "gpt-4o", "tekken", "falcon", "default"][pre];
        let tokenizer = build(byte_level(pre));
        for options in [EncodeOptions::PLAIN, EncodeOptions::TEMPLATED] {
            prop_assert_eq!(&tokenizer.decode(&tokenizer.encode(&text, options).unwrap(), false), &text);
        }
    }

    #[test]
    fn decoding_undoes_encoding_of_spaces_and_breaks(text in "[ \\t\\r\\na1.'é日\u{301}]{0,60}") {
        let tokenizer = build(byte_level("llama-bpe"));
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text, EncodeOptions::PLAIN).unwrap(), true), text);
    }

    #[test]
    fn sentencepiece_decodes_what_it_encodes(text in "[ -~é日😀\\n]{0,60}") {
        let tokenizer = build(sentencepiece());
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text, EncodeOptions::PLAIN).unwrap(), true), text);
    }

    #[test]
    fn streaming_equals_decoding_at_once(ids in prop::collection::vec(0..420_u32, 0..60)) {
        let tokenizer = build(byte_level("gpt-2"));
        let expected = joined(&tokenizer, &ids);
        prop_assert_eq!(&tokenizer.decode(&ids, false), &expected);
        prop_assert_eq!(&streamed(tokenizer.detokenizer(false), &ids), &expected);
        // The state survives being cloned in the middle.
        let (first, second) = ids.split_at(ids.len() / 2);
        let mut detokenizer = tokenizer.detokenizer(false);
        let mut text: String = first.iter().map(|&id| detokenizer.push(id).to_owned()).collect();
        text.push_str(&streamed(detokenizer.clone(), second));
        prop_assert_eq!(&text, &expected);
    }
}
