//! Threefry-2x32: random bits from a key and a counter.

#[cfg(test)]
mod tests;

use crate::isa::{Isa, levels};
use crate::kernel::{Kernel, Scratch, Slice, span};

/// Counters that are hashed side by side.
const LANES: usize = 64;
/// Counters an item.
const ITEM: usize = 1 << 14;

const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];

/// Hashes counters `(a, b)` in place: 20 rounds, each a loop over all of them, which vectorises.
#[inline(always)]
fn hash<const N: usize>(key: [u32; 2], a: &mut [u32; N], b: &mut [u32; N]) {
    let keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1bd1_1bda];
    let add = |x: u32, y: u32, a: &mut [u32; N], b: &mut [u32; N]| {
        a.iter_mut().for_each(|a| *a = a.wrapping_add(x));
        b.iter_mut().for_each(|b| *b = b.wrapping_add(y));
    };
    add(keys[0], keys[1], a, b);
    for group in 1..=5 {
        for rotation in ROTATIONS[(group + 1) % 2] {
            for (a, b) in a.iter_mut().zip(b.iter_mut()) {
                *a = a.wrapping_add(*b);
                *b = b.rotate_left(rotation) ^ *a;
            }
        }
        add(keys[group % 3], keys[(group + 1) % 3].wrapping_add(group as u32), a, b);
    }
}

/// Fills `bytes` bytes with random bits. Bindings: a key of two uint32, the output.
#[derive(Debug)]
pub struct BitsKernel {
    /// Bytes of the output.
    pub bytes: usize,
    /// The vector level.
    pub isa: Isa,
}

impl Kernel for BitsKernel {
    fn items(&self, _: usize) -> usize {
        self.bytes.div_ceil(4).div_ceil(2).div_ceil(ITEM)
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        let words = self.bytes.div_ceil(4);
        let half = words.div_ceil(2);
        // SAFETY: the binding is a key.
        let key = unsafe { memory[0].read::<u32>(2) };
        let part = span(half, ITEM, item, self.items(0));
        // SAFETY: items take different counters, hence different words, all but the last of which the output holds;
        // `fill_words` keeps to `bytes`.
        unsafe {
            fill_words(self.isa, [key[0], key[1]], memory[1].as_ptr(), self.bytes, part.start, part.end);
        }
    }
}

levels! {
    /// Writes the words of counters `start .. end`.
    ///
    /// # Safety
    /// The output holds `bytes` bytes, nobody else writes these words, and the machine has the level.
    fn fill_words<>(key: [u32; 2], to: *mut u8, bytes: usize, start: usize, end: usize) = fill_words_body;
}

#[inline(always)]
unsafe fn fill_words_body(key: [u32; 2], to: *mut u8, bytes: usize, start: usize, end: usize) {
    let words = bytes.div_ceil(4);
    let half = words.div_ceil(2);
    let whole = bytes / 4;
    let mut i = start;
    // Blocks whose words are all there.
    while i + LANES <= end && i + LANES + half <= whole {
        let (mut first, mut second) = ([0u32; LANES], [0u32; LANES]);
        for (k, (a, b)) in first.iter_mut().zip(&mut second).enumerate() {
            *a = (i as u32).wrapping_add(k as u32);
            *b = a.wrapping_add(half as u32);
        }
        hash(key, &mut first, &mut second);
        for (words, at) in [(first, i), (second, i + half)] {
            // SAFETY: whole words of the output; it may start anywhere.
            unsafe { to.add(at * 4).cast::<[u32; LANES]>().write_unaligned(words) };
        }
        i += LANES;
    }
    for i in i..end {
        let second = i + half;
        let counter = if second < words { second as u32 } else { 0 };
        let (mut a, mut b) = ([i as u32], [counter]);
        hash(key, &mut a, &mut b);
        for ([word], at) in [(a, i), (b, second)] {
            let n = bytes.saturating_sub(at * 4).min(4);
            // SAFETY: the bytes of the word that the output holds.
            unsafe { to.wrapping_add(at * 4).copy_from_nonoverlapping(word.to_le_bytes().as_ptr(), n) };
        }
    }
}
