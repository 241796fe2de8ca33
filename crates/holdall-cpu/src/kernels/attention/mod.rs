//! Scaled dot-product attention.
//!
//! Query heads that share a key/value head are stacked: their rows i = (head, position) go through one pass over keys
//! and values. Few rows (`decode`) take vectors along the features; many (`tile`) take vectors along the rows, so
//! that maxima, sums and rescaling need nothing across lanes. Long caches are cut into parts whose results a second
//! phase merges.
//!
//! # Source
//! The online softmax and its merging are those of FlashAttention (Dao et al. 2022) and Flash-Decoding (2023).

mod decode;
mod merge;
#[cfg(test)]
mod tests;
mod tile;

use smallvec::SmallVec;

use super::float::Float;
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};
use crate::kernels::vector::dispatch;

/// Which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All of them.
    None,
    /// Query i sees keys up to i + (keys − queries).
    Causal,
    /// A bound array broadcast to [batch, query heads, queries, keys] with these strides in elements; a byte that is
    /// not 0 keeps the score.
    Bool([isize; 4]),
    /// A bound array of this dtype, broadcast likewise, that is added to the scores.
    Additive(Float, [isize; 4]),
}

/// softmax(scale · q kᵀ + mask) v, in f32, rounded once.
///
/// Query head h reads key/value head h / (query heads / key heads). Features are contiguous; other axes have any
/// strides. Masked scores are the most negative finite value, so a row that sees nothing gives the average of all v;
/// a row of −∞ from an additive mask gives NaN. A sink is one more score for each query head, with no value.
/// F64 is not supported: its op decomposes.
///
/// Bindings: q, k, v, the mask if bound, the sinks if any (one for each query head), out, then the temporary if
/// [`Kernel::temporaries`] asks for one.
#[derive(Clone, Debug)]
pub struct Attention {
    params: Params,
    /// Keys of one part, and how many parts.
    part: usize,
    parts: usize,
    temporaries: SmallVec<[usize; 1]>,
}

/// The parameters of an [`Attention`].
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// The instructions to use.
    pub isa: Isa,
    /// Entries of the batch.
    pub batch: usize,
    /// Heads of q and out; a multiple of `key_heads`.
    pub query_heads: usize,
    /// Heads of k and v.
    pub key_heads: usize,
    /// Rows of q for each head.
    pub queries: usize,
    /// Rows of k and v for each head.
    pub keys: usize,
    /// Features of q and k.
    pub dim: usize,
    /// Features of v and out.
    pub value_dim: usize,
    /// Dtypes of q, of k and v, of out.
    pub floats: [Float; 3],
    /// Strides of q, k, v, out along batch, heads, rows.
    pub strides: [[isize; 3]; 4],
    /// Multiplies the scores.
    pub scale: f32,
    /// Which keys a query sees.
    pub mask: Mask,
    /// The dtype and stride of the sinks.
    pub sinks: Option<(Float, isize)>,
}

/// Rows of one item with vectors along the rows.
const TILE: usize = 64;
/// At most this many rows take vectors along the features.
const FEW: usize = 8;

impl Attention {
    /// Chooses how to cut the work.
    pub fn new(params: Params) -> Self {
        let rows = params.rows();
        let items = params.batch * params.key_heads * rows.div_ceil(TILE);
        // Enough parts for the team, each long enough for its result not to show.
        let most = (64 / items.max(1)).max(1);
        let part = if rows <= 2 * TILE && params.keys > 256 {
            params.keys.div_ceil(most).max(256).next_multiple_of(64)
        } else {
            params.keys.max(1)
        };
        let parts = params.keys.div_ceil(part).max(1);
        let mut temporaries = SmallVec::new();
        if parts > 1 {
            temporaries.push(4 * params.batch * params.key_heads * parts * rows * (params.value_dim + 2));
        }
        Self { params, part, parts, temporaries }
    }
}

impl Params {
    /// Query heads for one key head.
    fn group(&self) -> usize {
        self.query_heads / self.key_heads.max(1)
    }

