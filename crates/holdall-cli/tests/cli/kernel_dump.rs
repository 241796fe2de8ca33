//! `HOLDALL_KERNEL_DUMP`: what a program launches, as files for `holdall kernel`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdall::{Array, Dtype, MetalKernel, Operand, Result};
use holdall_formats::npy;
use serde_json::{Value, json};

use crate::home::Home;

/// In the environment of the program that launches kernels: where it writes what they gave.
const OUT: &str = "KERNEL_DUMP_TEST_OUT";

const LAUNCH: &str = "kernel_dump::what_a_program_launches_can_be_launched_again";

/// Several kernels, each by its name; `scale` three times with the same arguments but for their values.
fn program(out: &Path) -> Result<()> {
    let save = |kernel: &str, names: &[&str], arrays: &[Array]| -> Result<()> {
        for (name, x) in names.iter().zip(arrays) {
            let (element, bytes) = (holdall::io::element_type(x.dtype()), x.to_bytes()?);
            npy::save(out.join(format!("{kernel}.{name}.npy")), x.shape(), element, &bytes).unwrap();
        }
        Ok(())
    };
    let numbers: Vec<f32> = (0..60).map(|i| i as f32 * 0.25 - 3.0).collect();
    let x = Array::from_slice(&numbers, &[6, 10])?;
    let scale = MetalKernel::new(
        "scale",
        "uint i = thread_position_in_grid.x; y[i] = T(x[i] * factor) + (FLAG ? N : 0) + x_shape[0];",
    )
    .inputs(["x", "factor"])
    .outputs(["y"]);
    for round in 0..3 {
        // Lazy inputs, which do not lie as they should.
        let turned = x.add(round)?.transpose(&[])?;
        let call = scale.call([Operand::from(&turned), 1.5.into()]).output([60], Dtype::Bfloat16);
        let call = call.template("T", Dtype::Float16).template("FLAG", true).template("N", -2);
        let y = call.grid([60, 1, 1]).threadgroup([32, 1, 1]).build()?;
        y[0].eval()?;
        if round == 0 {
            save("scale", &["y"], &y)?;
        }
    }
    let largest = MetalKernel::new(
        "largest/of all",
        "uint i = thread_position_in_grid.x; if (x[i] > best[0]) { best[0] = x[i]; at[0] += where(i); }",
    )
    .header("// \"quoted\"\ninline int where(uint i) { return int(i); }")
    .inputs(["x", "at"])
    .outputs(["best"])
    .read_write(["at"]);
    let at = Array::from_slice(&[7i32], &[1])?;
    let call = largest.call([&x.astype(Dtype::Bfloat16).index(1)?, &at]).output([1], Dtype::Float32);
    let y = call.init_value(f64::NEG_INFINITY).grid([1, 1, 1]).build()?;
    // The memory of `at` is the kernel's after this.
    drop(at);
    save("largest/of all".replace('/', "_").as_str(), &["best", "at"], &y)?;
    let count = MetalKernel::new(
        "count",
        "atomic_fetch_add_explicit(&n[uint(bits[thread_position_in_grid.x])], 1, memory_order_relaxed);",
    )
    .inputs(["bits"])
    .outputs(["n"])
    .atomic_outputs(true);
    let bits = x.greater(0.5)?.reshape(&[60])?;
    let y = count.call([&bits]).output([2], Dtype::Int32).init_value(5.0).grid([60, 1, 1]).build()?;
    save("count", &["n"], &y)
}

fn launch(dump: &Path, out: &Path, limit: Option<&str>) -> Output {
    std::fs::create_dir_all(out).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", LAUNCH, "--nocapture"]).env("HOLDALL_KERNEL_DUMP", dump).env(OUT, out);
    if let Some(limit) = limit {
        command.env("HOLDALL_KERNEL_DUMP_LIMIT", limit);
    }
    command.output().unwrap()
}

/// The names in a folder with their contents.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

fn launches(files: &BTreeMap<String, Vec<u8>>) -> Vec<&String> {
    files.keys().filter(|name| name.ends_with(".json")).collect()
}

#[test]
fn what_a_program_launches_can_be_launched_again() {
    if let Some(out) = std::env::var_os(OUT) {
        return program(Path::new(&out)).unwrap();
    }
    let home = Home::new();
    let (dump, out) = (home.path("dump/here"), home.path("out"));
    let ran = launch(&dump, &out, None);
    assert!(ran.status.success(), "{ran:?}");
    let written = files(&dump);
    assert_eq!(launches(&written).len(), 3, "one of each kernel: {:?}", written.keys());
    assert_eq!(written.len(), 3 + 5, "and its inputs: {:?}", written.keys());
    for name in launches(&written) {
        let path = dump.join(name).display().to_string();
        let kernel: Value = serde_json::from_slice(&written[name]).unwrap();
        let json = home.run(&["kernel", "check", "--json", &path]).ok().stdout;
        let reports: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&reports[0]["ran"], &reports[0]["findings"]), (&json!(true), &json!([])), "{name}");
        home.run(&["kernel", "run", &path, "--out", "again"]).ok();
        let outputs = kernel["output_names"].as_array().unwrap().iter();
        for output in outputs.chain(kernel["read_write"].as_array().unwrap()) {
            let (of, output) = (kernel["name"].as_str().unwrap().replace('/', "_"), output.as_str().unwrap());
            let want = std::fs::read(out.join(format!("{of}.{output}.npy"))).unwrap();
            let got = std::fs::read(home.path(&format!("again/{output}.npy"))).unwrap();
            assert_eq!(got, want, "{name}: {output}");
        }
    }
    // Another process that launches the same writes nothing more, and changes nothing.
    assert!(launch(&dump, &out, None).status.success());
    assert_eq!(files(&dump), written);
}

#[test]
fn what_is_dumped_is_bounded() {
    let home = Home::new();
    let (dump, out) = (home.path("dump"), home.path("out"));
    let ran = launch(&dump, &out, Some("1"));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("HOLDALL_KERNEL_DUMP has 1 different launches"));
    assert_eq!(launches(&files(&dump)).len(), 1);
    // All: `scale` for each of its inputs.
    assert!(launch(&dump, &out, Some("all")).status.success());
    assert_eq!(launches(&files(&dump)).len(), 5);
    let ran = launch(&dump, &out, Some("many"));
    assert!(!ran.status.success());
    let text = String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
    assert!(text.contains("HOLDALL_KERNEL_DUMP_LIMIT is \"many\"; wanted a number, or all"), "{text}");
    // A folder that cannot be.
    std::fs::write(home.path("file"), "").unwrap();
    let ran = launch(&home.path("file/dump"), &out, None);
    let text = String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
    assert!(!ran.status.success() && text.contains("cannot make the folder"), "{text}");
}
