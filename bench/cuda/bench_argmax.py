"""argmax.cu: rows as long as vocabularies."""

from common import floor, torch_dtype
from driver import CHECK_ONLY, Kernel, time_graph

NAMES = ["common.cuh", "argmax.cu"]


def variants():
    yield from ((NAMES, dict(ELEMENT=e, SMALLEST=s)) for e in (0, 1, 2) for s in (0, 1))


def run():
    import torch

    wrong = []
    work = torch.zeros(1 << 16, device="cuda", dtype=torch.int64)
    counters = torch.zeros(64, device="cuda", dtype=torch.int32)

    def bind(kernel, x, out, blocks, early=False):
        rows, n = x.shape
        return kernel.bind((blocks, rows), 256, x, out, work, counters, ("i", n), early=early)

    for element in (0, 1, 2):
        for smallest in (0, 1):
            kernel = Kernel(NAMES, "argmax", dict(ELEMENT=element, SMALLEST=smallest))
            for rows, n, blocks in ((1, 248320, 60), (7, 1001, 3), (3, 1, 1), (2, 151936, 128), (5, 77, 1)):
                x = torch.randn(rows, n, device="cuda").to(torch_dtype(element))
                if n == 1001:
                    x = -x.abs()
                    x[1, 5] = x[1, 900] = float("nan")
                    x[2, :] = 0
                out = torch.full((rows,), -1, device="cuda", dtype=torch.int32)
                for _ in range(2):
                    bind(kernel, x, out, blocks)()
                y = -x.double() if smallest else x.double()
                y = torch.where(y.isnan(), float("inf"), y)
                first = (y == y.max(-1, keepdim=True).values).int().argmax(-1)
                if not torch.equal(out.long(), first) or counters.any():
                    wrong.append(("argmax", element, smallest, rows, n))
    if CHECK_ONLY:
        return wrong
    kernel = Kernel(NAMES, "argmax", dict(ELEMENT=2, SMALLEST=0))
    for rows, n in ((1, 248320), (1, 151936), (32, 248320)):
        x = torch.randn(max(rows, 200 if rows == 1 else rows * 8), n, device="cuda").bfloat16()
        out = torch.empty(rows, device="cuda", dtype=torch.int32)
        shown = []
        for blocks in (16, 32, 64, 128):
            bound = [bind(kernel, x[i : i + rows], out, blocks) for i in range(0, x.shape[0] - rows + 1, rows)]
            shown.append(f"{blocks}: {time_graph(bound) * 1e6:.2f}")
        print(f"argmax [{rows}, {n}] bfloat16, floor {floor(rows * n * 2 // 16 * 16) * 1e6:.2f} µs; by blocks", " ".join(shown))
    return wrong
