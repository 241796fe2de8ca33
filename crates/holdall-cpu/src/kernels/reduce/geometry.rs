//! Which elements of a strided array each output of a reduction covers, and how the work is cut.
//!
//! The cut follows from shape and strides alone, never from the number of threads: results are the same on every
//! machine.

use smallvec::SmallVec;

/// Elements that an item of work should cover: some ten microseconds.
const ITEM: usize = 1 << 16;
/// Elements of a part when one output is shared by several items.
const PART: usize = 1 << 17;
/// Columns that are reduced side by side.
pub const TILE: usize = 2048;

/// An axis that stays: size, and strides in input and output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    pub n: usize,
    pub input: isize,
    pub output: usize,
}

/// An axis that goes: size and stride.
pub type Gone = (usize, isize);

/// The work of a reduction.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// Axes that stay, without those that the tile runs over.
    pub kept: SmallVec<[Kept; 4]>,
    /// Axes that go, the innermost last; never empty.
    pub gone: SmallVec<[Gone; 4]>,
    /// Elements from the array's first to the first that is visited.
    pub base: isize,
    /// Outputs.
    pub outputs: usize,
    /// Elements an output.
    pub elements: usize,
    /// How it is walked.
    pub walk: Walk,
    /// Parts into which the elements of each output are cut.
    pub parts: usize,
    /// Outputs, or strips of columns, an item.
    pub group: usize,
}

/// How the elements are walked.
#[derive(Clone, Copy, Debug)]
pub enum Walk {
    /// Output by output, along the axes that go.
    Rows,
    /// Over neighbouring outputs side by side.
    Columns {
        /// The axis of neighbours.
        axis: Kept,
        /// How many steps of the innermost axis that goes lie without gaps behind each other and are taken as one.
        repeat: usize,
    },
}

impl Geometry {
    /// The work of reducing `axes` of an array.
    pub fn new(shape: &[usize], strides: &[isize], axes: &[usize]) -> Self {
        let mut base = 0;
        let mut gone: SmallVec<[Gone; 4]> = SmallVec::new();
        for axis in axes {
            let (n, mut stride) = (shape[*axis], strides[*axis]);
            if n == 1 {
                continue;
            }
            if stride < 0 && n > 0 {
                base += stride * (n as isize - 1);
                stride = -stride;
            }
            gone.push((n, stride));
        }
        // Repeated elements outermost, near ones innermost.
        gone.sort_by_key(|(_, stride)| std::cmp::Reverse(if *stride == 0 { isize::MAX } else { *stride }));
        let mut merged: SmallVec<[Gone; 4]> = SmallVec::new();
        for (n, stride) in gone {
            match merged.last_mut() {
                Some((m, s)) if *s == stride * n as isize => (*m, *s) = (*m * n, stride),
                _ => merged.push((n, stride)),
            }
        }
        if merged.is_empty() {
            merged.push((1, 1));
        }
        let mut kept: SmallVec<[Kept; 4]> = SmallVec::new();
        let mut output = 1;
        for axis in (0..shape.len()).rev().filter(|a| !axes.contains(a)) {
            let (n, input) = (shape[axis], strides[axis]);
            if n == 1 {
                continue;
            }
            match kept.last_mut() {
                Some(last) if input == last.input * last.n as isize => last.n *= n,
                _ => kept.push(Kept { n, input, output }),
            }
            output *= n;
        }
        kept.reverse();
        let elements = merged.iter().map(|(n, _)| n).product();
        let mut geometry = Self {
            kept,
            gone: merged,
            base,
            outputs: output,
            elements,
            walk: Walk::Rows,
            parts: 1,
            group: 1,
        };
        geometry.cut();
        geometry
    }

    fn cut(&mut self) {
        let inner = self.gone[self.gone.len() - 1];
        let neighbours = self.kept.iter().position(|k| k.input == 1 && k.n > 1);
        let r = self.elements.max(1);
        match neighbours {
            Some(at) if inner.1 != 1 || self.elements == 1 => {
                let axis = self.kept.remove(at);
                let joins = self.gone.len() == 1 && inner.1 == axis.n as isize && axis.n <= TILE / 8;
                let repeat = if joins { (TILE / 2 / axis.n).min(inner.0).max(1) } else { 1 };
                self.walk = Walk::Columns { axis, repeat };
                let width = axis.n.min(TILE);
                let strips = self.strips();
                if strips < 32 && r * width > 4 * PART {
                    self.parts = (r * width).div_ceil(2 * PART).min(r.div_ceil(repeat));
                } else {
                    self.group = (ITEM / (r * width)).clamp(1, strips.max(1));
                }
            }
            _ => {
                if self.outputs < 64 && r > 2 * PART {
                    self.parts = r.div_ceil(PART);
                } else {
                    self.group = (ITEM / r).clamp(1, self.outputs.max(1));
                }
            }
        }
    }

    /// Outputs, or strips of columns, that items are made of.
    pub fn strips(&self) -> usize {
        match self.walk {
            Walk::Rows => self.outputs,
            Walk::Columns { axis, .. } => (self.outputs / axis.n.max(1)) * axis.n.div_ceil(TILE),
        }
    }

    /// Items of work.
    pub fn items(&self) -> usize {
        self.strips().div_ceil(self.group) * self.parts
    }

    /// The elements that part `part` covers.
    pub fn part(&self, part: usize) -> std::ops::Range<usize> {
        let grain = if let Walk::Columns { repeat, .. } = self.walk { repeat } else { 1 };
        crate::kernel::span(self.elements, grain, part, self.parts)
    }

    /// Where the elements of kept index `index` start, and where its output lies.
    pub fn locate(&self, mut index: usize) -> (isize, usize) {
        let (mut from, mut to) = (self.base, 0);
        for axis in self.kept.iter().rev() {
            let i = index % axis.n;
            index /= axis.n;
            from += i as isize * axis.input;
            to += i * axis.output;
        }
        (from, to)
    }

    /// Calls `run(offset, n)` for each run along the innermost axis that goes, over elements `range`.
    #[inline(always)]
    pub fn runs(&self, range: std::ops::Range<usize>, mut run: impl FnMut(isize, usize)) {
        let last = self.gone.len() - 1;
        let (n, stride) = self.gone[last];
        let mut at = range.start;
        while at < range.end {
            let (mut outer, first) = (at / n, at % n);
            let len = (n - first).min(range.end - at);
            let mut offset = first as isize * stride;
            for (size, stride) in self.gone[..last].iter().rev() {
                offset += (outer % size) as isize * stride;
                outer /= size;
            }
            run(offset, len);
            at += len;
        }
    }
}
