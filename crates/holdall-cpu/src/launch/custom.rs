//! Custom kernels, on the SIMT engine.

use std::sync::Arc;

use holdall_core::device::{Argument, Kernels, Operand, Plan, Pointwise, Request};
use holdall_core::ops::{CustomKernel, TemplateValue};
use holdall_core::pointwise::Program;
use holdall_core::{Dtype, Error, ErrorKind, Result, settings};
use holdall_memory::Access;
use holdall_msl::ir::BufferRole;
use holdall_msl::{ElementType, Input, KernelSource, Output, Signature};

use super::launch;
use crate::kernel::Kernel;
use crate::kernels::pointwise::PointwiseKernel;
use crate::simt::cache::Cache;
use crate::simt::{Binding, Checked, Launch};

const NAME: &str = "metal_kernel";

pub(super) fn register(kernels: &mut Kernels, threads: usize) {
    kernels.register(move |op: &CustomKernel, request| custom(op, request, threads));
}

fn custom(op: &CustomKernel, request: &Request<'_>, threads: usize) -> Result<Plan> {
    let text = op.kernel.text();
    // An address is the first element's, and nothing before it can be reached.
    let is_copied = |x: &Operand| {
        let backwards = x.strides().iter().any(|stride| *stride < 0);
        backwards || text.ensure_row_contiguous && !x.is_contiguous()
    };
    let copied: Vec<usize> = (0..request.inputs.len()).filter(|i| is_copied(&request.inputs[*i])).collect();
    if !copied.is_empty() {
        return Ok(Plan::contiguous(copied));
    }
    let fail = |kind, message: String| Error::new(kind, NAME, format!("{}: {message}", text.name));
    let signature = signature(op, request).map_err(|e| fail(ErrorKind::Argument, e.to_string()))?;
    let source = KernelSource { name: &text.name, header: &text.header, body: &text.source };
    let checked = op.checked || settings::check()?;
    let program = Cache::shared()
        .get(&source, &signature, checked)
        .map_err(|e| fail(ErrorKind::Kernel, format!("the kernel does not compile\n{e}")))?
        .program;
    let mut arguments = Vec::new();
    let mut bindings = Vec::new();
    for buffer in &program.ir().buffers {
        bindings.push(match buffer.role {
            BufferRole::Input(i) => {
                if buffer.is_written {
                    let message = format!("writes its input {}; only outputs may be written", buffer.name);
                    return Err(fail(ErrorKind::Kernel, message));
                }
                arguments.push((Argument::Input(i as usize), Access::Read));
                Binding::Memory(extent(&request.inputs[i as usize]))
            }
            BufferRole::Output(i) => {
                let access = if op.init_values.is_empty() { Access::Write } else { Access::ReadWrite };
                arguments.push((Argument::Output(i as usize), access));
                Binding::Memory(request.outputs[i as usize].bytes())
            }
            BufferRole::Parameter(_) => continue,
            role @ (BufferRole::Shape(i) | BufferRole::Strides(i) | BufferRole::Ndim(i)) => {
                let x = &request.inputs[i as usize];
                let Some(facts) = Binding::of_facts(role, x.shape(), x.strides()) else { continue };
                facts
            }
        });
    }
    let refuse = |e: crate::simt::LaunchError| fail(ErrorKind::Argument, e.to_string());
    let kernel: Arc<dyn Kernel> = if checked {
        let made = Checked::new(program, op.grid, op.threadgroup, bindings).map_err(refuse)?;
        Arc::new(if op.init_values.is_empty() { made } else { made.initialised() })
    } else {
        Arc::new(Launch::new(program, op.grid, op.threadgroup, bindings).map_err(refuse)?)
    };
    let mut plan = Plan::nothing();
    for (i, value) in op.init_values.iter().enumerate() {
        let mut program = Program::default();
        let register = program.constant(*value);
        program.outputs = vec![register];
        let shape = &request.outputs[i].shape;
        if request.outputs[i].size() > 0 {
            let fill = PointwiseKernel::new(
                &Pointwise { program: &program, shape, strides: &[], is_aligned: true },
                threads,
            )?;
            let arguments = std::iter::once((Argument::Output(i), Access::Write)).collect();
            plan.launches.push((launch(fill), arguments));
        }
    }
    plan.launches.push((Arc::new(crate::stream::CpuLaunch(kernel)), arguments.into()));
    Ok(plan)
}

/// Bytes from an input's first element to behind its last.
fn extent(x: &Operand) -> usize {
    if x.spec.size() == 0 {
        return 0;
    }
    let last: usize = x.shape().iter().zip(x.strides()).map(|(d, s)| (d - 1) * s.unsigned_abs()).sum();
    (last + 1) * x.spec.dtype.size()
}

fn signature(op: &CustomKernel, request: &Request<'_>) -> std::result::Result<Signature, holdall_msl::Error> {
    let text = op.kernel.text();
    let inputs: Vec<Input<'_>> = text
        .inputs
        .iter()
        .zip(request.inputs)
        .map(|(name, x)| Input {
            name,
            element: element(x.spec.dtype),
            ndim: x.shape().len(),
            n_elems: x.spec.size(),
        })
        .collect();
    let outputs: Vec<Output<'_>> = text
        .outputs
        .iter()
        .zip(request.outputs)
        .map(|(name, y)| Output { name, element: element(y.dtype) })
        .collect();
    let template: Vec<(&str, holdall_msl::TemplateValue)> = op
        .template
        .iter()
        .map(|(name, value)| {
            let value = match value {
                TemplateValue::Dtype(dtype) => holdall_msl::TemplateValue::Type(element(*dtype)),
                TemplateValue::Bool(value) => holdall_msl::TemplateValue::Bool(*value),
                TemplateValue::Int(value) => holdall_msl::TemplateValue::Int(*value),
            };
            (name.as_str(), value)
        })
        .collect();
    Signature::derive(&text.source, &inputs, &outputs, text.atomic_outputs, &template)
}

/// The type of elements in kernels. Calls refuse float64, which Metal does not have.
fn element(dtype: Dtype) -> ElementType {
    match dtype {
        Dtype::Bool => ElementType::Bool,
        Dtype::Uint8 => ElementType::U8,
        Dtype::Uint16 => ElementType::U16,
        Dtype::Uint32 => ElementType::U32,
        Dtype::Uint64 => ElementType::U64,
        Dtype::Int8 => ElementType::I8,
        Dtype::Int16 => ElementType::I16,
        Dtype::Int32 => ElementType::I32,
        Dtype::Int64 => ElementType::I64,
        Dtype::Float16 => ElementType::F16,
        Dtype::Bfloat16 => ElementType::BF16,
        Dtype::Float32 | Dtype::Float64 => ElementType::F32,
        Dtype::Complex64 => ElementType::Complex64,
    }
}
