//! The CPU backend: SIMD kernels on their own stream threads.
