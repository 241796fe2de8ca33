//! The program as such: help, exit codes, closed pipes.

use std::process::Stdio;

use crate::home::Home;

#[test]
fn help_and_version() {
    let home = Home::new();
    for command in ["generate", "chat", "bench", "models", "stress", "doctor"] {
        assert!(home.run(&["--help"]).ok().stdout.contains(command));
        let help = home.run(&[command, "--help"]).ok().stdout;
        assert!(help.contains(&format!("Usage: holdall {command}")), "{help}");
    }
    let help = home.run(&["--help"]).ok().stdout;
    for text in ["Exit codes:", "130", "141", "HOLDALL_CACHE", "HF_HUB_OFFLINE", "Examples:"] {
        assert!(help.contains(text), "{text}");
    }
    for option in [
        "--raw",
        "--max-tokens",
        "--temperature",
        "--top-k",
        "--top-p",
        "--min-p",
        "--repetition-penalty",
        "--seed",
        "--device",
        "--json",
        "--system",
        "--model",
        "Examples:",
    ] {
        assert!(home.run(&["generate", "--help"]).ok().stdout.contains(option), "{option}");
    }
    assert_eq!(home.run(&["--version"]).ok().stdout, format!("holdall {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn nonsense_ends_with_2() {
    let home = Home::new();
    home.run(&["nosuch"]).failed(2, &["nosuch"]);
    home.run(&["generate", "x", "--top-p", "7"]).failed(2, &["--top-p", "give a number from 0 to 1"]);
    home.run(&["models", "path", ""]).failed(2, &["empty"]);
    home.run(&["models", "path", "nosuch"]).failed(1, &["no model is called nosuch", "smollm2", "hint:"]);
    home.run(&["models", "path", "./nosuch"]).failed(1, &["no such file or folder"]);
    home.run(&["models", "remove", "./bin"]).failed(2, &["is a path"]);
    std::fs::write(home.path("m.gguf"), "GGML").unwrap();
    home.run(&["models", "path", "m.gguf"]).failed(1, &["m.gguf is not a GGUF file"]);
}

#[test]
fn details_and_backtraces_only_when_asked() {
    let mut home = Home::new();
    let ran = home.run(&["models", "path", "./nosuch"]);
    assert!(!ran.stderr.contains("error.rs"), "{ran:?}");
    home.set("RUST_BACKTRACE", "1");
    let ran = home.run(&["models", "path", "./nosuch"]);
    assert!(ran.stderr.contains("holdall_cli") || ran.stderr.contains("error.rs"), "{ran:?}");
}

/// Runs with a standard output whose reader has gone.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error_message() {
    let home = Home::new();
    for args in [&["models", "list"][..], &["--help"], &["doctor"], &["doctor", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = home.command(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
    // Nor does a closed standard error make the program fail.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = home.command(&["models", "path", "./nosuch"]).stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said() {
    let home = Home::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = home.command(&["models", "list"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("cannot write to standard output") && stderr.contains("space"), "{stderr}");
}
