// Attention of one query token over a cache: out = softmax(scale · q kᵀ + mask) v, split over the sequence.
//
// q, out [B, H, D] contiguous; k, v rows of D contiguous elements at k + b·k_batch + h·k_head + s·k_row (strides in elements, multiples
// of 8; bases 16-byte aligned). Keys [first, length) count: a sliding window is first > 0. sinks: a logit per query head that takes part in
// the normalisation alone, or null. 16-bit ELEMENT; sums are float32.
//
// Defines: ELEMENT, D (multiple of 8, up to 256), HEADS (query heads of a block: divides H/Hk, at most 8), WARPS, MASK (0 none, 1 bool
// bytes, 2 additive of ELEMENT; mask[b·mask_batch + h·mask_head + s]).
// Launch: grid (splits, H / HEADS, B), block 32·WARPS. share: keys of a split, a multiple of 16, so that
// splits·share covers length - first. Choose splits so that the grid fills the device about twice, at least 64 keys each.
// Workspace: splits·B·H·(D + 2) floats, and B·H/HEADS counters of 4 bytes that are zero before the first launch; each launch leaves
// them zero. Neither is needed for splits = 1.
//
// Floor: the bytes of k and v, once. A warp takes 16 keys at a time straight into tensor-core operands: keys are the 16 rows of
// k · qᵀ, and the channels of v the 16 rows of vᵀ · pᵀ, so query heads are the 8 columns of both. The block that finishes last
// combines the splits.
//
// Measured on an H100, 32 and 8 heads of 128, bfloat16: 16.6 µs over 8,192 keys (a read-only kernel takes 11.9; 67% of the bandwidth of a copy),
// 49.6 µs over 32,768 (43.7; 90%).

#ifndef WARPS
#define WARPS 4
#endif
#ifndef BLOCKS_PER_SM
#define BLOCKS_PER_SM 2
#endif
#ifndef MASK
#define MASK 0
#endif
#define K_STEPS ((D + 31) / 32)
#define V_BLOCKS ((D + 63) / 64)
#define NONE (-1e30f)

DEVICE float lanes_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(~0u, x, 4));
    x = fmaxf(x, __shfl_xor_sync(~0u, x, 8));
    return fmaxf(x, __shfl_xor_sync(~0u, x, 16));
}

DEVICE float lanes_sum(float x) {
    x += __shfl_xor_sync(~0u, x, 4);
    x += __shfl_xor_sync(~0u, x, 8);
    return x + __shfl_xor_sync(~0u, x, 16);
}

DEVICE u32 transposed(u32 x) {
    u32 y;
    asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
    return y;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS_PER_SM)
    attention_decode(const Element *__restrict__ q, const Element *__restrict__ k, const Element *__restrict__ v,
                     const Element *__restrict__ sinks, const void *__restrict__ mask, Element *__restrict__ out,
                     float *workspace, u32 *counters, u64 k_batch, u64 k_head, u64 k_row, u64 v_batch, u64 v_head,
                     u64 v_row, u64 mask_batch, u64 mask_head, int heads, int kv_heads, int first, int length,
                     int share, float scale) {
    __shared__ float shared_out[WARPS][HEADS][D];
    __shared__ float shared_max[WARPS][8], shared_sum[WARPS][8];
    __shared__ u32 arrived;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const int split = blockIdx.x, splits = gridDim.x, batch = blockIdx.z;
    const int head = blockIdx.y * HEADS, kv_head = head / (heads / kv_heads);
    const float to_log2 = scale * 1.4426950408889634f;

    k += batch * k_batch + kv_head * k_head;
    v += batch * v_batch + kv_head * v_head;
    const int begin = first + split * share, end = min(length, begin + share);

    let_next_start();
    wait_for_previous();
    uint4 qs[K_STEPS];
#pragma unroll
    for (int step = 0; step < K_STEPS; step++) {
        int d = 32 * step + 8 * t;
        qs[step] = make_uint4(0, 0, 0, 0);
        if (g < HEADS && d < D) qs[step] = *(const uint4 *)(q + ((u64)batch * heads + head + g) * D + d);
    }

    float o[V_BLOCKS][4][4];
#pragma unroll
    for (int b = 0; b < V_BLOCKS; b++)
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) o[b][i][j] = 0.0f;
    float top[2] = {NONE, NONE}, sum[2] = {0.0f, 0.0f};

    uint4 ks[K_STEPS][2], vs[V_BLOCKS][4];
    auto load_k = [&](int key) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const Element *row = k + min(key + g + 8 * half, end - 1) * k_row + 8 * t;
