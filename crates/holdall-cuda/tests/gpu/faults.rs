//! What happens when a kernel does what it must not: in a process of its own, since the device is lost to it.

use std::process::Command;

use holdall_core::device::Device;
use holdall_cuda::Parameter;
use holdall_memory::Access::Write;
use holdall_memory::User;

use crate::lanes::{Lane, gpu, kernel, launch, number, read};

/// Set in the process that faults.
const CHILD: &str = "CUDA_FAULT_CHILD";

/// Runs `child` in a process of its own, and gives what it printed.
fn run(name: &str, validate: bool) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("faults::{name}"), "--nocapture", "--test-threads=1"]);
    command.env(CHILD, "1").env("HOLDALL_VALIDATE", if validate { "1" } else { "0" });
    let output = command.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}\n{text}", output.status);
    text
}

fn wild() {
    let gpu = gpu().unwrap();
    let mut lane = Lane::new(&gpu);
    let mut bystander = Lane::new(&gpu);
    let (fill, late, wild) = (kernel(&gpu, "fill"), kernel(&gpu, "fill_late"), kernel(&gpu, "wild"));
    let (x, y) = (lane.take(4096), bystander.take(64));
    let parameters = [Parameter::Binding(0), number(1024), number(1)];
    lane.push("fill", launch(&fill, 1024, &parameters), &[(&x, Write)]);
    let good = lane.submit();
    lane.wait(good).unwrap();
    lane.push("innocent", launch(&fill, 1024, &parameters), &[(&x, Write)]);
    lane.push("culprit", launch(&wild, 1, &[Parameter::Binding(0)]), &[(&x, Write)]);
    let bad = lane.submit();
    lane.push("later", launch(&fill, 1024, &parameters), &[(&x, Write)]);
    let later = lane.submit();
    println!("bad: {}", lane.wait(bad).unwrap_err());
    println!("later: {}", lane.wait(later).unwrap_err());
    // Everything else fails cleanly, without waiting.
    let slow = [Parameter::Binding(0), number(16), number(1), number(1)];
    bystander.push("bystander", launch(&late, 16, &slow), &[(&y, Write)]);
    let tick = bystander.submit();
    println!("bystander: {}", bystander.wait(tick).unwrap_err());
    println!("read: {}", gpu.read(&x, 0, &mut [0; 4]).unwrap_err());
    println!("upload: {}", gpu.upload(1 << 20, &mut |_| Ok(())).unwrap_err());
    println!("memory: {}", gpu.pool().take(1 << 30, User::Host).unwrap_err());
    println!("stream: {}", gpu.stream().err().map_or_else(|| "made".to_owned(), |e| e.to_string()));
    println!("the end");
}

#[test]
fn an_illegal_address_names_the_ops() {
    if std::env::var_os(CHILD).is_some() {
        return wild();
    }
    if gpu().is_none() {
        return;
    }
    let text = run("an_illegal_address_names_the_ops", false);
    let line = |name: &str| {
        let found = text.lines().find(|line| line.contains(&format!("{name}: ")));
        found.unwrap_or_else(|| panic!("no line {name} in\n{text}")).to_owned()
    };
    let bad = line("bad");
    for part in [
        "CUDA_ERROR_ILLEGAL_ADDRESS",
        "innocent (built at ",
        "culprit (built at ",
        "faults.rs:",
        "HOLDALL_VALIDATE=1",
    ] {
        assert!(bad.contains(part), "{part} in {bad}");
    }
    for name in ["later", "bystander", "upload", "memory"] {
        assert!(line(name).contains("cuda:0 was lost"), "{}", line(name));
    }
    assert!(text.contains("the end"), "{text}");
}

#[test]
fn validation_names_the_one_at_fault() {
    if std::env::var_os(CHILD).is_some() {
        return wild();
    }
    if gpu().is_none() {
        return;
    }
    let text = run("validation_names_the_one_at_fault", true);
    let bad = text.lines().find(|line| line.contains("bad: ")).unwrap();
    assert!(bad.contains("culprit: ") && bad.contains("CUDA_ERROR_ILLEGAL_ADDRESS"), "{bad}");
    assert!(!bad.contains("innocent") && bad.contains("faults.rs:"), "{bad}");
    assert!(text.contains("the end"), "{text}");
}

#[test]
fn a_good_kernel_leaves_no_error() {
    let Some(gpu) = gpu() else { return };
    let mut lane = Lane::new(&gpu);
    let x = lane.take(64);
    let fill = kernel(&gpu, "fill");
    lane.push("fill", launch(&fill, 16, &[Parameter::Binding(0), number(16), number(8)]), &[(&x, Write)]);
    let tick = lane.submit();
    lane.wait(tick).unwrap();
    assert_eq!(read(&*gpu, &x, 16), [8; 16]);
}
