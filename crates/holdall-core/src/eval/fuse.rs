//! Which elementwise ops run as one kernel.
//!
//! Going from the last node to the first, an elementwise node joins the kernel of its users when they are all in that
//! one kernel, nobody else owns it, and it has the kernel's shape and stream. Since all its users are inside, no path
//! leaves a kernel and comes back: kernels can be recorded where their last node stands.

use smallvec::SmallVec;

use super::topology::Worklist;
use crate::node::Node;
use crate::op::Op;

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

struct Kernel {
    steps: u32,
    inputs: u32,
}

/// Sets `root` and `previous` of every entry.
pub(super) fn fuse(list: &mut Worklist) {
    let n = list.entries.len();
    let mut users = vec![Users::None; n];
    let mut kernels: Vec<Kernel> = (0..n).map(|_| Kernel { steps: 0, inputs: 0 }).collect();
    // The first member so far of each kernel: the head of its list.
    let mut heads: Vec<u32> = (0..n as u32).collect();
    for i in (0..n).rev() {
        // Before the clone below, which would count as an owner.
        let internal = list.is_internal(i);
        let Some(node) = list.entries[i].node.clone() else { continue };
        let graph = node.graph.lock();
        let Some(graph) = graph.as_ref() else { continue };
        let elementwise = matches!(graph.op, Op::Row(_) | Op::Cast(_));
        let mut root = i as u32;
        if let (true, Users::One(r)) = (elementwise, users[i]) {
            let kernel = &kernels[r as usize];
            let added = graph.inputs.len() as u32 - 1;
            let fits = kernel.steps + 1 < MAX_STEPS && kernel.inputs + added <= MAX_INPUTS;
            if fits && node.outputs.len() == 1 && joins(list, r, &node) && internal {
                root = r;
            }
        }
        if elementwise {
            let kernel = &mut kernels[root as usize];
            if root == i as u32 {
                *kernel = Kernel { steps: 1, inputs: graph.inputs.len() as u32 };
            } else {
                kernel.steps += 1;
                kernel.inputs += graph.inputs.len() as u32 - 1;
                let head = std::mem::replace(&mut heads[root as usize], i as u32);
                list.entries[head as usize].previous = i as u32 + 1;
            }
        }
        list.entries[i].root = root;
        let kernel = if elementwise { Users::One(root) } else { Users::Several };
        for x in &graph.inputs {
            if let Some(at) = list.find(&x.node) {
                users[at] = match (users[at], kernel) {
                    (Users::None, new) => new,
                    (Users::One(a), Users::One(b)) if a == b => kernel,
                    _ => Users::Several,
                };
            }
        }
    }
}

/// Whether a node has the shape and stream of the kernel that ends in entry `root`, which is elementwise.
fn joins(list: &Worklist, root: u32, node: &Node) -> bool {
    list.entries[root as usize].node.as_ref().is_some_and(|last| {
        last.stream == node.stream
            && last.outputs[0].spec.shape == node.outputs[0].spec.shape
            && last.trace == node.trace
    })
}

/// The members of the kernel that ends in entry `root`, in order.
pub(super) fn members(list: &Worklist, root: usize) -> SmallVec<[usize; 8]> {
    let mut members: SmallVec<[usize; 8]> = SmallVec::new();
    let mut at = root;
    loop {
        members.push(at);
        match list.entries[at].previous {
            0 => break,
            previous => at = previous as usize - 1,
        }
    }
    members.reverse();
    members
}
