"""qmv.cu: quantized matrix × vector."""

from common import Weights, copies, floor, torch_dtype
from driver import CHECK_ONLY, Kernel, error, time_graph

NAMES = ["common.cuh", "codes.cuh", "qmv.cu"]
SHAPES = [  # of Qwen3-8B
    ("k", 1024, 4096),
    ("q", 4096, 4096),
    ("qkv", 6144, 4096),
    ("gate", 12288, 4096),
    ("gate+up", 24576, 4096),
    ("down", 4096, 12288),
    ("head", 151936, 4096),
]
CONFIGS = [(8, 2, 1), (8, 2, 3), (8, 1, 1), (4, 2, 1), (4, 2, 5), (4, 1, 1)]  # warps, halves, blocks per SM
CHECKED = [(e, b, 64) for e in (0, 1, 2) for b in (2, 3, 4, 5, 6, 8)] + [(e, 4, g) for e in (0, 1, 2) for g in (32, 128)] + [
    (2, 8, 32), (2, 8, 128), (2, 3, 32), (2, 5, 128)]
LIMIT = [3e-6, 6e-4, 5e-3]  # rounding of the output, float32 sums for float32


def defines(element, bits, group, warps=8, halves=2, blocks=1, exact=0):
    d = dict(ELEMENT=element, BITS=bits, GROUP=group, WARPS=warps, HALVES=halves)
    return d | dict(BLOCKS_PER_SM=blocks, EXACT=exact)


def variants():
    from common import READ, READ_VARIANTS

    yield from ((READ, v) for v in READ_VARIANTS)
    yield from ((NAMES, defines(*c, exact=e)) for c in CHECKED for e in (0, 1))
    yield from ((NAMES, defines(e, b, g, exact=1) | dict(GATHER=1)) for e, b, g in ((2, 4, 64), (0, 8, 32)))
    yield from ((NAMES, defines(2, b, 64, *c, exact=1)) for b in (4, 8) for c in CONFIGS)


def bind(kernel, halves, warps, x, w, s, b, y, n, k, early=False):
    grid = ((n + 8 * halves - 1) // (8 * halves), x.shape[0])
    return kernel.bind(grid, 32 * warps, x, w, s, b, y, ("i", n), ("i", k), early=early)


def run():
    import torch

    wrong, worst = [], {}
    for element, bits, group in CHECKED:
        kernels = [Kernel(NAMES, "qmv", defines(element, bits, group, exact=e)) for e in (0, 1)]
        for n, k, exact in ((40, 4096, 1), (1, group, 0), (576, 576 // group * group, 0), (100, 1536, 1), (33, 12288, 0), (64, 640, 0)):
            kernel = kernels[exact]
            weights = Weights(n, k, bits, group, element, 1)
            x = torch.randn(2, k, device="cuda").to(torch_dtype(element))
            y = torch.full((2, n), float("nan"), device="cuda", dtype=x.dtype)
            bind(kernel, 2, 8, x, *weights[0], y, n, k)()
            torch.cuda.synchronize()
            e = error(y, weights.reference(x))
            worst[element] = max(worst.get(element, 0), e)
            if not e < LIMIT[element]:
                wrong.append(("qmv", element, bits, group, n, k, e))
    print("qmv worst error by element type:", {k: f"{v:.1e}" for k, v in worst.items()})
    for element, bits, group in ((2, 4, 64), (0, 8, 32)):
        kernel = Kernel(NAMES, "qmv", defines(element, bits, group, exact=1) | dict(GATHER=1))
        weights = Weights(7 * 100, 512, bits, group, element, 1)
        x = torch.randn(5, 512, device="cuda").to(torch_dtype(element))
        rows, experts = (torch.randint(0, high, (12,), device="cuda", dtype=torch.int32) for high in (5, 7))
        y = torch.full((12, 100), float("nan"), device="cuda", dtype=x.dtype)
        kernel.bind((7, 12), 256, x, *weights[0], y, rows, experts, ("i", 100), ("i", 512))()
        torch.cuda.synchronize()
        full = weights.reference(x).view(5, 7, 100)
        e = error(y, full[rows.long(), experts.long()])
        if not e < LIMIT[element]:
            wrong.append(("qmv gather", element, bits, group, e))
    if CHECK_ONLY:
        return wrong
    for bits in (4, 8):
        configs = CONFIGS
        kernels = [Kernel(NAMES, "qmv", defines(2, bits, 64, *c, exact=1)) for c in configs]
        print(f"qmv bfloat16 {bits} bits group 64; registers", [k.registers() for k in kernels])
        print(f"{'':8} {'floor µs':>8} | µs by warps.halves.blocks | best ratio, GB/s | early start")
        for name, n, k in SHAPES:
            weights = Weights(n, k, bits, 64, 2, copies(n * k * bits // 8))
            x = torch.randn(1, k, device="cuda").bfloat16()
            y = torch.empty(len(weights), n, device="cuda", dtype=x.dtype)
            reference = weights.reference(x)
            base = floor(weights.bytes)
            times, early = [], []
            for (warps, halves, _), kernel in zip(configs, kernels):
                for ahead in (False, True):
                    y.fill_(float("nan"))
                    bound = [bind(kernel, halves, warps, x, *weights[i], y[i], n, k, ahead) for i in range(len(weights))]
                    count = max(len(bound), 200 if weights.bytes < 100e6 else 20)
                    (early if ahead else times).append(time_graph([bound[i % len(bound)] for i in range(count)]))
                    e = error(y[:1], reference)
                    if not e < LIMIT[2] or not torch.isfinite(y).all():
                        wrong.append(("qmv", name, bits, warps, halves, e))
            best = min(times)
            shown = " ".join(f"{w}.{h}.{f}:{v * 1e6:.2f}" for (w, h, f), v in zip(configs, times))
            print(
                f"{name:8} {base * 1e6:8.2f} | {shown} | {best / base:.2f} {weights.bytes / best / 1e9:.0f} | "
                + " ".join(f"{v * 1e6:.2f}" for v in early),
                flush=True,
            )
            del weights
    return wrong