    /// Stacked rows for one key head.
    fn rows(&self) -> usize {
        self.group() * self.queries
    }

    /// Query head and position of a stacked row.
    fn query(&self, key_head: usize, row: usize) -> (usize, usize) {
        (key_head * self.group() + row / self.queries, row % self.queries)
    }

    /// The last key that a causal query sees; negative when there is none.
    fn horizon(&self, position: usize) -> isize {
        position as isize + self.keys as isize - self.queries as isize
    }
}

/// The bindings by name.
#[derive(Clone, Copy)]
struct Bound {
    q: *const u8,
    k: *const u8,
    v: *const u8,
    mask: *const u8,
    sinks: *const u8,
    out: *mut u8,
    /// For each batch entry, key head, part and row: the unscaled output, its maximum, its sum.
    temporary: *mut f32,
}

/// What one item computes.
struct Job<'a> {
    params: &'a Params,
    bound: Bound,
    batch: usize,
    key_head: usize,
    rows: std::ops::Range<usize>,
    keys: std::ops::Range<usize>,
    /// Where the results of this part's row 0 go; null where they are final.
    partial: *mut f32,
    /// Whether this part counts the sinks.
    first: bool,
}

impl Job<'_> {
    /// The address of a row of operand `index` (q, k, v, out).
    ///
    /// # Safety
    /// It exists.
    #[inline(always)]
    unsafe fn row(&self, index: usize, base: *const u8, head: usize, row: usize) -> *const u8 {
        let [b, h, r] = self.params.strides[index];
        let offset = self.batch as isize * b + head as isize * h + row as isize * r;
        // SAFETY: the caller's.
        unsafe { base.offset(offset * self.params.floats[[0, 1, 1, 2][index]].bytes() as isize) }
    }

    /// The sink of a query head.
    #[inline(always)]
    fn sink(&self, head: usize) -> Option<f32> {
        let (float, stride) = self.params.sinks?;
        // SAFETY: there is a sink for each query head.
        Some(unsafe { float.read_f64(self.bound.sinks, head as isize * stride) } as f32)
    }

    /// The running maximum and sum that a row starts with.
    #[inline(always)]
    fn start(&self, head: usize) -> (f32, f32) {
        match self.sink(head) {
            Some(sink) if self.first => (sink, 1.0),
            _ => (f32::NEG_INFINITY, 0.0),
        }
    }

    /// What a finished row is multiplied by.
    #[inline(always)]
    fn scale(&self, sum: f32) -> f32 {
        // Nothing to attend to: an empty sum.
        if self.params.keys == 0 { 0.0 } else { 1.0 / sum }
    }

    /// Applies a bound mask to the scores of one row, `step` apart, for keys from `key` on.
    ///
    /// # Safety
    /// `len` scores are at `scores`.
    #[inline(always)]
    unsafe fn apply_mask(
        &self,
        head: usize,
        position: usize,
        key: usize,
        scores: *mut f32,
        step: usize,
        len: usize,
    ) {
        let at = |[b, h, r, c]: [isize; 4]| {
            self.batch as isize * b + head as isize * h + position as isize * r + key as isize * c
        };
        // SAFETY: the mask is broadcast to all scores.
        unsafe {
            match self.params.mask {
                Mask::None | Mask::Causal => {}
                Mask::Bool(strides) => {
                    let mask = self.bound.mask.offset(at(strides));
                    for i in 0..len {
                        if mask.offset(i as isize * strides[3]).read() == 0 {
                            scores.add(i * step).write(f32::MIN);
                        }
                    }
                }
                Mask::Additive(float, strides) => {
                    let mask = self.bound.mask.offset(at(strides) * float.bytes() as isize);
                    for i in 0..len {
                        let x = float.read_f64(mask, i as isize * strides[3]) as f32;
                        *scores.add(i * step) += x;
                    }
                }
            }
        }
    }

    /// Whether a bound mask hides all of these keys from every row of this job.
    fn hidden(&self, keys: std::ops::Range<usize>) -> bool {
        let p = self.params;
        self.rows.clone().all(|row| {
            let (head, position) = p.query(self.key_head, row);
            let at = |[b, h, r, c]: [isize; 4], key: usize| {
                self.batch as isize * b + head as isize * h + position as isize * r + key as isize * c
            };
            keys.clone().all(|key| {
                // SAFETY: the mask is broadcast to all scores.
                unsafe {
                    match p.mask {
                        Mask::Bool(strides) => self.bound.mask.offset(at(strides, key)).read() == 0,
                        Mask::Additive(float, strides) => {
                            float.read_f64(self.bound.mask, at(strides, key)) == f64::NEG_INFINITY
                        }
                        Mask::None | Mask::Causal => false,
                    }
                }
            })
        })
    }

    /// Whether every row of this job sees a key, so that keys beyond all horizons count for nothing.
    fn all_see(&self) -> bool {
        self.params.keys >= self.params.queries
    }

    /// Keys of this part that any row sees.
    fn visible(&self) -> std::ops::Range<usize> {
        if self.params.mask != Mask::Causal || !self.all_see() {
            return self.keys.clone();
        }
        let (first, last) = (self.rows.start, self.rows.end - 1);
        // Rows of two heads reach the last position of one.
        let same_head = first / self.params.queries == last / self.params.queries;
        let latest = if same_head { last % self.params.queries } else { self.params.queries - 1 };
        let end = (self.params.horizon(latest) + 1) as usize;
        self.keys.start..self.keys.end.min(end).max(self.keys.start)
    }
}

