//! Rotary position embedding.

use std::f64::consts::TAU;
use std::sync::Arc;

use holdall_core::Result;
use holdall_core::device::{Kernels, Plan, Request};
use holdall_core::ops::Rope;
use holdall_msl::TemplateValue;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::Library;
use crate::kernel::Kernel;
use crate::layout::merged_some;
use crate::library::{extent, plan, refused, ty};

const NAME: &str = "rope";
const FILE: &str = include_str!("../kernels/rope.metal");
static BASE: Kernel = Kernel::new("rope_base", FILE);
static PERIODS: Kernel = Kernel::new("rope_periods", FILE);

/// Rows along y of the grid.
const ROWS: usize = 65535;

/// Turns per position, by dims, base and scale.
type Turns = Mutex<FxHashMap<(usize, u64, u64), Arc<[u64]>>>;

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let library = library.clone();
    let turns = Turns::default();
    kernels.register(move |op: &Rope, request| rope(op, request, &library, &turns));
}

/// Parts of a turn that each pair turns for a position, in units of 2⁻⁶⁴; whole turns are left out.
fn per_position(dims: usize, base: f64, scale: f64) -> Arc<[u64]> {
    let half = dims / 2;
    let turns = (0..half).map(|i| base.powf(-(i as f64) / half as f64) * scale / TAU);
    turns.map(|turns| ((turns - turns.floor()) * 2f64.powi(64)) as u64).collect()
}

fn rope(op: &Rope, request: &Request<'_>, library: &Library, cache: &Turns) -> Result<Plan> {
    let (x, offset) = (&request.inputs[0], &request.inputs[1]);
    let n = x.shape().len();
    if request.outputs[0].size() == 0 {
        return Ok(Plan::nothing());
    }
    // All axes between batch and sequence are heads.
    let (heads, strides) = merged_some(&x.shape()[1..n - 2], &[&x.strides()[1..n - 2]]);
    if heads.len() > 1 {
        return Ok(Plan::contiguous([0]));
    }
    let [batch, sequence, features] = [x.shape()[0], x.shape()[n - 2], x.shape()[n - 1]];
    let rows = batch * heads[0] * sequence;
    if rows.max(features) > u32::MAX as usize {
        return Err(refused(NAME, x.spec.dtype));
    }
    let sizes = [batch, heads[0], sequence, features].map(|n| n as u32);
    let of = |axis: usize| x.strides()[axis] as i64;
    let x_strides = [of(0), strides[0][0] as i64, of(n - 2), of(n - 1)];
    let first = (extent(x).start.unsigned_abs() / x.spec.dtype.size()) as i64;
    let is_per_batch = offset.shape().first().is_some_and(|n| *n > 1);
    let offset_stride = if is_per_batch { offset.strides()[0] as i64 } else { 0 };
    // Turning back is turning at negative positions.
    let scale = if op.inverse { -op.scale() } else { op.scale() };
    let (t, offset_type) = (ty(NAME, x.spec.dtype)?, ty(NAME, offset.spec.dtype)?);
    let traditional = TemplateValue::Bool(op.traditional);
    let threads = op.dims / 2 + (features - op.dims);
    let call = match op.base() {
        Some(base) => {
            let key = (op.dims, base.to_bits(), scale.to_bits());
            let known = cache.lock().get(&key).cloned();
            let turns = known.unwrap_or_else(|| {
                let made = per_position(op.dims, base, scale);
                let mut all = cache.lock();
                if all.len() > 256 {
                    all.clear();
                }
                all.insert(key, made.clone());
                made
            });
            // A parameter has an element at least.
            let turns = if turns.is_empty() { &[0][..] } else { &turns };
            let half = TemplateValue::Int((op.dims / 2) as i32);
            if op.dims == 0 {
                // Nothing rotates: as with periods, which nobody reads.
                library
                    .call(NAME, &PERIODS, &[t, offset_type, t, traditional])?
                    .input(0, request)
                    .input(1, request)
                    .input(0, request)
                    .output(0, request)
                    .values(&sizes)
                    .values(&x_strides)
                    .value(first)
                    .value(offset_stride)
                    .value(0u32)
                    .values(&[0f32; 2])
                    .value(0i64)
            } else {
                library
                    .call(NAME, &BASE, &[t, offset_type, traditional, half])?
                    .input(0, request)
                    .input(1, request)
                    .output(0, request)
                    .values(&sizes)
                    .values(&x_strides)
                    .value(first)
                    .value(offset_stride)
                    .values(turns)
            }
        }
        None => {
            let periods = &request.inputs[2];
            let turns = scale / TAU;
            let high = turns as f32;
            let template = [t, offset_type, ty(NAME, periods.spec.dtype)?, traditional];
            library
                .call(NAME, &PERIODS, &template)?
                .input(0, request)
                .input(1, request)
                .input(2, request)
                .output(0, request)
                .values(&sizes)
                .values(&x_strides)
                .value(first)
                .value(offset_stride)
                .value(op.dims as u32)
                .values(&[high, (turns - f64::from(high)) as f32])
                .value(periods.strides()[0] as i64)
        }
    };
    let grid = [threads as u32, rows.min(ROWS) as u32, rows.div_ceil(ROWS) as u32];
    let group = (threads as u32).min(32);
    Ok(plan(call.run(grid, [group, 8, 1])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_fractions_of_the_circle() {
        let turns = per_position(4, 100.0, 1.0);
        let want = [1.0 / TAU, 0.1 / TAU].map(|t: f64| t * 2f64.powi(64));
        for (got, want) in turns.iter().zip(want) {
            assert!((*got as f64 - want).abs() < 1e5, "{got} {want}");
        }
        let back = per_position(4, 100.0, -1.0);
        assert!(
            back.iter().zip(turns.iter()).all(|(a, b)| a.wrapping_add(*b).abs_diff(0) < 1 << 14
                || a.wrapping_add(*b) > u64::MAX - (1 << 14))
        );
    }
}
