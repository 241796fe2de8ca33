//! What a transformation goes through: the nodes between its inputs and its outputs.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::Array;
use crate::error::{Error, ErrorKind, Result};
use crate::node::{Graph, Inputs, Node, detach};
use crate::op::{Derivative, Op};
use crate::runtime::Runtime;
use crate::stream;
use crate::trace::{Label, Scope, is_open};

/// A node with the graph that it has while its scope is open.
pub(super) struct Entry {
    pub node: Arc<Node>,
    pub op: Op,
    pub inputs: Inputs,
}

/// Values of one kind (tangents, cotangents) for the outputs of a node; nothing stands for zero.
pub(super) type Directions = SmallVec<[Option<Array>; 1]>;

/// The nodes on some differentiable path from the scope's inputs, which come first, to the outputs, each after those
/// that it takes.
pub(super) struct Tape {
    pub entries: Vec<Entry>,
    /// How many of the entries are the scope's inputs.
    pub tracers: usize,
    /// Where each visited node is; nothing if no derivative goes through it.
    places: FxHashMap<*const Node, Option<usize>>,
    /// Nodes made on the way that no entry holds, so that no other node gets their address.
    kept: Vec<Inputs>,
}

/// A node whose inputs are being visited.
struct Frame {
    entry: Entry,
    next: usize,
}

impl Entry {
    pub fn outputs(&self) -> Vec<Array> {
        Array::outputs_of(&self.node)
    }

    /// An error of the op here.
    pub fn refuse(&self, what: impl Into<String>) -> Error {
        Error::new(ErrorKind::Gradient, self.op.name(), what).at(self.node.origin)
    }

    /// Builds part of a derivative where the node itself runs.
    pub fn build<R>(&self, f: impl FnOnce() -> Result<R>) -> Result<R> {
        stream::within(self.node.stream, f).map_err(|e| e.at(self.node.origin))
    }
}

impl Tape {
    /// Everything between `tracers`, which the scope made, and `outputs`. An op that is differentiated through its
    /// decomposition has been replaced by it.
    ///
    /// # Errors
    /// When a graph was cut, or a decomposition cannot be built.
    pub fn new(scope: &Scope, tracers: &[Array], outputs: &[Array]) -> Result<Self> {
        let mut tape = Self {
            entries: Vec::new(),
            tracers: tracers.len(),
            places: FxHashMap::default(),
            kept: Vec::new(),
        };
        for (i, x) in tracers.iter().enumerate() {
            tape.places.insert(Arc::as_ptr(&x.node), Some(i));
            tape.entries.push(Entry { node: x.node.clone(), op: Op::Alias, inputs: Inputs::new() });
        }
        let mut seen = Seen { scope, last: (0, false) };
        let mut stack: Vec<Frame> = Vec::new();
        for x in outputs {
            tape.enter(&x.node, &mut seen, &mut stack)?;
            while let Some(frame) = stack.last_mut() {
                let next = frame.next;
                frame.next += 1;
                match frame.entry.inputs.get(next) {
                    Some(x) if x.dtype().is_inexact() => {
                        let node = x.node.clone();
                        tape.enter(&node, &mut seen, &mut stack)?;
                    }
                    Some(_) => {}
                    None => {
                        if let Some(frame) = stack.pop() {
                            tape.leave(frame.entry);
                        }
                    }
                }
            }
        }
        Ok(tape)
    }

    /// Starts to visit a node, if it is new and depends on the scope's inputs.
    fn enter(&mut self, node: &Arc<Node>, seen: &mut Seen<'_>, stack: &mut Vec<Frame>) -> Result<()> {
        let is_differentiable = node.outputs.iter().any(|o| o.spec.dtype.is_inexact());
        if !is_differentiable || !seen.contains(node.trace) || self.places.contains_key(&Arc::as_ptr(node)) {
            return Ok(());
        }
        let taken = node.graph.lock().as_ref().map(|Graph { op, inputs }| (op.clone(), inputs.clone()));
        let Some((mut op, mut inputs)) = taken else {
            return Err(Error::new(
                ErrorKind::Gradient,
                "vjp",
                "the graph of a traced array was cut by evaluation, its gradient is lost",
            )
            .at(node.origin));
        };
        // Set again when the node is left: until then it is on the stack, and a graph has no cycles.
        self.places.insert(Arc::as_ptr(node), None);
        let mut parts = None;
        if let Op::Decomposed(handle) = op {
            let n = node.outputs.len();
            parts = Some(inputs[..n].iter().cloned().collect());
            inputs = inputs[n..].iter().cloned().collect();
            op = Op::Primitive(handle);
        }
        if let Op::Primitive(primitive) = &op {
            match primitive.0.derivative() {
                Derivative::Zero => return Ok(()),
                Derivative::Decompose => {
                    let entry = Entry { node: node.clone(), op: op.clone(), inputs };
                    let built = || match primitive.0.decompose(&entry.inputs) {
                        Some(parts) => parts.map(Inputs::from),
                        None => Err(entry.refuse("has no derivative and no decomposition yet")),
                    };
                    inputs = match parts {
                        Some(parts) => parts,
                        None => entry.build(built)?,
                    };
                    op = Op::Alias;
                }
                _ => {}
            }
        }
        stack.push(Frame { entry: Entry { node: node.clone(), op, inputs }, next: 0 });
        Ok(())
    }

    /// All inputs of a node have been visited.
    fn leave(&mut self, entry: Entry) {
        if entry.inputs.iter().any(|x| self.find(x).is_some()) {
            self.places.insert(Arc::as_ptr(&entry.node), Some(self.entries.len()));
            self.entries.push(entry);
        } else {
            self.kept.push(entry.inputs);
        }
    }

    /// The entry that an array is an output of, if derivatives go through it.
    pub fn find(&self, x: &Array) -> Option<usize> {
        if !x.dtype().is_inexact() {
            return None;
        }
        self.places.get(&Arc::as_ptr(&x.node)).copied().flatten()
    }

    /// Cuts what was evaluated while the scope was open, now that no transformation traces it any more.
    pub fn release(self) {
        let is_done = |e: &Entry| e.node.is_recorded() && !is_open(e.node.trace);
        if !self.entries.iter().any(is_done) {
            return;
        }
        let Ok(runtime) = Runtime::get() else { return };
        let _scheduler = runtime.scheduler.lock();
        self.entries.iter().filter(|e| is_done(e)).for_each(|e| detach(&e.node));
    }
}

/// Whether labels belong to the scope, asked mostly for the same one.
struct Seen<'a> {
    scope: &'a Scope,
    last: (Label, bool),
}

impl Seen<'_> {
    fn contains(&mut self, label: Label) -> bool {
        if self.last.0 != label {
            self.last = (label, self.scope.contains(label));
        }
        self.last.1
    }
}
