//! Ops against plain implementations, over types and layouts.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::cloned_ref_to_slice_refs, reason = "lists of inputs read alike, of one or more")]

mod ops {
    mod attention;
    mod batching;
    mod convolution;
    mod derivatives;
    mod indexing;
    mod joining;
    mod kernel_derivatives;
    mod kernel_rules;
    mod kernel_updates;
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
