"""qmm.cu: quantized matmul of many rows."""

from common import Weights, torch_dtype
from driver import CHECK_ONLY, Kernel, error, time_graph

NAMES = ["common.cuh", "wgmma.cuh", "qmm.cu"]
SHAPES = [("k", 1024, 4096), ("q", 4096, 4096), ("qkv", 6144, 4096), ("gate+up", 24576, 4096), ("down", 4096, 12288)]
CONFIGS = [(2, 256, 5), (2, 256, 5, 2), (1, 256, 5), (2, 128, 6)]  # warpgroups, rows, stages, split
CHECKED = [(e, b, g, 1) for e in (1, 2) for b, g in ((4, 64), (4, 32), (4, 128), (8, 64), (8, 32), (2, 64), (3, 64), (5, 128), (6, 32))] + [(2, 4, 64, 2), (1, 3, 32, 2)]
LIMIT = [0, 1e-3, 8e-3]


def defines(element, bits, group, warpgroups=2, rows=128, stages=5, split=1):
    return dict(SPLIT=split, ELEMENT=element, BITS=bits, GROUP=group, WARPGROUPS=warpgroups, ROWS=rows, STAGES=stages)


def variants():
    yield from ((NAMES, defines(*c[:3], split=c[3])) for c in CHECKED)
    yield from ((NAMES, defines(2, 4, 64, *c)) for c in CONFIGS)


def load(d):
    rows, wg = d["ROWS"], d["WARPGROUPS"]
    return Kernel(NAMES, "qmm", d, 1040 + max(d["STAGES"] * (rows * 128 + 512 * wg * d["BITS"]), rows * (128 * wg + 16)))


def bind(kernel, d, x, w, s, b, y, m, n, k):
    wide = 64 * d["WARPGROUPS"]
    grid = (d["SPLIT"] * ((n + wide - 1) // wide * ((m + d["ROWS"] - 1) // d["ROWS"])),)
    return kernel.bind(grid, 128 * d["WARPGROUPS"], x, w, s, b, y, ("i", m), ("i", n), ("i", k))


def run():
    import torch

    wrong, worst = [], {}
    for element, bits, group, split in CHECKED:
        d = defines(element, bits, group, split=split)
        kernel = load(d)
        for m, n, k in ((128, 128, 256), (200, 1000, 1152), (1, 1, group), (130, 264, 4096), (64, 132, 5 * group)):
            weights = Weights(n, k, bits, group, element, 1)
            x = torch.randn(m, k, device="cuda").to(torch_dtype(element))
            y = torch.full((m, n), float("nan"), device="cuda", dtype=x.dtype)
            bind(kernel, d, x, *weights[0], y, m, n, k)()
            torch.cuda.synchronize()
            e = error(y, weights.reference(x))
            worst[element] = max(worst.get(element, 0), e)
            if not e < LIMIT[element]:
                wrong.append(("qmm", element, bits, group, m, n, k, e))
    print("qmm worst error by element type:", {k: f"{v:.1e}" for k, v in worst.items()})
    if CHECK_ONLY:
        return wrong
    print("qmm bfloat16 4 bits group 64: TFLOP/s by warpgroups.rows.stages.split; dense library product")
    for m in (512, 2048):
        for name, n, k in SHAPES:
            weights = Weights(n, k, 4, 64, 2, 4)
            x = torch.randn(m, k, device="cuda").bfloat16()
            y = torch.empty(m, n, device="cuda", dtype=x.dtype)
            operations, row = 2 * m * n * k, []
            reference = weights.reference(x, len(weights) - 1)
            for config in CONFIGS:
                d = defines(2, 4, 64, *config)
                kernel = load(d)
                y.fill_(float("nan"))
                t = time_graph([bind(kernel, d, x, *weights[i], y, m, n, k) for i in range(len(weights))] * 3)
                e = error(y, reference)
                if not e < LIMIT[2]:
                    wrong.append(("qmm", name, m, config, e))
                row.append(".".join(map(str, config)) + f":{operations / t / 1e12:.0f}")
            dense = [torch.randn(n, k, device="cuda").bfloat16() for _ in range(2)]
            torch.matmul(x, dense[0].T)
            t = time_graph([lambda w=w: torch.matmul(x, w.T, out=y) for w in dense] * 3)
            print(f"{m:5} {name:8} " + " ".join(row) + f" | dense {operations / t / 1e12:.0f}", flush=True)
            del weights, dense
    return wrong
