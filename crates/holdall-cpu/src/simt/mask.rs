//! Sets of lanes.

/// A bit for each lane of a group, a word for each block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(align(64))]
pub struct Mask(pub [u32; Mask::WORDS]);

impl Mask {
    /// Blocks of the largest group: 1024 threads.
    pub const WORDS: usize = 32;

    /// The first `n` lanes.
    pub fn first(n: usize) -> Self {
        Self(std::array::from_fn(|i| {
            let here = n.saturating_sub(32 * i).min(32);
            if here == 32 { u32::MAX } else { (1 << here) - 1 }
        }))
    }

    #[inline]
    pub fn and(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    #[inline]
    pub fn without(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & !other.0[i]))
    }

    #[inline]
    pub fn or(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    #[inline]
    pub fn any(&self) -> bool {
        self.0.iter().fold(0, |any, word| any | word) != 0
    }

    #[inline]
    pub fn has(&self, lane: usize) -> bool {
        self.0[lane / 32] >> (lane % 32) & 1 != 0
    }

    /// The blocks from the first to the last that has lanes.
    #[inline]
    pub fn blocks(&self, n: usize) -> (usize, usize) {
        let words = &self.0[..n];
        let first = words.iter().position(|word| *word != 0).unwrap_or(n);
        let last = words.iter().rposition(|word| *word != 0).map_or(first, |i| i + 1);
        (first, last)
    }

    /// The lanes, in order.
    pub fn lanes(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(i, mut word)| {
            std::iter::from_fn(move || {
                let lane = word.trailing_zeros() as usize;
                (word != 0).then(|| {
                    word &= word - 1;
                    32 * i + lane
                })
            })
        })
    }
}

/// The bits of 32 `bool`s.
#[inline]
pub fn pack(lanes: &[u8; 32]) -> u32 {
    let mut word = 0;
    for (i, eight) in lanes.chunks_exact(8).enumerate() {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(eight);
        // Each byte is 0 or 1; the product moves byte i to bit 56 + i.
        let bits = u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word |= (bits as u32) << (8 * i);
    }
    word
}
