// y = x · dequantize(w)ᵀ for many rows of x, on Hopper's tensor cores (sm_90a).
//
// x [M, K], w [N, K·BITS/32] uint32, scales and biases [N, K/GROUP], y [M, N]; x, scales, biases, y of one 16-bit ELEMENT; all 16-byte
// aligned. K is a multiple of GROUP. Weights are rounded to ELEMENT when they are dequantized; sums are float32.
//
// Defines: ELEMENT (1, 2), BITS (2 3 4 5 6 8), GROUP (32 64 128), WARPGROUPS (64 rows of w each), ROWS (128 or 256 rows of x), STAGES.
// Launch: grid ceil(N / (64·WARPGROUPS)) · ceil(M / ROWS) in one dimension, block 128·WARPGROUPS, dynamic shared memory
// 1024 + max(STAGES·ROWS·128, ROWS·(128·WARPGROUPS + 16)) bytes. No workspace.
//
// Floor: 2·M·N·K operations. w is the first operand: each warp dequantizes its 16 rows from global memory into registers while the
// products of the 64 columns before are running; x goes through STAGES tiles of 64 columns in shared memory.

#ifndef WARPGROUPS
#define WARPGROUPS 2
#endif
#ifndef ROWS
#define ROWS 128
#endif
#ifndef STAGES
#define STAGES 5
#endif
#define THREADS (128 * WARPGROUPS)
#define TILE (ROWS * 128) // bytes of a tile of x
#define BLOCKS 2          // of 32 columns in 64

struct Columns { // 64 columns of two rows of w, as much as this thread needs
#if BITS == 4
    uint4 code[2][BLOCKS];
#else
    u32 code[2][4][2]; // two words around the codes of columns 16i + 2t, and 16i + 8 + 2t
    u32 code8[2][4][2];
#endif
    u32 scale[2][BLOCKS], bias[2][BLOCKS];
};

DEVICE u32 fma_pair(u32 a, u32 b, u32 c) {
    u32 d;
#if ELEMENT == 1
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
#else
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
#endif
    return d;
}

DEVICE void load_columns(Columns &c, const u32 *w, const Element *scales, const Element *biases, int row0, int start, int n, int k,
                         int t) {
    const int words = k / 32 * BITS, groups = k / GROUP;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = min(row0 + 8 * half, n - 1);
        const u32 *codes = w + (u64)row * words;
#if BITS == 4
#pragma unroll
        for (int i = 0; i < BLOCKS; i++) c.code[half][i] = __ldg((const uint4 *)codes + min(start / 32 + i, k / 32 - 1));
#else
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int bit = (start + 16 * i + 2 * t) * BITS, bit8 = bit + 8 * BITS;
            c.code[half][i][0] = __ldg(codes + min(bit / 32, words - 1));
            c.code8[half][i][0] = __ldg(codes + min(bit8 / 32, words - 1));
            if (BITS % 2 || BITS == 6) {
                c.code[half][i][1] = __ldg(codes + min(bit / 32 + 1, words - 1));
                c.code8[half][i][1] = __ldg(codes + min(bit8 / 32 + 1, words - 1));
            } else c.code[half][i][1] = c.code8[half][i][1] = 0;
        }
#endif
#pragma unroll
        for (int i = 0; i < (GROUP == 32 ? BLOCKS : 1); i++) {
            u64 at = (u64)row * groups + min((start + 32 * i) / GROUP, groups - 1);
            c.scale[half][i] = __ldg(scales + at);
            c.bias[half][i] = __ldg(biases + at);
        }
    }
}

/// Two codes as 16-bit floats, exactly: the low ones of each half of `both`.
DEVICE u32 to_pair(u32 both) {
    constexpr u32 mask = ((1u << BITS) - 1u) * 0x00010001u;
#if ELEMENT == 1
    return fma_pair((both & mask) | 0x64006400u, 0x3c003c00u, 0xe400e400u);
#elif BITS == 8
    u32 low = __byte_perm(both, 0x4b000000u, 0x7540), high = __byte_perm(both, 0x4b000000u, 0x7542);
    return pack(__uint_as_float(low) - 8388608.0f, __uint_as_float(high) - 8388608.0f);
#else
    return fma_pair((both & mask) | 0x43004300u, 0x3f803f80u, 0xc300c300u);
#endif
}

/// This thread's part of the 64 x 16 operand of columns 16i..16i+16.
DEVICE void dequantize(u32 (&a)[4], const Columns &c, int i, int start, int t) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int block = GROUP == 32 ? i / 2 : 0;
        const u32 s = c.scale[half][block] * 0x10001u, b = c.bias[half][block] * 0x10001u;
        u32 p0, p1;
#if BITS == 4
        const uint4 &v = c.code[half][i / 2];
        const u32 w0 = i % 2 ? v.z : v.x, w1 = i % 2 ? v.w : v.y, pick = t | (t + 4) << 8;
        p0 = __byte_perm(w0, w0 >> 4, pick);
        p1 = __byte_perm(w1, w1 >> 4, pick);
