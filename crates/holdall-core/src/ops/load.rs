//! Arrays whose data is read when they are evaluated.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::Array;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::checked_size;

/// Where the data of one or more arrays comes from: a file, usually.
///
/// The work is cut into parts, which are filled independently and from several threads.
pub trait Source: Debug + Send + Sync {
    /// What to call it in messages: file and tensor.
    fn name(&self) -> String;

    /// How many parts there are.
    fn parts(&self) -> usize;

    /// The bytes of each output that a part fills, every byte belonging to exactly one part.
    fn ranges(&self, part: usize) -> SmallVec<[Range<usize>; 3]>;

    /// Fills the bytes that [`Source::ranges`] gives for `part`.
    ///
    /// # Errors
    /// When reading fails; the message becomes that of the evaluation.
    fn fill(
        &self,
        part: usize,
        outputs: &mut [&mut [u8]],
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Reads arrays from a [`Source`]. No inputs.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where from. Two loads are equal when they share it.
    pub source: Arc<dyn Source>,
    /// What is read.
    pub outputs: Specs,
}

impl PartialEq for Load {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && self.outputs == other.outputs
    }
}

impl Hash for Load {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.source).cast::<()>().hash(state);
        self.outputs.hash(state);
    }
}

impl Primitive for Load {
    fn name(&self) -> &'static str {
        "load"
    }

    fn infer(&self, _: &[&Spec]) -> Result<Specs> {
        Ok(self.outputs.clone())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Zero
    }
}

impl Array {
    /// Arrays of these specs whose data `source` gives when they are evaluated.
    ///
    /// # Errors
    /// When the parts of the source do not fill the arrays exactly.
    #[track_caller]
    pub fn load(outputs: impl IntoIterator<Item = Spec>, source: Arc<dyn Source>) -> Result<Vec<Self>> {
        let outputs: Specs = outputs.into_iter().collect();
        let wrong =
            |what: String| Error::argument("load", format!("{}: {what}", source.name())).at(Origin::caller());
        let mut next: SmallVec<[usize; 3]> = SmallVec::from_elem(0, outputs.len());
        for part in 0..source.parts() {
            let ranges = source.ranges(part);
            // Parts follow each other, so that none overlap.
            if ranges.len() != outputs.len()
                || ranges.iter().zip(&next).any(|(r, n)| r.start != *n || r.end < r.start)
            {
                return Err(wrong(format!("part {part} fills {ranges:?} after {next:?}")));
            }
            next = ranges.iter().map(|r| r.end).collect();
        }
        for (spec, filled) in outputs.iter().zip(&next) {
            if checked_size(&spec.shape, spec.dtype.size()).map(|n| n * spec.dtype.size()) != Some(*filled) {
                return Err(wrong(format!(
                    "{filled} bytes do not fill shape {:?} of {}",
                    spec.shape, spec.dtype
                )));
            }
        }
        Self::apply_many(Load { source, outputs }, &[])
    }
}
