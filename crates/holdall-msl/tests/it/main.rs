//! The front end as a whole: what kernels compute, and what is said about wrong ones.

mod corners;
mod cuda;
mod errors;
mod exercise;
mod kernels;
mod language;
mod machine;
mod mutations;
mod ranking;
mod ranking_common;
mod ranking_rare;
mod samples;
mod scalars;
mod signatures;
mod support;
