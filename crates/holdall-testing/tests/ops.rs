//! Ops against plain implementations, over types and layouts.

mod ops {
    mod indexing;
    mod random;
    mod reductions;
    mod sorting;
    mod support;
}
