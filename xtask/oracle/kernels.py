"""Kernels in the Metal Shading Language, with inputs: what each backend has to give the same results for.

`python3 kernels.py FOLDER` writes NAME.json and the inputs, as `holdall kernel run` reads them, and FOLDER/tolerance.json: how many
units in the last place floats may differ, for the kernels where they may.
"""

import json
import os
import re
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLES = os.path.join(ROOT, "crates", "holdall-msl", "tests", "it", "samples.rs")
DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "bfloat16", "float32"]


class Brain:
    """Elements of bfloat16, kept as their bits."""

    def __init__(self, values):
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        self.bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
        self.shape = self.bits.shape


def dtype_of(array):
    return "bfloat16" if isinstance(array, Brain) else array.dtype.name


def write_npy(path, array):
    if isinstance(array, Brain):
        with open(path, "wb") as file:
            header = {"descr": "|V2", "fortran_order": False, "shape": array.shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.write(array.bits.tobytes())
    else:
        np.save(path, array)


def samples():
    """The kernels of the compiler's own tests, by name."""
    with open(SAMPLES, encoding="utf-8") as file:
        return dict(re.findall(r'pub const (\w+): &str = r"(.*?)";', file.read(), re.S))


class Kernels:
    def __init__(self):
        self.list = []
        self.random = np.random.default_rng(7)

    def add(self, name, source, outputs, inputs=None, grid=(1, 1, 1), group=(32, 1, 1), ulps=0, **more):
        outputs = [(n, d, list(s) if isinstance(s, (tuple, list)) else [s]) for n, d, s in outputs]
        self.list.append((name, source, inputs or {}, outputs, list(grid), list(group), ulps, more))

    def values(self, dtype, n):
        """Numbers of a type, small enough for sums of them to be exact in 16 bits."""
        if dtype == "bool":
            return self.random.integers(0, 2, n).astype(np.bool_)
        if dtype in ("float16", "float32", "bfloat16"):
            numbers = (self.random.integers(-32, 33, n) / 8).astype(np.float32)
            return Brain(numbers) if dtype == "bfloat16" else numbers.astype(dtype)
        low = 0 if dtype.startswith("u") else -20
        return self.random.integers(low, 21, n).astype(dtype)

    def ints(self, name, header, lines, n_inputs=16):
        """Statements that set `y[...]`, of one thread."""
        x = np.arange(n_inputs, dtype=np.int32) * 3
        n = 1 + max(int(i) for i in re.findall(r"y\[(\d+)\]", lines))
        self.add(name, lines, [("y", "int32", n)], {"x": x}, header=header, group=(1, 1, 1), init_value=0)

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        tolerance = {}
        for name, source, inputs, outputs, grid, group, ulps, more in self.list:
            entries = []
            for key, array in inputs.items():
                file = f"{name}.{key}.npy"
                write_npy(os.path.join(folder, file), array)
                entries.append({"shape": list(array.shape), "dtype": dtype_of(array), "file": file})
            kernel = {
                "name": name,
                "source": source,
                "input_names": list(inputs),
                "output_names": [o[0] for o in outputs],
                "inputs": entries,
                "outputs": [{"shape": s, "dtype": d} for _, d, s in outputs],
                "grid": grid,
                "threadgroup": group,
                **more,
            }
            with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
                json.dump(kernel, file, indent=1)
            if ulps:
                tolerance[name] = ulps
        with open(os.path.join(folder, "tolerance.json"), "w", encoding="utf-8") as file:
            json.dump(tolerance, file)


def ramp(n, scale):
    return (((np.arange(n) * 37 + 11) % 101) * scale).astype(np.float32)


def add_samples(k):
    s = samples()
    f32 = "float32"
    k.add("softmax", s["SOFTMAX"], [("y", f32, (3, 70))], {"x": ramp(210, 0.05).reshape(3, 70)}, (192, 1, 1), (64, 1, 1),
          ulps=16, template=[["T", f32]])
    pairs = np.arange(16, dtype=np.int16)[::-1].copy()
    k.add("givens", s["GIVENS"], [("y", f32, 16)], {"x": ramp(16, 0.1), "theta": ramp(8, 0.01), "pairs": pairs}, (8, 1, 1),
          (8, 1, 1), ulps=16, header=s["GIVENS_HEADER"], template=[["N", 16]])
    delta = {"q": ramp(64, 0.02), "k": ramp(64, 0.01), "v": ramp(4, 0.03), "gate": np.array([0.9, 0.5], np.float32),
             "state_in": ramp(256, 0.001)}
    k.add("gated_delta", s["GATED_DELTA"], [("y", f32, 4), ("state_out", f32, 256)], delta, (32, 4, 1), (32, 2, 1),
          template=[["Dk", 64]])
    sample = {"position": np.array([0.5, 0.25, 1, 1], np.float32), "cotangent": np.array([4, 8], np.float32)}
    k.add("grid_sample", s["GRID_SAMPLE"], [("y", f32, 9)], sample, (2, 1, 1), (2, 1, 1), atomic_outputs=True, init_value=0,
          template=[["W", 3]])
    k.add("prefix_sum", s["PREFIX_SUM"], [("y", "int32", 100)], {"x": (np.arange(100) % 7).astype(np.int32)}, (100, 1, 1),
          (128, 1, 1))
    histogram = (np.arange(90) ** 2 % 10).astype(np.int32)
    k.add("histogram", s["HISTOGRAM"], [("y", "uint32", 10)], {"x": histogram}, (90, 1, 1), (64, 1, 1), init_value=0)
    square = {"a": ramp(256, 0.01).reshape(16, 16), "b": ramp(256, 0.02).reshape(16, 16)}
    k.add("matmul", s["MATMUL"], [("c", f32, (16, 16))], square, (16, 16, 1), (8, 8, 1), header=s["MATMUL_HEADER"])
    k.add("simd_matmul", s["SIMD_MATMUL"], [("c", f32, (16, 16))], square, (64, 2, 1), (32, 1, 1), header=s["MATMUL_HEADER"])
    k.add("top_k", s["TOP_K"], [("values", f32, 4), ("indices", "int32", 4)], {"x": ramp(50, 1)}, (32, 1, 1), (32, 1, 1),
          header=s["TOP_K_HEADER"], template=[["K", 4]])
    k.add("strided_exp", s["STRIDED_EXP"], [("y", f32, 24)], {"x": ramp(24, 0.05).reshape(2, 3, 4)}, (24, 1, 1), (24, 1, 1),
          ulps=4, template=[["T", f32]])
    k.add("bfloat_silu", s["BF16"], [("y", "bfloat16", 32)], {"x": Brain(ramp(32, 0.1))}, (8, 1, 1), (8, 1, 1), ulps=1,
          header=s["BF16_HEADER"], template=[["T", "bfloat16"]])


MATH1 = """floor ceil trunc round rint sqrt rsqrt exp exp2 exp10 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh
tanh asinh acosh atanh sinpi cospi tanpi fabs sign saturate fract""".split()
EXACT1 = {"floor", "ceil", "trunc", "round", "rint", "sqrt", "fabs", "sign", "saturate", "fract"}
MATH2 = {"atan2": 8, "pow": 24, "fmod": 0, "copysign": 0, "nextafter": 0, "min": 0, "max": 0, "fmin": 0, "step": 0, "fdim": 0}


def add_math(k):
    n = 400
    corners = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, 1e-20, 65504, 1e5]
    x = np.concatenate([corners, k.random.normal(0, 3, n - len(corners))]).astype(np.float32)
    x2 = np.concatenate([corners[::-1], k.random.normal(0, 2, n - len(corners))]).astype(np.float32)
    for dtype, to in (("float32", np.float32), ("float16", np.float16), ("bfloat16", Brain)):
        with np.errstate(over="ignore"):
            data = {"x": to(x), "w": to(x2)}
        for f in MATH1:
            ulps = 0 if f in EXACT1 else (4 if dtype == "float32" else 1)
            ulps = 16 if f == "tanpi" and dtype == "float32" else ulps
            k.add(f"math_{f}_{dtype}", f"uint i = thread_position_in_grid.x; y[i] = metal::{f}(x[i]);",
                  [("y", dtype, n)], {"x": data["x"]}, (n, 1, 1), (128, 1, 1), ulps)
        for f, ulps in MATH2.items():
            ulps = min(ulps, 1) if dtype != "float32" else ulps
            k.add(f"math_{f}_{dtype}", f"uint i = thread_position_in_grid.x; y[i] = metal::{f}(x[i], w[i]);",
                  [("y", dtype, n)], data, (n, 1, 1), (128, 1, 1), ulps)
        for f, text in {
            "fma": "fma(x[i], w[i], x[n - 1 - i])",
            "clamp": "clamp(x[i], T(-1), T(1))",
            "mix": "mix(x[i], w[i], T(0.25))",
            "smoothstep": "smoothstep(T(-1), T(2), x[i])",
            "add": "x[i] + w[i]",
            "subtract": "x[i] - w[i]",
            "multiply": "x[i] * w[i]",
            "divide": "x[i] / w[i]",
            "chain": "(x[i] * w[i] + 1) / (w[i] * w[i] + T(0.5)) - x[i] * 3",
            "compound": "[&] { T t = x[i]; t *= w[i]; t += 2; t -= 0.25f; t /= 3; return -t; }()",
            "float": "T(float(x[i]) * 1.1f + 0.3f)",
            "compare": "T((x[i] < w[i]) + 2 * (x[i] == 1) + 4 * (x[i] >= 0.5f) + 8 * isnan(x[i]) + 16 * isinf(w[i]) + 32 * isnormal(x[i]) + 64 * signbit(x[i]))",
            "literal": "c(i) ? x[i] : -1e30f",
            "branch": "T(i % 3 == 0 ? x[i] : i % 3 == 1 ? 0.5f : 1)",
            "select": "select(x[i], w[i], x[i] < w[i])",
            "ldexp": "ldexp(x[i], int(i % 40) - 20)",
        }.items():
            k.add(f"math_{f}_{dtype}", f"uint i = thread_position_in_grid.x; y[i] = {text};", [("y", dtype, n)], data, (n, 1, 1),
                  (128, 1, 1), 0, header="constant int n = 400; inline bool c(uint i) { return i % 2 == 0; }",
                  template=[["T", dtype]])
        for integer in ("int32", "uint8", "int64", "uint64", "bool", "int16"):
            wide = k.random.integers(0, 2**63, 64, dtype=np.uint64) >> k.random.integers(0, 60, 64, dtype=np.uint64)
            k.add(f"convert_{integer}_{dtype}", "uint i = thread_position_in_grid.x; y[i] = x[i]; z[i] = T(int(x[i]) % 50); w[i] = y[i] < 9 ? y[i] : T(3);",
                  [("y", dtype, 64), ("z", dtype, 64), ("w", dtype, 64)], {"x": wide.astype(integer)}, (64, 1, 1), (64, 1, 1),
                  template=[["T", dtype]])
    near = (k.random.random(256) * 6 - 3).astype(np.float32)
    for f in ("exp", "exp2", "log", "log2", "sin", "cos", "tanh", "sqrt", "rsqrt"):
        # What `fast` may differ by depends on the GPU; the bits that are compared are those above 2^-10.
        k.add(f"fast_{f}", f"uint i = thread_position_in_grid.x; y[i] = floor(fast::{f}(abs(x[i]) + 0.1f) * 256 + 0.5f);", [("y", "float32", 256)],
              {"x": near}, (256, 1, 1), (64, 1, 1), ulps=1 << 17)
    k.add("math_two_results", """uint i = thread_position_in_grid.x; float c; float s = sincos(x[i], c); float whole; float part = modf(x[i], whole);
        int e; float m = frexp(x[i], e); y[6 * i] = rint(s * 1000); y[6 * i + 1] = rint(c * 1000); y[6 * i + 2] = part; y[6 * i + 3] = whole;
        y[6 * i + 4] = m; y[6 * i + 5] = e;""", [("y", "float32", 1536)], {"x": near}, (256, 1, 1), (64, 1, 1))


