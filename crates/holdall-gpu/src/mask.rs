//! Parts written where a mask says. Their places are running sums.

use std::sync::Arc;

use holdall_core::device::{Argument, Kernels, Plan, Request};
use holdall_core::ops::{MaskedScatter, Running};
use holdall_core::{Error, ErrorKind, Result, size_of};
use holdall_memory::Access;
use holdall_msl::ElementType;

use crate::Library;
use crate::gpu::Extent;
use crate::kernel::Kernel;
use crate::library::{bits, extent, fits_32, index, unchanged};
use crate::lines::Lines;
use crate::scan::Scanned;

static MASK: Kernel = Kernel::new("masked_scatter", include_str!("../kernels/mask.metal"));

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let library = library.clone();
    kernels.register(move |_: &MaskedScatter, request| masked_scatter(request, &library));
}

fn masked_scatter(request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "masked_scatter";
    if let Some(copies) = request.require_contiguous([0, 1, 2]) {
        return Ok(copies);
    }
    let (x, mask, values) = (&request.inputs[0], &request.inputs[1], &request.inputs[2]);
    let places = mask.spec.size();
    let part = size_of(&x.shape()[mask.shape().len()..]);
    if x.spec.size() == 0 || values.spec.size() == 0 {
        return Ok(unchanged());
    }
    if places > u32::MAX as usize {
        return Err(Error::new(ErrorKind::Kernel, NAME, format!("a mask of {places} places is too large")));
    }
    // How many places before each one are written.
    let counts = (Argument::Temporary(0), Extent::new(4 * places), ElementType::U32);
    let lines = Lines::one(places);
    let scanned = Scanned {
        op: NAME,
        running: Running::Sum,
        reverse: false,
        inclusive: false,
        lines: &lines,
        sum: ElementType::U32,
    };
    let source = (Argument::Input(1), extent(mask), ElementType::Bool);
    let (mut launches, bytes) = scanned.launches(library, source, counts, 1)?;
    let template = [bits(x.spec.dtype), index(fits_32([&x.spec]))];
    let call = library
        .call(NAME, &MASK, &template)?
        .input(1, request)
        .memory(counts.0, Access::Read, counts.1)
        .input(2, request)
        .updated(0, request)
        .value(x.spec.size() as u64)
        .value(part as u64)
        .value(values.shape()[0] as u64);
    launches.push(call.each(x.spec.size())?);
    let temporaries = [4 * places].into_iter().chain((bytes > 0).then_some(bytes)).collect();
    let launches = launches.into_iter().collect();
    Ok(Plan { in_place: std::iter::once((0, 0)).collect(), temporaries, launches, ..Plan::default() })
}

#[cfg(test)]
mod tests {
    use holdall_msl::TemplateValue;

    use super::*;
    use crate::kernel::compile;

    #[test]
    fn the_kernel_compiles_for_all_sizes() {
        for element in [ElementType::U8, ElementType::U16, ElementType::U32, ElementType::U64] {
            compile(&MASK, &[TemplateValue::Type(element), index(true)]);
            compile(&MASK, &[TemplateValue::Type(element), index(false)]);
        }
    }
}