#pragma unroll
            for (int step = 0; step < K_STEPS; step++) {
                if (D % 32 == 0 || 32 * step + 8 * t < D) ks[step][half] = stream16(row + 32 * step);
                else ks[step][half] = make_uint4(0, 0, 0, 0);
            }
        }
    };
    auto load_v = [&](int key) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const Element *row = v + min(key + 2 * t + i % 2 + 8 * (i / 2), end - 1) * v_row + 8 * g;
#pragma unroll
            for (int b = 0; b < V_BLOCKS; b++) {
                if (D % 64 == 0 || 64 * b + 8 * g < D) vs[b][i] = stream16(row + 64 * b);
                else vs[b][i] = make_uint4(0, 0, 0, 0);
            }
        }
    };
    int key = begin + 16 * warp;
    if (key < end) {
        load_k(key);
        load_v(key);
    }
    for (; key < end; key += 16 * WARPS) {
        const int after = key + 16 * WARPS;
        float c[4] = {0.0f, 0.0f, 0.0f, 0.0f}, odd[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
        for (int step = 0; step < K_STEPS; step++) {
            uint4 a = ks[step][0], b = ks[step][1], x = qs[step];
            mma(c, a.x, b.x, a.y, b.y, x.x, x.y);
            mma(odd, a.z, b.z, a.w, b.w, x.z, x.w);
        }
        if (after < end) load_k(after);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int row = key + g + 8 * (i / 2);
            c[i] = (c[i] + odd[i]) * to_log2;
#if MASK != 0
            int column = min(2 * t + i % 2, HEADS - 1);
            u64 at = batch * mask_batch + (head + column) * mask_head + min(row, end - 1);
#if MASK == 1
            if (((const u8 *)mask)[at] == 0) c[i] = NONE;
#else
            c[i] = fmaxf(c[i] + to_float(((const Element *)mask)[at]) * 1.4426950408889634f, NONE);
#endif
#endif
            if (row >= end) c[i] = -2e30f;
        }
        float factor[2];
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float above = fmaxf(top[i], lanes_max(fmaxf(c[i], c[i + 2])));
            factor[i] = exp2f(top[i] - above);
            top[i] = above;
            c[i] = exp2f(c[i] - above);
            c[i + 2] = exp2f(c[i + 2] - above);
            sum[i] = sum[i] * factor[i] + c[i] + c[i + 2];
        }
        u32 p0 = transposed(pack(c[0], c[1])), p1 = transposed(pack(c[2], c[3]));
#pragma unroll
        for (int b = 0; b < V_BLOCKS; b++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const u32 pick = i % 2 ? 0x7632 : 0x5410;
                const uint4 &v0 = vs[b][0], &v1 = vs[b][1], &v2 = vs[b][2], &v3 = vs[b][3];
#pragma unroll
                for (int j = 0; j < 4; j++) o[b][i][j] *= factor[j % 2];
                mma(o[b][i], __byte_perm(i < 2 ? v0.x : v0.y, i < 2 ? v1.x : v1.y, pick),
                    __byte_perm(i < 2 ? v0.z : v0.w, i < 2 ? v1.z : v1.w, pick),
                    __byte_perm(i < 2 ? v2.x : v2.y, i < 2 ? v3.x : v3.y, pick),
                    __byte_perm(i < 2 ? v2.z : v2.w, i < 2 ? v3.z : v3.w, pick), p0, p1);
            }
        }
        if (after < end) load_v(after);
    }

    // Warps of the block.
