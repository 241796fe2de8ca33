// y = x · dequantize(w)ᵀ, one row of x at a time: quantized matrix × vector.
//
// x [M, K], w [N, K·BITS/32] uint32, scales and biases [N, K/GROUP], y [M, N]; x, scales, biases, y of ELEMENT; all 16-byte aligned.
// K is a multiple of GROUP. Sums are float32.
//
// GATHER: row i of y is x[x_rows[i]] times w[w_of[i]], for w [E, N, ..], scales and biases [E, N, ..]: experts, in any order.
//
// Defines: ELEMENT, BITS (2 3 4 5 6 8), GROUP (32 64 128), WARPS, HALVES (2: 16 rows of w a block; 1: 8 rows, for small N), EXACT (1 where
// K is a multiple of CHUNK, which saves the bounds checks; 0 is right for any K), GATHER (0, 1: with x_rows and w_of after y).
// Launch: grid (ceil(N / (8·HALVES)), M), block 32·WARPS, no dynamic shared memory, no workspace.
//
// Floor: the bytes of w, scales and biases, once. A warp takes CHUNK columns of 16 rows: all its loads are issued before the
// first is used. Codes are the A side of tensor-core products (exact in 16 bits). Column n of the B side is x restricted to
// the chunk's group n, so that groups stay apart in the sums; each thread owns two groups of two rows.
// float32 x is three bfloat16 terms: hi + mid + lo, exact to 24 bits.
//
// Measured on an H100, Qwen3-8B's 4-bit matrices in groups of 64, bfloat16, µs, in brackets a read-only kernel of the same bytes and run, then
// with early start: k 3.2 (2.2) 2.4; q 6.0 (4.5) 4.2; qkv 7.6 (6.0) 6.4; gate 13.3 (10.4) 11.4; gate+up 22.5 (19.2) 20.0; down 13.3 (10.4) 11.1;
// head 119 (111) 118: 98% of the bandwidth of a copy.

#ifndef WARPS
#define WARPS 8
#endif
#ifndef HALVES
#define HALVES 2
#endif
#ifndef EXACT
#define EXACT 0
#endif
#ifndef GATHER
#define GATHER 0
#endif
#ifndef BLOCKS_PER_SM
#define BLOCKS_PER_SM 1
#endif

#define PER_STEP (128 / GROUP)        // groups in a step of 128 columns
#define STEPS (PER_STEP == 4 ? 2 : 4) // steps of a chunk
#define CHUNK (128 * STEPS)

#if ELEMENT == 0
typedef uint2 Two; // the bits of two elements
DEVICE float2 floats(Two v) { return make_float2(__uint_as_float(v.x), __uint_as_float(v.y)); }
#else
typedef u32 Two;
DEVICE float2 floats(Two v) { return make_float2(low_half(v), high_half(v)); }
#endif

/// Scales or biases of groups `first` and `first` + 1 of a row; zero from `end` on.
DEVICE Two load_two(const Element *row, int first, int end) {
#if ELEMENT == 0
#if EXACT
    return first < end ? stream8(row + first) : make_uint2(0, 0);
#else
    return make_uint2(first < end ? stream4(row + first) : 0, first + 1 < end ? stream4(row + first + 1) : 0);
#endif
#else
#if EXACT
    return first < end ? stream4(row + first) : 0;
#else
    u32 low = first < end ? row[first] : 0, high = first + 1 < end ? row[first + 1] : 0;
    return low | high << 16;
#endif
#endif
}

