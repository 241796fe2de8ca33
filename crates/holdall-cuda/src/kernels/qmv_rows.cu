// y = x · dequantize(w)ᵀ for a few rows of x (2 to 32).
//
// x [M, K], w [N, K·BITS/32] uint32, scales and biases [N, K/GROUP], y [M, N]; x, scales, biases, y of one 16-bit ELEMENT; all 16-byte
// aligned. K is a multiple of GROUP. Weights are rounded to ELEMENT when they are dequantized; sums are float32.
//
// Defines: ELEMENT (1, 2), BITS (2 3 4 5 6 8), GROUP (32 64 128), ROWS (8 16 24 32: rows of x that a block takes), WARPS, TILES, STEPS.
// Launch: grid (blocks, ceil(M / ROWS)), block 32·WARPS, dynamic shared memory SHARED(K) below; blocks is at most ceil(N / (16·TILES)),
// and best what the device holds at once. No workspace.
//
// Floor: the bytes of w, scales and biases, once. x is copied to shared memory (from sm_90 on by the bulk copy engine). A warp takes
// every WARPS-th chunk of 128·STEPS columns of 16·TILES rows of w, dequantizes it in registers into the A operand, and has the next chunk's
// loads in flight meanwhile.

#ifndef WARPS
#define WARPS 8
#endif
#ifndef TILES
#define TILES 1
#endif
#ifndef ROWS
#define ROWS 8
#endif
#ifndef STEPS
#define STEPS (BITS > 4 ? 2 : 4)
#endif
#ifndef BLOCKS_PER_SM
#define BLOCKS_PER_SM 1
#endif
#define CHUNK (128 * STEPS)
#define NT (ROWS / 8)
#define PAIRS (CHUNK / GROUP > 8 ? CHUNK / GROUP / 8 : 1) // pairs of groups of a chunk whose scales a thread loads
// SHARED(K) = (roundup(K, CHUNK)·2 + 32)·ROWS + WARPS·16·TILES·ROWS·4 bytes
#define PARTS 16 // of x, each awaited when it is first used

struct Chunk {
    Pack codes[TILES][STEPS][2];
    u32 scale[TILES][2][PAIRS], bias[TILES][2][PAIRS];
};

DEVICE u32 weight_pair(const Pack &p, int i, u32 scale, u32 bias) {
    u32 a = code_pair(p, i);
    if (CODE_ONE != 0.0f) a = fma_pair(a, pack(CODE_SCALE, CODE_SCALE), pack(-CODE_SCALE, -CODE_SCALE)); // exact
    return fma_pair(a, scale, bias);
}

DEVICE u32 load_two(const Element *row, int first, int groups) {
    if (first + 1 < groups && groups % 2 == 0) return stream4(row + first);
    u32 low = first < groups ? row[first] : 0, high = first + 1 < groups ? row[first + 1] : 0;
    return low | high << 16;
}

DEVICE void load_chunk(Chunk &c, const u32 *w, const Element *scales, const Element *biases, int row0, int start, int n, int k,
                       int g, int t) {
    const int packs = k / 32, groups = k / GROUP;
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = min(row0 + 16 * tile + 8 * half + g, n - 1);
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                int pack = start / 32 + 4 * step + t;
                if (pack < packs) {
                    c.codes[tile][step][half] = load_pack(w + ((u64)row * packs + pack) * BITS);
                } else {
#pragma unroll
                    for (int i = 0; i < BITS; i++) c.codes[tile][step][half].word[i] = 0;
                }
            }
#pragma unroll
            for (int pair = 0; pair < PAIRS; pair++) {
                int first = 2 * (PAIRS * t + pair);
                first = first < CHUNK / GROUP ? start / GROUP + first : groups;
                c.scale[tile][half][pair] = load_two(scales + (u64)row * groups, first, groups);
                c.bias[tile][half][pair] = load_two(biases + (u64)row * groups, first, groups);
            }
        }
    }
}

