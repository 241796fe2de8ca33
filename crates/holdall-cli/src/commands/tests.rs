//! The commands that run a model, with an engine that makes its text up.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use clap::Parser;

use super::io::Io;
use crate::args::{Cli, Command};
use crate::context::Context;
use crate::engine::{BenchRun, Device, Engine, Generated, Prompt, Request, Session, Timing};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::hub::Model;
use crate::ui::Ui;

/// Notes what it is asked, and answers with the pieces it was given.
#[derive(Clone, Default)]
struct Fake {
    pieces: Vec<&'static str>,
    asked: Arc<Mutex<Vec<String>>>,
    fails: bool,
}

const TIMING: Timing = Timing { prefill_tokens: 4, prefill_s: 0.5, decode_tokens: 3, decode_s: 0.25 };

impl Fake {
    fn note(&self, text: String) {
        self.asked.lock().unwrap().push(text);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Engine for Fake {
    fn devices(&self) -> Result<Vec<Device>> {
        Err(Error::new(Kind::Internal, "no driver"))
    }

    fn load(&self, model: &Model, device: Option<&str>) -> Result<Box<dyn Session>> {
        assert!(model.path.is_file());
        match device {
            Some("nosuch") => Err(Error::new(Kind::Usage, "no device nosuch").hint("give cpu")),
            _ => Ok(Box::new(self.clone())),
        }
    }
}

impl Session for Fake {
    fn device(&self) -> String {
        "fake".to_owned()
    }

    fn vocab_size(&self) -> usize {
        100
    }

    fn encode(&self, prompt: &Prompt<'_>) -> Result<Vec<u32>> {
        let text = match prompt {
            Prompt::Raw(text) => format!("raw {text:?}"),
            Prompt::Chat(messages) => {
                let said = messages.iter().map(|m| format!("{}={:?}", m.role.name(), m.content));
                said.collect::<Vec<_>>().join(" ")
            }
        };
        self.note(text);
        Ok(vec![1, 2, 3, 4])
    }

    fn generate(
        &mut self,
        request: &Request<'_>,
        on_text: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Generated> {
        self.note(format!("{:?} {} {:?}", request.prompt, request.max_tokens, request.sampling));
        if self.fails {
            return Err(Error::new(Kind::Model, "the prompt is too long"));
        }
        self.pieces.iter().try_for_each(|piece| on_text(piece))?;
        let tokens = (10..).take(self.pieces.len()).collect();
        Ok(Generated { tokens, text: self.pieces.concat(), timing: TIMING })
    }

    fn bench(&mut self, run: &BenchRun<'_>) -> Result<Timing> {
        self.note(format!("bench {} {} {}", run.prompt.len(), run.gen_tokens, run.batch));
        // Each run is slower than the one before.
        let round = self.asked().len() as f64;
        Ok(Timing { prefill_tokens: 100, prefill_s: round, decode_tokens: 0, decode_s: 0.0 })
    }

    fn peak_memory_bytes(&self) -> u64 {
        7
    }
}

/// A reader that has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a command line with a model file that is there, and this on standard input (`None`: somebody types).
fn run_to(words: &[&str], input: Option<&str>, engine: &Fake, output: &mut dyn Write) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.gguf");
    std::fs::write(&file, "GGUF").unwrap();
    let model = file.to_str().unwrap();
    let env = Env::from_vars([], Some(folder.path().to_owned()));
    let cx = Context { ui: Ui::new(&env, false, true), env };
    let words = [&["holdall"], words, &["--model", model]].concat();
    let command = Cli::try_parse_from(words).unwrap().command;
    let mut bytes = input.unwrap_or_default().as_bytes();
    let io = &mut Io { input: &mut bytes, input_is_terminal: input.is_none(), output };
    match &command {
        Command::Generate(args) => super::generate::run(args, engine, &cx, io),
        Command::Chat(args) => super::chat::run(args, engine, &cx, io),
        Command::Bench(args) => super::bench::run(args, engine, &cx, io),
        _ => panic!("not a command that runs a model"),
    }
}

fn run(words: &[&str], input: Option<&str>, engine: &Fake) -> Result<String> {
    let mut output = Vec::new();
    run_to(words, input, engine, &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

fn fake(pieces: &[&'static str]) -> Fake {
    Fake { pieces: pieces.to_vec(), ..Fake::default() }
}

#[test]
fn generate_streams_and_ends_the_line() {
    let engine = fake(&["Blue", "", " light"]);
    let words = ["generate", "Why?", "--system", "Short.", "--seed", "5", "-n", "9", "--temperature", "0"];
    assert_eq!(run(&words, None, &engine).unwrap(), "Blue light\n");
    let asked = engine.asked();
    assert_eq!(asked[0], r#"system="Short." user="Why?""#);
    assert!(asked[1].starts_with("[1, 2, 3, 4] 9 ") && asked[1].contains("temperature: 0.0"), "{asked:?}");
    assert!(asked[1].contains("seed: 5"), "{asked:?}");
    assert_eq!(run(&["generate", "x"], None, &fake(&["a\n"])).unwrap(), "a\n");
}

#[test]
fn generate_prints_one_json_object() {
    let out = run(&["generate", "x", "--json"], None, &fake(&["a", "b"])).unwrap();
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let want = "model device prompt_tokens tokens text prefill_tps decode_tps load_s peak_memory_bytes";
    assert_eq!(keys.join(" "), want);
    assert_eq!((&value["text"], &value["device"]), (&"ab".into(), &"fake".into()));
    assert_eq!(value["prompt_tokens"], serde_json::json!([1, 2, 3, 4]));
    assert_eq!(value["tokens"], serde_json::json!([10, 11]));
    assert_eq!((value["prefill_tps"].as_f64(), value["decode_tps"].as_f64()), (Some(8.0), Some(12.0)));
    assert_eq!(value["peak_memory_bytes"], 7);
}

#[test]
fn generate_reads_standard_input() {
    for words in [&["generate", "-"][..], &["generate"]] {
        let engine = fake(&[]);
        run(words, Some("two\nlines\n"), &engine).unwrap();
        assert_eq!(engine.asked()[0], r#"user="two\nlines""#);
    }
    let engine = fake(&[]);
    run(&["generate", "-", "--raw"], Some("as it is\n"), &engine).unwrap();
    assert_eq!(engine.asked()[0], r#"raw "as it is\n""#);
    for (words, input) in
        [(&["generate"][..], None), (&["generate", "-"], Some(" \n")), (&["generate", ""], None)]
    {
        let error = run(words, input, &engine).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(!error.hints().is_empty());
    }
}

#[test]
fn a_closed_pipe_stops_generation() {
    for words in [&["generate", "x"][..], &["generate", "x", "--json"], &["bench"]] {
        let error = run_to(words, None, &fake(&["a", "b"]), &mut Closed).unwrap_err();
        assert_eq!(error.kind(), Kind::ClosedPipe);
    }
    let error = run_to(&["chat"], Some("hi\nthere\n"), &fake(&["a"]), &mut Closed).unwrap_err();
    assert_eq!(error.kind(), Kind::ClosedPipe);
}

#[test]
fn a_model_that_cannot_be_loaded_is_named() {
    let error = run(&["generate", "x", "--device", "nosuch"], None, &fake(&[])).unwrap_err();
    assert!(
        error.to_string().contains("cannot load the model") && error.hints() == ["give cpu"],
        "{error:?}"
    );
}

#[test]
fn chat_remembers_resets_and_leaves() {
    let engine = fake(&["Hello", "!"]);
    let input = "hi\nhow\\\nare you\n\n/system Rhyme.\nagain\n/reset\nnew\n/nosuch\n/quit\nnever\n";
    let out = run(&["chat", "--system", "Be kind."], Some(input), &engine).unwrap();
    assert_eq!(out, "Hello!\n".repeat(4));
    let encoded: Vec<_> = engine.asked().into_iter().step_by(2).collect();
    assert_eq!(
        encoded,
        [
            r#"system="Be kind." user="hi""#,
            r#"system="Be kind." user="hi" assistant="Hello!" user="how\nare you""#,
            r#"system="Rhyme." user="again""#,
            r#"system="Rhyme." user="new""#,
        ]
    );
}

#[test]
fn chat_from_a_pipe_fails_as_a_script_should() {
    let engine = Fake { fails: true, ..fake(&[]) };
    assert_eq!(run(&["chat"], Some("hi\n"), &engine).unwrap_err().kind(), Kind::Model);
    assert_eq!(run(&["chat"], Some(""), &engine).unwrap(), "");
}

#[test]
fn bench_prints_medians_and_spread() {
    let engine = fake(&[]);
    let words =
        ["bench", "--prompt-tokens", "8", "--gen-tokens", "2", "--batch", "3", "--repeat", "3", "--json"];
    let value: serde_json::Value = serde_json::from_str(&run(&words, None, &engine).unwrap()).unwrap();
    // The first token, one run to warm up, three that count.
    assert_eq!(engine.asked()[0], "bench 8 1 1");
    assert_eq!(engine.asked()[1..], vec!["bench 8 2 3"; 4]);
    let number = |key: &str| value[key].as_f64().unwrap();
    // Runs of 3, 4 and 5 seconds after the two that do not count.
    assert_eq!(number("prefill_tps_max"), 100.0 / 3.0);
    assert_eq!(number("prefill_tps"), 25.0);
    assert_eq!(number("prefill_tps_min"), 20.0);
    assert!(value["decode_tps"].is_null() && value["decode_tps_min"].is_null());
    assert_eq!((&value["batch"], &value["repeat"]), (&3.into(), &3.into()));
    assert!(number("load_s") >= 0.0 && number("first_token_s") >= number("load_s"));
    assert!(number("peak_memory_bytes") == 7.0);
    let text = run(&["bench"], None, &engine).unwrap();
    assert!(text.contains("prefill") && text.contains("512 tokens"), "{text}");
}