DEVICE float select(bool p, float a, float b) { // without a branch
    float d;
    asm("{.reg .pred p; setp.ne.u32 p, %3, 0; selp.f32 %0, %1, %2, p;}" : "=f"(d) : "f"(a), "f"(b), "r"((u32)p));
    return d;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS_PER_SM)
    qmv(const Element *__restrict__ x, const u32 *__restrict__ w, const Element *__restrict__ scales,
        const Element *__restrict__ biases, Element *__restrict__ y,
#if GATHER
        const u32 *__restrict__ x_rows, const u32 *__restrict__ w_of,
#endif
        int n, int k) {
    __shared__ float partial[WARPS][8 * HALVES];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const int groups = k / GROUP, packs = k / 32;
#if GATHER
    wait_for_previous();
    const u64 expert = w_of[blockIdx.y];
    x += (u64)x_rows[blockIdx.y] * k;
    w += expert * n * packs * BITS;
    scales += expert * n * groups;
    biases += expert * n * groups;
#else
    x += (u64)blockIdx.y * k;
#endif
    y += (u64)blockIdx.y * n;
    const int first_row = blockIdx.x * (8 * HALVES);
    let_next_start();

    float sums[HALVES];
#pragma unroll
    for (int half = 0; half < HALVES; half++) sums[half] = 0.0f;
    const int my_step = g / PER_STEP;

    for (int start = warp * CHUNK; start < k; start += WARPS * CHUNK) {
        Pack codes[STEPS][HALVES];
        Two scale[HALVES], bias[HALVES];
#pragma unroll
        for (int half = 0; half < HALVES; half++) {
            const int row = min(first_row + 8 * half + g, n - 1);
            const u32 *base = w + ((u64)row * packs + start / 32 + t) * BITS;
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                if (EXACT || start / 32 + 4 * step + t < packs) {
                    codes[step][half] = load_pack(base + 4 * step * BITS);
                } else {
#pragma unroll
                    for (int i = 0; i < BITS; i++) codes[step][half].word[i] = 0;
                }
            }
            const int first = start / GROUP + 2 * t, end = min(groups, start / GROUP + CHUNK / GROUP);
            scale[half] = load_two(scales + (u64)row * groups, first, end);
            bias[half] = load_two(biases + (u64)row * groups, first, end);
        }
        if (start == warp * CHUNK) wait_for_previous();
        u32 xs[TERMS][16];
#pragma unroll
        for (int i = 0; i < TERMS * 16; i++) xs[i / 16][i % 16] = 0;
        const int column = start + 128 * my_step + 32 * t;
        if (my_step < STEPS && 32 * t / GROUP == g % PER_STEP && (EXACT || column < k)) load_x(xs, x + column);
        float sum_of[4][4]; // of x over groups 2t and 2t + 1, in four parts
#pragma unroll
        for (int i = 0; i < 16; i++) sum_of[i / 4][i % 4] = 0.0f;
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int term = 0; term < TERMS; term++)
                mma(sum_of[i % 4], ONES, ONES, ONES, ONES, xs[term][2 * i], xs[term][2 * i + 1]);

        float c[STEPS][4];
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
#pragma unroll
            for (int i = 0; i < 4; i++) c[step][i] = 0.0f;
#pragma unroll
            for (int i = 0; i < 8; i++) {
                const Pack &top = codes[step][0], &low = codes[step][HALVES - 1];
                u32 a0 = code_pair(top, 2 * i), a1 = HALVES == 2 ? code_pair(low, 2 * i) : 0;
                u32 a2 = code_pair(top, 2 * i + 1), a3 = HALVES == 2 ? code_pair(low, 2 * i + 1) : 0;
#pragma unroll
                for (int term = 0; term < TERMS; term++) mma(c[step], a0, a1, a2, a3, xs[term][2 * i], xs[term][2 * i + 1]);
            }
        }
        // The sums of group 2t and 2t + 1 are those of the step in which that group lies.
#pragma unroll
        for (int half = 0; half < HALVES; half++) {
            const float2 s = floats(scale[half]), b = floats(bias[half]);
#pragma unroll
            for (int i = 0; i < 2; i++) {
                float of_group = 0.0f;
#pragma unroll
                for (int step = 0; step < STEPS; step++)
                    of_group = select((2 * t + i) / PER_STEP == step, c[step][2 * half + i], of_group);
                float sum = (sum_of[0][i] + sum_of[1][i]) + (sum_of[2][i] + sum_of[3][i]);
                float product = CODE_SCALE * (of_group - CODE_ONE * sum);
                sums[half] += (i ? s.y : s.x) * product + (i ? b.y : b.x) * sum;
            }
        }
    }
#pragma unroll
    for (int half = 0; half < HALVES; half++) {
        float s = sums[half];
        s += __shfl_xor_sync(~0u, s, 1);
        s += __shfl_xor_sync(~0u, s, 2);
        if (t == 0) partial[warp][8 * half + g] = s;
    }
    __syncthreads();
    if (threadIdx.x < 8 * HALVES) {
        float s = 0.0f;
#pragma unroll
        for (int i = 0; i < WARPS; i++) s += partial[i][threadIdx.x];
        int row = first_row + threadIdx.x;
        if (row < n) y[row] = from_float(s);
    }
}