impl Kernel for Attention {
    fn phases(&self) -> usize {
        1 + self.temporaries.len()
    }

    fn items(&self, phase: usize) -> usize {
        let heads = self.params.batch * self.params.key_heads;
        if self.params.rows() * self.params.value_dim == 0 {
            return 0;
        }
        if phase == 0 { heads * self.parts * self.params.rows().div_ceil(TILE) } else { heads }
    }

    fn temporaries(&self) -> &[usize] {
        &self.temporaries
    }

    unsafe fn run(&self, phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let p = &self.params;
        let mut rest = memory[3..].iter().map(Slice::as_ptr::<u8>);
        let mut next =
            |bound: bool| if bound { rest.next().unwrap_or_default() } else { std::ptr::null_mut() };
        let bound = Bound {
            q: memory[0].as_ptr(),
            k: memory[1].as_ptr(),
            v: memory[2].as_ptr(),
            mask: next(matches!(p.mask, Mask::Bool(_) | Mask::Additive(..))),
            sinks: next(p.sinks.is_some()),
            out: next(true),
            temporary: next(self.parts > 1).cast(),
        };
        let all = p.rows();
        let blocks = if phase == 0 { all.div_ceil(TILE) } else { 1 };
        let parts = if phase == 0 { self.parts } else { 1 };
        // The last rows of a causal mask see most: they come first.
        let block = blocks - 1 - item % blocks;
        let part = item / blocks % parts;
        let head = item / blocks / parts;
        let results = head * self.parts + part;
        let job = Job {
            params: p,
            bound,
            batch: head / p.key_heads,
            key_head: head % p.key_heads,
            rows: if phase == 0 { span(all, TILE, block, blocks) } else { 0..all },
            keys: part * self.part..((part + 1) * self.part).min(p.keys),
            partial: if self.parts > 1 {
                // SAFETY: the temporary was sized for all parts.
                unsafe { bound.temporary.add(results * all * (p.value_dim + 2)) }
            } else {
                std::ptr::null_mut()
            },
            first: part == 0,
        };
        // SAFETY: `isa` is available; the bindings are those that this kernel was made for.
        unsafe {
            if phase == 1 {
                dispatch(p.isa, merge::Merge { job, parts: self.parts });
            } else if all <= FEW {
                decode::run(job, scratch);
            } else {
                tile::run(job, scratch);
            }
        }
    }
}
