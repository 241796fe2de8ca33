//! Matrix products with affine quantized weights.