#else
        const int bit = (start + 16 * i + 2 * t) * BITS, bit8 = bit + 8 * BITS;
        p0 = __funnelshift_r(c.code[half][i][0], c.code[half][i][1], bit);
        p1 = __funnelshift_r(c.code8[half][i][0], c.code8[half][i][1], bit8);
        p0 = __byte_perm(p0, p0 >> BITS, 0x5410);
        p1 = __byte_perm(p1, p1 >> BITS, 0x5410);
#endif
        a[half] = fma_pair(to_pair(p0), s, b);
        a[2 + half] = fma_pair(to_pair(p1), s, b);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
    qmm(const Element *__restrict__ x, const u32 *__restrict__ w, const Element *__restrict__ scales,
        const Element *__restrict__ biases, Element *__restrict__ y, int m, int n, int k) {
    extern __shared__ u8 unaligned[];
    u8 *shared = unaligned + (1024 - shared_address(unaligned) % 1024) % 1024;
    const u32 tiles = shared_address(shared);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const int x_blocks = (m + ROWS - 1) / ROWS;
    const int first_x = blockIdx.x % x_blocks * ROWS, first_w = blockIdx.x / x_blocks * (64 * WARPGROUPS);
    const int row0 = first_w + 16 * warp + g, steps = (k + 63) / 64;

    wait_for_previous();
    const int part = threadIdx.x % 8; // of 16 bytes in a row of the tile
    auto load_x = [&](int step) {
        const u32 tile = tiles + step % STAGES * TILE;
        const int column = step * 64 + part * 8;
#pragma unroll
        for (int i = 0; i < ROWS * 8 / THREADS; i++) {
            int row = threadIdx.x / 8 + i * (THREADS / 8), of_x = first_x + row;
            bool valid = step < steps && of_x < m && column < k;
            copy16(tile + row * 128 + ((part ^ row % 8) << 4), x + (valid ? (u64)of_x * k + column : 0), valid);
        }
        if (ROWS * 8 % THREADS != 0) {
            int row = threadIdx.x / 8 + ROWS * 8 / THREADS * (THREADS / 8), of_x = first_x + row;
            bool valid = step < steps && of_x < m && column < k;
            if (row < ROWS) copy16(tile + row * 128 + ((part ^ row % 8) << 4), x + (valid ? (u64)of_x * k + column : 0), valid);
        }
        copies_commit();
    };
#pragma unroll
    for (int i = 0; i < STAGES - 2; i++) load_x(i);

    float d[ROWS / 2];
#pragma unroll
    for (int i = 0; i < ROWS / 2; i++) d[i] = 0.0f;
    Columns next;
    load_columns(next, w, scales, biases, row0, 0, n, k, t);
    u32 a[2][4][4];

    auto advance = [&](int step, u32 (&a)[4][4]) {
        Columns now = next;
        load_columns(next, w, scales, biases, row0, min(step + 1, steps - 1) * 64, n, k, t);
#pragma unroll
        for (int i = 0; i < 4; i++) dequantize(a[i], now, i, step * 64, t);
        copies_wait<STAGES - 3>();
        fence_shared();
        __syncthreads(); // the tile is there for all, and all are through with the products of two steps ago
        load_x(step + STAGES - 2);
        const u32 tile = tiles + step % STAGES * TILE;
        wgmma_fence();
#pragma unroll
        for (int i = 0; i < 4; i++) wgmma(d, a[i], operand(tile + 32 * i, 1024), 1);
        wgmma_commit();
        wgmma_wait<1>();
    };
    int step = 0;
    for (; step + 1 < steps; step += 2) {
        advance(step, a[0]);
        advance(step + 1, a[1]);
    }
    if (step < steps) advance(step, a[0]);
    wgmma_wait<0>();
    pin(d);
    copies_wait<0>();
    __syncthreads();

    // [row of x][row of w] in shared memory, then out in whole rows.
    constexpr int PITCH = 128 * WARPGROUPS + 16; // bytes
#pragma unroll
    for (int j = 0; j < ROWS / 8; j += 2) {
        u32 address = tiles + (8 * j + lane % 8 + lane / 16 * 8) * PITCH + (16 * warp + lane / 8 % 2 * 8) * 2;
        asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address),
                     "r"(pack(d[4 * j], d[4 * j + 1])), "r"(pack(d[4 * j + 2], d[4 * j + 3])),
                     "r"(pack(d[4 * j + 4], d[4 * j + 5])), "r"(pack(d[4 * j + 6], d[4 * j + 7]))
                     : "memory");
    }
    __syncthreads();
    for (int i = threadIdx.x; i < ROWS * 8 * WARPGROUPS; i += THREADS) {
        int row = i / (8 * WARPGROUPS), part = i % (8 * WARPGROUPS), of_x = first_x + row, of_w = first_w + 8 * part;
        if (of_x >= m || of_w >= n) continue;
        const uint4 v = *(const uint4 *)(shared + row * PITCH + part * 16);
        Element *to = y + (u64)of_x * n + of_w;
        if (n % 8 == 0) {
            *(uint4 *)to = v;
        } else {
            const u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int j = 0; j < 8; j++)
                if (of_w + j < n) to[j] = (Element)(words[j / 2] >> j % 2 * 16);
        }
    }
}