def add_integers(k):
    for dtype in DTYPES[1:9]:
        info = np.iinfo(dtype)
        x = k.random.integers(info.min, info.max, 128, dtype=dtype, endpoint=True)
        w = k.random.integers(info.min, info.max, 128, dtype=dtype, endpoint=True)
        w[w == 0] = 3
        w[(w == -1)] = 5
        lines = ["popcount(a)", "clz(a)", "ctz(a)", "reverse_bits(a)", "mulhi(a, b)", "rotate(a, b)", "addsat(a, b)", "subsat(a, b)",
                 "absdiff(a, b)", "hadd(a, b)", "rhadd(a, b)", "extract_bits(a, 3u, 4u)", "insert_bits(a, b, 2u, 5u)", "a / b", "a % b",
                 "a + b", "a * b", "a & b", "a ^ b", "~a", "a << (b & 7)", "a >> (b & 7)", "min(a, b)", "max(a, b)",
                 "clamp(a, T(3), T(50))", "abs(a)", "madhi(a, b, T(1))", "a < b", "-a", "min3(a, b, T(9))", "median3(a, b, T(9))",
                 "select(a, b, a < b)", "sign(a)" if dtype.startswith("i") else "a", "extract_bits(a, 0u, 64u)", "extract_bits(a, 2u, 0u)"]
        body = "uint i = thread_position_in_grid.x; T a = x[i], b = w[i]; device T* o = y + i * %d;\n" % len(lines)
        body += "\n".join(f"o[{j}] = T({line});" for j, line in enumerate(lines))
        k.add(f"integer_{dtype}", body, [("y", dtype, (128, len(lines)))], {"x": x, "w": w}, (128, 1, 1), (64, 1, 1),
              template=[["T", dtype]])


