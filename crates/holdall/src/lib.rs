//! Holdall: lazy arrays with MLX's programming model, on every device.
#![forbid(unsafe_code)]
