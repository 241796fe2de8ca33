//! Which transformations trace which nodes.
//!
//! A transformation runs in a scope with a number. A node made from its inputs carries a label, which stands for the
//! set of scopes whose inputs it depends on. A node with an open scope in its set keeps its graph through evaluation,
//! so that a value may be looked at inside `vjp` without cutting it; and a transformation visits just the nodes whose
//! set it is in, so what does not depend on its inputs costs it nothing.
//!
//! Labels are exact: a node has the union of its inputs' sets, closed scopes left out. So nested transformations, and
//! arrays that are passed between threads, are not confused.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::Array;

/// A label; 0 is that of the empty set.
pub(crate) type Label = u32;

type Set = SmallVec<[u32; 4]>;

static NEXT: AtomicU32 = AtomicU32::new(1);
/// How many scopes are open, so that the common case of none costs one load.
static COUNT: AtomicU32 = AtomicU32::new(0);
static LABELS: RwLock<Option<FxHashMap<Label, Set>>> = RwLock::new(None);

/// An open scope; closed when dropped.
#[derive(Debug)]
pub(crate) struct Scope(u32);

impl Scope {
    pub fn open() -> Self {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        LABELS.write().get_or_insert_default().insert(id, Set::from_slice(&[id]));
        COUNT.fetch_add(1, Ordering::Release);
        Self(id)
    }

    /// The label of this scope's copy of `x`.
    pub fn label(&self, x: &Array) -> Label {
        union(&[self.0, x.node.trace])
    }

    /// Whether nodes of that label depend on this scope's inputs.
    pub fn contains(&self, label: Label) -> bool {
        label == self.0
            || label != 0
                && LABELS.read().as_ref().and_then(|l| l.get(&label)).is_some_and(|set| set.contains(&self.0))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let Some(labels) = LABELS.write().as_mut() {
            labels.retain(|_, set| {
                set.retain(|id| *id != self.0);
                !set.is_empty()
            });
        }
        COUNT.fetch_sub(1, Ordering::Release);
    }
}

/// Whether a scope of the label's set still runs.
pub(crate) fn is_open(label: Label) -> bool {
    label != 0
        && COUNT.load(Ordering::Acquire) != 0
        && LABELS.read().as_ref().is_some_and(|labels| labels.contains_key(&label))
}

/// The label of a node made from `inputs`.
pub(crate) fn of(inputs: &[Array]) -> Label {
    if COUNT.load(Ordering::Acquire) == 0 {
        return 0;
    }
    let mut found: SmallVec<[Label; 4]> = SmallVec::new();
    for x in inputs {
        if x.node.trace != 0 && !found.contains(&x.node.trace) {
            found.push(x.node.trace);
        }
    }
    union(&found)
}

/// The label of the union of sets, without closed scopes.
fn union(labels: &[Label]) -> Label {
    let mut all = Set::new();
    {
        let known = LABELS.read();
        let Some(known) = known.as_ref() else { return 0 };
        let mut open = labels.iter().filter(|l| known.contains_key(l));
        match (open.next(), open.next()) {
            (None, _) => return 0,
            (Some(only), None) => return *only,
            _ => {}
        }
        all.extend(labels.iter().filter_map(|l| known.get(l)).flatten().copied());
        all.sort_unstable();
        all.dedup();
        if let Some((label, _)) = known.iter().find(|(_, set)| **set == all) {
            return *label;
        }
    }
    let label = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut known = LABELS.write();
    let known = known.get_or_insert_default();
    // A scope may have closed between the two locks; what is left of the set still names those that are open.
    all.retain(|id| known.contains_key(id));
    if all.is_empty() {
        return 0;
    }
    known.insert(label, all);
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scalar;

    fn traced(scope: &Scope) -> Array {
        crate::transform::tracer(scope, &Array::constant(Scalar::new(1f32)))
    }

    #[test]
    fn labels_are_unions() {
        let (a, b) = (Scope::open(), Scope::open());
        let (x, y) = (traced(&a), traced(&b));
        let sum = &x + &y;
        assert!(a.contains(sum.node.trace) && b.contains(sum.node.trace));
        assert!(!a.contains(y.node.trace) && !b.contains(x.node.trace));
        assert_eq!((&sum + &x).node.trace, sum.node.trace);
        assert_eq!((&y + &x).node.trace, sum.node.trace);
        drop(b);
        assert!(is_open(sum.node.trace) && is_open(x.node.trace) && !is_open(y.node.trace));
        assert!(a.contains((&sum + 1.0).node.trace));
        assert_eq!((&y + 1.0).node.trace, 0);
        drop(a);
        assert!(!is_open(sum.node.trace));
        assert_eq!((&sum + 1.0).node.trace, 0);
    }
}
