//! The graph: what an array is before and after it has been computed.
//!
//! A node is immutable but for three things: the values of its outputs, set once when it is recorded; its graph (op
//! and inputs), taken away once after that; and a scratch mark of the evaluation that is looking at it. The first is
//! a `OnceLock`, the second changes only under the scheduler's lock (others take the node's own lock to read it), the
//! third is touched only under the scheduler's lock.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use holdall_memory::{QueueId, Storage, Tick};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::Array;
use crate::device::DeviceId;
use crate::error::Origin;
use crate::op::{Op, Spec};
use crate::scalar::Scalar;
use crate::shape::Layout;
use crate::stream::StreamId;
use crate::trace::{self, Label};

pub(crate) type Inputs = SmallVec<[Array; 2]>;

/// One application of an op.
pub(crate) struct Node {
    pub outputs: SmallVec<[Output; 1]>,
    pub graph: Mutex<Option<Graph>>,
    pub origin: Origin,
    /// Index in the list of the running evaluation, plus one; 0 outside of it.
    pub mark: AtomicU32,
    pub stream: StreamId,
    /// The value of a constant, which needs no memory until an op with a kernel of its own takes it.
    pub constant: Option<Scalar>,
    /// The transformations that trace this node, whose graph is kept while one of them runs; 0 for none.
    pub trace: Label,
}

/// How a node came to be. Gone once it has been evaluated.
pub(crate) struct Graph {
    pub op: Op,
    pub inputs: Inputs,
}

/// One output of a node.
pub(crate) struct Output {
    pub spec: Spec,
    pub place: Place,
}

/// Where a value is put when it is recorded.
pub(crate) type Slot = OnceLock<Arc<Value>>;

/// Where the value of an output is.
pub(crate) enum Place {
    /// With the node, of which it is the only output.
    Node(Slot),
    /// With the arrays that are this output, one of several: so its memory is given up when they are gone, whoever has the
    /// others.
    Arrays { slot: Mutex<Weak<Slot>>, recorded: AtomicBool },
}

impl Output {
    /// An output of a node that has so many.
    pub fn new(spec: Spec, n_outputs: usize) -> Self {
        let place = match n_outputs {
            1 => Place::Node(Slot::new()),
            _ => Place::Arrays { slot: Mutex::default(), recorded: AtomicBool::new(false) },
        };
        Self { spec, place }
    }

    /// What an array that is this output has to own.
    pub fn slot(&self) -> Option<Arc<Slot>> {
        let Place::Arrays { slot, .. } = &self.place else { return None };
        let mut slot = slot.lock();
        Some(slot.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *slot = Arc::downgrade(&new);
            new
        }))
    }

    /// Puts a value where it belongs, unless one is there or nobody wants it.
    pub fn set(&self, value: Value) {
        let _ = match &self.place {
            Place::Node(slot) => slot.set(Arc::new(value)),
            Place::Arrays { slot, recorded } => {
                recorded.store(true, Ordering::Release);
                slot.lock().upgrade().map_or(Ok(()), |slot| slot.set(Arc::new(value)))
            }
        };
    }

    /// Whether everybody who has this output has its value.
    fn is_recorded(&self) -> bool {
        match &self.place {
            Place::Node(slot) => slot.get().is_some(),
            Place::Arrays { slot, recorded } => {
                recorded.load(Ordering::Acquire)
                    && slot.lock().upgrade().is_none_or(|slot| slot.get().is_some())
            }
        }
    }
}

/// Where a computed (or scheduled) array lies.
pub(crate) struct Value {
    pub storage: Arc<Storage>,
    pub layout: Layout,
    pub device: DeviceId,
    /// The command buffer that writes it; nothing if the host did.
    pub written: Option<(QueueId, Tick)>,
    /// Copies on other devices, made when an op there asked for one.
    pub replicas: Mutex<Vec<(DeviceId, Arc<Self>)>>,
}

impl Node {
    pub fn is_recorded(&self) -> bool {
        self.outputs.iter().all(Output::is_recorded)
    }
}

thread_local! {
    /// Arrays whose last owner went away while another node was being dropped.
    static ORPHANS: RefCell<Vec<Inputs>> = const { RefCell::new(Vec::new()) };
    static DRAINING: Cell<bool> = const { Cell::new(false) };
}

/// Drops what hangs on a node without recursion: a graph may be millions of nodes deep.
pub(crate) fn bury(inputs: Inputs) {
    if inputs.is_empty() {
        return;
    }
    if DRAINING.try_with(Cell::get) != Ok(false) {
        // Nested in another node's drop (which will drain), or the thread is ending.
        let mut inputs = Some(inputs);
        let _ = ORPHANS.try_with(|o| o.borrow_mut().extend(inputs.take()));
        return;
    }
    DRAINING.set(true);
    drop(inputs);
    // There are none when the thread is ending: then the drop above was recursive.
    while let Some(next) = ORPHANS.try_with(|o| o.borrow_mut().pop()).ok().flatten() {
        drop(next);
    }
    DRAINING.set(false);
}

/// Lets a recorded node go of its op and inputs, unless a transformation traces it. Constants stay what they are.
pub(crate) fn detach(node: &Node) {
    if trace::is_open(node.trace) {
        return;
    }
    let mut graph = node.graph.lock();
    if graph.as_ref().is_some_and(|g| !matches!(g.op, Op::Constant(_))) {
        let taken = graph.take();
        drop(graph);
        if let Some(taken) = taken {
            bury(taken.inputs);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(graph) = self.graph.get_mut().take() {
            bury(graph.inputs);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use crate::{Array, Scalar};

    /// Thread locals that hold arrays may outlive this module's own.
    #[test]
    fn graphs_may_be_dropped_when_a_thread_ends() {
        thread_local! {
            static HELD: RefCell<Option<Array>> = const { RefCell::new(None) };
        }
        let chain = || {
            let x = Array::constant(Scalar::new(1f32));
            &(&x + &x) + &x
        };
        std::thread::spawn(move || {
            HELD.with(|held| *held.borrow_mut() = None); // made first, dropped last
            drop(chain());
            HELD.with(|held| *held.borrow_mut() = Some(chain()));
        })
        .join()
        .unwrap();
    }
}
