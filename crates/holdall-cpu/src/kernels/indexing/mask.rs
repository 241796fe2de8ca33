//! Parts written where a mask says.

use crate::kernel::{Kernel, Scratch, Slice};

/// Parts of the values, one after another, written to where the mask is true. Bindings: the mask and the values, both
/// row-major without gaps, and the array, which is written in place.
#[derive(Debug)]
pub struct MaskKernel {
    /// Places of the mask.
    pub size: usize,
    /// How many parts the values have.
    pub values: usize,
    /// Bytes of a part.
    pub part: usize,
}

impl Kernel for MaskKernel {
    fn items(&self, _: usize) -> usize {
        // Where a part comes from depends on all places before it.
        1
    }

    unsafe fn run(&self, _: usize, _: usize, memory: &[Slice], _: &mut Scratch) {
        // SAFETY: the mask has `size` bytes that nothing writes to.
        let mask = unsafe { memory[0].read::<u8>(self.size) };
        let places = (0..self.size).filter(|i| mask[*i] != 0).take(self.values);
        for (k, place) in places.enumerate() {
            // SAFETY: values and array are blocks of their own with parts for `values` and `size` places.
            unsafe {
                let from = memory[1].as_ptr::<u8>().add(k * self.part);
                from.copy_to_nonoverlapping(memory[2].as_ptr::<u8>().add(place * self.part), self.part);
            }
        }
    }
}
