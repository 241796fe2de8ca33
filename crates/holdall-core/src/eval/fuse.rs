//! Which elementwise ops run as one kernel.
//!
//! Going from the last node to the first, an elementwise node joins the kernel of its users when they are all in that
//! one kernel, nobody else owns it, and it has the kernel's shape and stream. Since all its users are inside, no path
//! leaves a kernel and comes back: kernels can be recorded where their last node stands.

use super::topology::Worklist;
use crate::node::Node;
use crate::op::Op;
use crate::pointwise::Register;

/// Steps of one kernel: registers of a longer program leave the cache.
const MAX_STEPS: u32 = 64;
/// Arrays that one kernel reads.
const MAX_INPUTS: u32 = 12;

/// What is known of the users of a node when it is reached.
#[derive(Clone, Copy)]
enum Users {
    None,
    /// All in the kernel with this root.
    One(u32),
    Several,
}

#[derive(Clone, Copy)]
struct Kernel {
    steps: u32,
    inputs: u32,
    /// The first member so far.
    head: u32,
}

impl Kernel {
    fn has_room(&self, more_inputs: u32) -> bool {
        self.steps < MAX_STEPS && self.inputs + more_inputs <= MAX_INPUTS
    }
}

/// Which entries run as one kernel.
pub(super) struct Fusion {
    /// The last member of each entry's kernel: itself, unless it is fused.
    root: Vec<u32>,
    /// The member of the same kernel before each, plus one; 0 for the first.
    previous: Vec<u32>,
    /// Where each entry's value is in its kernel's program, once that is made.
    pub registers: Vec<Register>,
}

impl Fusion {
    /// Decides for a whole list.
    pub fn new(list: &Worklist) -> Self {
        let n = list.entries.len();
        let mut users = vec![Users::None; n];
        let mut kernels = vec![Kernel { steps: 0, inputs: 0, head: 0 }; n];
        let mut fusion = Self { root: (0..n as u32).collect(), previous: vec![0; n], registers: vec![0; n] };
        for i in (0..n).rev() {
            let Some(node) = &list.entries[i].node else { continue };
            let graph = node.graph.lock();
            let Some(graph) = graph.as_ref() else { continue };
            let elementwise = matches!(graph.op, Op::Row(_) | Op::Cast(_));
            let mut root = i as u32;
            if elementwise {
                let more = graph.inputs.len() as u32 - 1;
                match users[i] {
                    Users::One(r)
                        if kernels[r as usize].has_room(more)
                            && list.is_internal(i)
                            && joins(list, r, node) =>
                    {
                        root = r;
                        let kernel = &mut kernels[r as usize];
                        fusion.previous[kernel.head as usize] = i as u32 + 1;
                        *kernel =
                            Kernel { steps: kernel.steps + 1, inputs: kernel.inputs + more, head: i as u32 };
                    }
                    _ => kernels[i] = Kernel { steps: 1, inputs: more + 1, head: i as u32 },
                }
            }
            fusion.root[i] = root;
            let user = if elementwise { Users::One(root) } else { Users::Several };
            for x in &graph.inputs {
                if let Some(at) = list.find(&x.node) {
                    users[at] = match (users[at], user) {
                        (Users::None, new) => new,
                        (Users::One(a), Users::One(b)) if a == b => user,
                        _ => Users::Several,
                    };
                }
            }
        }
        fusion
    }

    /// Whether an entry is recorded on its own or as the last member of its kernel.
    pub fn is_root(&self, index: usize) -> bool {
        self.root[index] == index as u32
    }

    /// The last member of an entry's kernel.
    pub fn root(&self, index: usize) -> usize {
        self.root[index] as usize
    }

    /// Makes `members` those of the kernel that ends in entry `root`, in order.
    pub fn list_members(&self, root: usize, members: &mut Vec<usize>) {
        members.clear();
        let mut at = root;
        loop {
            members.push(at);
            match self.previous[at] {
                0 => break,
                previous => at = previous as usize - 1,
            }
        }
        members.reverse();
    }
}

/// Whether a node has the shape, stream and number of outputs to join the kernel that ends in entry `root`.
fn joins(list: &Worklist, root: u32, node: &Node) -> bool {
    let last = list.entries[root as usize].node.as_ref();
    node.outputs.len() == 1
        && last.is_some_and(|last| {
            last.stream == node.stream
                && last.trace == node.trace
                && last.outputs[0].spec.shape == node.outputs[0].spec.shape
        })
}
