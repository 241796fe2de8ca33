//! Ops against plain implementations, over types and layouts.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ops {
    mod attention;
    mod convolution;
    mod derivatives;
    mod indexing;
    mod joining;
    mod masks;
    mod metal_kernel;
    mod random;
    mod random_goldens;
    mod reductions;
    mod scattering;
    mod sorting;
    mod strided_kernel;
    mod support;
}