def add_simd(k):
    reductions = ["simd_sum", "simd_min", "simd_max", "simd_product", "simd_prefix_inclusive_sum", "simd_prefix_exclusive_sum",
                  "simd_broadcast_first", "quad_sum", "quad_min", "quad_max"]
    bits = ["simd_and", "simd_or", "simd_xor"]
    moves = ["simd_shuffle(v, (lane * 7 + 3) % 64)", "simd_broadcast(v, 5)", "simd_shuffle_xor(v, 3)", "simd_shuffle_up(v, 2)",
             "simd_shuffle_down(v, 4)", "simd_shuffle_rotate_up(v, 3)", "simd_shuffle_rotate_down(v, 5)",
             "simd_shuffle_and_fill_up(v, w, 3)", "simd_shuffle_and_fill_down(v, w, 3)", "quad_broadcast(v, 2)", "quad_shuffle(v, 1)",
             "quad_shuffle_xor(v, 1)", "quad_shuffle_up(v, 1)", "quad_shuffle_down(v, 1)"]
    shapes = {"whole": ("", 64, 64), "first": ("if (i >= 21) return;", 64, 64), "gaps": ("if (i % 3 == 1) return;", 64, 64), "ragged": ("", 75, 64)}
    for dtype in DTYPES:
        integer = not dtype.startswith(("float", "bfloat"))
        calls = [f"{f}(v)" for f in reductions + (bits if integer else [])] + moves
        if dtype == "bool":
            calls = ["simd_and(v)", "simd_or(v)", "simd_xor(v)"] + moves
        if not integer:
            calls.remove("simd_product(v)")
        for shape, (leave, grid, group) in shapes.items():
            body = f"uint i = thread_position_in_grid.x; uint lane = thread_index_in_simdgroup; {leave} T v = x[i]; T w = x[{grid} - 1 - i];\n"
            body += "\n".join(f"y[{j * grid} + i] = {call};" for j, call in enumerate(calls))
            k.add(f"simd_{shape}_{dtype}", body, [("y", dtype, (len(calls), grid))], {"x": k.values(dtype, grid)}, (grid, 1, 1),
                  (group, 1, 1), template=[["T", dtype]], init_value=0)
    votes = """uint i = thread_position_in_grid.x; {leave} int v = x[i]; y[i] = simd_any(v > 5); y[N + i] = simd_all(v > -30);
        y[2 * N + i] = int(uint64_t(simd_ballot(v > 0)) & 0xffffffff); y[3 * N + i] = simd_is_first(); y[4 * N + i] = simd_sum(simd_is_first() ? 1 : 0);
        if (v > 3) {{ y[5 * N + i] = simd_sum(v); }} else {{ y[5 * N + i] = simd_max(v); }}
        int loops = 0; for (int j = 0; j < (v & 3); j++) {{ loops += simd_sum(1); }} y[6 * N + i] = loops;
        float3 q = simd_shuffle_xor(float3(v, i, 1.5f), 1u); y[7 * N + i] = q.x * 100 + q.y; y[8 * N + i] = popcount(uint(uint64_t(simd_active_threads_mask())));
        half2 h = simd_sum(half2(half(v), half(1))); y[9 * N + i] = int(h.x) * 100 + int(h.y); simdgroup_barrier(mem_flags::mem_none);"""
    for shape, (leave, grid, group) in shapes.items():
        k.add(f"votes_{shape}", votes.format(leave=leave), [("y", "int32", (10, grid))], {"x": k.values("int32", grid)}, (grid, 1, 1), (group, 1, 1),
              template=[["N", grid]], init_value=0)
    for dtype in ("float32", "float16", "bfloat16"):
        a, b = k.values(dtype, 64), k.values(dtype, 64)
        k.add(f"matrix_{dtype}", """simdgroup_matrix<T, 8, 8> a, b; simdgroup_matrix<float, 8, 8> c = make_filled_simdgroup_matrix<float, 8, 8>(0.5f);
            simdgroup_load(a, x, 8); simdgroup_load(b, w, 8, ulong2(0, 0), true); simdgroup_multiply_accumulate(c, a, b, c);
            c.thread_elements()[0] += 1; simdgroup_store(c, y, 8); simdgroup_matrix<float, 8, 8> d(2.0f); simdgroup_store(d, y + 64, 8);""",
              [("y", "float32", 128)], {"x": a, "w": b}, (32, 1, 1), (32, 1, 1), template=[["T", dtype]])


