//! Command buffers as graphs of the driver's, which cost the host less than their launches.
//!
//! A graph is kept by its topology: which kernels, and which barriers between them. What else differs from the last time
//! (addresses, values, grids) is set before it is launched. Between two barriers kernels may run at once.

use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::driver::sys::{CUDA_KERNEL_NODE_PARAMS, CUgraph, CUgraphExec, CUgraphNode};
use holdall_core::command::Command;
use holdall_memory::{Completion, Resource, Timelines};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::api::{Result, call};
use crate::context::Context;
use crate::event::RawStream;
use crate::launch::{CudaLaunch, Pointers, address};

/// Fewer kernels are launched one by one.
const MIN_COMMANDS: usize = 4;
/// Graphs that a stream keeps; those used longest ago make room.
const MAX_GRAPHS: usize = 256;
/// Topologies that were seen once are remembered until there are this many.
const MAX_SEEN: usize = 4096;
/// More edges between two barriers than this go through an empty node.
const MAX_EDGES: usize = 16;

/// The graphs of a stream.
#[derive(Default)]
pub(crate) struct Graphs {
    entries: FxHashMap<Key, Entry>,
    /// What came once: most command buffers never come again, and making a graph costs more than it saves once.
    seen: FxHashMap<u64, ()>,
    uses: u64,
}

/// Kernel by kernel: its function, and whether everything before it has to have finished.
type Key = Vec<(usize, bool)>;

struct Entry {
    graph: Arc<Resource<Graph>>,
    used_at: u64,
}

/// A graph that can be launched, with what its nodes were last set to.
struct Graph {
    exec: CUgraphExec,
    graph: CUgraph,
    context: Arc<Context>,
    nodes: Mutex<Vec<Node>>,
}

struct Node {
    node: CUgraphNode,
    /// Keeps the kernel's code loaded, too.
    launch: CudaLaunch,
    pointers: Pointers,
}

// SAFETY: handles of the driver's, which any thread may use; the lock around the nodes serialises their changes.
unsafe impl Send for Graph {}
// SAFETY: as above.
unsafe impl Sync for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.context.enter().is_ok() {
            // SAFETY: the handles are this value's own, and the memory protocol drops it when no launch of it runs. Where making it
            // failed, there is none to launch.
            unsafe {
                if !self.exec.is_null() {
                    let _ = call!(cuGraphExecDestroy(self.exec));
                }
                let _ = call!(cuGraphDestroy(self.graph));
            }
        }
    }
}

impl Graphs {
    /// Launches the commands as a graph if that pays; says whether it did.
    pub fn launch(
        &mut self,
        context: &Arc<Context>,
        timelines: &Arc<Timelines>,
        stream: &RawStream,
        commands: &[Command],
        completion: &mut Completion,
    ) -> Result<bool> {
        if commands.len() < MIN_COMMANDS {
            return Ok(false);
        }
        let mut key = Key::with_capacity(commands.len());
        let mut launches: SmallVec<[&CudaLaunch; 64]> = SmallVec::new();
        for command in commands {
            let Some(launch) = command.launch.as_any().downcast_ref::<CudaLaunch>() else { return Ok(false) };
            if launch.bindings() > command.bindings.len() || !Arc::ptr_eq(&launch.kernel.context, context) {
                return Ok(false);
            }
            key.push((launch.kernel.function().addr(), command.barrier));
            launches.push(launch);
        }
        let pointers = |i: usize| {
            // SAFETY: this enqueues the command buffer in which they were bound, in order, before its completion.
            let addresses: Pointers = commands[i].bindings.iter().map(|b| unsafe { address(b) }).collect();
            launches[i].pointers(&addresses)
        };
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.used_at = self.uses;
            completion.bind_resource(&entry.graph);
            entry.graph.replay(stream, &launches, pointers)?;
            return Ok(true);
        }
        if self.seen.len() >= MAX_SEEN {
            self.seen.clear();
        }
        if self.seen.insert(hash(&key), ()).is_none() {
            return Ok(false);
        }
        let nodes = (0..commands.len()).map(|i| (launches[i].clone(), pointers(i)));
        let made = Graph::new(context, nodes, commands)?;
        let graph = Arc::new(Resource::new(timelines, made));
        completion.bind_resource(&graph);
        // SAFETY: the graph is stamped for the command buffer, and so are its kernels.
        unsafe { call!(cuGraphLaunch(graph.exec, stream.raw)) }?;
        if self.entries.len() >= MAX_GRAPHS
            && let Some(oldest) =
                self.entries.iter().min_by_key(|(_, e)| e.used_at).map(|(key, _)| key.clone())
        {
            self.entries.remove(&oldest);
        }
        self.entries.insert(key, Entry { graph, used_at: self.uses });
        Ok(true)
    }
}

