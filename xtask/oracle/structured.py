"""Cases for reductions, sorting, indexing, joining, matrix products, norms, attention and random numbers."""

import mlx.core as mx
import numpy as np

from case_file import ALL, FLOATS, INTEGERS, LAYOUTS, rounded, to_mx, to_np

REAL = ["float16", "bfloat16", "float32"]


def reductions(cases):
    for dtype in ALL:
        if dtype == "complex64":
            continue
        for name in ["sum", "prod", "max", "min", "all", "any", "mean", "var", "argmax", "argmin"]:
            for axes in [None, [0], [-1], [0, 2], [1]]:
                layout = LAYOUTS[len(cases.cases) % 4]
                x = rounded(cases.random.integers(0, 4, (4, 5, 6)), dtype)
                if dtype in FLOATS:
                    x = rounded(cases.random.uniform(0.5, 1.5, (4, 5, 6)), dtype)
                args = {"axes": axes, "keepdims": axes == [0]}
                if name.startswith("arg"):
                    if axes is not None and len(axes) > 1:
                        continue
                    axis = None if axes is None else axes[0]
                    cases.add_mx(name, [(x, dtype, layout)], lambda x: getattr(mx, name)(x, axis=axis, keepdims=args["keepdims"]),
                                 args, dtype="uint32")
                    continue
                result = "bool" if name in ("all", "any") else dtype
                if dtype == "float64":
                    y = np.asarray(getattr(np, name)(x, axis=None if axes is None else tuple(axes), keepdims=args["keepdims"]))
                    cases.add(name, [(x, dtype, layout)], [(y, str(y.dtype))], args, "numpy", scale=8)
                    continue
                cases.add_mx(name, [(x, dtype, layout)],
                             lambda x: getattr(mx, name)(x, axis=axes, keepdims=args["keepdims"]), args, scale=8, dtype=result)
    # Long enough for blocks and threads; odd sizes; strides.
    for shape, axes in [((1000, 37), [0]), ((37, 1000), [1]), ((100003,), None), ((3, 70, 5, 40), [1, 3])]:
        for layout in LAYOUTS[:4]:
            x = cases.floats(shape)
            for name in ["sum", "max", "mean"]:
                y = getattr(np, name)(x.astype(np.float64), axis=None if axes is None else tuple(axes)).astype(np.float32)
                cases.add(name, [(x, "float32", layout)], [(np.asarray(y), "float32")], {"axes": axes, "keepdims": False}, "numpy",
                          scale=np.sqrt(x.size))
    for name, y in [("sum", 0.0), ("prod", 1.0)]:
        cases.add(name, [(np.zeros((0, 3), np.float32), "float32")], [(np.float32(y), "float32")], {"axes": None, "keepdims": False})
    nan = np.array([1, np.nan, 3], np.float32)
    for name in ["max", "min", "sum"]:
        cases.add(name, [(nan, "float32")], [(np.float32(np.nan), "float32")], {"axes": None, "keepdims": False}, "numpy")


def scans_and_sorts(cases):
    for dtype in [*INTEGERS, "float32", "float16"]:
        for axis in [0, 1]:
            x = rounded(cases.random.permutation(60)[:54].reshape(6, 9), dtype)
            for name in ["sort", "argsort"]:
                cases.add_mx(name, [(x, dtype, LAYOUTS[len(cases.cases) % 4])], lambda x: getattr(mx, name)(x, axis=axis), {"axis": axis},
                             dtype="uint32" if name == "argsort" else dtype)
            cases.add_mx("topk", [(x, dtype)], lambda x: mx.sort(mx.topk(x, 3, axis=axis), axis=axis), {"axis": axis, "k": 3})
    big = cases.floats((3, 5000))
    cases.add("sort", [(big, "float32")], [(np.sort(big, axis=1), "float32")], {"axis": 1}, "numpy")
    cases.add("argsort", [(big, "float32")], [(np.argsort(big, axis=1, kind="stable").astype(np.uint32), "uint32")], {"axis": 1}, "numpy")
    for dtype in ["float32", "int32", "uint8", "int64"]:
        for name in ["cumsum", "cumprod", "cummax", "cummin"]:
            for reverse in [False, True]:
                for inclusive in [True, False]:
                    x = rounded(cases.random.integers(1, 3, (5, 7)), dtype)
                    for axis in [0, 1]:
                        cases.add_mx(name, [(x, dtype, LAYOUTS[len(cases.cases) % 4])],
                                     lambda x: getattr(mx, name)(x, axis=axis, reverse=reverse, inclusive=inclusive),
                                     {"axis": axis, "reverse": reverse, "inclusive": inclusive})


