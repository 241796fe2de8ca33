//! Repositories: which files are taken, the cache's layout, offline, removing.

use std::fs;

use crate::home::Home;
use crate::server::{COMMIT, Server, noise, sha256};

const INDEX: &str =
    r#"{"metadata": {}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;

fn setup() -> (Server, Home) {
    let server = Server::start();
    let mut home = Home::new();
    home.set("HF_ENDPOINT", server.url());
    (server, home)
}

#[test]
fn a_sharded_folder_takes_what_it_needs() {
    let (server, home) = setup();
    let (one, two) = (noise(3000, 1), noise(5000, 2));
    server.repo(
        "org/shards",
        &[
            ("README.md", b"text"),
            ("config.json", b"{}"),
            ("tokenizer.json", b"{ }"),
            ("model.safetensors.index.json", INDEX.as_bytes()),
            ("model-1.safetensors", &one),
            ("model-2.safetensors", &two),
            ("pytorch_model.bin", b"no"),
            ("../../../../evil.safetensors", b"no"),
        ],
    );
    let ran = home.run(&["models", "path", "org/shards"]).ok();
    let folder = home.path("hf/hub/models--org--shards/snapshots").join(COMMIT);
    assert_eq!(ran.stdout, format!("{}\n", folder.display()));
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let want = ["config.json", "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"];
    assert_eq!(names[..4], want);
    assert_eq!(names[4..], ["tokenizer.json"]);
    assert!(fs::read(folder.join("model-2.safetensors")).unwrap() == two);
    #[cfg(unix)]
    assert_eq!(
        fs::read_link(folder.join("model-1.safetensors")).unwrap(),
        std::path::Path::new("../../blobs").join(sha256(&one))
    );
    let reference = home.path("hf/hub/models--org--shards/refs/main");
    assert_eq!(fs::read_to_string(reference).unwrap(), COMMIT);

    // Complete: nobody is asked. A shard missing: only that one is fetched.
    let before = server.asked().len();
    home.run(&["models", "path", "org/shards"]).ok();
    assert_eq!(server.asked().len(), before);
    fs::remove_file(folder.join("model-1.safetensors")).unwrap();
    fs::remove_file(home.path("hf/hub/models--org--shards/blobs").join(sha256(&one))).unwrap();
    home.run(&["models", "path", "org/shards"]).ok();
    let gets: Vec<_> =
        server.asked()[before..].iter().filter(|r| r.method == "GET").map(|r| r.path.clone()).collect();
    assert_eq!(gets.len(), 2, "{gets:?}");
    assert!(gets[1].ends_with("/model-1.safetensors"));

    let list = home.run(&["models", "list", "--json"]).ok();
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["cached"]), (&"smollm2".into(), &false.into()));
    assert_eq!((&list[1]["name"], &list[1]["cached"]), (&"org/shards".into(), &true.into()));
    assert_eq!(list[1]["size_bytes"], 3000 + 5000 + 2 + 3 + INDEX.len());

    home.run(&["models", "remove", "org/shards"]).ok();
    assert_eq!(home.files("hf/hub"), [""; 0]);
    home.run(&["models", "remove", "org/shards"]).failed(1, &["not cached"]);
}

#[test]
fn what_other_programs_cached_is_read_without_a_request() {
    let home = Home::new();
    let root = home.path("hf/hub/models--org--there");
    let folder = root.join("snapshots").join(COMMIT);
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(root.join("refs")).unwrap();
    fs::write(root.join("refs/main"), COMMIT).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::write(folder.join(name), name).unwrap();
    }
    // The endpoint of this home answers nobody.
    let expected = format!("{}\n", folder.display());
    assert_eq!(home.run(&["models", "path", "org/there"]).ok().stdout, expected);
    assert_eq!(home.run(&["models", "path", &format!("org/there@{COMMIT}")]).ok().stdout, expected);
    home.run(&["models", "path", "org/there@v2"]).failed(1, &["cannot reach", "127.0.0.1:9", "hint:"]);
}

#[test]
fn offline_nothing_is_asked() {
    let (server, mut home) = setup();
    server.repo("org/m", &[("m.gguf", b"GGUF")]);
    home.set("HF_HUB_OFFLINE", "1");
    home.run(&["models", "path", "org/m"]).failed(1, &["org/m is not cached", "unset HF_HUB_OFFLINE"]);
    let ran =
        home.run(&["models", "path"]).failed(1, &["smollm2 is not on this machine", "unset HF_HUB_OFFLINE"]);
    assert_eq!(ran.stderr.lines().count(), 2, "{ran:?}");
    assert!(server.asked().is_empty());
}

#[test]
fn several_gguf_files_are_listed() {
    let (server, home) = setup();
    server.repo("org/q", &[("q4.gguf", b"GGUF4"), ("big/q8.gguf", b"GGUF8")]);
    let choices = ["org/q has 2 GGUF files", "org/q/q4.gguf", "org/q/big/q8.gguf"];
    home.run(&["models", "path", "org/q"]).failed(2, &choices);
    home.run(&["models", "path", "org/q/q5.gguf"]).failed(1, &["has no file q5.gguf", "org/q/q4.gguf"]);
    let path = home.run(&["models", "path", "org/q/big/q8.gguf"]).ok().stdout;
    assert_eq!(fs::read(path.trim_end()).unwrap(), b"GGUF8");
    home.run(&["models", "path", "org/q/q4.gguf"]).ok();
    home.run(&["models", "remove", "org/q/big/q8.gguf"]).ok();
    let files = home.files("hf/hub");
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().any(|file| file.ends_with("q4.gguf")));
    home.run(&["models", "remove", "org/q/q4.gguf"]).ok();
    assert_eq!(home.files("hf/hub"), [""; 0]);
}

#[test]
fn bad_answers_are_refused() {
    let (server, home) = setup();
    let list = "/api/models/org/m/revision/main";
    for (body, says) in [
        (&b"<html>"[..], "not the JSON expected"),
        (br#"{"siblings": []}"#, "sha is missing"),
        (br#"{"sha": "../x", "siblings": []}"#, "sha is missing"),
        (br#"{"sha": "abc"}"#, "siblings is missing"),
        (br#"{"sha": "abc", "siblings": [{"rfilename": "x.bin"}]}"#, "neither safetensors"),
    ] {
        server.page(list, body, "");
        home.run(&["models", "path", "org/m"]).failed(1, &["cannot fetch org/m", says]);
    }
    // An etag becomes the name of a file.
    server.repo("org/m", &[("m.gguf", b"GGUF")]);
    server.page(&crate::server::file_path("org/m", "m.gguf"), b"GGUF", "ETag: \"../../../evil\"\r\n");
    home.run(&["models", "path", "org/m"]).failed(1, &["no usable etag"]);
    server.redirect(list, list, "");
    home.run(&["models", "path", "org/m"]).failed(1, &["redirects in circles"]);
    home.run(&["models", "path", "org/none"]).failed(1, &["404", "check the spelling"]);
    assert_eq!(home.files("hf"), [""; 0]);
}
