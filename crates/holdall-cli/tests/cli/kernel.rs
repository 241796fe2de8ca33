//! `holdall kernel`.

use serde_json::{Value, json};

use crate::home::Home;

fn file(home: &Home, name: &str, kernel: &Value) -> String {
    let path = home.path(name);
    std::fs::write(&path, kernel.to_string()).unwrap();
    path.display().to_string()
}

fn good() -> Value {
    json!({
        "name": "scale",
        "source": "uint i = thread_position_in_grid.x;\ny[i] = x[i] * T(2);",
        "input_names": ["x"],
        "output_names": ["y"],
    })
}

#[test]
fn a_kernel_without_launch_data_is_compiled_with_assumptions() {
    let home = Home::new();
    let path = file(&home, "good.json", &good());
    let run = home.run(&["kernel", "check", &path]).ok();
    for part in ["input x: taken to be float32", "parameter T: taken to be float32", "no mistakes"] {
        assert!(run.stderr.contains(part), "{part} is missing:\n{}", run.stderr);
    }
    let ir = home.run(&["kernel", "emit", &path]).ok().stdout;
    assert!(ir.contains("multiply") || ir.contains("Multiply") || ir.contains('*'), "{ir}");
    let simt = home.run(&["kernel", "emit", &path, "--target", "simt"]).ok().stdout;
    for part in [
        "simt scale {",
        "= load.f32 device",
        "= multiply.f32",
        "0x40000000",
        "store.f32 device",
        "// body:2:",
    ] {
        assert!(simt.contains(part), "{part} is missing:\n{simt}");
    }
}

#[test]
fn a_mistake_is_found_where_it_is() {
    let home = Home::new();
    let mut kernel = good();
    kernel["name"] = json!("wrong");
    kernel["source"] = json!("uint i = thread_position_in_grid.x;\n  y[i] = x[j];");
    let paths = [file(&home, "good.json", &good()), file(&home, "wrong.json", &kernel)];
    let text = home.run(&["kernel", "check", &paths[0], &paths[1]]);
    assert_eq!(text.code, 1, "{text:?}");
    assert!(text.stdout.contains("body:2:12") && text.stdout.contains("unknown name `j`"), "{text:?}");
    assert!(text.stderr.contains("1 of 2 kernels have mistakes: wrong"), "{text:?}");
    let json = home.run(&["kernel", "check", "--json", &paths[0], &paths[1]]);
    assert_eq!(json.code, 1);
    let reports: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&reports[0]["compiled"], &reports[1]["compiled"]), (&json!(true), &json!(false)));
    assert_eq!(reports[0]["findings"], json!([]));
    let finding = &reports[1]["findings"][0];
    assert_eq!(finding["kind"], "compile_error");
    assert_eq!(
        (&finding["part"], &finding["line"], &finding["column"]),
        (&json!("body"), &json!(2), &json!(12))
    );
}

#[test]
fn files_that_make_no_sense_are_a_mistake_of_the_command_line() {
    let home = Home::new();
    let mut kernel = good();
    kernel["inputs"] = json!([{"shape": [4], "dtype": "float31"}]);
    let mut uneven = good();
    uneven["outputs"] = json!([]);
    let cases = [
        (file(&home, "text.json", &json!("no kernel")), "does not describe a kernel"),
        (file(&home, "type.json", &kernel), "no type is called \"float31\""),
        (file(&home, "uneven.json", &uneven), "outputs: 0 entries for 1 names"),
        (home.path("missing.json").display().to_string(), "cannot read"),
    ];
    for (path, message) in cases {
        let run = home.run(&["kernel", "check", &path]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(message), "{message} is missing:\n{}", run.stderr);
    }
}

fn launched() -> Value {
    json!({
        "name": "pairs",
        "source": "uint i = thread_position_in_grid.x;\ny[i] = x[i] + x[i + 1] * scale;",
        "input_names": ["x", "scale"],
        "output_names": ["y"],
        "inputs": [{"shape": [33], "dtype": "float32", "file": "x.npy"}, {"shape": [], "dtype": "float32", "scalar": 2}],
        "outputs": [{"shape": [32], "dtype": "float32"}],
        "grid": [32, 1, 1],
        "threadgroup": [16, 1, 1],
    })
}

fn numbers(n: u8) -> Vec<u8> {
    let bytes: Vec<u8> = (0..n).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    holdall_formats::npy::to_bytes(&[n.into()], holdall_formats::ElementType::F32, &bytes).unwrap()
}

#[test]
fn a_kernel_with_launch_data_runs_and_its_outputs_are_written() {
    let home = Home::new();
    std::fs::write(home.path("x.npy"), numbers(33)).unwrap();
    let path = file(&home, "pairs.json", &launched());
    let json = home.run(&["kernel", "check", "--json", &path]).ok().stdout;
    let reports: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&reports[0]["ran"], &reports[0]["findings"]), (&json!(true), &json!([])));
    home.run(&["kernel", "run", &path, "--out", "made/here"]).ok();
    let want: Vec<f32> = (0..32u8).map(|i| f32::from(i) + f32::from(i + 1) * 2.0).collect();
    let got = holdall_formats::npy::open(home.path("made/here/y.npy")).unwrap();
    let bytes: Vec<u8> = want.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!((got.shape(), got.read().unwrap()), (&[32][..], bytes));
}

#[test]
fn what_a_kernel_does_wrong_while_it_runs_is_found() {
    let home = Home::new();
    std::fs::write(home.path("x.npy"), numbers(32)).unwrap();
    let mut kernel = launched();
    kernel["inputs"][0]["shape"] = json!([32]);
    let path = file(&home, "beyond.json", &kernel);
    let run = home.run(&["kernel", "check", "--json", &path]);
    assert_eq!(run.code, 1, "{run:?}");
    let reports: Value = serde_json::from_str(&run.stdout).unwrap();
    let finding = &reports[0]["findings"][0];
    assert_eq!((&finding["kind"], &finding["line"]), (&json!("out_of_bounds"), &json!(2)));
    assert_eq!((&finding["thread"], &finding["group"]), (&json!([31, 0, 0]), &json!([1, 0, 0])));
    assert_eq!((&finding["part"], &finding["count"]), (&json!("body"), &json!(1)));
}
