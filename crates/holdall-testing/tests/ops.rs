//! Ops against plain implementations.

mod ops {
    mod indexing;
    mod support;
}
