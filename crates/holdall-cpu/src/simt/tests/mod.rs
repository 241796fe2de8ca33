//! Tests of the engine: kernels against the front end's slow reference, and against native code.

#[path = "../../../../holdall-msl/tests/it/machine.rs"]
mod machine;
#[path = "../../../../holdall-msl/tests/it/samples.rs"]
mod samples;

mod checked;
mod functions;
mod kernels;
mod lanes;
mod native;
mod numbers;
mod semantics;
mod support;
