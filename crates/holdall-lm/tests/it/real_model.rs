//! The default model's own file, where `HOLDALL_TEST_MODEL` says where it is. Its vocabulary is too large to be here;
//! without the variable only the form of the golden file is checked.

use holdall_formats::gguf::Gguf;
use holdall_lm::tokenizer::GgufTokenizer;
use holdall_lm::{ChatTemplate, EncodeOptions, Message, RenderOptions, Tokenizer};
use serde_json::Value;

use crate::support::of;

#[test]
fn the_default_model_tokenizes_as_the_oracle() {
    let goldens: Value = serde_json::from_str(include_str!("../data/smollm2_goldens.json")).unwrap();
    let rows: Vec<(String, Vec<u32>)> = of(&goldens["rows"]);
    assert!(rows.len() >= 50);
    let Some(path) = std::env::var_os("HOLDALL_TEST_MODEL") else { return };
    let file = Gguf::open(&path).unwrap();
    let tokenizer = Tokenizer::from_gguf(GgufTokenizer::from_metadata(file.metadata()).unwrap()).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.bos(), tokenizer.eos()), (49152, Some(1), Some(2)));
    assert_eq!(tokenizer.eos_ids(), [0, 2]);
    for (text, expected) in rows {
        let ids = tokenizer.encode(&text, EncodeOptions::RAW).unwrap();
        assert_eq!(ids, expected, "{text:?}");
        // This vocabulary has no tokens for some control bytes, which get lost.
        let readable: String =
            text.chars().filter(|c| !"\u{4}\u{6}\u{13}\u{14}\u{16}\u{1d}".contains(*c)).collect();
        if !text.contains("𓀀") {
            assert_eq!(tokenizer.decode(&ids, false), readable);
        }
    }
    let template = ChatTemplate::for_tokenizer(&tokenizer).unwrap();
    let text = template.render(&[Message::user("Hi")], &RenderOptions::default()).unwrap();
    assert_eq!(
        text,
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
         <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    );
    let ids = tokenizer.encode(&text, EncodeOptions::TEMPLATED).unwrap();
    assert_eq!((ids[0], ids.iter().filter(|&&id| id == 2).count()), (1, 2));
}