def indexing_and_joining(cases):
    for dtype in ["float32", "float16", "int8", "bool", "complex64", "int64"]:
        x = rounded(cases.random.integers(0, 2 if dtype == "bool" else 99, (5, 6, 4)), dtype)
        layout = LAYOUTS[len(cases.cases) % 4]
        for axis in [0, 1, 2, None]:
            n = x.size if axis is None else x.shape[axis]
            index = cases.random.integers(-n, n, (3, 2)).astype(np.int32)
            cases.add_mx("take", [(x, dtype, layout), (index, "int32")], lambda x, i: mx.take(x, i, axis=axis), {"axis": axis}, dtype=dtype)
        index = cases.random.integers(0, 6, (5, 3, 4)).astype(np.uint32)
        cases.add_mx("take_along_axis", [(x, dtype, layout), (index, "uint32")], lambda x, i: mx.take_along_axis(x, i, axis=1), {"axis": 1}, dtype=dtype)
        y = rounded(cases.random.integers(0, 2 if dtype == "bool" else 99, (5, 2, 4)), dtype)
        cases.add_mx("concatenate", [(x, dtype, layout), (y, dtype)], lambda *a: mx.concatenate(a, axis=1), {"axis": 1}, dtype=dtype)
        cases.add_mx("stack", [(x, dtype, layout), (x, dtype)], lambda *a: mx.stack(a, axis=-1), {"axis": -1}, dtype=dtype)
        cases.add_mx("split", [(x, dtype, layout)], lambda x: mx.split(x, 3, axis=1), {"axis": 1, "n": 3}, dtype=dtype)
        cases.add_mx("repeat", [(x, dtype, layout)], lambda x: mx.repeat(x, 3, axis=1), {"axis": 1, "n": 3}, dtype=dtype)
        cases.add_mx("tile", [(x, dtype, layout)], lambda x: mx.tile(x, [2, 1, 3]), {"counts": [2, 1, 3]}, dtype=dtype)
        cases.add_mx("pad", [(x, dtype, layout)], lambda x: mx.pad(x, [(1, 0), (0, 2), (1, 1)]), {"widths": [[1, 0], [0, 2], [1, 1]]}, dtype=dtype)
        cases.add_mx("roll", [(x, dtype, layout)], lambda x: mx.roll(x, 2, axis=1), {"shift": 2, "axis": 1}, dtype=dtype)
        cases.add_mx("transpose", [(x, dtype, layout)], lambda x: mx.transpose(x, [2, 0, 1]), {"axes": [2, 0, 1]}, dtype=dtype)
        cases.add_mx("reshape", [(x, dtype, layout)], lambda x: mx.reshape(x, [6, -1]), {"shape": [6, -1]}, dtype=dtype)
        update = rounded(cases.random.integers(0, 2 if dtype == "bool" else 99, (2, 6, 2)), dtype)
        expected = x.copy()
        expected[1:3, :, 1:4:2] = update
        cases.add("slice_update", [(x, dtype, layout), (update, dtype)], [(expected, dtype)],
                  {"start": [1, 0, 1], "stop": [3, 6, 4], "step": [1, 1, 2]}, "numpy")
        cases.add("slice", [(x, dtype, layout)], [(x[4:0:-2, 1:5, ::3], dtype)],
                  {"start": [4, 1, 0], "stop": [0, 5, 4], "step": [-2, 1, 3]}, "numpy")
        cases.add("tril", [(x, dtype, layout)], [(np.tril(x, 1), dtype)], {"k": 1}, "numpy")
    x = cases.floats((6, 3))
    index = np.array([1, 4, 1, 5], np.int32)
    update = cases.floats((4, 3))
    expected = x.copy()
    np.add.at(expected, index, update)
    cases.add("scatter_add", [(x, "float32"), (index, "int32"), (update.reshape(4, 1, 3), "float32")], [(expected, "float32")], {"axes": [0]}, "numpy")
    for start, stop, step in [(0, 10, 1), (3, -8, -2), (0, 1, 0.125), (5, 5, 1)]:
        y = mx.arange(start, stop, step)
        cases.add("arange", [], [(to_np(y), "int32" if isinstance(step, int) else "float32")], {"start": start, "stop": stop, "step": step})


