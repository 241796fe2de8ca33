//! Which nodes an evaluation has to record, inputs before users.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::eval::Scheduler;
use crate::eval::order::readers_first;
use crate::node::{Graph, Node};
use crate::op::Op;
use crate::{Array, trace};

/// Marks of nodes are an index plus one; this one says that the node's inputs are still being visited.
const OPEN: u32 = u32::MAX;

/// A node to be recorded.
pub(super) struct Entry {
    /// Gone once it is recorded, so that what nobody else owns is freed as early as possible.
    pub node: Option<Arc<Node>>,
    /// How many times nodes of this list take one of its outputs.
    pub edges: u32,
}

/// What an evaluation has to record, inputs before users. While it lives, the nodes' marks are theirs: index plus one.
pub(super) struct Worklist {
    pub entries: Vec<Entry>,
    /// Whether any entry may write one of its inputs in place.
    has_writers: bool,
}

/// A node whose inputs are being visited.
struct Visit {
    node: Arc<Node>,
    /// The input to look at next.
    next: usize,
    edges: u32,
}

/// What a look at the next inputs of a node found.
enum Found {
    New(Arc<Node>),
    Nothing,
}

impl Worklist {
    /// Everything that `arrays` need and that has no value yet.
    pub fn new(arrays: &[&Array], scheduler: &Scheduler) -> Result<Self> {
        let mut list = Self { entries: Vec::new(), has_writers: false };
        let mut stack: Vec<Visit> = Vec::new();
        let visited = arrays.iter().try_for_each(|x| list.visit(x, &mut stack, scheduler));
        if let Err(e) = visited {
            // Nodes on the stack are marked but not listed.
            stack.iter().for_each(|visit| visit.node.mark.store(0, Ordering::Relaxed));
            return Err(e);
        }
        if list.has_writers
            && let Some(order) = readers_first(&list)
        {
            list.reorder(&order);
        }
        Ok(list)
    }

    /// Puts the entries in this order of their indices.
    fn reorder(&mut self, order: &[usize]) {
        let mut old: Vec<Option<Entry>> = std::mem::take(&mut self.entries).into_iter().map(Some).collect();
        self.entries = order.iter().filter_map(|i| old[*i].take()).collect();
        for (i, entry) in self.entries.iter().enumerate() {
            if let Some(node) = &entry.node {
                node.mark.store(i as u32 + 1, Ordering::Relaxed);
            }
        }
    }

    fn visit(&mut self, x: &Array, stack: &mut Vec<Visit>, scheduler: &Scheduler) -> Result<()> {
        if x.value().is_some() || x.node.mark.load(Ordering::Relaxed) != 0 {
            return Ok(());
        }
        self.open(&x.node, scheduler)?;
        stack.push(Visit { node: x.node.clone(), next: 0, edges: 0 });
        while let Some(visit) = stack.last_mut() {
            match self.look(visit) {
                Found::New(node) => {
                    self.open(&node, scheduler)?;
                    stack.push(Visit { node, next: 0, edges: 1 });
                }
                Found::Nothing => {
                    if let Some(Visit { node, edges, .. }) = stack.pop() {
                        node.mark.store(self.entries.len() as u32 + 1, Ordering::Relaxed);
                        self.entries.push(Entry { node: Some(node), edges });
                    }
                }
            }
        }
        Ok(())
    }

    /// Goes on with the inputs of a node: counts those that are listed, stops at one that is not.
    fn look(&mut self, visit: &mut Visit) -> Found {
        let graph = visit.node.graph.lock();
        let inputs: &[Array] = graph.as_ref().map_or(&[], |g| &g.inputs);
        while let Some(x) = inputs.get(visit.next) {
            visit.next += 1;
            match x.node.mark.load(Ordering::Relaxed) {
                // Constants are put into programs, or into memory by the op that needs them there.
                0 if x.node.constant.is_some() || x.value().is_some() => {}
                0 => return Found::New(x.node.clone()),
                mark => self.entries[mark as usize - 1].edges += 1,
            }
        }
        Found::Nothing
    }

    /// Starts to visit a node; one without a kernel on its device becomes its decomposition.
    fn open(&mut self, node: &Arc<Node>, scheduler: &Scheduler) -> Result<()> {
        if self.entries.len() >= (OPEN - 1) as usize {
            return Err(Error::new(ErrorKind::Argument, "eval", "the graph has more than 2^32 nodes"));
        }
        let decomposed = {
            let graph = node.graph.lock();
            let Some(graph) = graph.as_ref() else {
                return Err(Error::new(ErrorKind::Device, "eval", "a node has neither a value nor a graph")
                    .at(node.origin));
            };
            match &graph.op {
                Op::Primitive(op) if !op.0.is_view() => {
                    let specs: SmallVec<[_; 4]> = graph.inputs.iter().map(Array::spec).collect();
                    if scheduler.device(node.stream).kernels().has(&*op.0, &specs) {
                        self.has_writers |= !op.0.donates().is_empty();
                        None
                    } else {
                        let parts = crate::stream::within(node.stream, || op.0.decompose(&graph.inputs));
                        let made = parts.unwrap_or_else(|| {
                            let device = &scheduler.device(node.stream).info().name;
                            Err(Error::new(
                                ErrorKind::Kernel,
                                op.0.name(),
                                format!("device {device} has no kernel for this op"),
                            ))
                        });
                        let mut parts = made.map_err(|e| e.at(node.origin))?;
                        let op = if trace::is_open(node.trace) {
                            parts.extend(graph.inputs.iter().cloned());
                            Op::Decomposed(op.clone())
                        } else {
                            Op::Alias
                        };
                        Some((op, parts))
                    }
                }
                _ => None,
            }
        };
        if let Some((op, parts)) = decomposed {
            *node.graph.lock() = Some(Graph { op, inputs: parts.into() });
        }
        node.mark.store(OPEN, Ordering::Relaxed);
        Ok(())
    }

    /// The entry of a node, if it is still to be recorded.
    pub fn find(&self, node: &Node) -> Option<usize> {
        match node.mark.load(Ordering::Relaxed) {
            0 | OPEN => None,
            mark => Some(mark as usize - 1),
        }
    }

    /// Whether nobody outside of this list owns the node.
    pub fn is_internal(&self, index: usize) -> bool {
        let entry = &self.entries[index];
        entry.node.as_ref().is_some_and(|node| Arc::strong_count(node) == entry.edges as usize + 1)
    }

    /// Forgets an entry that has been recorded.
    pub fn finish(&mut self, index: usize) {
        if let Some(node) = self.entries[index].node.take() {
            node.mark.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Worklist {
    fn drop(&mut self) {
        for i in 0..self.entries.len() {
            self.finish(i);
        }
    }
}
