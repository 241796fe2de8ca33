//! Ops against plain implementations, over types and layouts.

mod ops {
    mod derivatives;
    mod indexing;
    mod joining;
    mod random;
    mod random_goldens;
    mod reductions;
    mod scattering;
    mod sorting;
    mod support;
}
