//! `holdall stress`.

use serde_json::Value;

use crate::home::Home;

const FIELDS: [&str; 17] = [
    "device",
    "seed",
    "seconds",
    "rounds",
    "operations",
    "custom_kernel_calls",
    "checked_calls",
    "blocks_reused",
    "uses_checked",
    "trims",
    "out_of_memory",
    "violations",
    "wrong_results",
    "nans",
    "missing",
    "messages",
    "reproduce",
];

fn zero(report: &Value) {
    for field in ["violations", "wrong_results", "nans"] {
        assert_eq!(report[field], 0, "{report}");
    }
    assert!(report["reproduce"].is_null() && report["messages"] == serde_json::json!([]), "{report}");
}

#[test]
fn rounds_are_counted_and_clean() {
    let home = Home::new();
    let run = home.run(&["stress", "--rounds", "2", "--seed", "7", "--device", "cpu", "--json"]).ok();
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    for field in FIELDS {
        assert!(report.get(field).is_some(), "{field} is missing: {report}");
    }
    assert_eq!(
        (&report["rounds"], &report["seed"], &report["device"]),
        (&2.into(), &7.into(), &"cpu".into())
    );
    assert!(report["custom_kernel_calls"].as_u64() > Some(100), "{report}");
    zero(&report);
    let run = home.run(&["stress", "--rounds", "1", "--seed", "7", "--graph-ops", "50"]).ok();
    for part in ["seed                  7", "custom kernel calls   150", "violations            0"] {
        assert!(run.stdout.contains(part), "{part} is missing:\n{}", run.stdout);
    }
}

#[test]
fn policies_are_compared() {
    let home = Home::new();
    let run = home.run(&["stress", "--compare", "--rounds", "3", "--seed", "0", "--json"]).ok();
    let table: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&table["holds"], &table["seeds"]), (&true.into(), &3.into()));
    let policies = table["policies"].as_array().unwrap();
    let names: Vec<&str> = policies.iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["unretained", "retained until complete", "evaluate each", "holdall"]);
    assert!(policies[0]["violations"].as_u64() > Some(0), "{table}");
    assert_eq!(policies[3]["violations"], 0, "{table}");
}

#[test]
fn nonsense_is_refused() {
    let home = Home::new();
    home.run(&["stress", "--device", "abacus"]).failed(2, &["no device \"abacus\"", "cpu"]);
    home.run(&["stress", "--checked", "101"]).failed(2, &["from 0 to 100"]);
    home.run(&["stress", "--compare", "--device", "cpu"]).failed(2, &["--device"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_the_summary() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    let home = Home::new();
    let begin = Instant::now();
    let mut command = home.command(&["stress", "--seconds", "600", "--device", "cpu", "--json"]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Long enough to have begun, whatever else the machine does; what comes earlier ends it, too.
    std::thread::sleep(Duration::from_millis(2500));
    let kill = format!("kill -INT {}", running.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(begin.elapsed() < Duration::from_secs(60), "it went on for {:?}", begin.elapsed());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    zero(&report);
}
