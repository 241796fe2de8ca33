"""Makes the small npy, npz and safetensors files of this folder, with numpy and mlx from PyPI.

Every array is 0, 1, 2 … in its type and shape unless said otherwise. Run with `python make_files.py` in this folder.
"""

import io

import mlx.core as mx
import numpy as np

count = np.arange(24).reshape(2, 3, 4)
np.save("c.npy", count.astype("<f4"))
np.save("fortran.npy", np.asfortranarray(count.astype("<i4")))
np.save("big.npy", count.astype(">u2"))
np.save("fortran_big_complex.npy", np.asfortranarray((count[0] + 0.5j).astype(">c8")))
np.save("scalar.npy", np.float64(0.1))
np.save("empty.npy", np.zeros((0, 3), dtype=np.bool_))
for version in (2, 3):
    with open(f"v{version}.npy", "wb") as file:
        np.lib.format.write_array(file, np.array([True, False, True]), version=(version, 0))
mx.save("bf16.npy", mx.array([0, 1, 2], dtype=mx.bfloat16))

arrays = {"weight": count.astype("<f2"), "layer/bias": np.asfortranarray(count[0].astype(">i8"))}
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", np.arange(1000, dtype=np.int16), **arrays)

mx.save_safetensors("mlx.safetensors", {"b": mx.array([0, 1, 2], dtype=mx.bfloat16), "c": mx.array([[1 + 2j]])})
