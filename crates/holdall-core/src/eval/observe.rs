//! Showing calls of custom kernels to those who want to see them.

use smallvec::SmallVec;

use super::record::Recorder;
use crate::Array;
use crate::error::{Error, ErrorKind, Result};
use crate::op::Primitive;
use crate::ops::CustomKernel;
use crate::runtime::Runtime;

impl Recorder<'_> {
    /// Shows a call to all observers that want to see it, before it is recorded. What was recorded so far is run and
    /// waited for, and the inputs are read through their device.
    pub fn observe(&mut self, op: &dyn Primitive, inputs: &[Array]) -> Result<()> {
        let runtime = Runtime::get()?;
        if runtime.observers.is_empty() {
            return Ok(());
        }
        let Some(call) = op.as_any().downcast_ref::<CustomKernel>() else { return Ok(()) };
        let specs: SmallVec<[_; 4]> = inputs.iter().map(Array::spec).collect();
        let mut contents: Option<Vec<_>> = None;
        for observer in runtime.observers.iter().filter(|observer| observer.wants(call, &specs)) {
            if contents.is_none() {
                let mut read = Vec::with_capacity(inputs.len());
                for x in inputs {
                    read.push((x.spec(), self.contents(x)?));
                }
                contents = Some(read);
            }
            observer.launched(call, contents.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }

    /// The elements of an input, row-major.
    fn contents(&mut self, x: &Array) -> Result<Vec<u8>> {
        let mut bytes = vec![0; x.nbytes()];
        let mut value = self.value_of(x)?;
        if !value.layout.is_contiguous(x.shape()) {
            value = self.contiguous(&value, x.spec())?;
        }
        let encoder = self.scheduler.encoder(self.node.stream);
        encoder.flush()?;
        if let Some((queue, tick)) = value.written {
            let waited = encoder.queue.timelines().wait(queue, tick);
            waited.map_err(|e| Error::new(ErrorKind::Device, "eval", e.to_string()))?;
        }
        encoder.device.read(&value.storage, value.layout.offset * x.dtype().size(), &mut bytes)?;
        Ok(bytes)
    }
}