/// The scale (or bias) of this thread's pack in a step, twice.
DEVICE u32 of_step(const u32 (&pairs)[PAIRS], int step, int g, int t) {
    const int group = (128 * step + 32 * t) / GROUP;
    u32 v = 0;
#pragma unroll
    for (int pair = 0; pair < PAIRS; pair++) {
        u32 other = __shfl_sync(~0u, pairs[pair], 4 * g + group / (2 * PAIRS));
        if (group / 2 % PAIRS == pair) v = other;
    }
    return __byte_perm(v, 0, group % 2 ? 0x3232 : 0x1010);
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS_PER_SM)
    qmv_rows(const Element *__restrict__ x, const u32 *__restrict__ w, const Element *__restrict__ scales,
             const Element *__restrict__ biases, Element *__restrict__ y, int m, int n, int k) {
    extern __shared__ uint4 shared[];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const int chunks = (k + CHUNK - 1) / CHUNK, packs = k / 32;
    const int tiles = (n + 16 * TILES - 1) / (16 * TILES);
    const int pitch = chunks * CHUNK * 2 + 32; // bytes of a row of x: rows 32 bytes apart in the banks
    float *partial = (float *)((u8 *)shared + ROWS * pitch);
    const int first_x = blockIdx.y * ROWS;
    let_next_start();

    Chunk next;
    int tile_of = blockIdx.x, chunk_of = warp;
    if (tile_of < tiles && chunk_of < chunks)
        load_chunk(next, w, scales, biases, tile_of * 16 * TILES, chunk_of * CHUNK, n, k, g, t);

    wait_for_previous();
    // Part i of x is what the warps take in round i; the last one is the rest.
    const int rows = min(ROWS, m - first_x), parts = min(PARTS, (chunks + WARPS - 1) / WARPS);
    if (k < chunks * CHUNK) { // zeros to the end of the last chunk
        const int missing = chunks * CHUNK - k;
        for (int i = threadIdx.x; i < rows * missing; i += 32 * WARPS)
            *(u16 *)((u8 *)shared + i / missing * pitch + (k + i % missing) * 2) = 0;
    }
#if __CUDA_ARCH__ >= 900
    __shared__ u64 barriers[PARTS];
    const u32 barrier = (u32)__cvta_generic_to_shared(barriers);
    if (threadIdx.x == 0) {
        for (int i = 0; i < parts; i++)
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(barrier + 8 * i) : "memory");
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        for (int i = 0; i < parts; i++) {
            const int from = i * WARPS * CHUNK, to = i + 1 == parts ? k : min(k, from + WARPS * CHUNK), bytes = (to - from) * 2;
            asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier + 8 * i), "r"(bytes * rows) : "memory");
            for (int row = 0; row < rows; row++)
                asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                                 (u32)__cvta_generic_to_shared(shared) + row * pitch + from * 2),
                             "l"(x + (u64)(first_x + row) * k + from), "r"(bytes), "r"(barrier + 8 * i)
                             : "memory");
        }
    }
    __syncthreads();
#else
    for (int i = threadIdx.x; i < rows * (k / 8); i += 32 * WARPS) {
        const int row = i / (k / 8), at = i % (k / 8);
        *(uint4 *)((u8 *)shared + row * pitch + at * 16) = *(const uint4 *)(x + (u64)(first_x + row) * k + 8 * at);
    }
    __syncthreads();