ATTRIBUTES = {
    "dispatch_threads_per_threadgroup": 3, "grid_origin": 3, "grid_size": 3, "thread_position_in_grid": 3,
    "thread_position_in_threadgroup": 3, "threadgroup_position_in_grid": 3, "threadgroups_per_grid": 3, "threads_per_grid": 3,
    "threads_per_threadgroup": 3, "dispatch_quadgroups_per_threadgroup": 1, "dispatch_simdgroups_per_threadgroup": 1,
    "quadgroup_index_in_threadgroup": 1, "quadgroups_per_threadgroup": 1, "simdgroup_index_in_threadgroup": 1,
    "simdgroups_per_threadgroup": 1, "thread_execution_width": 1, "thread_index_in_quadgroup": 1, "thread_index_in_simdgroup": 1,
    "thread_index_in_threadgroup": 1, "threads_per_simdgroup": 1,
}


def add_launches(k):
    for i, (grid, group) in enumerate([((37, 5, 3), (8, 4, 2)), ((1, 1, 1), (64, 1, 1)), ((100, 1, 1), (33, 1, 1)), ((3, 70, 2), (2, 16, 2)), ((2, 1, 70001), (2, 1, 8))]):
        n = grid[0] * grid[1] * grid[2]
        names = ATTRIBUTES if n < 10000 else {"threadgroup_position_in_grid": 3, "thread_index_in_threadgroup": 1}
        width = sum(names.values())
        body = ("uint3 at = thread_position_in_grid; uint index = at.x + threads_per_grid.x * (at.y + threads_per_grid.y * at.z);"
                f" device uint* o = y + index * {width};\n")
        j = 0
        for name, components in names.items():
            for c in range(components):
                body += f"o[{j}] = {name}{'.' + 'xyz'[c] if components == 3 else ''};\n"
                j += 1
        k.add(f"attributes_{i}", body, [("y", "uint32", (n, width))], {}, grid, group)
    k.add("exit_before_barrier", """threadgroup int shared[64]; uint i = thread_index_in_threadgroup; if (i >= 40) return; shared[i] = x[thread_position_in_grid.x];
        threadgroup_barrier(mem_flags::mem_threadgroup); if (i >= 10) return; threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
        y[threadgroup_position_in_grid.x * 10 + i] = shared[39 - i] + simd_sum(shared[i]);""", [("y", "int32", 30)], {"x": k.values("int32", 192)}, (192, 1, 1), (64, 1, 1))
    k.add("facts", """uint i = thread_position_in_grid.x; int n = 1; for (int a = 0; a < x_ndim; a++) n *= x_shape[a]; y[i] = x[elem_to_loc(i, x_shape, x_strides, x_ndim)] + n + x_strides[0] + int(s) + small[1]
        + elem_to_loc(uint3(i % 5, i / 5 % 3, 0), x_shape, x_strides, x_ndim) + elem_to_loc_1(3u, x_strides[0]) + elem_to_loc_2(uint2(1, 2), x_strides) + ceildiv(7, 2);""",
          [("y", "int32", 30)], {"x": np.arange(30, dtype=np.int32).reshape(2, 3, 5), "s": np.array(7, np.float32), "small": np.array([1, 2, 3], np.int8)}, (30, 1, 1), (32, 1, 1))
    k.add("looped", """LoopedElemToLoc<3, int64_t, true> loop(x_ndim); uint i = thread_position_in_grid.x; loop.next(int(i), x_shape, x_strides); y[i] = x[loop.location()];
        loop.next(x_shape, x_strides); z[i] = loop.location();""", [("y", "int32", 29), ("z", "int64", 29)], {"x": np.arange(30, dtype=np.int32).reshape(2, 3, 5)}, (29, 1, 1), (32, 1, 1))
    atomic = """uint i = thread_position_in_grid.x; int v = x[i]; atomic_fetch_add_explicit(&y[0], T(v), memory_order_relaxed); atomic_fetch_max_explicit(&y[1], T(v), memory_order_relaxed);
        atomic_fetch_min_explicit(&y[2], T(v), memory_order_relaxed); atomic_fetch_sub_explicit(&y[3], T(2), memory_order_relaxed);
        T seen = atomic_load_explicit(&y[4], memory_order_relaxed); while (!atomic_compare_exchange_weak_explicit(&y[4], &seen, T(seen + T(v)), memory_order_relaxed, memory_order_relaxed)) {}"""
    bits = """ atomic_fetch_or_explicit(&y[5], T(1) << (i % 31), memory_order_relaxed); atomic_fetch_xor_explicit(&y[6], T(v & 7), memory_order_relaxed);
        atomic_fetch_and_explicit(&y[7], T(~(1 << (i % 5))), memory_order_relaxed); if (i == 5) { y2[0] = int(atomic_exchange_explicit(&y[8], T(77), memory_order_relaxed)); atomic_store_explicit(&y[9], T(5), memory_order_relaxed); }"""
    # A load of y2 is no atomic: outputs are atomic all or none, so that it is another type of memory here.
    bits = bits.replace("y2[0] = int(", "atomic_store_explicit(&y[10], ").replace("memory_order_relaxed)); atomic_store", "memory_order_relaxed), memory_order_relaxed); atomic_store")
    for dtype in ("int32", "uint32", "float32", "uint64"):
        body = atomic + ("" if dtype == "float32" else bits)
        # All that these may do to `ulong` on Metal is to take minima and maxima; here they do all.
        k.add(f"atomic_{dtype}", body, [("y", dtype, 12)], {"x": np.abs(k.values("int32", 96))}, (96, 1, 1), (48, 1, 1), atomic_outputs=True, init_value=3, template=[["T", dtype]])
    k.add("atomic_bool", "uint i = thread_position_in_grid.x; if (x[i] > 15) atomic_store_explicit(&y[i % 8], true, memory_order_relaxed);",
          [("y", "bool", 8)], {"x": k.values("int32", 96)}, (96, 1, 1), (48, 1, 1), atomic_outputs=True, init_value=0)
    k.add("atomic_shared", """threadgroup atomic_int count; threadgroup atomic_uint bins[8]; threadgroup atomic_float sum; uint i = thread_index_in_threadgroup;
        if (i == 0) { atomic_store_explicit(&count, 0, memory_order_relaxed); atomic_store_explicit(&sum, 0.0f, memory_order_relaxed); }
        if (i < 8) atomic_store_explicit(bins + i, 0u, memory_order_relaxed); threadgroup_barrier(mem_flags::mem_threadgroup);
        atomic_fetch_add_explicit(&count, 1, memory_order_relaxed); atomic_fetch_add_explicit(&bins[i % 8], i, memory_order_relaxed); atomic_fetch_add_explicit(&sum, 0.5f, memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup); if (i < 8) y[i] = atomic_load_explicit(&bins[i], memory_order_relaxed) + atomic_load_explicit(&count, memory_order_relaxed) + int(atomic_load_explicit(&sum, memory_order_relaxed));""",
          [("y", "int32", 8)], {}, (100, 1, 1), (128, 1, 1))


