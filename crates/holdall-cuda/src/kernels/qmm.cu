// y = x · dequantize(w)ᵀ for many rows of x, on Hopper's tensor cores (sm_90a).
//
// x [M, K], w [N, K·BITS/32] uint32, scales and biases [N, K/GROUP], y [M, N]; x, scales, biases, y of one 16-bit ELEMENT; all 16-byte
// aligned. K is a multiple of GROUP. Weights are rounded to ELEMENT when they are dequantized; sums are float32.
//
// Defines: ELEMENT (1, 2), BITS (2 3 4 5 6 8), GROUP (32 64 128), WARPGROUPS (64 rows of w each), ROWS (128 or 256 rows of x), STAGES,
// SPLIT (2: two blocks, a cluster, share the columns of a tile; for few tiles).
// Launch: grid SPLIT · ceil(N / (64·WARPGROUPS)) · ceil(M / ROWS) in one dimension, block 128·WARPGROUPS, dynamic shared memory
// 1040 + max(STAGES·(ROWS·128 + 512·WARPGROUPS·BITS), ROWS·(128·WARPGROUPS + 16)) bytes. No workspace.
//
// Floor: 2·M·N·K operations. w is the first operand: each warp dequantizes its 16 rows into registers while the products of the 64
// columns before are running. x and the codes of w go through STAGES tiles of 64 columns in shared memory.
//
// Measured on an H100, 4 bits in groups of 64, bfloat16, TFLOP/s (a dense product of the library in brackets), 512 rows: q 485 (677), qkv 439 to 459
// (702), gate+up 577 (734), down 574 (748); 2,048 rows: q 574 (752), qkv 574 (757), gate+up 517 (768), down 564 (797).

#ifndef WARPGROUPS
#define WARPGROUPS 2
#endif
#ifndef ROWS
#define ROWS 128
#endif
#ifndef STAGES
#define STAGES 5
#endif
#ifndef SPLIT
#define SPLIT 1
#endif
#define THREADS (128 * WARPGROUPS)
#define TILE (ROWS * 128) // bytes of a tile of x
#define ROW_BYTES (8 * BITS)                         // of 64 codes
#define CODES (64 * WARPGROUPS * ROW_BYTES)          // bytes of a tile of codes
#define PIECE (BITS % 4 == 0 ? 16 : BITS % 2 ? 4 : 8) // bytes that are aligned for any K
#define BLOCKS (GROUP == 32 ? 2 : 1)                 // groups in 64 columns, at most

struct Scales { // of two rows of w
    u32 scale[2][BLOCKS], bias[2][BLOCKS];
};

DEVICE void copy_piece(u32 to, const u8 *from, bool valid) {
#if PIECE == 16
    copy16(to, from, valid);
#else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(to), "l"(from), "r"(valid ? PIECE : 0), "n"(PIECE) : "memory");
#endif
}

DEVICE u32 shared_word(u32 address) {
    u32 v;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
    return v;
}

/// Two codes as 16-bit floats, exactly: the low ones of each half of `both`.
DEVICE u32 to_pair(u32 both) {
    constexpr u32 mask = ((1u << BITS) - 1u) * 0x00010001u;
#if ELEMENT == 1
    return fma_pair(masked(both, mask, 0x64006400u), 0x3c003c00u, 0xe400e400u);
#elif BITS == 8
    u32 low = __byte_perm(both, 0x4b000000u, 0x7540), high = __byte_perm(both, 0x4b000000u, 0x7542);
    return pack(__uint_as_float(low) - 8388608.0f, __uint_as_float(high) - 8388608.0f);
#else
    return fma_pair(masked(both, mask, 0x43004300u), 0x3f803f80u, 0xc300c300u);
#endif
}

/// This thread's parts of the 64 x 16 operands of columns 16i..16i+16, from its first row of the tile of codes.
DEVICE void dequantize(u32 (&a)[4][4], const Scales &c, u32 codes, int t) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const u32 row = codes + 8 * half * ROW_BYTES;
#if BITS == 4
        u32 words[8];
#pragma unroll
        for (int i = 0; i < 2; i++)
            asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(words[4 * i]), "=r"(words[4 * i + 1]), "=r"(words[4 * i + 2]), "=r"(words[4 * i + 3])
                         : "r"(row + 16 * i)
                         : "memory");
        const u32 pick = t | (t + 4) << 8;
#endif
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int block = BLOCKS == 2 ? i / 2 : 0;
            const u32 s = c.scale[half][block] * 0x10001u, b = c.bias[half][block] * 0x10001u;
#pragma unroll
            for (int j = 0; j < 2; j++) {
#if BITS == 4
                const u32 both = __byte_perm(words[2 * i + j], words[2 * i + j] >> 4, pick);
#else
                const int bit = (16 * i + 8 * j + 2 * t) * BITS;
                const u32 word = row + bit / 32 * 4;
                u32 both = __funnelshift_r(shared_word(word), 32 % BITS ? shared_word(word + 4) : 0, bit);
                both = __byte_perm(both, both >> BITS, 0x5410);
#endif
                a[i][2 * j + half] = fma_pair(to_pair(both), s, b);
            }
        }
    }
}

