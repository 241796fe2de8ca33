//! Compares ops with what others computed: `cargo xtask oracle ops` writes the cases and runs this.
//!
//! `cargo run --release -p holdall-testing --example oracle -- FOLDER` reads `FOLDER/cases.json` and
//! `FOLDER/arrays.npz`, evaluates every case and prints what differs. It fails if anything does, and if there is no case.
#![forbid(unsafe_code)]

mod compare;
mod ops;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::ExitCode;

use holdall::io::load_view;
use holdall::{Array, Dtype};
use holdall_formats::npz::Npz;
use serde_json::Value;

/// Why a case cannot be evaluated, or differs.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Mismatches that are printed in full; all are counted.
const SHOWN: usize = 40;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: oracle FOLDER");
        return ExitCode::FAILURE;
    };
    match run(Path::new(&folder)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("oracle: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path) -> Outcome<bool> {
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(folder.join("cases.json"))?)?;
    let archive = Npz::open(folder.join("arrays.npz"))?;
    let arrays: HashMap<&str, &_> = archive.tensors().iter().map(|t| (t.name(), t)).collect();
    let load = |name: &Value| -> Outcome<Array> {
        let name = name.as_str().ok_or("an array has no name")?;
        let view = arrays.get(name).ok_or_else(|| format!("there is no array {name}"))?;
        Ok(load_view(view)?)
    };
    // Per op: cases, failures, the worst error in units of what is allowed.
    let mut table: BTreeMap<&str, (usize, usize, f64)> = BTreeMap::new();
    let mut shown = 0;
    for case in &cases {
        let op = case["op"].as_str().ok_or("a case has no op")?;
        let entry = table.entry(op).or_default();
        entry.0 += 1;
        match check(op, case, &load) {
            Ok(worst) => entry.2 = entry.2.max(worst),
            Err(e) => {
                entry.1 += 1;
                shown += 1;
                if shown <= SHOWN {
                    println!("{}: {e}", describe(case));
                }
            }
        }
    }
    let failures: usize = table.values().map(|t| t.1).sum();
    if shown > SHOWN {
        println!("... and {} more", shown - SHOWN);
    }
    println!("{:20} {:>6} {:>7}  worst error / allowed", "op", "cases", "failed");
    for (op, (n, failed, worst)) in &table {
        println!("{op:20} {n:6} {failed:7}  {worst:.3}");
    }
    println!("oracle: {} cases of {} ops, {failures} failed", cases.len(), table.len());
    Ok(failures == 0 && !cases.is_empty())
}

/// Evaluates a case; the worst error in units of what is allowed.
fn check(op: &str, case: &Value, load: &dyn Fn(&Value) -> Outcome<Array>) -> Outcome<f64> {
    let list = |name: &str| case[name].as_array().ok_or_else(|| format!("a case has no {name}"));
    let mut inputs = Vec::new();
    for input in list("inputs")? {
        inputs.push(lay_out(load(&input["array"])?.astype(dtype(&input["dtype"])?), input)?);
    }
    let results = ops::apply(op, &case["args"], &inputs)?;
    let expected = list("outputs")?;
    if results.len() != expected.len() {
        return Err(format!("gives {} arrays, wanted {}", results.len(), expected.len()).into());
    }
    let scale = case["scale"].as_f64().unwrap_or(1.0);
    let exact = case["oracle"] == "exact";
    let mut worst: f64 = 0.0;
    for (result, expected) in results.iter().zip(expected) {
        let wanted = load(&expected["array"])?.astype(dtype(&expected["dtype"])?);
        worst = worst.max(compare::close(result, &wanted, scale, exact)?);
    }
    Ok(worst)
}

/// The values of an input as a view of what was stored.
fn lay_out(stored: Array, input: &Value) -> Outcome<Array> {
    let n = stored.ndim() as i32;
    let view = match input["layout"].as_str() {
        Some("contiguous") => stored,
        Some("transposed") => stored.transpose(&(0..n).rev().collect::<Vec<_>>())?,
        Some("strided") => stored.slice_axis(-1, 0, 1)?.squeeze(Some(&[-1]))?,
        Some("shifted") => stored.slice_axis(0, 1, 2)?.squeeze(Some(&[0]))?,
        Some("broadcast") => stored.broadcast_to(&ops::sizes(&input["shape"])?)?,
        other => return Err(format!("unknown layout {other:?}").into()),
    };
    Ok(view)
}

fn dtype(name: &Value) -> Outcome<Dtype> {
    let name = name.as_str().unwrap_or_default();
    Dtype::from_name(name).ok_or_else(|| format!("unknown type {name:?}").into())
}

fn describe(case: &Value) -> String {
    let inputs = case["inputs"].as_array().into_iter().flatten();
    let shown: Vec<String> =
        inputs.map(|i| format!("{} {} {}", i["layout"], i["dtype"], i["shape"]).replace('"', "")).collect();
    format!("{}({}) {} [{}]", case["op"], shown.join(", "), case["args"], case["oracle"]).replace('"', "")
}
