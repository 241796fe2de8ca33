//! What is recorded for a device: plain data that can be run, checked, replayed or printed.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use holdall_memory::{Bound, Completion, Queue, QueueId, Tick};
use smallvec::SmallVec;

use crate::error::Origin;

/// A kernel with its parameters, as the backend that made it understands it.
pub trait Executable: Any + Debug + Send + Sync {
    /// For the backend to find its own type.
    fn as_any(&self) -> &dyn Any;

    /// Names what the launch needs besides memory, compiled code say, in the open command buffer of `queue`
    /// ([`Queue::bind_resource`]). Called each time it is recorded.
    fn bind(&self, queue: &mut Queue) {
        let _ = queue;
    }
}

/// A shared [`Executable`].
pub type Launch = Arc<dyn Executable>;

/// Memory that a command names: a block, and where in it the array starts.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The block, stamped for the command buffer that holds this.
    pub bound: Bound,
    /// Bytes from the start of the block.
    pub offset: usize,
}

/// One kernel launch.
#[derive(Clone, Debug)]
pub struct Command {
    /// What to run.
    pub launch: Launch,
    /// Its memory, in the order that the kernel expects.
    pub bindings: SmallVec<[Binding; 4]>,
    /// Everything recorded earlier must have finished before this starts.
    pub barrier: bool,
    /// The op that asked for it, for messages.
    pub op: &'static str,
    /// Where that op was built.
    pub origin: Origin,
}

/// Commands that a device runs together. Between two barriers they may run in any order or at once.
#[derive(Debug)]
pub struct CommandBuffer {
    /// Command buffers of other streams that must have finished before the first command starts.
    pub waits: SmallVec<[(QueueId, Tick); 2]>,
    /// The commands in order.
    pub commands: Vec<Command>,
    /// Ends this command buffer's tick.
    pub completion: Completion,
}
