"""Cases for Holdall's ops, written as one JSON file and one npz file.

A case is an op, its arguments, its inputs and what should come out. An input is written together with a layout, so that
Holdall gets the same values as a transposed, strided, shifted or broadcast view of other memory. 16-bit floats are
written as float32, since NumPy has no bfloat16; they were rounded before anything was computed from them.
"""

import json
import os

import mlx.core as mx
import numpy as np

FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
ALL = ["bool", *INTEGERS, *FLOATS, "complex64"]
LAYOUTS = ["contiguous", "transposed", "strided", "shifted", "broadcast"]


def mx_dtype(name):
    return mx.bool_ if name == "bool" else getattr(mx, name)


def name_of(dtype):
    return str(dtype).removeprefix("mlx.core.").rstrip("_")


def to_mx(values, dtype):
    """An MLX array of these values, which NumPy keeps exactly."""
    return mx.array(values).astype(mx_dtype(dtype)) if dtype != "float64" else mx.array(values, dtype=mx.float64)


def to_np(x):
    """What an MLX array holds; 16-bit floats as float32."""
    if x.dtype in (mx.float16, mx.bfloat16):
        x = x.astype(mx.float32)
    return np.array(x)


def rounded(values, dtype):
    """Values as the type holds them, in the type that they are written as."""
    return to_np(to_mx(np.asarray(values), dtype))


def junk(shape, like):
    """What must not be read: easy to see in a result."""
    if like.dtype == bool:
        return np.ones(shape, bool)
    fill = 77 if np.issubdtype(like.dtype, np.integer) else np.nan
    return np.full(shape, fill, like.dtype)


class Cases:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.arrays = {}
        self.cases = []

    def store(self, values):
        key = f"a{len(self.arrays)}"
        self.arrays[key] = np.ascontiguousarray(values).reshape(np.shape(values))
        return key

    def input(self, values, dtype, layout="contiguous"):
        values = np.asarray(values)
        shape = list(values.shape)
        if layout == "transposed" and values.ndim > 1:
            stored = values.T
        elif layout == "strided" and values.ndim > 0:
            stored = np.stack([values, junk(values.shape, values)], axis=-1)
        elif layout == "shifted" and values.ndim > 0:
            stored = np.stack([junk(values.shape, values), values, junk(values.shape, values)])
        elif layout == "broadcast" and values.ndim > 0 and values.shape[0] > 0 and (values == values[:1]).all():
            stored = values[:1]
        else:
            layout, stored = "contiguous", values
        return {"array": self.store(stored), "dtype": dtype, "layout": layout, "shape": shape}

    def add(self, op, inputs, outputs, args=None, oracle="mlx", scale=1.0):
        """One case. `inputs` and `outputs` are pairs of values and type name; `scale` is the size of the numbers that
        the op adds up, where a result may be much smaller."""
        self.cases.append({
            "op": op,
            "args": args or {},
            "oracle": oracle,
            "scale": float(scale),
            "inputs": [i if isinstance(i, dict) else self.input(*i) for i in inputs],
            "outputs": [{"array": self.store(v), "dtype": d, "shape": list(np.shape(v))} for v, d in outputs],
        })

    def add_mx(self, op, inputs, function, args=None, scale=1.0, dtype=None):
        """A case whose results MLX computes. Those of 16-bit inputs are computed in float32 from the rounded inputs, and
        rounded once; `dtype` says of what type they are then."""
        halves = any(i[1] in ("float16", "bfloat16") for i in inputs)
        given = [to_mx(v, d) for v, d, *_ in inputs]
        if halves:
            wide = [x.astype(mx.float32) if x.dtype in (mx.float16, mx.bfloat16) else x for x in given]
            results = function(*wide)
            results = results if isinstance(results, (list, tuple)) else [results]
            types = dtype or [name_of(given[0].dtype)] * len(results)
            types = [types] * len(results) if isinstance(types, str) else types
            outputs = [(to_np(y.astype(mx_dtype(t))), t) for y, t in zip(results, types)]
        else:
            results = function(*given)
            results = results if isinstance(results, (list, tuple)) else [results]
            outputs = [(to_np(y), name_of(y.dtype)) for y in results]
        self.add(op, inputs, outputs, args, "mlx", scale)

    def floats(self, shape, low=-2.0, high=2.0):
        return self.random.uniform(low, high, shape).astype(np.float32)

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        np.savez(os.path.join(folder, "arrays.npz"), **self.arrays)
        with open(os.path.join(folder, "cases.json"), "w") as file:
            json.dump(self.cases, file)
