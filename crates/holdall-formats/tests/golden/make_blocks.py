"""Makes blocks.bin: random GGUF blocks with the values that the `gguf` package (PyPI) decodes them to.

Per encoding: code (u32), bytes of data (u32), data of two blocks, number of values (u32), values (f32), all
little-endian. Run with `python make_blocks.py > blocks.bin` where numpy and gguf are installed.
"""

import struct
import sys

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGML_QUANT_SIZES
from gguf.quants import dequantize

# Where each encoding keeps its binary16 scales: they must be finite and of a usual size.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
    T.IQ4_NL: [0], T.IQ4_XS: [0],
    T.F32: [], T.F16: [], T.BF16: [],
}

rng = np.random.default_rng(20240607)
out = sys.stdout.buffer
for encoding, halves in HALVES.items():
    elems, size = GGML_QUANT_SIZES[encoding]
    n = 2 if elems > 1 else 40
    if elems > 1:
        data = rng.integers(0, 256, (n, size), dtype=np.uint8)
        for at in halves:
            data[:, at : at + 2] = rng.normal(0, 0.02, (n, 1)).astype(np.float16).view(np.uint8)
    else:
        values = rng.normal(0, 1, n).astype(np.float32)
        data = {
            T.F32: values.view(np.uint8),
            T.F16: values.astype(np.float16).view(np.uint8),
            T.BF16: (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8),
        }[encoding]
    data = data.reshape(-1)
    values = dequantize(data.view(np.float16) if encoding == T.F16 else data.view(np.float32) if encoding == T.F32 else data, encoding)
    values = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
    out.write(struct.pack("<II", int(encoding), data.size) + data.tobytes())
    out.write(struct.pack("<I", values.size) + values.tobytes())