def add_language(k):
    k.add("df64", "df64 a = two_sum(1.0f, 1e-8f); df64 b = add(a, a); y[0] = b.hi; y[1] = b.lo; df64 p = two_prod(1.1f, 1.1f); y[2] = p.lo;", [("y", "float32", 3)], {}, group=(1, 1, 1),
          header="""#include <metal_stdlib>
#pragma METAL fp contract(off)
struct df64 { float hi, lo; };
inline df64 two_sum(float a, float b) { float s = a + b; float v = s - a; return {s, (a - (s - v)) + (b - v)}; }
inline df64 two_prod(float a, float b) { float p = a * b; return df64{p, metal::fma(a, b, -p)}; }
static inline df64 add(df64 a, df64 b) { df64 s = two_sum(a.hi, b.hi); s.lo += a.lo + b.lo; return two_sum(s.hi, s.lo); }""")
    k.ints("declarations", """using namespace metal;
typedef struct { int a; int b; } Plain; typedef struct Tag { int c; } Tagged; typedef float Quad[4];
static constant constexpr int lut[4] = {1, 2, 4, 8}; constant float2 offsets[2] = {float2(1, 2), {3, 4}}; constant uint mask = ~0u;
static constexpr constant int alpha = 3, beta = alpha + 1; int total(const thread int a[4]) { return a[0] + a[3]; }
[[gnu::always_inline]] inline int shared_sum(threadgroup int (&s)[4], uint n) { int t = 0; for (uint i = 0; i < n; i++) t += s[i]; return t; }
void fill(threadgroup int* s, int v) { s[0] = v; s[1] = v + 1; s[2] = 0; s[3] = 0; }
inline float erf(float v) { return v * 2; } template <typename U> U max3(U a, U b, U c) { return max(a, max(b, c)); }
constant half weights[3] = {1.5h, 2, half(0.25)}; constant constexpr int N = 4;""",
           """Plain p = {1, 2}; Tagged t = {5}; y[0] = p.b + t.c; y[1] = lut[x[1]] + int(offsets[1].x) + int(mask >> 31); y[2] = alpha * 10 + beta;
int a[N] = {x[1], 0, 0, x[2]}; y[3] = total(a); threadgroup int s[4]; fill(s, 7); y[4] = shared_sum(s, 4); thread int v = 1, *q = &v; *q += 4; y[5] = v;
const auto c = 5; constexpr auto d = c * 2; y[6] = d; auto& r = a[1]; r = 9; y[7] = a[1]; if (int k = x[3]) y[8] = k; int3 z{1, 2, 3}; y[9] = z[2] + z.y;
Quad quad; quad[2] = 3; y[10] = quad[2] + erf(1.0f) + max3(1, 5, 3); for (;;) { break; } uint n = 3; int count = 0; while (n--) count++; y[11] = count;
device int* const w = y; w[12] = *&x[4]; enum class Op { Add = 2, Mul }; Op op = Op::Mul; y[13] = op == Op::Mul; float m[2][2] = {}; m[1][1] = 2; y[14] = m[0][0] + m[1][1];
const device int& first = x[5]; y[15] = first; half h = half(1.5); y[16] = h * 2; y[17] = sizeof(Plain) + sizeof(Quad); y[18] = weights[x[0]] * 4; { threadgroup float nested[2][N]; nested[1][2] = 1.; y[19] = nested[1][2]; }
long wide = 1l << 40; unsigned long w2 = 0xcbf29ce484222325; y[20] = wide >> 38; y[21] = w2 >> 60; char ch = -3; unsigned char uc = 253; y[22] = ch + uc; y[23] = 1e-5 < 0x1p-4 && 1. > .5;
y[24] = x[0] == 0 ? x[1] > 1 ? 5 : 6 : 7; y[25] = int(float(x[1]) * 1.5);""")
    k.ints("vectors", "", """const device packed_char4* b = (const device packed_char4*)x; y[0] = b[1].x; vec<int, 4> v = *(const device int4*)(x + 4); y[1] = v.w;
auto w = reinterpret_cast<const device vec<int, 2>*>(x)[1]; y[2] = w.y; *(device int2*)(y + 4) = v.xy; ulong u = as_type<ulong>(uint2(1, 2)); y[7] = u >> 32;
ushort2 s = ushort2(1, 2) + ushort(3); y[8] = s.y; bool2 l = s > 4; y[9] = l.x + 2 * l.y; int4 sel = select(int4(1), int4(2), v > 12); y[3] = sel.x + sel.y * 10;
uint3 g(1, 2, 3); g.x++; g.yz = g.zy; y[10] = g.x * 100 + g.y * 10 + g.z; float3 f = float3(1, 2, 3); f *= f; f /= 2.0f; f = f - 1; y[11] = f.z * 2;
half2 hh = half2(3, 4); y[12] = length(hh); int2 neg = -int2(1, 2); y[13] = neg.y; float4 big = float4(f, 7); y[14] = big.w; y[15] = (v & 3).y;
packed_float3 pf = f; float3 back = float3(pf) + pf; y[16] = back.z; y[17] = all(l) || any(l); auto part = big.wzy; part.xy += 2; y[18] = part.x + part.y; y[19] = dot(f.xy, big.zw);
y[20] = cross(float3(1, 0, 0), float3(0, 1, 0)).z; y[21] = normalize(float2(3, 4)).y * 10; float4 c4 = {1, 2, 3, 4}; y[22] = c4.rgb.b + c4.a + c4.abgr.x; y[23] = sizeof(float3) + sizeof(packed_float3) + sizeof(half3);
y[24] = distance(float2(1, 1), float2(4, 5)); y[25] = as_type<int>(1.5f) >> 20; y[26] = int4(2.9f).w + int(float4(v).x); c4[2] = 9; y[27] = c4.z; y[28] = reflect(float2(1, -1), float2(0, 1)).y; y[29] = max(float4(1, -2, 3, -4), 0.0f).y;""")
    k.ints("structs", """struct Acc { int sum; int n; static int twice(int v) { return v * 2; } Acc() : sum(0), n(0) {} void operator()(int v) { sum += v; n++; }
  explicit operator bool() const { return n > 0; } operator int() const { return sum; } int mean() const { return n ? sum / n : 0; } };
template <typename Op> int fold(const device int* p, int n, Op op) { int r = p[0]; for (int i = 1; i < n; i++) r = op(r, p[i]); return r; }
struct Max { template <typename U> U operator()(U a, U b) const { return a > b ? a : b; } static constexpr constant int init = -5; };
template <typename T, typename Op, int W = 2> struct Reducer { Op op; T run(T a, T b) { return op(a, b) * W; } };
template <typename T> struct Traits { using type = int; static constexpr bool wide = sizeof(T) > 2; }; template <> struct Traits<half> { using type = float; static constexpr bool wide = false; };
template <typename T> typename Traits<T>::type convert(T v) { typename Traits<T>::type r = v; return r; }
struct View { const device int* data; int stride; int at(int i) const { return data[i * stride]; } };
View shifted(View v, int by) { v.data += by; return v; } struct Pair { thread int* a; device int* out; }; struct Cov { float xx, xy, yy; };""",
           """Acc acc; acc(3); acc(5); y[0] = acc.mean(); y[1] = Acc::twice(4); y[2] = acc.sum + 1; if (acc) y[3] = 1; y[4] = fold(x, 5, Max{}); y[5] = Max::init;
Reducer<int, Max> r; y[6] = r.run(2, 9); int base = 10; auto add = [=](int a, int b) { return a + b + base; }; y[7] = fold(x, 3, add); y[8] = convert(half(2.5h)) * 2;
y[9] = Traits<float>::wide * 2 + Traits<half>::wide; Traits<half>::type f = 0.5f; y[10] = f * 4; Acc other = acc; other(100); y[11] = acc.n; View v = {x, 2}; y[12] = v.at(3); y[13] = shifted(v, 1).at(1);
const device int* rows[3] = {x, x + 4, x + 8}; int s = 0; for (int i = 0; i < 3; i++) s += rows[i][1]; y[14] = s; int local = 7; Pair p = {&local, y + 15}; *p.a += 1; p.out[0] = local; Cov c = {1, 2, 3}; y[16] = c.xx + c.xy * 10 + c.yy * 100;
complex64_t z = complex64_t(1, 2) * complex64_t(3, -1) + 1.0f; y[17] = z.real * 100 + z.imag; y[18] = Limits<int8_t>::min; y[19] = numeric_limits<short>::digits; y[20] = isinf(Limits<bfloat16_t>::min) && Limits<bfloat16_t>::min < 0; y[21] = numeric_limits<half>::epsilon() == 0.0009765625h;
y[22] = cast_to<int>(2.5f) + ceildiv(9, 4); y[23] = metal::numeric_limits<float>::infinity() == INFINITY; metal::array<int, 3> arr; arr[1] = 6; y[24] = arr[1] + arr.size(); y[25] = is_same_v<decltype(half(1) + 1), half> && is_same_v<decltype(half(1) + 1.0f), float>; y[26] = M_PI_F > 3.14f && FLT_MAX > 1e38;
int sw = 0; switch (x[1]) { case 3: { sw = 4; break; } default: sw = 1; } y[27] = sw; y[28] = (x[1] > 2, 9); y[29] = numeric_limits<ulong>::max() == ~0ul;""")
    steel = """#include <metal_simdgroup>
#include "mlx/backend/metal/kernels/utils.h"
using namespace metal;
#define MLX_MTL_PRAGMA_UNROLL _Pragma("clang loop unroll(full)")
#define STEEL_CONST static constant constexpr const
template <typename T, short BM, short BN> struct Loader { STEEL_CONST short n_reads = (BM * BN) / 32; const int src_ld; const short bi;
  threadgroup T* dst; const device T* src; METAL_FUNC Loader(const device T* src_, const int ld, threadgroup T* dst_, ushort lane [[thread_index_in_simdgroup]])
    : src_ld(ld), bi(lane / BN), dst(dst_ + bi * BN), src(src_ + bi * src_ld) {}
  METAL_FUNC void load() const { MLX_MTL_PRAGMA_UNROLL for (short i = 0; i < BM; i++) { dst[i] = src[i * src_ld]; } } METAL_FUNC void next() { src += BN; } };
template <typename U> struct Add { U operator()(U a, U b) { return a + b; } static constexpr constant U init = 0; };
template <typename U, typename Op = Add<U>> inline U simd_reduce_all(U v) { Op op; for (ushort s = 16; s > 0; s >>= 1) v = op(v, simd_shuffle_xor(v, s)); return v; }
inline uint hash(uint x) { x ^= x >> 16; x *= 0x7feb352dU; x ^= x >> 15; x *= 0x846ca68bU; return x ^ (x >> 16); }
METAL_FUNC float4 dequant(uint packed, float scale, float bias) { return float4((uint4(packed) >> uint4(0, 4, 8, 12)) & 0xfu) * scale + bias; }"""
    k.add("steel_like", """threadgroup int tile[8]; uint lane = thread_index_in_simdgroup; Loader<int, 4, 2> loader(x, 2, tile, ushort(lane));
if (lane == 0) { loader.load(); } threadgroup_barrier(metal::mem_flags::mem_threadgroup); y[0] = tile[3]; loader.next(); y[1] = simd_reduce_all(int(lane));
y[2] = hash(1u) & 0xff; float4 d = dequant(0x4321, 2.0f, 1.0f); y[3] = d.x + d.w * 10; const uint64_t big = (uint64_t)x[2] << 33; y[4] = big >> 32;
constexpr short reads = Loader<int, 8, 8>::n_reads; y[5] = reads; const int2 block = {int(lane) / 8, int(lane) % 8}; if (lane == 9) { y[6] = block.x * 10 + block.y; }
device uchar* bytes = (device uchar*)(y + 7); bytes[0] = 1; bytes[1] = (uchar)257; half hv = (half)x[1]; y[8] = hv * hv + (half)0.5f > 9 ? 1 : 0;""",
          [("y", "int32", 9)], {"x": np.arange(16, dtype=np.int32) * 3}, (1, 1, 1), (32, 1, 1), header=steel, init_value=0)
    k.add("bfloat_branches", """uint i = thread_position_in_grid.x; T a = x[i]; bool c = i % 2; T m = c ? a : -1e30; float f = c ? a : 0.5; T r = c ? a : T(2); T n = c ? a : 0;
        auto p = c ? x : x + 1; y[i] = (c ? m : n) + (a > 0 ? T(f) : r) * (i > 3 ? p[0] : a); if (i == 2) y[i] = c ? 1 : i > 1 ? 7.5 : 3; y[i] = c ? y[i] * 2 : y[i]; y[i] += c ? a + 1 : a - 1; float3 v = c ? float3(1) : 0.5f; y[i] -= v.y;""",
          [("y", "bfloat16", 16)], {"x": Brain(ramp(18, 0.125))}, (16, 1, 1), (16, 1, 1), template=[["T", "bfloat16"]])
    k.add("spin_lock", """uint i = thread_position_in_grid.x; device atomic_uint* slots = (device atomic_uint*)y; uint key = uint(x[i]) + 1; uint at = (key * 2654435761u) % 64;
        for (int tries = 0; tries < 64; tries++) { uint empty = 0; if (atomic_compare_exchange_weak_explicit(slots + at, &empty, key, memory_order_relaxed, memory_order_relaxed) || empty == key) break; at = (at + 1) % 64; }
        atomic_fetch_add_explicit(slots + 64 + key % 64, 1u, memory_order_relaxed);""", [("y", "uint32", 128)], {"x": (np.arange(90) % 20 * 3).astype(np.int32)}, (90, 1, 1), (64, 1, 1), init_value=0)


def every():
    kernels = Kernels()
    for add in (add_samples, add_math, add_integers, add_simd, add_launches, add_language):
        add(kernels)
    return kernels


if __name__ == "__main__":
    every().write(sys.argv[1])
