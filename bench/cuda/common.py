"""Data, references and floors that the benchmarks share."""

import itertools

from driver import Kernel, time_graph

READ = ["common.cuh", "read.cu"]
READ_VARIANTS = [dict(THREADS=t, UNROLL=u) for t, u in itertools.product((128, 256, 512, 1024), (2, 4, 8))]
_pool = None
_readers = None
_floors = {}


def torch_dtype(element):
    import torch

    return [torch.float32, torch.float16, torch.bfloat16][element]


def pool():
    """Random bytes, more than twice what the last-level cache holds."""
    global _pool
    import torch

    if _pool is None:
        _pool = torch.randint(-(2**31), 2**31, (192 << 20,), device="cuda", dtype=torch.int64).to(torch.int32)
    return _pool


def copies(size, at_least=2, total=400 << 20):
    return max(at_least, min(200, total // size))


def floor(size):
    """Seconds that the best read-only kernel takes for `size` bytes that are not cached."""
    global _readers
    if size in _floors:
        return _floors[size]
    if _readers is None:
        _readers = [(v, Kernel(READ, "read_only", v)) for v in READ_VARIANTS]
    import torch

    words, sink, best = pool(), torch.zeros(4, device="cuda", dtype=torch.int32), 1.0
    count, step = size // 16, (size + 255) // 256 * 64
    n = min(copies(size), words.numel() // step)
    launches_of = max(n, 200 if size < 100e6 else 20)
    for v, kernel in _readers:
        grid = ((count + v["THREADS"] * v["UNROLL"] - 1) // (v["THREADS"] * v["UNROLL"]),)
        bound = [kernel.bind(grid, v["THREADS"], words[i * step :], ("l", count), sink) for i in range(n)]
        best = min(best, time_graph([bound[i % n] for i in range(launches_of)]))
    _floors[size] = best
    return best


def codes(w, bits):
    """[.., K] integers of packed [.., K·bits/32] words."""
    import torch

    w = w.long() & 0xFFFFFFFF
    packs = w.reshape(*w.shape[:-1], -1, bits)
    out = []
    for i in range(32):
        word, offset = i * bits // 32, i * bits % 32
        c = packs[..., word] >> offset
        if offset + bits > 32:
            c = c | (packs[..., word + 1] << (32 - offset))
        out.append(c & ((1 << bits) - 1))
    return torch.stack(out, -1).reshape(*w.shape[:-1], -1)


def quantized_reference(x, w, scales, biases, bits, group):
    """x · dequantize(w)ᵀ in float64."""
    import torch

    parts = []
    for i in range(0, w.shape[0], 16384):
        c = codes(w[i : i + 16384], bits).double()
        s, b = (a[i : i + 16384].double().repeat_interleave(group, 1) for a in (scales, biases))
        parts.append(x.double() @ (c * s + b).T)
    return torch.cat(parts, -1)


class Weights:
    """`count` matrices [n, k] with different random codes, scales and biases."""

    def __init__(self, n, k, bits, group, element, count):
        import torch

        words, dtype = pool(), torch_dtype(element)
        size = n * k * bits // 32
        self.w = [words[i * size : (i + 1) * size].view(n, -1) for i in range(min(count, words.numel() // size))]
        count = len(self.w)
        self.s = (torch.rand(count, n, k // group, device="cuda") * 0.02 + 0.01).to(dtype)
        self.b = (torch.randn(count, n, k // group, device="cuda") * 0.1).to(dtype)
        self.bytes = size * 4 + 2 * n * (k // group) * self.s.element_size()
        self.args = (bits, group)

    def __len__(self):
        return len(self.w)

    def __getitem__(self, i):
        return self.w[i], self.s[i], self.b[i]

    def reference(self, x, i=0):
        return quantized_reference(x, *self[i], *self.args)
