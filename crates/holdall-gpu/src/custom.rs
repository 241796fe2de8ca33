//! Custom kernels: signature, contiguity and first values, as MLX has them.

use holdall_core::device::{Argument, Kernels, Plan, Pointwise, Request};
use holdall_core::op::Spec;
use holdall_core::ops::{CustomKernel, MetalKernel, TemplateValue};
use holdall_core::pointwise::Program;
use holdall_core::{Dtype, Error, ErrorKind, Result, settings};
use holdall_memory::Access;
use holdall_msl::ir::BufferRole;
use holdall_msl::{Input, KernelSource, Kind, Output, Signature, compile};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

use crate::Library;
use crate::gpu::Author;
use crate::library::{Call, element, extent};

const NAME: &str = "metal_kernel";

/// Inputs with fewer elements are passed in constant memory.
const SMALL: usize = 8;

/// All that decides what a kernel is compiled to. A text knows its hash, and is compared only where addresses differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    kernel: MetalKernel,
    template: Vec<(String, TemplateValue)>,
    /// Of each input, then output: its type, and the number of axes and whether there are few elements.
    types: SmallVec<[(Dtype, u8, bool); 8]>,
    is_checked: bool,
}

/// Signatures by key.
type Signatures = Mutex<FxHashMap<Key, Arc<Signature>>>;

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let library = library.clone();
    let signatures = Signatures::default();
    kernels.register(move |op: &CustomKernel, request| custom(op, request, &library, &signatures));
    kernels.register_source(source);
}

fn custom(
    op: &CustomKernel,
    request: &Request<'_>,
    library: &Library,
    signatures: &Signatures,
) -> Result<Plan> {
    let text = op.kernel.text();
    let copied = op.copied(request.inputs);
    if !copied.is_empty() {
        return Ok(Plan::contiguous(copied));
    }
    let fail = |kind, message: String| Error::new(kind, NAME, format!("{}: {message}", text.name));
    // As it was given, not as it is cut to the grid.
    let (group, most) = (op.threadgroup, library.gpu.facts().max_threads);
    if group.iter().map(|n| u64::from(*n)).product::<u64>() > u64::from(most) {
        let message = format!("a threadgroup of {group:?} has more than {most} threads");
        return Err(fail(ErrorKind::Argument, message));
    }
    let fact = |spec: &Spec| (spec.dtype, spec.shape.len() as u8, spec.size() < SMALL);
    let key = Key {
        kernel: op.kernel.clone(),
        template: op.template.clone(),
        types: request.inputs.iter().map(|x| fact(&x.spec)).chain(request.outputs.iter().map(fact)).collect(),
        is_checked: op.checked || settings::check()?,
    };
    let known = signatures.lock().get(&key).cloned();
    let signature = match known {
        Some(known) => known,
        None => {
            let specs: SmallVec<[&Spec; 8]> = request.inputs.iter().map(|x| &x.spec).collect();
            let made = Arc::new(signature(op, &specs)?);
            let mut all = signatures.lock();
            if all.len() >= 4096 {
                all.clear();
            }
            all.insert(key.clone(), made.clone());
            made
        }
    };
    let compiled = library.custom.get(key, |key| {
        let source = KernelSource { name: &text.name, header: &text.header, body: &text.source };
        check(op, &source, &signature)?;
        library.gpu.kernel(&source, &signature, Author::User { is_checked: key.is_checked })
    })?;
    let mut call = Call::new(library, NAME, compiled);
    for buffer in signature.buffers() {
        call = match buffer.role {
            BufferRole::Input(i) => {
                let extent = extent(&request.inputs[i as usize]);
                call.memory(Argument::Input(i as usize), Access::Read, extent)
            }
            BufferRole::Output(i) if op.access(i as usize) == Access::Write => {
                call.output(i as usize, request)
            }
            BufferRole::Output(i) => call.updated(i as usize, request),
            BufferRole::Shape(i) => {
                let shape: SmallVec<[i32; 8]> =
                    request.inputs[i as usize].shape().iter().map(|d| *d as i32).collect();
                call.values(&shape)
            }
            BufferRole::Strides(i) => {
                let strides: SmallVec<[i64; 8]> =
                    request.inputs[i as usize].strides().iter().map(|s| *s as i64).collect();
                call.values(&strides)
            }
            BufferRole::Ndim(i) => call.value(request.inputs[i as usize].shape().len() as i32),
            BufferRole::Parameter(i) => {
                return Err(fail(ErrorKind::Kernel, format!("nobody gives its parameter {i}")));
            }
        };
    }
    let mut plan = Plan { in_place: op.in_place(), ..Plan::nothing() };
    for (i, value) in op.fills() {
        let mut program = Program::default();
        program.outputs = vec![program.constant(value)];
        let shape = &request.outputs[i].shape;
        if request.outputs[i].size() > 0 {
            let fill = Pointwise { program: &program, shape, strides: &[], is_aligned: true };
            let arguments = std::iter::once((Argument::Output(i), Access::Write)).collect();
            plan.launches.push((library.pointwise(&fill)?, arguments));
        }
    }
    plan.launches.push(call.run(op.grid, op.threadgroup)?);
    Ok(plan)
}

/// What our own front end has against a kernel: address spaces, for one, mean nothing to many a compiler behind it, which may
/// know more of the language on the other hand.
fn check(op: &CustomKernel, source: &KernelSource<'_>, signature: &Signature) -> Result<()> {
    let program = match compile(source, signature) {
        Ok(compiled) => compiled.program,
        Err(e) if e.diagnostics().iter().all(|d| d.kind() == Kind::Unsupported) => return Ok(()),
        Err(e) => return Err(op.error(ErrorKind::Kernel, format!("the kernel does not compile\n{e}"))),
    };
    let mut inputs = program.buffers.iter().filter(|b| matches!(b.role, BufferRole::Input(_)));
    inputs.find(|b| b.is_written).map_or(Ok(()), |input| Err(op.writes_input(&input.name)))
}

/// The text of a kernel with its parameters.
fn source(op: &CustomKernel, inputs: &[&Spec]) -> Result<String> {
    let text = op.kernel.text();
    let parameters = signature(op, inputs)?.to_string().replace('\n', "\n    ");
    let name: String = text.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let (header, body) = (&text.header, &text.source);
    Ok(format!("{header}\n[[kernel]] void custom_kernel_{name}(\n    {parameters}) {{\n{body}\n}}"))
}

fn signature(op: &CustomKernel, specs: &[&Spec]) -> Result<Signature> {
    let text = op.kernel.text();
    let mut inputs = Vec::new();
    for (name, x) in text.inputs.iter().zip(specs) {
        let element = element(NAME, x.dtype)?;
        inputs.push(Input { name, element, ndim: x.shape.len(), n_elems: x.size() });
    }
    let mut outputs = Vec::new();
    for (name, y) in text.outputs.iter().zip(&op.outputs) {
        outputs.push(Output { name, element: element(NAME, y.dtype)? });
    }
    let mut template = Vec::new();
    for (name, value) in &op.template {
        let value = match value {
            TemplateValue::Dtype(dtype) => holdall_msl::TemplateValue::Type(element(NAME, *dtype)?),
            TemplateValue::Bool(value) => holdall_msl::TemplateValue::Bool(*value),
            TemplateValue::Int(value) => holdall_msl::TemplateValue::Int(*value),
        };
        template.push((name.as_str(), value));
    }
    Signature::derive_updating(&text.source, &inputs, &outputs, &op.updated, text.atomic_outputs, &template)
        .map_err(|e| Error::argument(NAME, format!("{}: {e}", text.name)))
}