def products(cases):
    shapes = [((3, 4), (4, 5)), ((1, 64), (64, 130)), ((65, 33), (33, 17)), ((2, 3, 8, 16), (16, 9)), ((2, 1, 8, 16), (3, 16, 9)), ((7,), (7, 3)),
              ((3, 7), (7,)), ((7,), (7,)), ((200, 300), (300, 100)), ((0, 3), (3, 2)), ((2, 0), (0, 3))]
    for a_shape, b_shape in shapes:
        for dtype in [*FLOATS, "complex64"]:
            for a_layout, b_layout in [("contiguous", "contiguous"), ("transposed", "transposed"), ("strided", "shifted")]:
                a, b = [rounded(cases.floats(s), dtype) for s in (a_shape, b_shape)]
                if dtype == "complex64":
                    a = (a + 1j * cases.floats(a_shape)).astype(np.complex64)
                wide = np.complex128 if dtype == "complex64" else np.float64
                y = np.asarray(a.astype(wide) @ b.astype(wide))
                if dtype in ("float16", "bfloat16"):
                    y = rounded(y.astype(np.float32), dtype)
                else:
                    y = y.astype(dtype)
                cases.add("matmul", [(a, dtype, a_layout), (b, dtype, b_layout)], [(y, dtype)], {}, "numpy", scale=max(1, np.sqrt(a_shape[-1])) * (20 if dtype == "complex64" else 10))
    for bits in [2, 3, 4, 5, 6, 8]:
        for group_size in [32, 64, 128]:
            for dtype in REAL:
                w = rounded(cases.random.normal(size=(40, 256)), "float32")
                args = {"bits": bits, "group_size": group_size}
                codes, scales, biases = mx.quantize(mx.array(w), group_size=group_size, bits=bits)
                scales, biases = [to_np(v.astype(mx.float16)) for v in (scales, biases)] if dtype == "float16" else [
                    rounded(to_np(v), dtype) for v in (scales, biases)]
                packed = [(np.array(codes), "uint32"), (scales, dtype), (biases, dtype)]
                whole = mx.dequantize(codes, mx.array(scales), mx.array(biases), group_size=group_size, bits=bits)
                whole = np.array(whole.astype(mx.float32)).astype(np.float64)
                # MLX rounds the product and the sum to the scales' type, and so do we.
                typed = mx.dequantize(codes, to_mx(scales, dtype), to_mx(biases, dtype), group_size=group_size, bits=bits)
                cases.add("dequantize", packed, [(to_np(typed), dtype)], args, "mlx", scale=4)
                for rows in [1, 5, 70]:
                    x = rounded(cases.random.normal(size=(rows, 256)), dtype)
                    y = rounded((x.astype(np.float64) @ whole.T).astype(np.float32), dtype)
                    cases.add("quantized_matmul", [(x, dtype), *packed], [(y, dtype)], {**args, "transpose": True}, "numpy", scale=100)
            x = w[:8]
            outputs = [to_np(v) for v in mx.quantize(mx.array(x), group_size=group_size, bits=bits)]
            cases.add("quantize", [(x, "float32")], list(zip(outputs, ["uint32", "float32", "float32"])), args)
    for stride, padding, dilation, groups in [(1, 0, 1, 1), (2, 1, 1, 1), (1, 3, 2, 1), (1, 2, 1, 4)]:
        x, w = cases.floats((2, 20, 8)), cases.floats((12, 4, 8 // groups))
        args = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        cases.add_mx("conv1d", [(x, "float32", "transposed"), (w, "float32")],
                     lambda x, w: mx.conv1d(x, w, stride, padding, dilation, groups), args, scale=16)


def norms_and_attention(cases):
    for dtype in REAL:
        for shape in [(4, 64), (2, 3, 576), (3, 7), (5, 1025)]:
            layout = LAYOUTS[len(cases.cases) % 4]
            x, w, b = [rounded(cases.floats(s), dtype) for s in (shape, shape[-1:], shape[-1:])]
            cases.add_mx("softmax", [(x, dtype, layout)], lambda x: mx.softmax(x, axis=-1), {"axes": [-1]})
            cases.add_mx("softmax", [(x, dtype, layout)], lambda x: mx.softmax(x, axis=0), {"axes": [0]})
            cases.add_mx("logsumexp", [(x, dtype, layout)], lambda x: mx.logsumexp(x, axis=-1), {"axes": [-1], "keepdims": False})
            cases.add_mx("rms_norm", [(x, dtype, layout), (w, dtype)], lambda x, w: mx.fast.rms_norm(x, w, 1e-5), {"eps": 1e-5}, scale=2)
            cases.add_mx("layer_norm", [(x, dtype, layout), (w, dtype), (b, dtype)],
                         lambda x, w, b: mx.fast.layer_norm(x, w, b, 1e-5), {"eps": 1e-5}, scale=4)
        for traditional in [False, True]:
            for offset in [0, 11]:
                x = rounded(cases.floats((2, 3, 9, 32)), dtype)
                args = {"dims": 24, "traditional": traditional, "base": 10000.0, "scale": 1.0}
                cases.add_mx("rope", [(x, dtype, LAYOUTS[len(cases.cases) % 4]), (np.int32(offset), "int32")],
                             lambda x, o: mx.fast.rope(x, 24, traditional=traditional, base=10000.0, scale=1.0, offset=o), args, scale=4)
        for heads, kv_heads, length, keys, dim in [(4, 4, 1, 37, 64), (6, 2, 9, 9, 32), (4, 1, 70, 133, 64), (3, 3, 16, 16, 80)]:
            q, k, v = [rounded(cases.floats((2, h, n, dim)), dtype) for h, n in [(heads, length), (kv_heads, keys), (kv_heads, keys)]]
            scale = dim**-0.5
            for mask in [None, "causal"]:
                if dtype == "float16" and mask is None:
                    continue
                cases.add_mx("attention", [(q, dtype), (k, dtype, "strided"), (v, dtype)],
                             lambda q, k, v: mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask), {"scale": scale, "mask": mask}, scale=2)
            added = rounded(cases.floats((length, keys)), dtype)
            cases.add_mx("attention", [(q, dtype), (k, dtype), (v, dtype), (added, dtype)],
                         lambda q, k, v, m: mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=m), {"scale": scale, "mask": "array"}, scale=2)
    x = np.array([[-np.inf, -np.inf], [-np.inf, 1.0], [1e30, 1e30]], np.float32)
    cases.add_mx("logsumexp", [(x, "float32")], lambda x: mx.logsumexp(x, axis=-1), {"axes": [-1], "keepdims": False})


def random_numbers(cases):
    for seed in [0, 7, 2**40 + 3]:
        key = mx.random.key(seed)
        words = (np.array(key), "uint32")
        for shape in [(5,), (4, 3), (1,), (1000,)]:
            cases.add("random_uniform", [words], [(np.array(mx.random.uniform(shape=shape, key=key)), "float32")], {"shape": list(shape)}, "exact")
            cases.add("random_normal", [words], [(np.array(mx.random.normal(shape=shape, key=key)), "float32")], {"shape": list(shape)})
            cases.add("random_bits", [words], [(np.array(mx.random.randint(0, 2**20, shape=shape, key=key)), "int32")],
                      {"shape": list(shape), "high": 2**20}, "exact")
        cases.add("random_split", [words], [(np.array(mx.random.split(key, 3)), "uint32")], {"n": 3}, "exact")


def add(cases):
    reductions(cases)
    scans_and_sorts(cases)
    indexing_and_joining(cases)
    products(cases)
    norms_and_attention(cases)
    random_numbers(cases)
