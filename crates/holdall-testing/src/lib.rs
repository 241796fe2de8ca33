//! Test support: op sweep, tolerances, goldens.
#![forbid(unsafe_code)]

pub mod random;
pub mod reference;
pub mod simt;
pub mod tolerance;
