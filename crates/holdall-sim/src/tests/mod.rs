//! Whole graphs and single command buffers on the device, right ones and wrong ones.

mod graphs;
