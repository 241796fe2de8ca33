"""attention_decode.cu: one query over a cache."""

import itertools

from common import floor, torch_dtype
from driver import CHECK_ONLY, Kernel, error, time_graph

NAMES = ["common.cuh", "attention_decode.cu"]
CHECKED = [  # element, D, heads, kv heads, keys, first, mask, sinks, splits
    (2, 128, 32, 8, 1000, 0, 0, False, 7),
    (1, 128, 32, 8, 1, 0, 0, False, 1),
    (2, 64, 9, 3, 513, 0, 0, False, 4),
    (1, 64, 8, 8, 300, 0, 1, False, 3),
    (2, 80, 16, 4, 700, 0, 2, False, 5),
    (1, 96, 8, 1, 129, 100, 0, True, 2),
    (2, 256, 16, 2, 2000, 700, 0, True, 16),
    (1, 256, 16, 4, 90, 0, 1, True, 3),
    (2, 128, 64, 8, 4096, 3000, 2, True, 8),
    (2, 128, 4, 4, 40, 0, 0, True, 1),
]
TIMED = [(4, 2), (8, 1)]  # warps, blocks per SM


def per_block(heads, kv_heads):
    ratio = heads // kv_heads
    return max(d for d in range(1, 9) if ratio % d == 0)


def defines(element, d, heads, warps=4, blocks=2, mask=0):
    return dict(ELEMENT=element, D=d, HEADS=heads, WARPS=warps, BLOCKS_PER_SM=blocks, MASK=mask)


def variants():
    from common import READ, READ_VARIANTS

    yield from ((READ, v) for v in READ_VARIANTS)
    for element, d, h, hk, _, _, mask, _, _ in CHECKED:
        yield NAMES, defines(element, d, per_block(h, hk), 4, 1 if d > 128 else 2, mask)
    for w, b in TIMED:
        yield NAMES, defines(2, 128, 4, w, b)


def bind(kernel, warps, splits, q, k, v, sinks, mask, out, work, counters, first, length, early=False):
    import torch

    b, h, d = q.shape
    hk = k.shape[1]
    strides = [("l", s) for t in (k, v) for s in t.stride()[:3]]
    strides += [("l", s) for s in (mask.stride()[:2] if mask is not None else (0, 0))]
    grid = (splits, h // per_block(h, hk), b)
    share = ((length - first + splits - 1) // splits + 15) // 16 * 16
    last = [("i", i) for i in (h, hk, first, length, share)] + [("f", d**-0.5)]
    return kernel.bind(grid, 32 * warps, q, k, v, sinks, mask, out, work, counters, *strides, *last, early=early)


def reference(q, k, v, sinks, mask, first, length):
    import torch

    h, hk, d = q.shape[1], k.shape[1], q.shape[2]
    k, v = (a[:, :, :length].double().repeat_interleave(h // hk, 1) for a in (k, v))
    s = torch.einsum("bhd,bhsd->bhs", q.double(), k) * d**-0.5
    if mask is not None:
        s = s.masked_fill(~mask[..., :length], -1e300) if mask.dtype == torch.bool else s + mask[..., :length].double()
    s[..., :first] = -float("inf")
    if sinks is not None:
        s = torch.cat([s, sinks.double()[None, :, None].expand(s.shape[0], -1, 1)], -1)
    p = torch.softmax(s, -1)[..., : k.shape[2]]
    return torch.einsum("bhs,bhsd->bhd", p, v)


def run():
    import torch

    wrong, worst = [], 0
    counters = torch.zeros(4096, device="cuda", dtype=torch.int32)
    work = torch.full((1 << 22,), float("nan"), device="cuda")
    for case, batch in itertools.product(CHECKED, (1, 3)):
        element, d, h, hk, length, first, mask_kind, use_sinks, splits = case
        dtype = torch_dtype(element)
        kernel = Kernel(NAMES, "attention_decode", defines(element, d, per_block(h, hk), 4, 1 if d > 128 else 2, mask_kind))
        q = torch.randn(batch, h, d, device="cuda").to(dtype) * 2
        k, v = (torch.randn(batch, hk, (length + 255) // 256 * 256, d, device="cuda").to(dtype) for _ in "kv")
        k[:, :, length:] = float("nan")
        v[:, :, length:] = float("nan")
        mask = None
        if mask_kind == 1:
            mask = torch.rand(batch, h, length, device="cuda") < 0.5
            mask[..., -1] = True
        elif mask_kind == 2:
            mask = torch.randn(batch, h, length, device="cuda").to(dtype)
            mask[..., 3] = -float("inf")
        sinks = torch.randn(h, device="cuda").to(dtype) if use_sinks else None
        out = torch.full((batch, h, d), float("nan"), device="cuda", dtype=dtype)
        for _ in range(2):
            bind(kernel, 4, splits, q, k, v, sinks, mask, out, work, counters, first, length)()
        torch.cuda.synchronize()
        e = error(out, reference(q, k, v, sinks, mask, first, length))
        worst = max(worst, e)
        if not e < (1e-3 if element == 1 else 6e-3) or counters.any():
            wrong.append(("decode", case, batch, e))
    print(f"decode worst error {worst:.1e}")
    if CHECK_ONLY:
        return wrong
    h, hk, d = 32, 8, 128
    for length in (8192, 32768):
        caches = [torch.randn(2, 1, hk, length, d, device="cuda").bfloat16() for _ in range(8)]
        q = torch.randn(1, h, d, device="cuda").bfloat16()
        outs = torch.empty(8, 1, h, d, device="cuda").bfloat16()
        size = caches[0].numel() * 2
        base = floor(size)
        print(f"decode {length} keys, 32/8 heads of 128, bfloat16: {size / 1e6:.1f} MB, floor {base * 1e6:.2f} µs")
        want = reference(q, caches[0][0], caches[0][1], None, None, 0, length)
        for warps, blocks in TIMED:
            kernel = Kernel(NAMES, "attention_decode", defines(2, d, 4, warps, blocks))
            row = []
            for splits in (16, 32):
                outs.fill_(float("nan"))
                bound = [
                    bind(kernel, warps, splits, q, c[0], c[1], None, None, o, work, counters, 0, length)
                    for c, o in zip(caches, outs)
                ]
                t = time_graph([bound[i % 8] for i in range(80)])
                bound = [
                    bind(kernel, warps, splits, q, c[0], c[1], None, None, o, work, counters, 0, length, True)
                    for c, o in zip(caches, outs)
                ]
                ahead = time_graph([bound[i % 8] for i in range(80)])
                e = error(outs[0], want)
                if not e < 6e-3:
                    wrong.append(("decode", warps, splits, e))
                row.append(f"{splits}: {t * 1e6:.2f} ({size / t / 1e9:.0f} GB/s, {t / base:.2f}; early {ahead * 1e6:.2f})")
            print(f"  warps {warps} blocks {blocks} registers {kernel.registers()} splits", "; ".join(row), flush=True)
    return wrong
