//! Ops against plain implementations.

mod ops {
    mod indexing;
    mod joining;
    mod scattering;
    mod support;
}
