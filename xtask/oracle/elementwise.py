"""Cases for elementwise ops."""

import mlx.core as mx
import numpy as np

from case_file import ALL, FLOATS, INTEGERS, LAYOUTS, mx_dtype, name_of, rounded, to_mx, to_np

# Name, NumPy's function where there is one, and where to draw from.
UNARY_FLOAT = [
    ("exp", np.exp, (-4, 4)), ("log", np.log, (0.05, 9)), ("log2", np.log2, (0.05, 9)), ("log10", np.log10, (0.05, 9)),
    ("log1p", np.log1p, (-0.9, 9)), ("expm1", np.expm1, (-3, 3)), ("sqrt", np.sqrt, (0, 9)), ("rsqrt", None, (0.05, 9)),
    ("reciprocal", np.reciprocal, (0.1, 9)), ("square", np.square, (-4, 4)), ("negative", np.negative, (-4, 4)),
    ("abs", np.abs, (-4, 4)), ("sign", np.sign, (-4, 4)), ("sin", np.sin, (-9, 9)), ("cos", np.cos, (-9, 9)),
    ("tan", np.tan, (-1.4, 1.4)), ("arcsin", np.arcsin, (-1, 1)), ("arccos", np.arccos, (-1, 1)),
    ("arctan", np.arctan, (-9, 9)), ("sinh", np.sinh, (-4, 4)), ("cosh", np.cosh, (-4, 4)), ("tanh", np.tanh, (-5, 5)),
    ("arcsinh", np.arcsinh, (-9, 9)), ("arccosh", np.arccosh, (1, 9)), ("arctanh", np.arctanh, (-0.95, 0.95)),
    ("erf", None, (-3, 3)), ("erfinv", None, (-0.95, 0.95)), ("sigmoid", None, (-9, 9)), ("floor", np.floor, (-9, 9)),
    ("ceil", np.ceil, (-9, 9)), ("trunc", np.trunc, (-9, 9)),
]
UNARY_COMPLEX = ["exp", "log", "sin", "cos", "tan", "sqrt", "tanh", "sinh", "cosh", "negative", "square", "reciprocal", "conjugate",
                 "real", "imag", "abs"]
UNARY_INTEGER = ["negative", "abs", "sign", "square", "bitwise_invert", "exp", "sqrt", "sigmoid", "floor"]
BINARY_FLOAT = [
    ("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply), ("divide", np.divide), ("power", np.power),
    ("floor_divide", np.floor_divide), ("remainder", np.remainder), ("maximum", np.maximum), ("minimum", np.minimum),
    ("logaddexp", np.logaddexp), ("arctan2", np.arctan2),
]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
BITS = ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"]
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, 3e38, 88.0, -104.0], np.float64)
SHAPES = [(3, 5, 7), (2, 33), (129,), (1,), (), (0, 4)]


def unary(cases):
    for name, numpy, (low, high) in UNARY_FLOAT:
        function = getattr(mx, name)
        for dtype in FLOATS:
            layouts = LAYOUTS if dtype == "float32" else ["contiguous"]
            for layout in layouts:
                shapes = SHAPES if layout == "contiguous" and dtype == "float32" else SHAPES[:2]
                for shape in shapes:
                    x = rounded(cases.random.uniform(low, high, shape), dtype)
                    if layout == "broadcast":
                        x = np.broadcast_to(x[:1], shape)
                    if dtype == "float64" and numpy is None:
                        continue
                    if dtype == "float64":
                        # MLX has kernels for float64 that compute in float32; NumPy's do not.
                        cases.add(name, [(x, dtype, layout)], [(numpy(x), dtype)], oracle="numpy")
                    else:
                        cases.add_mx(name, [(x, dtype, layout)], function)
        if numpy is not None:
            for dtype in ["float32", "float64"]:
                x = SPECIAL.astype(dtype)
                with np.errstate(all="ignore"):
                    cases.add(name, [(x, dtype)], [(numpy(x), dtype)], oracle="numpy")
    for name in UNARY_COMPLEX:
        x = (cases.floats((3, 5), 0.2, 1.5) + 1j * cases.floats((3, 5), -1.0, 1.0)).astype(np.complex64)
        y = getattr(np, name)(x)
        cases.add(name, [(x, "complex64")], [(y, str(y.dtype))], oracle="numpy")
    for name in UNARY_INTEGER:
        for dtype in INTEGERS:
            low = 0 if dtype.startswith("u") else -9
            if name == "sqrt":
                low = 0
            x = cases.random.integers(low, 9, (4, 9)).astype(dtype)
            cases.add_mx(name, [(x, dtype)], getattr(mx, name))
    for dtype in ALL:
        x = cases.random.integers(0, 3, (4, 9)).astype(bool if dtype == "bool" else np.float64)
        cases.add_mx("logical_not", [(rounded(x, dtype), dtype)], mx.logical_not, dtype="bool")


