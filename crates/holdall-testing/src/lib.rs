//! Test support: op sweep, tolerances, goldens.

pub mod random;
pub mod reference;
