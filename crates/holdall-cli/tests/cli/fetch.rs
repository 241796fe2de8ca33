//! One file over a good or bad connection.

use std::fs;
use std::time::{Duration, Instant};

use crate::home::Home;
use crate::server::{Act, COMMIT, Server, file_path, noise, sha256};

const REPO: &str = "org/model";
const FILE: &str = "m.gguf";
const NAME: &str = "org/model/m.gguf";

/// A server with one GGUF file, and a home that fetches from it.
fn setup(length: usize) -> (Server, Home, Vec<u8>, String) {
    let server = Server::start();
    let mut body = b"GGUF".to_vec();
    body.extend(noise(length, 1));
    server.repo(REPO, &[(FILE, &body)]);
    let mut home = Home::new();
    home.set("HF_ENDPOINT", server.url());
    (server, home, body, file_path(REPO, FILE))
}

fn blob(body: &[u8]) -> String {
    format!("models--org--model/blobs/{}", sha256(body))
}

fn snapshot() -> String {
    format!("models--org--model/snapshots/{COMMIT}/{FILE}")
}

#[track_caller]
fn assert_complete(home: &Home, body: &[u8]) {
    let files = home.files("hf/hub");
    assert_eq!(files, [blob(body), "models--org--model/refs/main".to_owned(), snapshot()]);
    assert!(fs::read(home.path("hf/hub").join(snapshot())).unwrap() == body, "another content");
}

#[test]
fn a_file_arrives_whole() {
    let (server, home, body, path) = setup(3 << 20);
    let ran = home.run(&["models", "path", NAME]).ok();
    assert_eq!(ran.stdout.trim_end(), home.path("hf/hub").join(snapshot()).to_str().unwrap());
    assert_complete(&home, &body);
    assert_eq!(server.ranges(&path), [""]);
    // Once there, nobody is asked.
    let before = server.asked().len();
    home.run(&["models", "path", NAME]).ok();
    assert_eq!(server.asked().len(), before);
    // Without a terminal, what is fetched is said in plain lines.
    assert!(ran.stderr.contains("fetching org/model/m.gguf (3.1 MB)"), "{ran:?}");
    assert!(!ran.stderr.contains('\x1b') && !ran.stderr.contains('\r'), "{ran:?}");
    home.run(&["models", "fetch", "--verify", NAME]).ok();
}

#[test]
fn a_cut_connection_is_resumed_where_it_broke() {
    let (server, home, body, path) = setup(3 << 20);
    server.acts(&path, &[Act::CutAfter(2_000_000), Act::CutAfter(10)]);
    home.run(&["models", "fetch", NAME]).ok();
    assert_complete(&home, &body);
    let ranges = server.ranges(&path);
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert_eq!(ranges[0], "");
    assert!(ranges[1].starts_with("bytes=") && ranges[2].starts_with("bytes="), "{ranges:?}");
}

#[test]
fn another_run_resumes_what_the_first_left() {
    let (server, home, body, path) = setup(1 << 20);
    server.acts(&path, &[Act::CutAfter(500_000), Act::Status(403, "")]);
    home.run(&["models", "fetch", NAME]).failed(1, &["403"]);
    assert_eq!(home.files("hf/hub"), [format!("{}.incomplete", blob(&body))]);
    home.run(&["models", "fetch", NAME]).ok();
    assert_complete(&home, &body);
    assert!(server.ranges(&path)[2].starts_with("bytes="));
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let (server, home, body, path) = setup(1 << 20);
    server.acts(&path, &[Act::CutAfter(500_000), Act::IgnoreRange]);
    home.run(&["models", "fetch", NAME]).ok();
    assert_complete(&home, &body);
    assert_eq!(server.ranges(&path).len(), 2);
}

#[test]
fn a_wrong_part_from_before_is_fetched_anew() {
    let (server, home, body, path) = setup(1 << 20);
    let partial = home.path("hf/hub").join(format!("{}.incomplete", blob(&body)));
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    fs::write(&partial, "not the start of this file").unwrap();
    home.run(&["models", "fetch", NAME]).ok();
    assert_complete(&home, &body);
    assert_eq!(server.ranges(&path), ["bytes=26-", ""]);
    // One that is too long is not even asked to be continued.
    fs::remove_dir_all(home.path("hf")).unwrap();
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    fs::write(&partial, vec![0; 2 << 20]).unwrap();
    home.run(&["models", "fetch", NAME]).ok();
    assert_complete(&home, &body);
}

