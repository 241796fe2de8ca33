//! Neural network modules and layers.
#![forbid(unsafe_code)]
