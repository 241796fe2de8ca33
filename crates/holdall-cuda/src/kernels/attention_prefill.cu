// Attention of many query tokens: out = softmax(scale · q kᵀ + mask) v, flash style, on Hopper's tensor cores (sm_90a).
//
// q, out [B, H, L, D], k, v [B, Hk, S, D] of one 16-bit ELEMENT: rows of D contiguous elements at base + b·batch + h·head + i·row (strides in
// elements, multiples of 8; bases 16-byte aligned). CAUSAL: query i sees keys up to i + S - L, and with window > 0 only the last `window`
// of these. sinks: a logit per query head that takes part in the normalisation alone, or null. Sums are float32; probabilities
// are rounded to ELEMENT.
//
// Defines: ELEMENT (1, 2), D (64 80 96 128 256), CAUSAL (0, 1), MASK (0 none, 1 bool bytes, 2 additive of ELEMENT: mask[b·mask_batch +
// h·mask_head + i·mask_row + j]), WARPGROUPS (of 64 queries each), KEYS (of a tile: 64 or 128).
// Launch: grid B·H·ceil(L / (64·WARPGROUPS)) in one dimension, block 128·(WARPGROUPS + 1), dynamic shared memory
// 1024 + ceil(D/64)·128·(64·WARPGROUPS + 4·KEYS) bytes. No workspace.
//
// Floor: 4·L·S·D·H·B operations, half of them where L = S and CAUSAL. One more warpgroup copies the tiles. The others take turns
// at the tensor cores: one's softmax runs while the next one's products do.
//
// Measured on an H100, 4,096 tokens, causal, bfloat16: D = 64 329, D = 128 486 to 493, D = 256 544 TFLOP/s; torch's 379, 526, 525.

#ifndef WARPGROUPS
#define WARPGROUPS 2
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
#define THREADS (128 * (WARPGROUPS + 1))
#define QUERIES (64 * WARPGROUPS)
#define PARTS ((D + 63) / 64)          // blocks of 64 channels
#define KV_TILE (PARTS * KEYS * 128)   // bytes
#define STAGES 2
#define NONE (-1e30f)
#define LOG2E 1.4426950408889634f

#if WARPGROUPS == 3 // 65,536 registers a block, the copying warpgroup's the fewest
#define FEW 32
#define MANY 160
#else
#define FEW 40
#define MANY 232
#endif

