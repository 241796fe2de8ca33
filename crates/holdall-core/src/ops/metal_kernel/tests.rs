//! What is checked when a call is built, and when calls are equal.

use super::*;
use crate::scalar::Operand;

fn message(call: KernelCall) -> String {
    call.build().unwrap_err().to_string()
}

#[test]
fn counts_and_sizes_are_checked_when_a_call_is_built() {
    let kernel = MetalKernel::new("k", "y[0] = x[0];").inputs(["x"]).outputs(["y"]);
    let one = || kernel.call([1.0f32]).output([1], Dtype::Float32);
    assert_eq!(one().build().unwrap()[0].shape(), [1]);
    assert!(
        message(one().output([2], Dtype::Float32)).contains("an output for each of [y], got 2"),
        "outputs"
    );
    assert!(message(kernel.call([1, 2]).output([1], Dtype::Int32)).contains("an input for each of [x]"));
    assert!(message(one().grid([4, 0, 1])).contains("the grid [4, 0, 1] has no threads"));
    assert!(message(one().threadgroup([0, 1, 1])).contains("the threadgroup"));
    assert!(message(kernel.call([1.0]).output([1], Dtype::Float64)).contains("y is float64"));
    let nothing = MetalKernel::new("k", "");
    assert!(message(nothing.call(Vec::<Operand>::new())).contains("at least one output"));
}

#[test]
fn calls_are_equal_when_text_and_arguments_are() {
    let kernel = |source: &str| MetalKernel::new("k", source).inputs(["x"]).outputs(["y"]);
    let op = |kernel: &MetalKernel, n: u32| {
        let arrays = kernel.call([1.0]).output([1], Dtype::Float32).grid([n, 1, 1]).build().unwrap();
        let graph = arrays[0].node.graph.lock();
        graph.as_ref().unwrap().op.clone()
    };
    assert_eq!(op(&kernel("a"), 1), op(&kernel("a"), 1));
    assert_ne!(op(&kernel("a"), 1), op(&kernel("b"), 1), "the name is no identity");
    assert_ne!(op(&kernel("a"), 1), op(&kernel("a"), 2));
}

#[test]
fn updated_inputs_come_back_after_the_outputs() {
    let kernel =
        MetalKernel::new("k", "b[0] += a[0];").inputs(["a", "b", "c"]).outputs(["y"]).read_write(["c", "b"]);
    let call = kernel.call([Operand::from(1.0), 2.into(), true.into()]).output([3], Dtype::Float32);
    let arrays = call.build().unwrap();
    let types: Vec<Dtype> = arrays.iter().map(Array::dtype).collect();
    assert_eq!(types, [Dtype::Float32, Dtype::Int32, Dtype::Bool], "in the order of the inputs");
    let wrong = MetalKernel::new("k", "").inputs(["a"]).read_write(["b"]).call([1.0]);
    assert!(message(wrong).contains("b is to be read and written, but is none of the inputs [a]"));
}

#[test]
fn derivatives_are_the_same_by_identity() {
    let plain = MetalKernel::new("k", "").outputs(["y"]);
    let ruled = plain.clone().vjp(|_, _, c| Ok(c.to_vec()));
    let again = plain.clone().vjp(|_, _, c| Ok(c.to_vec()));
    assert_eq!(ruled, ruled.clone());
    assert_ne!(ruled, plain);
    assert_ne!(ruled, again);
}

#[test]
fn a_call_is_built_where_it_is_written() {
    let kernel = MetalKernel::new("k", "y[0] = x[0];").inputs(["x"]).outputs(["y"]);
    let (call, line) = (kernel.call([1.0f32]).output([1], Dtype::Float32), line!());
    let wrong = (kernel.call([1.0f32]).output([1], Dtype::Float64), line!());
    let place = |line: u32| format!("tests.rs:{line}:");
    assert!(call.build().unwrap()[0].node.origin.to_string().contains(&place(line)));
    assert!(message(wrong.0).contains(&place(wrong.1)));
}
