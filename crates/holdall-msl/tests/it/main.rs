//! The front end as a whole: what kernels compute, and what is said about wrong ones.

mod errors;
mod kernels;
mod language;
mod machine;
mod samples;
mod scalars;
mod support;