def binary(cases):
    for name, numpy in BINARY_FLOAT:
        for dtype in FLOATS:
            for a_layout, b_layout in [("contiguous",) * 2, ("transposed", "strided"), ("shifted", "broadcast")]:
                a = rounded(cases.random.uniform(0.3, 4, (4, 9)), dtype)
                b = rounded(cases.random.uniform(0.3, 4, (4, 9)), dtype)
                b = np.broadcast_to(b[:1], b.shape) if b_layout == "broadcast" else b
                if dtype == "float64":
                    cases.add(name, [(a, dtype, a_layout), (b, dtype, b_layout)], [(numpy(a, b), dtype)], oracle="numpy")
                else:
                    cases.add_mx(name, [(a, dtype, a_layout), (b, dtype, b_layout)], getattr(mx, name))
        # Signs, broadcasting, specials.
        a, b = cases.floats((5, 1, 3), -4, 4), cases.floats((4, 1), -4, 4)
        if name not in ("power", "arctan2"):
            cases.add_mx(name, [(a, "float32"), (b, "float32")], getattr(mx, name))
        grid = np.meshgrid(SPECIAL.astype(np.float32)[:8], SPECIAL.astype(np.float32)[:8])
        if name not in ("floor_divide", "remainder", "logaddexp"):
            with np.errstate(all="ignore"):
                cases.add(name, [(g, "float32") for g in grid], [(numpy(*grid), "float32")], oracle="numpy")
    for name in ["add", "subtract", "multiply", "divide"]:
        a, b = [(cases.floats((3, 4), 0.5, 2) + 1j * cases.floats((3, 4))).astype(np.complex64) for _ in "ab"]
        cases.add(name, [(a, "complex64"), (b, "complex64")], [(getattr(np, name)(a, b), "complex64")], oracle="numpy")
    for name in ["add", "subtract", "multiply", "maximum", "minimum", "floor_divide", "remainder", "power", *BITS, *COMPARISONS]:
        for dtype in INTEGERS:
            info = np.iinfo(dtype)
            wraps = name in ("add", "subtract", "multiply", *COMPARISONS, *BITS[:3], "maximum", "minimum")
            low = info.min if wraps else (1 if name != "power" else 0)
            high = info.max if wraps else 4
            a = cases.random.integers(low, high, (6, 11), dtype=dtype, endpoint=True)
            b = cases.random.integers(low, high, (6, 11), dtype=dtype, endpoint=True)
            with np.errstate(all="ignore"):
                y = getattr(np, name)(a, b)
            cases.add(name, [(a, dtype), (b, dtype)], [(y, str(y.dtype))], oracle="numpy")
    # Floor division and its rest with every sign; by zero they are MLX's.
    for dtype in ["int8", "int32", "int64", "float32"]:
        a, b = np.meshgrid(np.arange(-7, 8), np.array([-3, -2, -1, 1, 2, 3]))
        for name in ["floor_divide", "remainder"]:
            y = getattr(np, name)(a.astype(dtype), b.astype(dtype))
            cases.add(name, [(a.astype(dtype), dtype), (b.astype(dtype), dtype)], [(y, dtype)], oracle="numpy")
    for name in ["logical_and", "logical_or"]:
        for dtype in ["bool", "int32", "float32"]:
            a, b = [cases.random.integers(0, 2, (4, 9)).astype(dtype) for _ in "ab"]
            cases.add_mx(name, [(a, dtype), (b, dtype)], getattr(mx, name))


def promotion(cases):
    """The type of a result for every pair of types."""
    for a_type in ALL:
        for b_type in ALL:
            a, b = [rounded(np.array([1, 0, 1]), t) for t in (a_type, b_type)]
            given = [to_mx(a, a_type), to_mx(b, b_type)]
            for name in ["add", "multiply", "maximum", "divide", "equal", "less"]:
                if "complex64" in (a_type, b_type) and name in ("maximum", "less"):
                    continue
                y = getattr(mx, name)(*given)
                with_values = to_np(y)
                if name == "divide":
                    # 1/1, 0/0 and 1/1; MLX's complex 0/0 is its own affair.
                    a2, b2 = [rounded(np.array([1, 1, 0]), t) for t in (a_type, b_type)]
                    b2 = rounded(np.array([1, 1, 1]), b_type)
                    with_values = to_np(mx.divide(to_mx(a2, a_type), to_mx(b2, b_type)))
                    cases.add(name, [(a2, a_type), (b2, b_type)], [(with_values, name_of(y.dtype))])
                else:
                    cases.add(name, [(a, a_type), (b, b_type)], [(with_values, name_of(y.dtype))])


def conversion(cases):
    """Every type to every type, over values that both have."""
    for source in ALL:
        for target in ALL:
            values = np.array([0, 1, 2, 3, 100]) if source != "bool" else np.array([False, True])
            x = rounded(values, source)
            y = to_mx(x, source).astype(mx_dtype(target))
            if source == "complex64":
                y = to_mx(x.real, "float32").astype(mx_dtype(target)) if target != "bool" else y
            cases.add("astype", [(x, source)], [(to_np(y), target)], {"dtype": target})
    x = np.array([-1.5, -0.5, 0.5, 1.5, 2.7, 300.2], np.float32)
    for target in ["int8", "int16", "int32", "int64"]:
        y = np.trunc(x).astype(np.int64).astype(target)
        cases.add("astype", [(x, "float32")], [(y, target)], {"dtype": target}, oracle="numpy")


def rest(cases):
    for dtype in ["float32", "int32", "float16"]:
        a, b = [rounded(cases.random.integers(-9, 9, (4, 9)), dtype) for _ in "ab"]
        condition = cases.random.integers(0, 2, (4, 9)).astype(bool)
        cases.add_mx("where", [(condition, "bool"), (a, dtype, "transposed"), (b, dtype)], mx.where, dtype=dtype)
        cases.add_mx("clip", [(a, dtype)], lambda x: mx.clip(x, -3, 4), {"low": -3, "high": 4})
    x = cases.floats((4, 9), -50, 50)
    for decimals in [0, 1, 2, -1]:
        cases.add_mx("round", [(x, "float32")], lambda x: mx.round(x, decimals), {"decimals": decimals}, scale=50)
    a, b = cases.floats((4, 9), 1, 9), cases.floats((4, 9), 1, 3)
    cases.add_mx("divmod", [(a, "float32"), (b, "float32")], mx.divmod)


def add(cases):
    unary(cases)
    binary(cases)
    promotion(cases)
    conversion(cases)
    rest(cases)
