//! Custom kernels, on the SIMT engine.

mod signature;

use std::sync::{Arc, Weak};

use holdall_core::device::{Argument, Kernels, Plan, Pointwise, Request};
use holdall_core::op::Spec;
use holdall_core::ops::CustomKernel;
use holdall_core::pointwise::Program;
use holdall_core::{ErrorKind, Result, settings};
use holdall_memory::Access;
use holdall_msl::KernelSource;
use holdall_msl::ir::BufferRole;
use smallvec::SmallVec;

use self::signature::Key;
use super::launch;
use crate::kernel::Kernel;
use crate::kernels::pointwise::PointwiseKernel;
use crate::simt::cache::{Cache, Cached};
use crate::simt::{Binding, Checked, Launch};

pub(super) fn register(kernels: &mut Kernels, threads: usize) {
    kernels.register(move |op: &CustomKernel, request| custom(op, request, threads));
    kernels.register_source(signature::source);
}

fn custom(op: &CustomKernel, request: &Request<'_>, threads: usize) -> Result<Plan> {
    let copied = op.copied(request.inputs);
    if !copied.is_empty() {
        return Ok(Plan::contiguous(copied));
    }
    let checked = op.checked || settings::check()?;
    let specs: SmallVec<[&Spec; 8]> = request.inputs.iter().map(|x| &x.spec).collect();
    let program = compiled(op, &specs, checked)?.program.clone();
    let mut arguments = SmallVec::new();
    let mut bindings = Vec::with_capacity(program.ir().buffers.len());
    for buffer in &program.ir().buffers {
        bindings.push(match buffer.role {
            BufferRole::Input(i) => {
                if buffer.is_written {
                    return Err(op.writes_input(&buffer.name));
                }
                arguments.push((Argument::Input(i as usize), Access::Read));
                Binding::Memory(CustomKernel::extent(&request.inputs[i as usize]))
            }
            BufferRole::Output(i) => {
                arguments.push((Argument::Output(i as usize), op.access(i as usize)));
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
    let refuse = |e: crate::simt::LaunchError| op.error(ErrorKind::Argument, e);
    let n_unwritten = if op.init_value.is_some() { 0 } else { op.n_named() };
    let kernel: Arc<dyn Kernel> = if checked {
        let made = Checked::new(program, op.grid, op.threadgroup, bindings).map_err(refuse)?;
        Arc::new(made.initialised_from(n_unwritten).deadline(op.deadline))
    } else {
        let made = Launch::new(program, op.grid, op.threadgroup, bindings).map_err(refuse)?;
        Arc::new(made.deadline(op.deadline))
    };
    let mut plan = Plan { in_place: op.in_place(), ..Plan::nothing() };
    for (i, value) in op.fills() {
        let mut program = Program::default();
        let register = program.constant(value);
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
    plan.launches.push((Arc::new(crate::stream::CpuLaunch(kernel)), arguments));
    Ok(plan)
}

/// What a kernel remembers of a program of its own: it is the cache that keeps programs.
struct Known {
    key: Key,
    checked: bool,
    cached: Weak<Cached>,
}

/// The program of a call.
fn compiled(op: &CustomKernel, inputs: &[&Spec], checked: bool) -> Result<Arc<Cached>> {
    let memo = op.kernel.memo();
    let known = memo.find(|known: &Known| {
        let same = known.checked == checked && known.key.is_of(op, inputs);
        same.then(|| known.cached.upgrade()).flatten()
    });
    if let Some(cached) = known {
        Cache::shared().touch(&cached);
        return Ok(cached);
    }
    let text = op.kernel.text();
    let source = KernelSource { name: &text.name, header: &text.header, body: &text.source };
    let cached = Cache::shared()
        .get(&source, &signature::derive(op, inputs)?, checked)
        .map_err(|e| signature::does_not_compile(op, &e))?;
    let known = Known { key: Key::new(op, inputs), checked, cached: Arc::downgrade(&cached) };
    memo.insert(known, |old| old.cached.strong_count() == 0);
    Ok(cached)
}
