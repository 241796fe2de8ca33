//! What planning costs on the host: `cargo bench -p holdall-gpu --bench planning`. No device is needed.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::any::Any;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use holdall_core::command::{Executable, Launch};
use holdall_core::device::{Operand, Pointwise, Request};
use holdall_core::op::{Primitive, Spec};
use holdall_core::ops::{Gather, Matmul, Reduce, Reduction, Source};
use holdall_core::pointwise::{Program, row};
use holdall_core::{Dtype, Layout, Result, Strides, contiguous_strides};
use holdall_gpu::{Author, Compiled, Dispatch, Facts, Gpu, Library};
use holdall_msl::{KernelSource, Signature};

/// A device whose launches do nothing.
#[derive(Debug)]
struct Nothing(Facts);

#[derive(Debug)]
struct Empty;

impl Compiled for Empty {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a backend keeps of a launch.
#[derive(Debug)]
#[expect(dead_code, reason = "it is made, not run")]
struct Kept(holdall_gpu::Inline, [u32; 6]);

impl Executable for Kept {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Gpu for Nothing {
    fn facts(&self) -> &Facts {
        &self.0
    }

    fn kernel(&self, _: &KernelSource<'_>, _: &Signature, _: Author) -> Result<Arc<dyn Compiled>> {
        Ok(Arc::new(Empty))
    }

    fn launch(&self, _: &Arc<dyn Compiled>, dispatch: Dispatch<'_>) -> Result<Launch> {
        let [[a, b, c], [d, e, f]] = [dispatch.grid, dispatch.threadgroup];
        Ok(Arc::new(Kept(dispatch.inline.clone(), [a, b, c, d, e, f])))
    }

    fn load(&self, _: &Arc<dyn Source>) -> Result<Launch> {
        Ok(Arc::new(Kept(holdall_gpu::Inline::default(), [0; 6])))
    }
}

fn time(name: &str, mut f: impl FnMut()) {
    for _ in 0..1000 {
        f();
    }
    let n = 200_000;
    let start = Instant::now();
    (0..n).for_each(|_| f());
    println!("{name:30} {:7.0} ns", start.elapsed().as_nanos() as f64 / f64::from(n));
}

fn operand(shape: &[usize], dtype: Dtype) -> Operand {
    Operand { spec: Spec::new(shape, dtype), layout: Layout::contiguous(shape) }
}

fn main() {
    let facts = Facts { max_threads: 1024, threadgroup_bytes: 32 << 10, cores: 132 };
    let library = Library::new(Arc::new(Nothing(facts)));
    let kernels = library.kernels();
    let mut program = Program::new([Dtype::Bfloat16; 2]);
    let sum = program.row(row::add(), Dtype::Bfloat16, &[0, 1], Dtype::Bfloat16);
    program.outputs = vec![program.row(row::exp(), Dtype::Bfloat16, &[sum], Dtype::Bfloat16)];
    let shape = [8, 4096];
    let dense = [contiguous_strides(&shape), contiguous_strides(&shape)];
    let turned = [Strides::from([1, 8]), contiguous_strides(&shape)];
    for (name, strides) in [("pointwise, dense", &dense), ("pointwise, strided", &turned)] {
        let request = Pointwise { program: &program, shape: &shape, strides, is_aligned: true };
        time(name, || drop(black_box(library.pointwise(&request).unwrap())));
    }
    let plan = |name: &str, op: &dyn Primitive, inputs: &[Operand], output: Spec| {
        let outputs = [output];
        let request = Request { inputs, outputs: &outputs };
        time(name, || drop(black_box(kernels.plan(op, &request).unwrap())));
    };
    let bf16 = Dtype::Bfloat16;
    let (x, w) = (operand(&[1, 4096], bf16), operand(&[4096, 4096], bf16));
    plan("matmul", &Matmul, &[x, w], Spec::new([1, 4096], bf16));
    let reduce = Reduce { reduction: Reduction::Sum, axes: [1].into_iter().collect() };
    plan("sum", &reduce, &[operand(&[8, 4096], bf16)], Spec::new([8, 1], bf16));
    let gather = Gather { axes: [0].into_iter().collect(), sizes: [1, 4096].into(), position: 0 };
    let inputs = [operand(&[49152, 4096], bf16), operand(&[1, 1], Dtype::Int32)];
    plan("gather", &gather, &inputs, Spec::new([1, 1, 1, 4096], bf16));
}
