"""rotation.cu and gated_delta.cu: what the Metal kernels of the same names are compared with, at Qwen3.5-35B-A3B's shapes."""

from driver import Kernel, error, time_graph

ROTATION, DELTA = ["common.cuh", "rotation.cu"], ["common.cuh", "gated_delta.cu"]
HK, HV, D = 16, 32, 128


def variants():
    yield ROTATION, dict(ELEMENT=1, ROUNDS=8)
    yield DELTA, dict(ELEMENT=2, HK=HK, HV=HV, DK=D, DV=D)


def rotate(x, pairs, cosines, sines, scales):
    import torch

    t = x.double() * scales.double()
    base = torch.arange(x.shape[1] // 128, device=x.device).repeat_interleave(64) * 128
    for r in range(pairs.shape[0]):
        i, j = (pairs[r].long() & 0xFFFF) + base, (pairs[r].long() >> 16) + base
        a, b, c, s = t[:, i], t[:, j], cosines[r].double(), sines[r].double()
        t[:, i], t[:, j] = a * c + b * s, b * c - a * s
    return t


def run():
    import torch

    wrong = []
    kernel = Kernel(ROTATION, "rotation", dict(ELEMENT=1, ROUNDS=8))
    for rows, d in ((1, 2048), (1, 4096), (128, 2048)):
        x = torch.randn(rows, d, device="cuda").half()
        order = torch.rand(8, d // 128, 128, device="cuda").argsort(-1)
        pairs = (order[..., 0::2] | order[..., 1::2] << 16).reshape(8, -1).to(torch.int32)
        theta = torch.randn(8, d // 2, device="cuda")
        cosines, sines, scales = theta.cos().half(), theta.sin().half(), (torch.rand(d, device="cuda") + 0.5).half()
        out = torch.full_like(x, float("nan"))
        launch = kernel.bind((d // 128, rows), 32, x, pairs, cosines, sines, scales, out, ("i", d))
        t = time_graph([launch] * 100)
        e = error(out, rotate(x, pairs, cosines, sines, scales))
        print(f"rotation twin, 8 rounds, [{rows}, {d}] float16: {t * 1e6:.2f} µs")
        if not e < 1e-3:
            wrong.append(("rotation", rows, d, e))
    kernel = Kernel(DELTA, "gated_delta", dict(ELEMENT=2, HK=HK, HV=HV, DK=D, DV=D))
    for batch, tokens in ((1, 1), (2, 5), (1, 128), (1, 512)):
        q, k = (torch.nn.functional.normalize(torch.randn(batch, tokens, HK, D, device="cuda"), dim=-1).bfloat16() for _ in "qk")
        v = torch.randn(batch, tokens, HV, D, device="cuda").bfloat16()
        g = torch.rand(batch, tokens, HV, device="cuda") * 0.2 + 0.8
        beta = torch.rand(batch, tokens, HV, device="cuda").bfloat16()
        state = torch.randn(batch, HV, D, D, device="cuda")
        y, after = torch.full_like(v, float("nan")), torch.full_like(state, float("nan"))
        launch = kernel.bind((D // 4, batch * HV), 128, q, k, v, g, beta, state, y, after, ("i", tokens))
        t = time_graph([launch] * 20)
        s, want = state.double(), []
        for i in range(tokens):
            kk, qq = (a[:, i].double().repeat_interleave(HV // HK, 1) for a in (k, q))
            s = s * g[:, i].double()[..., None, None]
            u = torch.einsum("bhvk,bhk->bhv", s, kk)
            s = s + ((v[:, i].double() - u) * beta[:, i].double()[..., None])[..., None] * kk[:, :, None]
            want.append(torch.einsum("bhvk,bhk->bhv", s, qq))
        e, f = error(y, torch.stack(want, 1)), error(after, s)
        print(f"gated delta twin, {batch} x {tokens} tokens, bfloat16: {t * 1e6:.2f} µs")
        if not (e < 5e-3 and f < 1e-5):
            wrong.append(("gated delta", batch, tokens, e, f))
    return wrong
