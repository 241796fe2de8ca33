// Attention of many query tokens: out = softmax(scale · q kᵀ + mask) v, flash style, on Hopper's tensor cores (sm_90a).
//
// q, out [B, H, L, D], k, v [B, Hk, S, D] of one 16-bit ELEMENT: rows of D contiguous elements at base + b·batch + h·head + i·row (strides in
// elements, multiples of 8; bases 16-byte aligned). CAUSAL: query i sees keys up to i + S - L, and with window > 0 only the last `window`
// of these. sinks: a logit per query head that takes part in the normalisation alone, or null. Sums are float32; probabilities
// are rounded to ELEMENT.
//
// Defines: ELEMENT (1, 2), D (64 80 96 128 256), CAUSAL (0, 1), MASK (0 none, 1 bool bytes, 2 additive of ELEMENT: mask[b·mask_batch +
// h·mask_head + i·mask_row + j]), WARPGROUPS (of 64 queries each), KEYS (of a tile: 64 or 128), AHEAD (tiles on their way).
// Launch: grid B·H·ceil(L / (64·WARPGROUPS)) in one dimension, block 128·WARPGROUPS, dynamic shared memory
// 1024 + ceil(D/64)·128·(64·WARPGROUPS + KEYS·(2·AHEAD + 2)) bytes. No workspace.
//
// Floor: 4·L·S·D·H·B operations, half of them where L = S and CAUSAL. A warpgroup's softmax of one tile runs while the tensor cores do p v of
// the tile before.

#ifndef WARPGROUPS
#define WARPGROUPS 2
#endif
#ifndef AHEAD
#define AHEAD 1
#endif
#ifndef KEYS
#define KEYS (D > 128 ? 64 : 128)
#endif
#ifndef CAUSAL
#define CAUSAL 1
#endif
#ifndef MASK
#define MASK 0
#endif
#define THREADS (128 * WARPGROUPS)
#define QUERIES (64 * WARPGROUPS)
#define PARTS ((D + 63) / 64)          // blocks of 64 channels
#define KV_TILE (PARTS * KEYS * 128)   // bytes
#define STAGES (AHEAD + 1)
#define NONE (-1e30f)
#define LOG2E 1.4426950408889634f

