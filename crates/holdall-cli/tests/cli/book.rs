//! The book's chapter about kernels: its files have no mistakes, and what it shows is what there is.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::home::Home;

const KERNELS: [&str; 10] = [
    "exp",
    "strided_exp",
    "softmax",
    "grid_sample",
    "rotate",
    "gated_delta",
    "prefix_sum",
    "histogram",
    "matmul",
    "top_k",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book")
}

fn file(name: &str) -> String {
    folder().join("kernels").join(format!("{name}.json")).display().to_string()
}

/// Fails with what is missing, so that it can be put in.
fn shows(what: &str, text: &str) {
    let chapter = std::fs::read_to_string(folder().join("write-a-kernel.md")).unwrap();
    assert!(chapter.contains(text.trim_end()), "the chapter does not show {what}, which is\n{text}");
}

#[test]
fn the_kernels_have_no_mistakes() {
    let home = Home::new();
    let entries = std::fs::read_dir(folder().join("kernels")).unwrap();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let json = paths.iter().filter(|path| path.extension().is_some_and(|e| e == "json")).count();
    assert_eq!(json, KERNELS.len(), "{paths:?}");
    let mut args = vec!["kernel", "check", "--json"];
    let files = KERNELS.map(file);
    args.extend(files.iter().map(String::as_str));
    let reports: Value = serde_json::from_str(&home.run(&args).ok().stdout).unwrap();
    for (name, report) in KERNELS.iter().zip(reports.as_array().unwrap()) {
        assert_eq!(report["name"], *name);
        assert_eq!(report["ran"], true, "{report}");
        assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{report}");
    }
}

#[test]
fn the_chapter_shows_the_kernels() {
    for name in KERNELS {
        let text = std::fs::read_to_string(file(name)).unwrap();
        let kernel: Value = serde_json::from_str(&text).unwrap();
        for part in ["header", "source"] {
            if let Some(text) = kernel[part].as_str() {
                shows(&format!("the {part} of {name}"), text);
            }
        }
        shows(&format!("a title for {name}"), &format!("\n## {name}: "));
    }
    shows("the file of exp", &std::fs::read_to_string(file("exp")).unwrap());
}

#[test]
fn the_chapter_shows_what_the_command_prints() {
    let home = Home::new();
    for (name, kind) in
        [("racing_sum", "data_race"), ("beyond", "out_of_bounds"), ("unknown_name", "compile_error")]
    {
        let path = file(&format!("wrong/{name}"));
        let run = home.run(&["kernel", "check", &path]);
        assert_eq!(run.code, 1, "{run:?}");
        shows(&format!("what is wrong with {name}"), &run.stdout);
        let json = home.run(&["kernel", "check", "--json", &path]).stdout;
        let reports: Value = serde_json::from_str(&json).unwrap();
        let findings = reports[0]["findings"].as_array().unwrap();
        assert!(!findings.is_empty() && findings.iter().all(|f| f["kind"] == kind), "{json}");
    }
    shows("what exp is translated to", &home.run(&["kernel", "emit", &file("exp")]).ok().stdout);
}

#[test]
fn the_outputs_of_a_kernel_of_the_book_are_written() {
    let home = Home::new();
    home.run(&["kernel", "run", &file("top_k"), "--out", "out"]).ok();
    for (name, size) in [("values", 4), ("indices", 4)] {
        let view = holdall_formats::npy::open(home.path(&format!("out/{name}.npy"))).unwrap();
        assert_eq!((view.shape(), view.read().unwrap().len()), (&[4, 5][..], 20 * size), "{name}");
    }
}

