//! Every command parses, with its defaults, and refuses what makes no sense with a hint on what to give.

use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<Command, String> {
    let words = std::iter::once("holdall").chain(line.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| error.to_string())
}

fn generate(line: &str) -> GenerateArgs {
    match parse(line) {
        Ok(Command::Generate(args)) => args,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn definitions_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn generate_takes_every_option() {
    let args = generate("generate hi");
    assert_eq!(args.prompt.as_deref(), Some("hi"));
    assert_eq!((args.model.model.as_str(), args.model.device.as_deref()), ("smollm2", None));
    assert_eq!((args.sampling.top_k, args.sampling.top_p, args.sampling.min_p), (0, 1.0, 0.05));
    assert_eq!(args.sampling.seed, None);
    let args = generate(
        "generate - --model a/b --raw --max-tokens 7 --temperature 0 --top-k 40 --top-p 0.9 --min-p 0.05 \
         --repetition-penalty 1.1 --seed 3 --device cpu --json",
    );
    assert_eq!(args.prompt.as_deref(), Some("-"));
    assert!(args.raw && args.json && args.system.is_none());
    assert_eq!((args.max_tokens, args.sampling.temperature, args.sampling.top_k), (7, 0.0, 40));
    assert_eq!(
        (args.sampling.top_p, args.sampling.min_p, args.sampling.repetition_penalty),
        (0.9, 0.05, 1.1)
    );
    assert_eq!((args.sampling.seed, args.model.device.as_deref()), (Some(3), Some("cpu")));
    assert_eq!(generate("generate --system s hi").system.as_deref(), Some("s"));
}

#[test]
fn chat_and_bench_have_their_defaults() {
    let Ok(Command::Chat(args)) = parse("chat --system s --history h --seed 1") else { panic!() };
    assert_eq!((args.history.as_deref(), args.sampling.seed), (Some(std::path::Path::new("h")), Some(1)));
    let Ok(Command::Bench(args)) = parse("bench") else { panic!() };
    assert_eq!((args.prompt_tokens, args.gen_tokens, args.batch, args.repeat), (512, 128, 1, 5));
    let Ok(Command::Bench(args)) =
        parse("bench --model m --prompt-tokens 1 --gen-tokens 2 --batch 3 --repeat 4 --json")
    else {
        panic!()
    };
    assert_eq!((args.prompt_tokens, args.gen_tokens, args.batch, args.repeat), (1, 2, 3, 4));
}

#[test]
fn stress_takes_every_option() {
    let line = "stress --seconds 5 --rounds 6 --seed 7 --device cuda:0 --graph-ops 8 --checked 9 --json";
    let Ok(Command::Stress(args)) = parse(line) else { panic!() };
    assert_eq!((args.seconds, args.rounds, args.seed), (Some(5), Some(6), Some(7)));
    assert_eq!((args.device.as_deref(), args.graph_ops, args.checked), (Some("cuda:0"), Some(8), Some(9)));
    assert!(args.json && !args.compare);
    assert!(matches!(parse("stress --compare --rounds 3"), Ok(Command::Stress(args)) if args.compare));
    for bad in ["--compare --seconds 5", "--compare --graph-ops 5", "--graph-ops 1000001", "--seconds 0"] {
        assert!(parse(&format!("stress {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn models_default_to_the_default_model() {
    let Ok(Command::Models(ModelsArgs { command: ModelsCommand::Fetch { names, verify } })) =
        parse("models fetch")
    else {
        panic!()
    };
    assert_eq!((names, verify), (vec!["smollm2".to_owned()], false));
    assert!(parse("models remove").is_err());
    assert!(matches!(parse("doctor --json -v"), Ok(Command::Doctor(DoctorArgs { json: true }))));
}

#[test]
fn ranges_are_kept_and_explained() {
    for (option, values, says) in [
        ("--temperature", &["-1", "nan", "inf", "x"][..], "give a number of 0 or more"),
        ("--top-p", &["0", "1.5", "-0.1", "nan"], "give a number"),
        ("--min-p", &["1.5", "-0.1"], "give a number from 0 to 1"),
        ("--repetition-penalty", &["0", "-1"], "give a number above 0"),
        ("--max-tokens", &["0", "-1", "1.5", "99999999999999999999"], "give a whole number from 1"),
        ("--top-k", &["-1", "x"], "give a whole number from 0"),
        ("--seed", &["-1", "x"], "give a whole number from 0"),
    ] {
        for value in values {
            let error = parse(&format!("generate hi {option} {value}")).unwrap_err();
            assert!(error.contains(says) && error.contains(option), "{option} {value}: {error}");
        }
    }
    for bad in
        ["bench --batch 0", "generate hi --raw --system s", "chat --history h --no-history", "", "nosuch"]
    {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
