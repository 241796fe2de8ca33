//! Evaluation: from lazy graphs to command buffers.
//!
//! [`eval`] lists what must be computed, inputs first (`topology`), decides which elementwise ops run as one kernel
//! (`fuse`), and records each kernel on its stream (`record`), all under the scheduler's lock and without recursion.
//! It then closes the command buffers and, outside of the lock, waits for what was asked for. Execution goes on while
//! others record.
//!
//! An array's life: *lazy* (graph, no value) → *scheduled* (a value, whose command buffer has not ended) → *ready*.
//! The step to scheduled happens once, under the lock; at that moment the node lets go of its inputs, unless a
//! transformation traces it. So memory goes back to the pool as soon as its last reader is recorded, and the next op
//! of the same stream can have it at once (`holdall-memory` says why that is safe).

mod encoder;
mod fuse;
mod observe;
mod order;
mod record;
mod topology;

pub(crate) use encoder::Scheduler;

use crate::Array;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::Runtime;

/// Computes arrays and waits for them.
///
/// # Errors
/// When a device, memory, a kernel or reading a file fails. What did not depend on the failure is computed.
pub fn eval(arrays: &[&Array]) -> Result<()> {
    schedule(arrays)?;
    let runtime = Runtime::get()?;
    for x in arrays {
        let value = x.value().ok_or_else(|| Error::new(ErrorKind::Device, "eval", "left no value"))?;
        if let Some((queue, tick)) = value.written
            && value.device.get()?.pool().policy().checks_host()
        {
            runtime.wait(queue, tick).map_err(|e| e.at(x.node.origin))?;
        }
    }
    Ok(())
}

/// Starts computing arrays and returns; reading one later waits for just that one.
///
/// # Errors
/// When memory runs out or a kernel cannot be made. Failures of execution come out where a value is read.
pub fn async_eval(arrays: &[&Array]) -> Result<()> {
    schedule(arrays)
}

fn schedule(arrays: &[&Array]) -> Result<()> {
    if arrays.iter().all(|x| x.value().is_some()) {
        return Ok(());
    }
    let runtime = Runtime::get()?;
    let mut scheduler = runtime.scheduler.lock();
    let recorded = topology::Worklist::new(arrays, &scheduler).and_then(|list| list.record(&mut scheduler));
    // Also after a failure: every command buffer that was opened is closed, so that its tick ends.
    let submitted = scheduler.flush_all();
    recorded.and(submitted)
}