/// A kernel of the book with a mistake: what is replaced by what, what is found, and in which line.
const PLANTED: &[(&str, &str, &str, &str, &str)] = &[
    ("exp", "[1000, 1, 1]", "[999, 1, 1]", "unwritten_output", ""),
    ("strided_exp", "x[at]", "x[at * 2]", "out_of_bounds", "y[i] = "),
    (
        "strided_exp",
        "y[i] =",
        "float2 v = *(const device float2*)(x + at); y[i] = v.x +",
        "misaligned",
        "float2",
    ),
    ("softmax", BARRIER_AND_FOR, "for (uint g", "data_race", "top = max(top, part[g]);"),
    ("softmax", "g < simdgroups_per_threadgroup", "g < 32", "uninitialized", "top = max(top, part[g]);"),
    ("grid_sample", "cotangent[i]", "cotangent[i + 1]", "out_of_bounds", "cotangent[i + 1]"),
    (
        "rotate",
        "  threadgroup_barrier(mem_flags::mem_threadgroup);",
        "",
        "data_race",
        "float a = t[i], b = t[j];",
    ),
    ("rotate", "float t[128]", "float t[32]", "out_of_bounds", "t[c] = float(in[c])"),
    ("rotate", "first) / 2", "first) / (rounds - 4)", "division_by_zero", "rounds - 4"),
    ("gated_delta", "if (lane == 0)", "if (lane < 2)", "data_race", "= InT(out);"),
    ("gated_delta", "lane * PER;\nfor", "lane * PER + 1;\nfor", "out_of_bounds", "= state[row + i];"),
    ("gated_delta", "S[i] = state", "state", "uninitialized", "S[i] *= g[at];"),
    (
        "prefix_sum",
        "  threadgroup_barrier",
        "  if (c < n) threadgroup_barrier",
        "divergent_barrier",
        "if (c < n) thread",
    ),
    (
        "prefix_sum",
        "  threadgroup_barrier(mem_flags::mem_threadgroup);\n}",
        "}",
        "data_race",
        "totals[group] = sum;",
    ),
    ("histogram", "uint b = t; b < BINS", "uint b = t + 1; b < BINS", "uninitialized", "&local[x["),
    ("matmul", "row < M && k", "k", "out_of_bounds", "a_tile[i][j] = "),
    (
        "matmul",
        "  }\n  threadgroup_barrier(mem_flags::mem_threadgroup);",
        "  }",
        "data_race",
        "a_tile[i][j] = ",
    ),
    ("top_k", "j < K; j++) {\n  best", "j < K - 1; j++) {\n  best", "uninitialized", "a.value > b.value"),
];

const BARRIER_AND_FOR: &str = "threadgroup_barrier(mem_flags::mem_threadgroup);\nfor (uint g";

#[test]
fn mistakes_that_are_planted_in_the_kernels_are_found() {
    let home = Home::new();
    std::fs::copy(folder().join("kernels/rotate.pairs.npy"), home.path("rotate.pairs.npy")).unwrap();
    std::fs::copy(folder().join("kernels/rotate.params.npy"), home.path("rotate.params.npy")).unwrap();
    let mut args: Vec<String> = ["kernel", "check", "--json"].map(str::to_owned).to_vec();
    let mut sources = Vec::new();
    for (i, (name, right, wrong, ..)) in PLANTED.iter().enumerate() {
        let text = std::fs::read_to_string(file(name)).unwrap();
        let mut kernel: Value = serde_json::from_str(&text).unwrap();
        let source = kernel["source"].as_str().unwrap().to_owned();
        if right.starts_with('[') {
            kernel["grid"] = serde_json::from_str(wrong).unwrap();
        } else {
            assert!(source.contains(right), "{name} has no {right:?}");
            kernel["source"] = source.replacen(right, wrong, 1).into();
        }
        sources.push(["header", "source"].map(|part| kernel[part].as_str().unwrap_or_default().to_owned()));
        let path = home.path(&format!("{i}.json"));
        std::fs::write(&path, kernel.to_string()).unwrap();
        args.push(path.display().to_string());
    }
    let run = home.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(run.code, 1, "{run:?}");
    let reports: Value = serde_json::from_str(&run.stdout).unwrap();
    let mut missed = Vec::new();
    for (((name, right, _, kind, at), source), report) in
        PLANTED.iter().zip(&sources).zip(reports.as_array().unwrap())
    {
        let [header, body] = source.each_ref().map(|text| text.lines().collect::<Vec<_>>());
        let hit = report["findings"].as_array().unwrap().iter().any(|finding| {
            let lines = if finding["part"] == "header" { &header } else { &body };
            let line = finding["line"].as_u64().map_or("", |line| lines[line as usize - 1]);
            finding["kind"] == *kind && line.contains(at)
        });
        if !hit {
            missed.push(format!("{name} without {right:?}: no {kind} at {at:?} in {}", report["findings"]));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
