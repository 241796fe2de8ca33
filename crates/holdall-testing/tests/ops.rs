//! Ops against plain implementations, over types and layouts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
//! Ops against plain implementations.

mod ops {
    mod derivatives;
    mod indexing;
    mod joining;
    mod random;
    mod reductions;
    mod scattering;
    mod random_goldens;
    mod sorting;
    mod support;
}
