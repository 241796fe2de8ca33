//! Ops against plain implementations, over types and layouts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ops {
    mod indexing;
    mod joining;
    mod random;
    mod reductions;
    mod scattering;
    mod sorting;
    mod support;
}
