//! The poisoned device: an asynchronous simulated device that checks every access.
