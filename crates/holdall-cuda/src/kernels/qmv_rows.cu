// y = x · dequantize(w)ᵀ for a few rows of x (2 to 32).
//
// x [M, K], w [N, K·BITS/32] uint32, scales and biases [N, K/GROUP], y [M, N]; x, scales, biases, y of one 16-bit ELEMENT; all 16-byte
// aligned. K is a multiple of GROUP. Weights are rounded to ELEMENT when they are dequantized; sums are float32.
//
// Defines: ELEMENT (1, 2), BITS (2 3 4 5 6 8), GROUP (32 64 128), ROWS (8 16 24 32: rows of x that a block takes), WARPS, TILES, STEPS.
// Launch: grid (blocks, ceil(M / ROWS)), block 32·WARPS, dynamic shared memory SHARED(K) below; blocks is at most ceil(N / (16·TILES)),
// and best what the device holds at once. No workspace.
//
// Floor: the bytes of w, scales and biases, once. x lies in shared memory in the order of the tensor cores' B operand. A warp takes
// every WARPS-th chunk of 128·STEPS columns of 16·TILES rows of w, dequantizes it in registers into the A operand, and has the next chunk's
// loads in flight meanwhile.
//
// Measured as qmv is, 8 rows: k 5.3 (2.2) 4.1; q 8.1 (4.5) 6.8; qkv 10.1 (6.0) 8.6; gate 15.9 (10.4) 13.7; gate+up 26.3 (19.2) 24.0; down 24.9 (10.4)
// 21.8; head 135 (111) 132. 32 rows, as two launches' worth: gate+up 57.

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
// SHARED(K) = roundup(K, CHUNK)·ROWS·2 + WARPS·16·TILES·ROWS·4 bytes

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
    float *partial = (float *)(shared + (u64)chunks * (CHUNK / 8) * ROWS);
    const int first_x = blockIdx.y * ROWS;
    let_next_start();

    Chunk next;
    int tile_of = blockIdx.x, chunk_of = warp;
    if (tile_of < tiles && chunk_of < chunks)
        load_chunk(next, w, scales, biases, tile_of * 16 * TILES, chunk_of * CHUNK, n, k, g, t);

    wait_for_previous();
    // x in the order of the B operand: by step, 8 rows, quarter of a pack, thread; swizzled, so that neither side has bank conflicts.
    const int eighths = chunks * (CHUNK / 8); // of a row: 8 elements, 16 bytes
    constexpr int AT_ONCE = 8;
    for (int i0 = threadIdx.x; i0 < eighths * ROWS; i0 += AT_ONCE * 32 * WARPS) {
        uint4 v[AT_ONCE];
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            const int i = i0 + j * 32 * WARPS, row = i / eighths, at = i % eighths;
            v[j] = make_uint4(0, 0, 0, 0);
            if (row < ROWS && first_x + row < m && 8 * at < k) v[j] = *(const uint4 *)(x + (u64)(first_x + row) * k + 8 * at);
        }
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            const int i = i0 + j * 32 * WARPS, row = i / eighths, at = i % eighths, pack = at / 4, q = at % 4;
            uint4 u = v[j];
            if (BITS == 4)
                u = make_uint4(__byte_perm(u.x, u.z, 0x5410), __byte_perm(u.x, u.z, 0x7632), __byte_perm(u.y, u.w, 0x5410),
                               __byte_perm(u.y, u.w, 0x7632));
            if (row < ROWS) shared[((pack / 4 * NT + row / 8) * 4 + q) * 32 + ((row % 8 * 4 + pack % 4) ^ 2 * q)] = u;
        }
    }
    __syncthreads();

    for (int tile_now = blockIdx.x; tile_now < tiles; tile_now += gridDim.x) {
        float acc[TILES][NT][2][4];
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int nt = 0; nt < NT; nt++)
#pragma unroll
                for (int i = 0; i < 8; i++) acc[tile][nt][i / 4][i % 4] = 0.0f;
        for (int chunk = warp; chunk < chunks; chunk += WARPS) {
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
#pragma unroll
                for (int q = 0; q < 4; q++) {
                    uint4 xs[NT];
#pragma unroll
                    for (int nt = 0; nt < NT; nt++)
                        xs[nt] = shared[(((chunk * STEPS + step) * NT + nt) * 4 + q) * 32 + (lane ^ 2 * q)];
#pragma unroll
                    for (int tile = 0; tile < TILES; tile++) {
                        u32 a[2][4];
#pragma unroll
                        for (int half = 0; half < 2; half++)
#pragma unroll
                            for (int i = 0; i < 4; i++)
                                a[half][i] = weight_pair(now.codes[tile][step][half], 4 * q + i, s[tile][half], b[tile][half]);
#pragma unroll
                        for (int nt = 0; nt < NT; nt++) {
                            mma(acc[tile][nt][0], a[0][0], a[1][0], a[0][1], a[1][1], xs[nt].x, xs[nt].y);
                            mma(acc[tile][nt][1], a[0][2], a[1][2], a[0][3], a[1][3], xs[nt].z, xs[nt].w);
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