DEVICE void cluster_barrier() {
    asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
#if SPLIT > 1
    __cluster_dims__(SPLIT, 1, 1)
#endif
    qmm(const Element *__restrict__ x, const u32 *__restrict__ w, const Element *__restrict__ scales,
        const Element *__restrict__ biases, Element *__restrict__ y, int m, int n, int k) {
    extern __shared__ u8 unaligned[];
    u8 *shared = unaligned + (1024 - shared_address(unaligned) % 1024) % 1024;
    const u32 tiles = shared_address(shared);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const int x_blocks = (m + ROWS - 1) / ROWS;
    const int block = blockIdx.x / SPLIT, rank = blockIdx.x % SPLIT;
    const int first_x = block % x_blocks * ROWS, first_w = block / x_blocks * (64 * WARPGROUPS);
    const int row0 = first_w + 16 * warp + g, share = ((k + 63) / 64 + SPLIT - 1) / SPLIT;
    const int first_step = rank * share, steps = min(share, (k + 63) / 64 - first_step);

    const u32 codes = tiles + STAGES * TILE;
    const int row_bytes = k / 8 * BITS, groups = k / GROUP;

    // What this thread copies: pieces of the codes, and 16 bytes of every THREADS/8-th row of x.
    constexpr int PIECES = ROW_BYTES / PIECE, MINE = PIECES / 2, ROWS_APART = THREADS / 8;
    const u8 *codes_from[MINE];
#pragma unroll
    for (int i = 0; i < MINE; i++) {
        const int piece = threadIdx.x + i * THREADS;
        codes_from[i] = (const u8 *)w + (u64)min(first_w + piece / PIECES, n - 1) * row_bytes + piece % PIECES * PIECE;
    }
    const int x_row = threadIdx.x / 8, x_part = threadIdx.x % 8, rows_left = m - first_x - x_row;
    const Element *x_from = x + (u64)(first_x + x_row) * k + 8 * x_part;
    const u32 x_to = tiles + x_row * 128 + ((x_part ^ x_row % 8) << 4);
    int loaded = first_step, load_slot = 0; // steps
    auto load = [&]() {
        const u32 to = codes + load_slot * CODES + threadIdx.x * PIECE;
#pragma unroll
        for (int i = 0; i < MINE; i++) {
            const int at = loaded * ROW_BYTES + (threadIdx.x + i * THREADS) % PIECES * PIECE;
            copy_piece(to + i * THREADS * PIECE, codes_from[i] + loaded * ROW_BYTES, at < row_bytes);
        }
        const bool inside = loaded * 64 + 8 * x_part < k;
        const Element *from = x_from + loaded * 64;
#pragma unroll
        for (int i = 0; i < (ROWS + ROWS_APART - 1) / ROWS_APART; i++) {
            if (ROWS % ROWS_APART == 0 || x_row + i * ROWS_APART < ROWS)
                copy16(x_to + load_slot * TILE + i * ROWS_APART * 128, from, inside && i * ROWS_APART < rows_left);
            from += (u64)ROWS_APART * k;
        }
        copies_commit();
        loaded++;
        load_slot = load_slot + 1 == STAGES ? 0 : load_slot + 1;
    };
    wait_for_previous();
#pragma unroll
    for (int i = 0; i < STAGES - 2; i++) load();

    float d[ROWS / 2];
#pragma unroll
    for (int i = 0; i < ROWS / 2; i++) d[i] = 0.0f;
    const Element *scales_of[2], *biases_of[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        scales_of[half] = scales + (u64)min(row0 + 8 * half, n - 1) * groups;
        biases_of[half] = biases + (u64)min(row0 + 8 * half, n - 1) * groups;
    }
    Scales next;
    auto load_scales = [&](int step) {
#pragma unroll
        for (int i = 0; i < BLOCKS; i++) {
            const int group = min((64 * step + 32 * i) / GROUP, groups - 1);
#pragma unroll
            for (int half = 0; half < 2; half++) {
                next.scale[half][i] = __ldg(scales_of[half] + group);
                next.bias[half][i] = __ldg(biases_of[half] + group);
            }
        }
    };
    load_scales(first_step);
    u32 a[2][4][4];
    int slot = 0;

    auto advance = [&](int step, u32 (&a)[4][4]) {
        const Scales now = next;
        load_scales(first_step + step + 1);
        copies_wait<STAGES - 3>();
        fence_shared();
        __syncthreads(); // the tiles are there for all, and all are through with the products of two steps ago
        load();
        dequantize(a, now, codes + slot * CODES + (16 * warp + g) * ROW_BYTES, t);
        const u32 tile = tiles + slot * TILE;
        wgmma_fence();
#pragma unroll
        for (int i = 0; i < 4; i++) wgmma(d, a[i], operand(tile + 32 * i, 1024), 1);
        wgmma_commit();
        wgmma_wait<1>();
        slot = slot + 1 == STAGES ? 0 : slot + 1;
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
#if SPLIT > 1
    // The second block adds its sums to the first one's, through that one's shared memory.
    cluster_barrier();
    if (rank == 1) {
        u32 other;
        asm volatile("mapa.shared::cluster.u32 %0, %1, 0;" : "=r"(other) : "r"(tiles + threadIdx.x * 4));
#pragma unroll
        for (int i = 0; i < ROWS / 2; i++)
            asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(other + i * THREADS * 4), "f"(d[i]) : "memory");
    }
    cluster_barrier();
    if (rank == 1) return;
#pragma unroll
    for (int i = 0; i < ROWS / 2; i++) d[i] += ((const float *)shared)[i * THREADS + threadIdx.x];
    __syncthreads();
#endif

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
