//! Test support: op sweep, tolerances, goldens.
#![forbid(unsafe_code)]
