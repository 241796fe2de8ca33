//! Project chores: `cargo xtask help`.
#![forbid(unsafe_code)]

mod bundle;
mod ci;
mod lint;
mod loom;
mod oracle;
mod process;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  ci              everything that a change has to pass: runs .ci/run
  lint            what neither rustc nor clippy looks at: lengths of files, unsafe code, environment variables
  loom            the models of the memory protocol, each also with its rule off
  oracle [PART]   compare with MLX and NumPy, which it installs in target/oracle; PART is ops, tokens,
                  cuda (kernels through NVRTC; no GPU is needed) or all
  gpu-bundle DIR [--model-part K/N]
                  the tests for GPUs in a folder that needs no toolchain: DIR/run.sh runs them
  help            this text";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["ci"] => ci::run(),
        ["lint"] => lint::run(),
        ["loom"] => loom::run(),
        ["oracle"] => oracle::run(oracle::Part::All),
        ["oracle", part] => oracle::Part::named(part).and_then(oracle::run),
        ["gpu-bundle", folder] => bundle::run(folder, None),
        ["gpu-bundle", folder, "--model-part", part] => {
            bundle::ModelPart::parse(part).and_then(|part| bundle::run(folder, Some(part)))
        }
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(format!("unknown command {:?}\n\n{HELP}", words.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