/// A warpgroup copies rows [first, first + ROWS) of at most `rows` into a tile, zeros beyond them and beyond D.
template <int ROWS> DEVICE void load_tile(u32 tile, const Element *from, u64 stride, int first, int rows) {
    const int part = threadIdx.x % 8, row0 = threadIdx.x % 128 / 8;
    const Element *row = from + (u64)(first + row0) * stride + 8 * part;
    u32 to = tile + row0 * 128 + ((part ^ row0 % 8) << 4);
#pragma unroll 4
    for (int i = 0; i < ROWS; i += 16) {
#pragma unroll
        for (int b = 0; b < PARTS; b++) copy16(to + b * ROWS * 128, row + 64 * b, first + row0 + i < rows && 64 * b + 8 * part < D);
        row += 16 * stride;
        to += 16 * 128;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    attention_prefill(const Element *__restrict__ q, const Element *__restrict__ k, const Element *__restrict__ v,
                      const Element *__restrict__ sinks, const void *__restrict__ mask, Element *__restrict__ out, u64 q_batch,
                      u64 q_head, u64 q_row, u64 k_batch, u64 k_head, u64 k_row, u64 v_batch, u64 v_head, u64 v_row,
                      u64 out_batch, u64 out_head, u64 out_row, u64 mask_batch, u64 mask_head, u64 mask_row, int batches,
                      int heads, int kv_heads, int queries, int keys, int window, float scale) {
    extern __shared__ u8 unaligned[];
    __shared__ u64 barriers[4 * STAGES];
    const u32 base = (shared_address(unaligned) + 1023) / 1024 * 1024;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4, group = (int)threadIdx.x / 128 - 1, g = lane / 4, t = lane % 4;
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
    const u32 k_full = shared_address(barriers), v_full = k_full + 8 * STAGES, k_free = v_full + 8 * STAGES,
              v_free = k_free + 8 * STAGES;
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            barrier_init(k_full + 8 * i, 128);
            barrier_init(v_full + 8 * i, 128);
            barrier_init(k_free + 8 * i, 4 * WARPGROUPS);
            barrier_init(v_free + 8 * i, 4 * WARPGROUPS);
        }
    }
    __syncthreads();

    if (group < 0) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(FEW));
        // The copies k0, k1, v0, k2, v1, ...; each is announced when two more are on their way.
        auto announce = [&](int i) { // copy number i is complete
            if (i < 0) return;
            const bool of_v = i % 2 == 0 && i > 0;
            const int tile = of_v ? i / 2 - 1 : (i + 1) / 2;
            if (tile < tiles) barrier_arrive((of_v ? v_full : k_full) + 8 * (tile % STAGES));
        };
        load_tile<QUERIES>(q_tile, q, q_row, first, queries);
        for (int i = 0; i <= 2 * tiles; i++) {
            const bool of_v = i % 2 == 0 && i > 0;
            const int tile = of_v ? i / 2 - 1 : (i + 1) / 2, slot = tile % STAGES;
            if (tile < tiles) {
                if (tile >= STAGES) barrier_wait((of_v ? v_free : k_free) + 8 * slot, (tile / STAGES - 1) & 1);
                load_tile<KEYS>((of_v ? v_tiles : k_tiles) + slot * KV_TILE, of_v ? v : k, of_v ? v_row : k_row,
                                (begin + tile) * KEYS, keys);
            }
            copies_commit();
            copies_wait<2>();
            announce(i - 2);
        }
        copies_wait<0>();
        announce(2 * tiles - 1);
        announce(2 * tiles);
        return;
    }
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(MANY));

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

    if (tiles > 0) {
        barrier_wait(k_full, 0);
        fence_shared(); // here and not where the copies are made: it would wait for those on their way, too
        wgmma_fence();
        start_scores(0);
        wgmma_wait<0>();
        pin(s);
        if (lane == 0) barrier_arrive(k_free);
        softmax(0);
        take_probabilities();
    }
    // Named barrier 1 + i is the turn of warpgroup i.
    auto take_turn = [&]() {
        if (WARPGROUPS > 1) asm volatile("bar.sync %0, 256;" ::"r"(1 + group) : "memory");
    };
    auto pass_turn = [&](int to) {
        if (WARPGROUPS > 1) asm volatile("bar.arrive %0, 256;" ::"r"(1 + to) : "memory");
    };
    if (group == WARPGROUPS - 1 && tiles > 1) pass_turn(0);
    for (int i = 0; i + 1 < tiles; i++) {
        const int slot = i % STAGES, after = (i + 1) % STAGES;
        barrier_wait(k_full + 8 * after, (i + 1) / STAGES & 1);
        barrier_wait(v_full + 8 * slot, i / STAGES & 1);
        fence_shared();
        take_turn();
        wgmma_fence();
        start_scores(i + 1);
        start_values(i);
        if (group + 1 < WARPGROUPS) pass_turn(group + 1);
        else if (i + 2 < tiles) pass_turn(0);
        wgmma_wait<1>();
        pin(s);
        if (lane == 0) barrier_arrive(k_free + 8 * after);
        softmax(i + 1);
        wgmma_wait<0>();
        pin(o);
        if (lane == 0) barrier_arrive(v_free + 8 * slot);
        if (__any_sync(~0u, factor[0] != 1.0f || factor[1] != 1.0f)) {
#pragma unroll
            for (int j = 0; j < D / 2; j++) o[j] *= factor[j / 2 % 2];
        }
        take_probabilities();
    }
    if (tiles > 0) {
        barrier_wait(v_full + 8 * ((tiles - 1) % STAGES), (tiles - 1) / STAGES & 1);
        fence_shared();
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
    asm volatile("bar.sync 7, %0;" ::"n"(128 * WARPGROUPS) : "memory");
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
