//! The poisoned device: an asynchronous simulated device that checks every access.

mod block;
mod device;
mod driver;
mod execute;
mod order;
mod random;
mod report;
mod stress;
#[cfg(test)]
mod tests;
mod violation;
mod world;

pub use device::{Loan, SimDevice, SimKernel, SimOptions};
pub use report::Report;
pub use stress::{Comparison, Outcome, Workload, compare};
pub use violation::{Hazard, Party, Violation, ViolationKind};