#pragma unroll
    for (int i = 0; i < 2; i++) {
        sum[i] = lanes_sum(sum[i]);
        if (g == 0) {
            shared_max[warp][2 * t + i] = top[i];
            shared_sum[warp][2 * t + i] = sum[i];
        }
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float above = NONE;
#pragma unroll
        for (int w = 0; w < WARPS; w++) above = fmaxf(above, shared_max[w][2 * t + i]);
        float factor = exp2f(top[i] - above);
        if (2 * t + i < HEADS) {
#pragma unroll
            for (int b = 0; b < V_BLOCKS; b++) {
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    int d = 64 * b + 8 * g + j;
                    if (d < D) shared_out[warp][2 * t + i][d] = o[b][j % 4][2 * (j / 4) + i] * factor;
                }
            }
        }
    }
    __syncthreads();
    const u64 first_row = (u64)batch * heads + head; // of q and out
    const u64 rows = (u64)gridDim.z * heads;
    float *maxima = workspace, *totals = workspace + rows * splits, *parts = workspace + 2 * rows * splits;
    for (int i = threadIdx.x; i < HEADS * D; i += 32 * WARPS) {
        int h = i / D, d = i % D;
        float above = NONE, total = 0.0f, s = 0.0f;
#pragma unroll
        for (int w = 0; w < WARPS; w++) above = fmaxf(above, shared_max[w][h]);
#pragma unroll
        for (int w = 0; w < WARPS; w++) {
            total += shared_sum[w][h] * exp2f(shared_max[w][h] - above);
            s += shared_out[w][h][d];
        }
        if (splits == 1) {
            if (sinks) {
                float sink = to_float(sinks[head + h]) * 1.4426950408889634f, higher = fmaxf(above, sink);
                s *= exp2f(above - higher);
                total = total * exp2f(above - higher) + exp2f(sink - higher);
            }
            out[(first_row + h) * D + d] = from_float(s / total);
        } else {
            u64 at = (first_row + h) * splits + split;
            parts[at * D + d] = s;
            if (d == 0) {
                maxima[at] = above;
                totals[at] = total;
            }
        }
    }
    if (splits == 1) return;

    // Splits of the sequence.
    u32 *counter = counters + batch * gridDim.y + blockIdx.y;
    __syncthreads();
    if (threadIdx.x == 0) { // releases what the block wrote, acquires what the others did
        u32 before;
        asm volatile("atom.add.acq_rel.gpu.global.u32 %0, [%1], 1;" : "=r"(before) : "l"(counter) : "memory");
        arrived = before;
        if (before == splits - 1) *counter = 0;
    }
    __syncthreads();
    if (arrived != splits - 1) return;
    // Each thread takes two channels of a head, and all it reads of 16 splits at once.
    constexpr int AT_ONCE = 16;
    for (int i = threadIdx.x; i < HEADS * D / 2; i += 32 * WARPS) {
        const int h = i / (D / 2), d = i % (D / 2) * 2;
        const u64 at = (first_row + h) * splits;
        float above = sinks ? to_float(sinks[head + h]) * 1.4426950408889634f : NONE, total = sinks ? 1.0f : 0.0f;
        float2 s = make_float2(0.0f, 0.0f);
        for (int j0 = 0; j0 < splits; j0 += AT_ONCE) {
            float most[AT_ONCE], part[AT_ONCE];
            float2 x[AT_ONCE];
#pragma unroll
            for (int j = 0; j < AT_ONCE; j++) {
                const u64 from = at + min(j0 + j, splits - 1);
                most[j] = __ldcg(maxima + from);
                part[j] = __ldcg(totals + from);
                x[j] = __ldcg((const float2 *)(parts + from * D + d));
            }
            float higher = above;
#pragma unroll
            for (int j = 0; j < AT_ONCE; j++) higher = fmaxf(higher, most[j]);
            const float old = exp2f(above - higher);
            total *= old;
            s.x *= old;
            s.y *= old;
            above = higher;
#pragma unroll
            for (int j = 0; j < AT_ONCE; j++) {
                const float factor = j0 + j < splits ? exp2f(most[j] - higher) : 0.0f;
                total += part[j] * factor;
                s.x += x[j].x * factor;
                s.y += x[j].y * factor;
            }
        }
        Element *to = out + (first_row + h) * D + d;
        to[0] = from_float(s.x / total);
        to[1] = from_float(s.y / total);
    }
}
