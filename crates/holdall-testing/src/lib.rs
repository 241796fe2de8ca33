//! Test support: op sweep, tolerances, goldens.