/// Copies rows [first, first + ROWS) of at most `rows` into a tile, zeros beyond them and beyond D.
template <int ROWS> DEVICE void load_tile(u32 tile, const Element *from, u64 stride, int first, int rows) {
    const int part = threadIdx.x % 8;
    for (int row = threadIdx.x / 8; row < ROWS; row += THREADS / 8) {
#pragma unroll
        for (int b = 0; b < PARTS; b++) {
            const bool valid = first + row < rows && 64 * b + 8 * part < D;
            copy16(tile + (b * ROWS + row) * 128 + ((part ^ row % 8) << 4),
                   from + (valid ? (u64)(first + row) * stride + 64 * b + 8 * part : 0), valid);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    attention_prefill(const Element *__restrict__ q, const Element *__restrict__ k, const Element *__restrict__ v,
                      const Element *__restrict__ sinks, const void *__restrict__ mask, Element *__restrict__ out, u64 q_batch,
                      u64 q_head, u64 q_row, u64 k_batch, u64 k_head, u64 k_row, u64 v_batch, u64 v_head, u64 v_row,
                      u64 out_batch, u64 out_head, u64 out_row, u64 mask_batch, u64 mask_head, u64 mask_row, int batches,
                      int heads, int kv_heads, int queries, int keys, int window, float scale) {
    extern __shared__ u8 unaligned[];
    const u32 base = (shared_address(unaligned) + 1023) / 1024 * 1024;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4, group = threadIdx.x / 128, g = lane / 4, t = lane % 4;
    const int blocks = (queries + QUERIES - 1) / QUERIES;
    const int first = (blocks - 1 - (int)(blockIdx.x / (batches * heads))) * QUERIES; // the longest first
    const int head = blockIdx.x % heads, batch = blockIdx.x / heads % batches, kv_head = head / (heads / kv_heads);
    const u32 q_tile = base, k_tiles = base + PARTS * QUERIES * 128, v_tiles = k_tiles + STAGES * KV_TILE;
    const float to_log2 = scale * LOG2E;

    wait_for_previous();
    q += batch * q_batch + head * q_head;
    k += batch * k_batch + kv_head * k_head;
    v += batch * v_batch + kv_head * v_head;
    out += batch * out_batch + head * out_head;

    const int shift = keys - queries; // query i is the key i + shift
    int begin = 0, end = (keys + KEYS - 1) / KEYS;
    if (CAUSAL) {
        end = min(end, (min(first + QUERIES, queries) + shift + KEYS - 1) / KEYS);
        if (window > 0) begin = max(0, first + shift - window + 1) / KEYS;
    }
    const int tiles = end - begin;
    auto load_k = [&](int i) {
        if (i < tiles) load_tile<KEYS>(k_tiles + i % STAGES * KV_TILE, k, k_row, (begin + i) * KEYS, keys);
    };
    auto load_v = [&](int i) {
        if (i < tiles) load_tile<KEYS>(v_tiles + i % STAGES * KV_TILE, v, v_row, (begin + i) * KEYS, keys);
    };
    load_tile<QUERIES>(q_tile, q, q_row, first, queries);
    load_k(0);
    copies_commit();
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
        load_k(i + 1);
        load_v(i);
        copies_commit();
    }

    float o[D / 2], s[KEYS / 2], factor[2];
    float top[2] = {NONE, NONE}, sum[2] = {0.0f, 0.0f};
    u32 p[KEYS / 16][4];
#pragma unroll
    for (int i = 0; i < D / 2; i++) o[i] = 0.0f;
    const int my_first = first + 64 * group, my_row = my_first + 16 * warp + g;

    auto start_scores = [&](int i) {
        const u32 tile = k_tiles + i % STAGES * KV_TILE;
#pragma unroll
        for (int j = 0; j < D / 16; j++)
            wgmma(s, operand(q_tile + (j / 4 * QUERIES + 64 * group) * 128 + j % 4 * 32, 1024),
                  operand(tile + j / 4 * (KEYS * 128) + j % 4 * 32, 1024), j > 0);
        wgmma_commit();
    };
    auto start_values = [&](int i) {
        const u32 tile = v_tiles + i % STAGES * KV_TILE;
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++) wgmma<1>(o, p[j], operand(tile + j * 2048, 1024, KEYS * 128), 1);
        wgmma_commit();
    };
    // Scores become probabilities relative to the highest so far; factor is what sums of before are to be multiplied by.
    auto softmax = [&](int i) {
        const int key0 = (begin + i) * KEYS;
        const bool edge = key0 + KEYS > keys || (CAUSAL && key0 + KEYS - 1 > my_first + shift) ||
                          (CAUSAL && window > 0 && key0 <= my_first + 63 + shift - window);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = my_row + 8 * half;
            if (MASK != 0 || edge) {
#pragma unroll
                for (int j = 0; j < KEYS / 4; j++) {
                    float &x = s[4 * (j / 2) + 2 * half + j % 2];
                    const int key = key0 + 8 * (j / 2) + 2 * t + j % 2;
#if MASK != 0
                    const u64 at = batch * mask_batch + head * mask_head + min(row, queries - 1) * mask_row + min(key, keys - 1);
#if MASK == 1
                    if (((const u8 *)mask)[at] == 0) x = NONE;
#else
                    x = fmaxf(x + to_float(((const Element *)mask)[at]) / scale, NONE);
#endif
#endif
                    if (key >= keys || (CAUSAL && (key > row + shift || (window > 0 && key <= row + shift - window)))) x = -2e30f;
                }
            }
            float above = s[2 * half];
#pragma unroll
            for (int j = 1; j < KEYS / 4; j++) above = fmaxf(above, s[4 * (j / 2) + 2 * half + j % 2]);
            above = fmaxf(above, __shfl_xor_sync(~0u, above, 1));
            above = fmaxf(above, __shfl_xor_sync(~0u, above, 2));
            above = fmaxf(above, top[half]);
            factor[half] = exp2f((top[half] - above) * to_log2);
            top[half] = above;
            const float offset = above * to_log2;
            float total = 0.0f;
#pragma unroll
            for (int j = 0; j < KEYS / 4; j++) {
                float &x = s[4 * (j / 2) + 2 * half + j % 2];
                asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(x) : "f"(x * to_log2 - offset));
                total += x;
            }
            sum[half] = sum[half] * factor[half] + total;
        }
    };
    auto take_probabilities = [&]() {
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++)
#pragma unroll
            for (int l = 0; l < 4; l++) p[j][l] = pack(s[8 * j + 2 * l], s[8 * j + 2 * l + 1]);
    };

    copies_wait<AHEAD>();
    fence_shared();
    __syncthreads();
    if (tiles > 0) {
        wgmma_fence();
        start_scores(0);
        wgmma_wait<0>();
        pin(s);
        softmax(0);
        take_probabilities();
    }
    for (int i = 0; i + 1 < tiles; i++) {
        copies_wait<AHEAD - 1>();
        fence_shared();
        __syncthreads(); // the next keys and these values are there, and all are through with these keys and the values before
        load_k(i + AHEAD + 1);
        load_v(i + AHEAD);
        copies_commit();
        wgmma_fence();
        start_scores(i + 1);
        start_values(i);
        wgmma_wait<1>();
        pin(s);
        softmax(i + 1);
        wgmma_wait<0>();
        pin(o);
#pragma unroll
        for (int j = 0; j < D / 2; j++) o[j] *= factor[j / 2 % 2];
        take_probabilities();
    }
    copies_wait<0>();
    fence_shared();
    __syncthreads();
    if (tiles > 0) {
        wgmma_fence();
        start_values(tiles - 1);
    }
    wgmma_wait<0>();
    pin(o);

    float inverse[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float total = sum[half];
        total += __shfl_xor_sync(~0u, total, 1);
        total += __shfl_xor_sync(~0u, total, 2);
        if (sinks) {
            const float sink = to_float(sinks[head]) * LOG2E, above = fmaxf(top[half] * to_log2, sink);
            const float factor = exp2f(top[half] * to_log2 - above);
            inverse[half] = factor / (total * factor + exp2f(sink - above));
        } else {
            inverse[half] = 1.0f / total;
        }
    }
    // Each warp turns its 16 rows around in the queries' place.
    __syncthreads();
    constexpr int PITCH = D * 2 + 16; // bytes; D = 80 and 96 have room to spare, D = 64, 128, 256 reach into the keys' tiles
    const u32 mine = base + (64 * group + 16 * warp) * PITCH;
#pragma unroll
    for (int j = 0; j < D / 16; j++) {
        const u32 address = mine + (lane % 16) * PITCH + (16 * j + lane / 16 * 8) * 2;
        asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address),
                     "r"(pack(o[8 * j] * inverse[0], o[8 * j + 1] * inverse[0])),
                     "r"(pack(o[8 * j + 2] * inverse[1], o[8 * j + 3] * inverse[1])),
                     "r"(pack(o[8 * j + 4] * inverse[0], o[8 * j + 5] * inverse[0])),
                     "r"(pack(o[8 * j + 6] * inverse[1], o[8 * j + 7] * inverse[1]))
                     : "memory");
    }
    __syncwarp();
    for (int i = lane; i < 16 * (D / 8); i += 32) {
        const int row = i / (D / 8), part = i % (D / 8), query = my_first + 16 * warp + row;
        if (query >= queries) continue;
        uint4 x;
        asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
                     : "r"(mine + row * PITCH + part * 16)
                     : "memory");
        *(uint4 *)(out + query * out_row + 8 * part) = x;
    }
}
