//! The backend on a GPU, below the level of ops: memory, streams, kernels, faults. Where there is no GPU, the tests that need
//! one say so and pass, unless `HOLDALL_DEVICE` names one.

mod copies;
mod faults;
mod graphs;
mod host;
mod kernels;
mod lanes;
mod streams;
