"""qmv_rows.cu: quantized matrix × a few rows."""

from bench_qmv import SHAPES
from common import Weights, copies, floor, torch_dtype
from driver import CHECK_ONLY, Kernel, error, time_graph

NAMES = ["common.cuh", "codes.cuh", "qmv_rows.cu"]
CONFIGS = [(8, 1, 4, 1), (8, 1, 4, 2)]  # warps, tiles, steps, blocks per SM
CHECKED = [(e, b, g, r) for e in (1, 2) for b, g, r in (
    (4, 64, 8), (4, 64, 16), (4, 64, 32), (4, 32, 8), (4, 128, 8), (8, 64, 8), (8, 32, 8), (2, 64, 8), (3, 64, 8), (5, 128, 8), (6, 32, 8))]
LIMIT = [0, 1e-3, 8e-3]
MULTIPROCESSORS = 132


def defines(element, bits, group, rows, warps=8, tiles=1, steps=None, blocks=1):
    d = dict(ELEMENT=element, BITS=bits, GROUP=group, ROWS=rows, WARPS=warps, TILES=tiles, BLOCKS_PER_SM=blocks)
    return d | (dict(STEPS=steps) if steps else {})


def shared(d, k):
    chunk = 128 * d.get("STEPS", 2 if d["BITS"] > 4 else 4)
    return (k + chunk - 1) // chunk * chunk * d["ROWS"] * 2 + d["WARPS"] * 16 * d["TILES"] * d["ROWS"] * 4


def variants():
    yield from ((NAMES, defines(*c)) for c in CHECKED)
    for rows in (8, 16):
        yield from ((NAMES, defines(2, 4, 64, rows, *c)) for c in CONFIGS)


def bind(kernel, d, x, w, s, b, y, m, n, k, early=False):
    tiles = (n + 16 * d["TILES"] - 1) // (16 * d["TILES"])
    per_sm = min(d["BLOCKS_PER_SM"], 227 * 1024 // (kernel.shared + 1024))
    groups = (m + d["ROWS"] - 1) // d["ROWS"]
    grid = (min(tiles, max(1, MULTIPROCESSORS * per_sm // groups)), groups)
    return kernel.bind(grid, 32 * d["WARPS"], x, w, s, b, y, ("i", m), ("i", n), ("i", k), early=early)


def run():
    import torch

    wrong, worst = [], {}
    for element, bits, group, rows in CHECKED:
        d = defines(element, bits, group, rows)
        for m, n, k in ((rows, 40, 3072), (rows - 3, 1, group), (5, 4000, 576 // group * group), (2 * rows + 1, 100, 1536)):
            kernel = Kernel(NAMES, "qmv_rows", d, shared(d, k))
            weights = Weights(n, k, bits, group, element, 1)
            x = torch.randn(m, k, device="cuda").to(torch_dtype(element))
            y = torch.full((m, n), float("nan"), device="cuda", dtype=x.dtype)
            bind(kernel, d, x, *weights[0], y, m, n, k)()
            torch.cuda.synchronize()
            e = error(y, weights.reference(x))
            worst[element] = max(worst.get(element, 0), e)
            if not e < LIMIT[element]:
                wrong.append(("rows", element, bits, group, rows, m, n, k, e))
    print("rows worst error by element type:", {k: f"{v:.1e}" for k, v in worst.items()})
    if CHECK_ONLY:
        return wrong
    for m, rows in ((8, 8), (2, 8), (16, 16), (32, 16)):
        print(f"{m} rows, bfloat16 4 bits group 64: floor µs | µs by warps.tiles.steps.blocks | best ratio, GB/s | best with early start")
        for name, n, k in SHAPES:
            if rows > 8 and name not in ("q", "gate+up"):
                continue
            weights = Weights(n, k, 4, 64, 2, copies(n * k // 2))
            x = torch.randn(m, k, device="cuda").bfloat16()
            y = torch.empty(len(weights), m, n, device="cuda", dtype=x.dtype)
            reference, base, times, early = weights.reference(x), floor(weights.bytes), [], []
            for config in CONFIGS:
                d = defines(2, 4, 64, rows, *config)
                if shared(d, k) > 227 * 1024:
                    times.append(float("inf"))
                    continue
                kernel = Kernel(NAMES, "qmv_rows", d, shared(d, k))
                y.fill_(float("nan"))
                bound = [bind(kernel, d, x, *weights[i], y[i], m, n, k) for i in range(len(weights))]
                count = max(len(bound), 200 if weights.bytes < 100e6 else 20)
                times.append(time_graph([bound[i % len(bound)] for i in range(count)]))
                bound = [bind(kernel, d, x, *weights[i], y[i], m, n, k, True) for i in range(len(weights))]
                early.append(time_graph([bound[i % len(bound)] for i in range(count)]))
                e = error(y[0], reference)
                if not e < LIMIT[2] or not torch.isfinite(y).all():
                    wrong.append(("rows", name, m, config, e))
            best = min(times)
            shown = " ".join(".".join(map(str, c)) + f":{v * 1e6:.2f}" for c, v in zip(CONFIGS, times))
            print(f"{name:8} {base * 1e6:8.2f} | {shown} | {best / base:.2f} {weights.bytes / best / 1e9:.0f} | {min(early) * 1e6:.2f}", flush=True)
            del weights
    return wrong
