//! The memory protocol: timelines, stamped blocks, the pool and the retire list.

mod bins;
mod block;
mod error;
mod host;
#[cfg(all(loom, test))]
mod models;
mod policy;
mod pool;
mod queue;
mod resource;
mod retire;
mod slab;
mod stamps;
mod storage;
mod sync;
#[cfg(all(test, not(loom)))]
mod tests;
mod tick;
mod timeline;
mod timelines;

pub use block::{BlockId, BlockInfo, Driver, RawBlock, SimulatedDriver};
pub use error::{Error, ErrorKind, OutOfMemory, Result};
pub use host::HostDriver;
pub use policy::Policy;
pub use pool::{Pool, User};
pub use queue::{Access, Bound, Completion, Queue};
pub use resource::{Resource, ResourceCache};
pub use storage::{Lease, Storage};
pub use tick::{QueueId, Tick, TickState};
pub use timelines::Timelines;