#[test]
fn a_wrong_checksum_leaves_nothing() {
    let (server, home, _, path) = setup(1 << 20);
    server.acts(&path, &[Act::Corrupt]);
    home.run(&["models", "fetch", NAME]).failed(1, &["SHA-256", "was expected", "hint:"]);
    assert_eq!(home.files("hf/hub"), [""; 0]);
}

#[test]
fn passing_troubles_are_waited_out() {
    let (server, home, body, path) = setup(1 << 10);
    server.acts(&path, &[Act::Status(500, ""), Act::Status(429, "Retry-After: 0\r\n"), Act::Status(503, "")]);
    home.run(&["models", "fetch", NAME]).ok();
    assert_complete(&home, &body);
    assert_eq!(server.ranges(&path).len(), 4);
}

#[test]
fn lasting_troubles_end_with_a_message() {
    let (server, home, _, path) = setup(1 << 10);
    let always = |status| vec![Act::Status(status, "X-Error-Message: so it is\r\n"); 9];
    for (status, tries, says) in [
        (401, 1, &["401", "so it is", "HF_TOKEN"][..]),
        (404, 1, &["404", "check the spelling"]),
        (429, 5, &["429", "wait a few minutes"]),
    ] {
        server.acts(&path, &always(status));
        let before = server.ranges(&path).len();
        home.run(&["models", "fetch", NAME]).failed(1, says);
        assert_eq!(server.ranges(&path).len() - before, tries, "{status}");
    }
    assert!(!home.files("hf/hub").iter().any(|file| file.contains("snapshots")));
}

#[test]
fn the_token_goes_to_the_endpoint_only() {
    let (server, mut home, body, path) = setup(1 << 10);
    let network = Server::start();
    network.page("/elsewhere", &body, "");
    let linked = format!("X-Linked-ETag: \"{}\"\r\nX-Linked-Size: {}\r\n", sha256(&body), body.len());
    server.redirect(&path, &format!("{}/elsewhere?sig=secret", network.url()), &linked);
    home.set("HF_TOKEN", "hf_very_secret");
    let ran = home.run(&["models", "fetch", "-v", NAME]).ok();
    assert_complete(&home, &body);
    let token = |request: &crate::server::Request| request.headers.get("authorization").cloned();
    let ours: Vec<_> = server.asked().iter().map(token).collect();
    assert_eq!(ours, vec![Some("Bearer hf_very_secret".to_owned()); 3]);
    let theirs: Vec<_> = network.asked().iter().map(token).collect();
    assert_eq!(theirs, [None]);
    assert!(!ran.stderr.contains("very_secret") && !ran.stderr.contains("sig="), "{ran:?}");
    // The token file of the command-line login counts as well.
    home.set("HF_TOKEN", "");
    fs::write(home.path("hf/token"), "hf_from_file\n").unwrap();
    home.run(&["models", "fetch", NAME]).ok();
    assert_eq!(token(server.asked().last().unwrap()).as_deref(), Some("Bearer hf_from_file"));
}

#[test]
fn two_processes_fetch_one_file_once() {
    let (server, home, body, path) = setup(200 << 10);
    server.acts(&path, &[Act::Slowly(Duration::from_millis(4))]);
    let runs: Vec<_> = (0..2).map(|_| home.command(&["models", "fetch", NAME]).spawn().unwrap()).collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    assert_complete(&home, &body);
    assert_eq!(server.ranges(&path).len(), 1);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_130_and_keeps_only_the_part() {
    let (server, home, body, path) = setup(1 << 20);
    server.acts(&path, &[Act::Slowly(Duration::from_millis(20))]);
    let child =
        home.command(&["models", "fetch", NAME]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while server.ranges(&path).is_empty() && begin.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200));
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).ends_with("interrupted\n"));
    assert_eq!(home.files("hf/hub"), [format!("{}.incomplete", blob(&body))]);
    home.run(&["models", "fetch", NAME]).ok();
    assert_complete(&home, &body);
    assert!(server.ranges(&path)[1].starts_with("bytes="));
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let (_server, mut home, _, _) = setup(1 << 10);
    let closed = home.path("closed");
    fs::write(&closed, "a file").unwrap();
    home.set("HF_HUB_CACHE", closed.join("hub"));
    home.run(&["models", "fetch", NAME]).failed(1, &["cannot create", "closed"]);
    fs::remove_file(&closed).unwrap();
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write there all the same.
    if fs::write(closed.join("probe"), "").is_err() {
        home.run(&["models", "fetch", NAME]).failed(1, &["cannot create", "give yourself access"]);
    }
}