fn hash(key: &Key) -> u64 {
    use std::hash::BuildHasher;
    rustc_hash::FxBuildHasher.hash_one(key)
}

impl Graph {
    fn new(
        context: &Arc<Context>,
        nodes: impl Iterator<Item = (CudaLaunch, Pointers)>,
        commands: &[Command],
    ) -> Result<Self> {
        let mut graph = null_mut();
        // SAFETY: the driver stores a graph.
        unsafe { call!(cuGraphCreate(&raw mut graph, 0)) }?;
        let mut made = Self { exec: null_mut(), graph, context: context.clone(), nodes: Mutex::default() };
        // The nodes that the next one has to wait for, and those after the last barrier.
        let (mut before, mut since): (Vec<CUgraphNode>, Vec<CUgraphNode>) = (Vec::new(), Vec::new());
        let mut list = Vec::new();
        for (i, (launch, pointers)) in nodes.enumerate() {
            if commands[i].barrier && !since.is_empty() {
                before = std::mem::take(&mut since);
                let next = commands[i + 1..].iter().take_while(|c| !c.barrier).count() + 1;
                if before.len() > 1 && before.len() * next > MAX_EDGES {
                    let mut join = null_mut();
                    // SAFETY: the nodes are of this graph; the driver stores a node.
                    unsafe {
                        call!(cuGraphAddEmptyNode(&raw mut join, graph, before.as_ptr(), before.len()))
                    }?;
                    before = vec![join];
                }
            }
            let mut node = null_mut();
            with_params(&launch, &pointers, |params| {
                // SAFETY: the nodes are of this graph, and the parameters are copied by the call.
                unsafe {
                    call!(cuGraphAddKernelNode_v2(
                        &raw mut node,
                        graph,
                        before.as_ptr(),
                        before.len(),
                        params
                    ))
                }
            })?;
            since.push(node);
            list.push(Node { node, launch, pointers });
        }
        *made.nodes.lock() = list;
        // SAFETY: the graph is whole; the driver stores what can be launched.
        unsafe { call!(cuGraphInstantiateWithFlags(&raw mut made.exec, graph, 0)) }?;
        Ok(made)
    }

    /// Sets what has changed, and launches.
    fn replay(
        &self,
        stream: &RawStream,
        launches: &[&CudaLaunch],
        pointers: impl Fn(usize) -> Pointers,
    ) -> Result<()> {
        let mut nodes = self.nodes.lock();
        for (i, (node, launch)) in nodes.iter_mut().zip(launches).enumerate() {
            let pointers = pointers(i);
            let same = node.launch.same_but_addresses(launch);
            if same && node.pointers == pointers {
                continue;
            }
            with_params(launch, &pointers, |params| {
                // SAFETY: the node is of the graph that this was made of; the call copies the parameters, and launches that were
                // enqueued keep theirs.
                unsafe { call!(cuGraphExecKernelNodeSetParams_v2(self.exec, node.node, params)) }
            })?;
            if !same {
                node.launch = (*launch).clone();
            }
            node.pointers = pointers;
        }
        // SAFETY: the graph is stamped for the command buffer, and so are its kernels. Launches of one graph follow each other.
        unsafe { call!(cuGraphLaunch(self.exec, stream.raw)) }
    }
}

fn with_params<R>(
    launch: &CudaLaunch,
    pointers: &Pointers,
    f: impl FnOnce(*const CUDA_KERNEL_NODE_PARAMS) -> R,
) -> R {
    launch.with_parameters(pointers, |parameters| {
        let params = CUDA_KERNEL_NODE_PARAMS {
            func: launch.kernel.function(),
            gridDimX: launch.grid[0],
            gridDimY: launch.grid[1],
            gridDimZ: launch.grid[2],
            blockDimX: launch.block[0],
            blockDimY: launch.block[1],
            blockDimZ: launch.block[2],
            sharedMemBytes: launch.shared_bytes,
            kernelParams: parameters,
            extra: null_mut(),
            kern: null_mut(),
            ctx: null_mut(),
        };
        f(&raw const params)
    })
}
