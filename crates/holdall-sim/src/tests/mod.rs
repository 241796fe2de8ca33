//! Whole graphs and single command buffers on the device, right ones and wrong ones.

mod accesses;
mod bench;
mod graphs;
mod load;
mod rules;
