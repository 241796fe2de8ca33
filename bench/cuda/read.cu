// Reads `count` 16-byte vectors once and does nothing else: the floor that memory-bound kernels are measured against.
// Defines: THREADS, UNROLL. Launch: grid ceil(count / (THREADS·UNROLL)).

extern "C" __global__ void __launch_bounds__(THREADS) read_only(const uint4 *__restrict__ p, u64 count, u32 *out) {
    u32 x = 0;
    uint4 v[UNROLL];
    u64 at = (u64)blockIdx.x * THREADS * UNROLL + threadIdx.x;
#pragma unroll
    for (int i = 0; i < UNROLL; i++) {
        v[i] = make_uint4(0, 0, 0, 0);
        if (at + (u64)i * THREADS < count) v[i] = stream16(p + at + (u64)i * THREADS);
    }
#pragma unroll
    for (int i = 0; i < UNROLL; i++) x ^= v[i].x ^ v[i].y ^ v[i].z ^ v[i].w;
    if (x == 0x9e3779b9u) *out = x; // keeps the loads; never true in practice, harmless if it is
}
