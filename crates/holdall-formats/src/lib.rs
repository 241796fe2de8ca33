//! Tensor files: safetensors, GGUF, npy and npz, as bytes and named views.
#![forbid(unsafe_code)]