#endif

    for (int tile_now = blockIdx.x; tile_now < tiles; tile_now += gridDim.x) {
        float acc[TILES][NT][2][4];
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int nt = 0; nt < NT; nt++)
#pragma unroll
                for (int i = 0; i < 8; i++) acc[tile][nt][i / 4][i % 4] = 0.0f;
        for (int chunk = warp; chunk < chunks; chunk += WARPS) {
#if __CUDA_ARCH__ >= 900
            asm volatile("{.reg .pred p; AGAIN%=: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], 0; @p bra DONE%=; bra AGAIN%=; DONE%=:}" ::"r"(
                             barrier + 8 * min(chunk / WARPS, parts - 1))
                         : "memory");
#endif
            Chunk now = next;
            chunk_of += WARPS;
            if (chunk_of >= chunks) {
                chunk_of = warp;
                tile_of += gridDim.x;
            }
            if (tile_of < tiles)
                load_chunk(next, w, scales, biases, tile_of * 16 * TILES, chunk_of * CHUNK, n, k, g, t);
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                u32 s[TILES][2], b[TILES][2];
#pragma unroll
                for (int tile = 0; tile < TILES; tile++)
#pragma unroll
                    for (int half = 0; half < 2; half++) {
                        s[tile][half] = of_step(now.scale[tile][half], step, g, t);
                        b[tile][half] = of_step(now.bias[tile][half], step, g, t);
                    }
                // Threads t >= 2 read their 16-byte pieces in the order 1 0 3 2, so that no banks collide.
                const bool swap = t >= 2;
                const u8 *from = (const u8 *)shared + g * pitch + ((chunk * STEPS + step) * 128 + 32 * t) * 2;
#pragma unroll
                for (int q = 0; q < 4; q += 2) {
                    uint4 xs[NT][2];
#pragma unroll
                    for (int nt = 0; nt < NT; nt++) {
                        uint4 u = *(const uint4 *)(from + 8 * nt * pitch + 16 * q + (swap ? 16 : 0));
                        uint4 v = *(const uint4 *)(from + 8 * nt * pitch + 16 * q + (swap ? 0 : 16));
                        xs[nt][0] = swap && BITS != 4 ? v : u;
                        xs[nt][1] = swap && BITS != 4 ? u : v;
                        if (BITS == 4) {
#pragma unroll
                            for (int i = 0; i < 2; i++) {
                                const uint4 w = xs[nt][i];
                                xs[nt][i] = make_uint4(__byte_perm(w.x, w.z, 0x5410), __byte_perm(w.x, w.z, 0x7632),
                                                       __byte_perm(w.y, w.w, 0x5410), __byte_perm(w.y, w.w, 0x7632));
                            }
                        }
                    }
#pragma unroll
                    for (int tile = 0; tile < TILES; tile++) {
                        u32 a[2][8];
#pragma unroll
                        for (int half = 0; half < 2; half++) {
                            Pack &codes = now.codes[tile][step][half];
                            if (BITS == 4) { // as x
                                const u32 first = codes.word[q], second = codes.word[q + 1];
                                codes.word[q] = swap ? second : first;
                                codes.word[q + 1] = swap ? first : second;
                            }
#pragma unroll
                            for (int i = 0; i < 8; i++)
                                a[half][i] = weight_pair(codes, 4 * q + i, s[tile][half], b[tile][half]);
                        }
#pragma unroll
                        for (int nt = 0; nt < NT; nt++) {
#pragma unroll
                            for (int i = 0; i < 2; i++) {
                                const uint4 w = xs[nt][i];
                                mma(acc[tile][nt][0], a[0][4 * i], a[1][4 * i], a[0][4 * i + 1], a[1][4 * i + 1], w.x, w.y);
                                mma(acc[tile][nt][1], a[0][4 * i + 2], a[1][4 * i + 2], a[0][4 * i + 3], a[1][4 * i + 3], w.z, w.w);
                            }
                        }
                    }
                }
            }
        }
        // Rows of partial sums: [warp][row of x][row of w].
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int nt = 0; nt < NT; nt++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    partial[(warp * ROWS + 8 * nt + 2 * t + i % 2) * (16 * TILES) + 16 * tile + 8 * (i / 2) + g] =
                        acc[tile][nt][0][i] + acc[tile][nt][1][i];
        __syncthreads();
        for (int i = threadIdx.x; i < ROWS * 16 * TILES; i += 32 * WARPS) {
            float s = 0.0f;
#pragma unroll
            for (int j = 0; j < WARPS; j++) s += partial[j * (ROWS * 16 * TILES) + i];
            int row = tile_now * 16 * TILES + i % (16 * TILES), of_x = first_x + i / (16 * TILES);
            if (row < n && of_x < m) y[(u64)of_x * n + row] = from_float(s);
        }
        __syncthreads();
    }
}
