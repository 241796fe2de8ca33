//! Which nodes an evaluation has to record, inputs before users.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::eval::Scheduler;
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
    /// The last node of the kernel that it becomes part of: itself, unless it is fused.
    pub root: u32,
    /// The member of the same kernel before this one, plus one; 0 for none. Kept by each kernel's last member and so on.
    pub previous: u32,
}

/// What an evaluation has to record, inputs before users. While it lives, the nodes' marks are theirs: index plus one.
pub(super) struct Worklist {
    pub entries: Vec<Entry>,
}

impl Worklist {
    /// Everything that `arrays` need and that has no value yet.
    pub fn new(arrays: &[&Array], scheduler: &Scheduler) -> Result<Self> {
        let mut list = Self { entries: Vec::new() };
        let mut stack: Vec<(Arc<Node>, usize)> = Vec::new();
        // Nodes on the stack are marked but not listed: unmark them too if this fails.
        let visited = arrays.iter().try_for_each(|x| {
            if x.node.is_recorded() || x.node.mark.load(Ordering::Relaxed) != 0 {
                return Ok(());
            }
            list.open(&x.node, scheduler)?;
            stack.push((x.node.clone(), 0));
            while let Some((node, next)) = stack.last_mut() {
                let child = {
                    let graph = node.graph.lock();
                    let inputs: &[Array] = graph.as_ref().map_or(&[], |g| &g.inputs);
                    let is_new = |x: &&Array| {
                        x.node.constant.is_none()
                            && x.node.mark.load(Ordering::Relaxed) == 0
                            && !x.node.is_recorded()
                    };
                    let found = inputs[*next..].iter().position(|x| is_new(&x));
                    *next = found.map_or(inputs.len(), |i| *next + i + 1);
                    found.map(|_| inputs[*next - 1].node.clone())
                };
                match child {
                    Some(child) => {
                        list.open(&child, scheduler)?;
                        stack.push((child, 0));
                    }
                    None => {
                        if let Some((node, _)) = stack.pop() {
                            node.mark.store(list.entries.len() as u32 + 1, Ordering::Relaxed);
                            let root = list.entries.len() as u32;
                            list.entries.push(Entry { node: Some(node), edges: 0, root, previous: 0 });
                        }
                    }
                }
            }
            Ok(())
        });
        if let Err(e) = visited {
            stack.iter().for_each(|(node, _)| node.mark.store(0, Ordering::Relaxed));
            return Err(e);
        }
        list.count_edges();
        Ok(list)
    }

    /// Starts to visit a node; one without a kernel on its device becomes its decomposition.
    fn open(&self, node: &Arc<Node>, scheduler: &Scheduler) -> Result<()> {
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

    fn count_edges(&mut self) {
        for i in 0..self.entries.len() {
            let Some(node) = self.entries[i].node.clone() else { continue };
            let graph = node.graph.lock();
            for x in graph.iter().flat_map(|g| &g.inputs) {
                if let Some(at) = self.find(&x.node) {
                    self.entries[at].edges += 1;
                }
            }
        }
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
