//! Chat templates against Jinja2 as Hugging Face sets it up; the expected texts are in the data file.

use std::time::{Duration, UNIX_EPOCH};

use holdall_lm::chat_template::CHATML;
use holdall_lm::tokenizer::GgufTokenizer;
use holdall_lm::{ChatTemplate, ErrorKind, Message, RenderOptions};
use serde_json::{Value, json};

use crate::support::{build, byte_level, of, sentencepiece};

fn render(template: &str, messages: &[Message], options: &RenderOptions) -> holdall_lm::Result<String> {
    ChatTemplate::new(template, Some("<s>"), Some("</s>"))?.render(messages, options)
}

fn hi() -> [Message; 1] {
    [Message::user("hi")]
}

#[test]
fn renders_as_jinja2() {
    let goldens: Value = serde_json::from_str(include_str!("../data/chat_goldens.json")).unwrap();
    let rows = goldens["rows"].as_array().unwrap();
    assert!(rows.len() >= 32);
    for row in rows {
        let name = row["template"].as_str().unwrap();
        let template = goldens["templates"][name].as_str().unwrap();
        let messages: Vec<Message> = of(&row["messages"]);
        let options = RenderOptions {
            add_generation_prompt: of(&row["add_generation_prompt"]),
            tools: of(&row["tools"]),
            ..RenderOptions::default()
        };
        let text = render(template, &messages, &options).unwrap();
        assert_eq!(text, row["text"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn errors_name_the_line() {
    let error = |template: &str| render(template, &hi(), &RenderOptions::default()).unwrap_err();
    let refusal = error("\n{% if true %}\n{{ raise_exception('roles must alternate') }}{% endif %}");
    assert_eq!(refusal.kind(), ErrorKind::ChatTemplate);
    assert_eq!(
        refusal.to_string(),
        "chat template, line 3: the template refuses this conversation: roles must alternate"
    );
    assert!(error("a\n\n{% if %}").to_string().starts_with("chat template, line 3: syntax error"));
    assert!(error("a\n{{ messages.nothing.more }}").to_string().starts_with("chat template, line 2: "));
    assert!(error("{{ messages | nofilter }}").to_string().contains("nofilter"));
}

#[test]
fn generation_blocks_are_transparent() {
    let template =
        "{% for m in messages %}\n{%- generation -%} {{ m.content }} {%- endgeneration %}!{% endfor %}\n";
    assert_eq!(render(template, &hi(), &RenderOptions::default()).unwrap(), "hi!");
    assert_eq!(
        render("generation {{ 'generation' }}", &hi(), &RenderOptions::default()).unwrap(),
        "generation generation"
    );
}

#[test]
fn extra_variables_and_fields() {
    let mut message = Message::user("hi");
    message.extra.insert("name".into(), json!("Ann"));
    let mut options = RenderOptions::default();
    options.extra.insert("enable_thinking".into(), json!(false));
    options.extra.insert("bos_token".into(), json!("<B>"));
    let template = "{{ bos_token }}{{ messages[0].name }} {{ enable_thinking }} {{ missing is defined }}";
    assert_eq!(render(template, &[message], &options).unwrap(), "<B>Ann False False");
}

#[test]
fn the_date() {
    // The middle of 2024-07-01, so that no time zone changes month or year.
    let now = Some(UNIX_EPOCH + Duration::from_secs(1_719_835_200));
    let options = RenderOptions { now, ..RenderOptions::default() };
    assert_eq!(render("{{ strftime_now('%b %Y') }}", &hi(), &options).unwrap(), "Jul 2024");
    assert!(render("{{ strftime_now('%!') }}", &hi(), &options).is_err());
    assert_eq!(render("{{ strftime_now('%Y') | length }}", &hi(), &RenderOptions::default()).unwrap(), "4");
}

#[test]
fn a_long_conversation_has_fuel() {
    let messages: Vec<Message> = (0..2000).map(|i| Message::user(format!("{i} ").repeat(500))).collect();
    let text = render(CHATML, &messages, &RenderOptions::default()).unwrap();
    assert!(text.len() > 2000 * 500 * 4);
}

#[test]
fn models_without_a_template() {
    let with_tokens = ChatTemplate::for_tokenizer(&build(byte_level("smollm"))).unwrap();
    assert_eq!(
        with_tokens.render(&hi(), &RenderOptions::default()).unwrap(),
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    );
    let error = ChatTemplate::for_tokenizer(&build(sentencepiece())).unwrap_err();
    assert!(error.to_string().contains("no chat template"));
    let own = GgufTokenizer {
        chat_template: Some("{{ bos_token }}{{ eos_token }}".into()),
        ..byte_level("smollm")
    };
    let own = ChatTemplate::for_tokenizer(&build(own)).unwrap();
    assert_eq!(own.render(&hi(), &RenderOptions::default()).unwrap(), "<|im_start|><|im_end|>");
}
