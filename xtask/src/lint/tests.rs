//! The lint finds what it is for, and nothing in comments and strings.

use super::Finding;
use super::files::File;
use super::rules;
use super::source::Source;
use super::variables;

fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

fn findings(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    rules::rust(&file(path, text), &Source::parse(text), &mut found);
    found
}

const CPU: &str = "crates/holdall-cpu/src/x.rs";

#[test]
fn code_comments_and_strings_come_apart() {
    let text = "let a = \"x // \\\" y\"; // b \"c\"\nlet r = r#\"unsafe \" {\"#; /* d /* e */ f */ g('\"', '\\'', 'q');";
    let source = Source::parse(text);
    assert_eq!(source.code[0].trim_end(), "let a = \"         \";");
    assert!(source.comments[0].ends_with("// b \"c\""));
    assert_eq!(source.strings[0].trim(), "x // \\\" y");
    assert!(source.code[1].contains("let r = r#\"          \"#;"), "{}", source.code[1]);
    assert!(source.code[1].ends_with("g('\"', '\\'', 'q');"), "{}", source.code[1]);
    let lines = Source::parse("a\n\"b\\\nc\"\nd");
    assert_eq!(lines.code.len(), 4);
    assert_eq!(lines.code[3], "d");
    let lifetimes = Source::parse("fn f<'a>(x: &'a str) -> &'a str { \"t\" }");
    assert_eq!(lifetimes.code[0], "fn f<'a>(x: &'a str) -> &'a str { \" \" }");
}

#[test]
fn unsafe_code_is_found_where_it_is_forbidden() {
    assert_eq!(findings("crates/holdall-lm/src/x.rs", "fn f() { unsafe { g() } }").len(), 1);
    assert!(
        findings("crates/holdall-lm/src/x.rs", "// unsafe\nlet a = \"unsafe {\"; let unsafe_code = 1;")
            .is_empty()
    );
    assert_eq!(findings("crates/holdall-lm/src/lib.rs", "mod a;").len(), 1);
    assert!(findings("crates/holdall-lm/src/lib.rs", "#![forbid(unsafe_code)]").is_empty());
}

#[test]
fn unsafe_blocks_need_a_comment_near_them() {
    assert_eq!(findings(CPU, "fn f() {\n    unsafe { g() }\n}").len(), 1);
    assert_eq!(findings(CPU, "unsafe impl Send for X {}").len(), 1);
    assert!(findings(CPU, "// SAFETY: because.\nlet y =\n    unsafe { g() };").is_empty());
    assert!(
        findings(CPU, "// SAFETY: because\n// of this,\n// of that\n// and of more.\nunsafe { g() }")
            .is_empty()
    );
    assert_eq!(findings(CPU, "// SAFETY: far.\na;\nb;\nc;\nd;\nunsafe { g() }").len(), 1);
    assert!(findings(CPU, "unsafe fn f() {}\ntype F = unsafe fn(u8);\nunsafe trait T {}").is_empty());
}

#[test]
fn unfinished_and_silenced_code_is_found() {
    assert_eq!(findings(CPU, "todo!()").len(), 1);
    assert_eq!(findings(CPU, "let x = dbg!(y);").len(), 1);
    assert_eq!(findings(CPU, "#[ignore = \"slow\"]\nfn f() {}").len(), 1);
    assert_eq!(findings(CPU, "#[allow(dead_code)]").len(), 1);
    assert!(findings(CPU, "// todo!\nlet my_todo = \"dbg!\";").is_empty());
}

#[test]
fn long_files_are_found() {
    let lines = |n| "x\n".repeat(n);
    let files = [
        file("a.rs", &lines(801)),
        file("b.rs", &lines(501)),
        file("c.rs", &lines(500)),
        file("d.md", &lines(900)),
    ];
    let found = rules::lengths(&files);
    assert_eq!(
        found.iter().map(|f| (f.path.as_str(), f.warning)).collect::<Vec<_>>(),
        [("a.rs", false), ("b.rs", true)]
    );
}

#[test]
fn variables_are_listed_and_used() {
    let code = file(
        "crates/a/src/x.rs",
        "// HOLDALL_NOT\nlet v = var(\"HOLDALL_A\"); let p = \"HOLDALL_\"; f(\"HOLDALL_B\")",
    );
    let page = file("docs/environment.md", "| `HOLDALL_A` | a |\n| `HOLDALL_C` | c |");
    let used = variables::in_rust(&code, &Source::parse(&code.text));
    let messages: Vec<String> = variables::compare(&[page], &used).into_iter().map(|f| f.message).collect();
    assert_eq!(
        messages,
        ["HOLDALL_B is not listed in docs/environment.md", "HOLDALL_C occurs nowhere in the code"]
    );
}
