"""attention_prefill.cu: many queries."""

from common import torch_dtype
from driver import CHECK_ONLY, Kernel, error, time_graph

NAMES = ["common.cuh", "wgmma.cuh", "attention_prefill.cu"]
CHECKED = [  # element, D, heads, kv heads, queries, keys, causal, window, mask, sinks
    (2, 128, 4, 1, 300, 300, 1, 0, 0, False),
    (1, 128, 4, 2, 1, 77, 1, 0, 0, True),
    (2, 64, 3, 1, 513, 513, 1, 0, 0, False),
    (1, 64, 2, 2, 130, 1000, 1, 0, 0, False),
    (2, 80, 2, 1, 200, 333, 0, 0, 1, False),
    (1, 96, 2, 2, 190, 190, 1, 50, 0, True),
    (2, 96, 2, 2, 90, 700, 1, 300, 0, False),
    (2, 256, 2, 1, 400, 400, 1, 0, 0, True),
    (1, 256, 2, 2, 100, 260, 0, 0, 2, False),
    (1, 128, 2, 1, 257, 257, 0, 0, 2, True),
]
CONFIGS = [(2, 128), (3, 64)]  # warpgroups, keys


def defines(element, d, causal, mask=0, warpgroups=2, keys=None):
    if keys is None:
        keys = 64 if d > 128 or mask else 128
    return dict(ELEMENT=element, D=d, CAUSAL=causal, MASK=mask, WARPGROUPS=warpgroups, KEYS=keys)


def variants():
    for element, d, _, _, _, _, causal, _, mask, _ in CHECKED:
        yield NAMES, defines(element, d, causal, mask)
    yield from ((NAMES, defines(2, 128, 1, 0, *c)) for c in CONFIGS)
    yield NAMES, defines(2, 64, 1)
    yield NAMES, defines(2, 256, 1)


def load(d):
    parts = (d["D"] + 63) // 64
    shared = 1024 + parts * 128 * (64 * d["WARPGROUPS"] + d["KEYS"] * 4)
    return Kernel(NAMES, "attention_prefill", d, shared)


def bind(kernel, d, q, k, v, sinks, mask, out, window):
    b, h, length, channels = q.shape
    strides = [("l", s) for t in (q, k, v, out) for s in t.stride()[:3]]
    strides += [("l", s) for s in (mask.stride()[:3] if mask is not None else (0, 0, 0))]
    rows = 64 * d["WARPGROUPS"]
    last = [("i", i) for i in (b, h, k.shape[1], length, k.shape[2], window)] + [("f", channels**-0.5)]
    grid = (b * h * ((length + rows - 1) // rows),)
    return kernel.bind(grid, 128 * d["WARPGROUPS"] + 128, q, k, v, sinks, mask, out, *strides, *last)


def reference(q, k, v, sinks, mask, causal, window):
    import torch

    b, h, length, d = q.shape
    keys = k.shape[2]
    k, v = (a.double().repeat_interleave(h // a.shape[1], 1) for a in (k, v))
    s = q.double() @ k.transpose(-1, -2) * d**-0.5
    if mask is not None:
        s = s.masked_fill(~mask, -1e300) if mask.dtype == torch.bool else s + mask.double()
    if causal:
        i = torch.arange(length, device=q.device)[:, None] + keys - length
        j = torch.arange(keys, device=q.device)[None]
        hidden = (j > i) | ((j <= i - window) if window else False)
        s = s.masked_fill(hidden, -float("inf"))
    if sinks is not None:
        s = torch.cat([s, sinks.double()[None, :, None, None].expand(b, -1, length, 1)], -1)
    return torch.softmax(s, -1)[..., :keys] @ v


def run():
    import torch

    wrong, worst = [], 0
    for case in CHECKED:
        element, d, h, hk, length, keys, causal, window, mask_kind, use_sinks = case
        dtype, batch = torch_dtype(element), 2
        settings = defines(element, d, causal, mask_kind)
        q = (torch.randn(batch, length, h, d, device="cuda") * 2).to(dtype).transpose(1, 2)
        k, v = (torch.randn(batch, hk, keys + 5, d, device="cuda").to(dtype) for _ in "kv")
        k[:, :, keys:] = v[:, :, keys:] = float("nan")
        k, v = k[:, :, :keys], v[:, :, :keys]
        mask = None
        if mask_kind == 1:
            mask = torch.rand(batch, h, length, keys, device="cuda") < 0.5
            mask[..., -1] = True
        elif mask_kind == 2:
            mask = torch.randn(batch, h, length, keys, device="cuda").to(dtype)
            mask[..., 3] = -float("inf")
        sinks = torch.randn(h, device="cuda").to(dtype) if use_sinks else None
        out = torch.full((batch, length, h, d), float("nan"), device="cuda", dtype=dtype).transpose(1, 2)
        bind(load(settings), settings, q, k, v, sinks, mask, out, window)()
        torch.cuda.synchronize()
        e = error(out, reference(q, k, v, sinks, mask, causal, window))
        worst = max(worst, e)
        if not e < (1e-3 if element == 1 else 6e-3):
            wrong.append(("prefill", case, e))
    print(f"prefill worst error {worst:.1e}")
    if CHECK_ONLY:
        return wrong
    for d, h, hk, length, configs in ((128, 32, 8, 4096, CONFIGS), (64, 32, 8, 4096, [()]), (256, 16, 4, 4096, [()])):
        q = torch.randn(1, h, length, d, device="cuda").bfloat16()
        k, v = (torch.randn(1, hk, length, d, device="cuda").bfloat16() for _ in "kv")
        out = torch.empty_like(q)
        want, row = reference(q[:, :4], k[:, :1], v[:, :1], None, None, 1, 0) if h // hk == 4 else None, []
        operations = 2 * length * length * d * h
        for config in configs:
            settings = defines(2, d, 1, 0, *config)
            out.fill_(float("nan"))
            t = time_graph([bind(load(settings), settings, q, k, v, None, None, out, 0)] * 5)
            e = error(out[:, :4], want)
            if not e < 6e-3 or not torch.isfinite(out).all():
                wrong.append(("prefill", d, config, e))
            row.append(f"{config}: {t * 1e6:.0f} µs {operations / t / 1e12:.0f}")
        f = torch.nn.functional.scaled_dot_product_attention
        t = time_graph([lambda: f(q, k, v, is_causal=True, enable_gqa=True)] * 3)
        print(f"prefill {length} causal D {d}, TFLOP/s: " + "; ".join(row) + f" | torch {operations / t / 1e12:.0f}", flush=True)
    return wrong
