//! Random bits.

use holdall_core::device::{Kernels, Plan};
use holdall_core::random::RandomBits;

use super::launch;
use crate::isa::Isa;
use crate::kernels::random::BitsKernel;

pub(super) fn register(kernels: &mut Kernels, _threads: usize) {
    kernels.register(|_: &RandomBits, request| {
        let bytes = request.outputs[0].bytes();
        if bytes == 0 {
            return Ok(Plan::nothing());
        }
        if let Some(plan) = request.require_contiguous([0]) {
            return Ok(plan);
        }
        Ok(Plan::launch(launch(BitsKernel { bytes, isa: Isa::get() }), 1, 1, &[]))
    });
}
