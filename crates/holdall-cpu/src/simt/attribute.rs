//! Attributes of threads.

use holdall_msl::ir::Attribute;

use super::code::Write;
use super::machine::Machine;
use super::rows::BLOCK;

impl Machine<'_> {
    /// The same for all threads of the group; `None` for attributes that are not.
    fn of_group(&self, attribute: Attribute, i: usize) -> Option<u32> {
        let n = self.n_lanes as u32;
        Some(match attribute {
            Attribute::ThreadgroupPositionInGrid => self.group[i],
            Attribute::ThreadsPerThreadgroup => self.size[i],
            Attribute::DispatchThreadsPerThreadgroup => self.geometry.nominal[i],
            Attribute::ThreadsPerGrid | Attribute::GridSize => self.geometry.grid[i],
            Attribute::ThreadgroupsPerGrid => self.geometry.groups()[i],
            Attribute::GridOrigin => 0,
            Attribute::SimdgroupsPerThreadgroup => n.div_ceil(32),
            Attribute::QuadgroupsPerThreadgroup => n.div_ceil(4),
            Attribute::DispatchSimdgroupsPerThreadgroup => {
                self.geometry.nominal.iter().product::<u32>().div_ceil(32)
            }
            Attribute::DispatchQuadgroupsPerThreadgroup => {
                self.geometry.nominal.iter().product::<u32>().div_ceil(4)
            }
            Attribute::ThreadsPerSimdgroup | Attribute::ThreadExecutionWidth => 32,
            _ => return None,
        })
    }

    /// Makes a row of an attribute.
    pub fn attribute(&mut self, attribute: Attribute, i: usize, dst: Write) {
        let (to, blocks, aside) = self.target(dst);
        // SAFETY: the target has so many blocks of `u32`.
        let lanes = unsafe { std::slice::from_raw_parts_mut(to.cast::<u32>(), blocks * BLOCK) };
        if let Some(value) = self.of_group(attribute, i) {
            lanes.fill(value);
        } else {
            let first = (self.low * BLOCK) as u32;
            let at = self.local[i].at.cast::<u32>().wrapping_add(self.low * BLOCK);
            // SAFETY: positions are a row with all of the group's blocks.
            let local = unsafe { std::slice::from_raw_parts(at, blocks * BLOCK) };
            let mut fill = |f: &dyn Fn(u32) -> u32| {
                for (lane, index) in lanes.iter_mut().zip(first..) {
                    *lane = f(index);
                }
            };
            match attribute {
                Attribute::ThreadPositionInGrid => {
                    let base = self.group[i] * self.geometry.nominal[i];
                    for (lane, x) in lanes.iter_mut().zip(local) {
                        *lane = base + x;
                    }
                }
                Attribute::ThreadPositionInThreadgroup => lanes.copy_from_slice(local),
                Attribute::ThreadIndexInSimdgroup => fill(&|index| index % 32),
                Attribute::SimdgroupIndexInThreadgroup => fill(&|index| index / 32),
                Attribute::ThreadIndexInQuadgroup => fill(&|index| index % 4),
                Attribute::QuadgroupIndexInThreadgroup => fill(&|index| index / 4),
                _ => fill(&|index| index),
            }
        }
        if aside {
            self.place(dst, blocks);
        }
    }
}
