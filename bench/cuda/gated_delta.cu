// One gated delta rule step a token: the hand-written twin of the Metal kernel, for comparison only.
//
// q, k [B, T, HK, DK], v, y [B, T, HV, DV], beta [B, T, HV] of ELEMENT; g [B, T, HV], state and new_state [B, HV, DV, DK] float32.
// Per token: S = S g; u = S k; e = (v - u) beta; S = S + e kᵀ; y = S q.
// Defines: ELEMENT, HK, HV, DK (128), DV. Launch: grid (DV / 4, B·HV), block 128: a warp has one row of S, each thread four columns.

DEVICE float warp_sum(float x) {
#pragma unroll
    for (int i = 16; i > 0; i /= 2) x += __shfl_xor_sync(~0u, x, i);
    return x;
}

DEVICE float4 four(const Element *p) {
#if ELEMENT == 0
    return *(const float4 *)p;
#else
    const uint2 v = *(const uint2 *)p;
    return make_float4(low_half(v.x), high_half(v.x), low_half(v.y), high_half(v.y));
#endif
}

extern "C" __global__ void __launch_bounds__(128)
    gated_delta(const Element *__restrict__ q, const Element *__restrict__ k, const Element *__restrict__ v,
                const float *__restrict__ gate, const Element *__restrict__ beta, const float *__restrict__ state,
                Element *__restrict__ y, float *__restrict__ new_state, int tokens) {
    const int lane = threadIdx.x % 32, row = blockIdx.x * 4 + threadIdx.x / 32;
    const int batch = blockIdx.y / HV, head = blockIdx.y % HV, k_head = head / (HV / HK);
    const u64 at = ((u64)blockIdx.y * DV + row) * DK + 4 * lane;
    float4 s = *(const float4 *)(state + at);
    q += ((u64)batch * tokens * HK + k_head) * DK + 4 * lane;
    k += ((u64)batch * tokens * HK + k_head) * DK + 4 * lane;
    v += ((u64)batch * tokens * HV + head) * DV + row;
    y += ((u64)batch * tokens * HV + head) * DV + row;
    gate += (u64)batch * tokens * HV + head;
    beta += (u64)batch * tokens * HV + head;
    for (int i = 0; i < tokens; i++) {
        const float4 kk = four(k), qq = four(q);
        const float g = *gate;
        s.x *= g;
        s.y *= g;
        s.z *= g;
        s.w *= g;
        const float u = warp_sum(s.x * kk.x + s.y * kk.y + s.z * kk.z + s.w * kk.w);
        const float e = (to_float(*v) - u) * to_float(*beta);
        s.x += e * kk.x;
        s.y += e * kk.y;
        s.z += e * kk.z;
        s.w += e * kk.w;
        const float o = warp_sum(s.x * qq.x + s.y * qq.y + s.z * qq.z + s.w * qq.w);
        if (lane == 0) *y = from_float(o);
        q += HK * DK;
        k += HK * DK;
        v += HV * DV;
        y += HV * DV;
        gate += HV;
        beta += HV;
    }
    *(float4 *)(new_state + at) = s;
}
