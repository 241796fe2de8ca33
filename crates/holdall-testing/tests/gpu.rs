//! The portable GPU kernels, on the CPU in checked mode, against the CPU's own: the same ops on both devices.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod gpu {
    mod attention;
    mod elementwise;
    mod indexing;
    mod matmul;
    mod native;
    mod norm;
    mod quantized;
    mod reduce;
    mod scan;
    mod sort;
    mod support;
}
