//! Ops against plain implementations.

mod ops {
    mod derivatives;
    mod indexing;
    mod random;
    mod random_goldens;
    mod reductions;
    mod sorting;
    mod support;
}
