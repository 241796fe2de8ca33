//! Random bits.

use std::sync::Arc;

use holdall_core::Result;
use holdall_core::device::{Kernels, Plan, Request};
use holdall_core::random::RandomBits;

use crate::Library;
use crate::kernel::Kernel;
use crate::library::plan;

static BITS: Kernel = Kernel::new("random_bits", include_str!("../kernels/random.metal"));

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let library = library.clone();
    kernels.register(move |_: &RandomBits, request| bits(request, &library));
}

fn bits(request: &Request<'_>, library: &Library) -> Result<Plan> {
    let bytes = request.outputs[0].bytes();
    if bytes == 0 {
        return Ok(Plan::nothing());
    }
    if let Some(copies) = request.require_contiguous([0]) {
        return Ok(copies);
    }
    let words = bytes.div_ceil(4);
    let call = library.call("random_bits", &BITS, &[])?.input(0, request).output(0, request);
    Ok(plan(call.value(bytes as u64).value(words as u64).each(words.div_ceil(2))?))
}
