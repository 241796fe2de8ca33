// Pairwise rotations in groups of 128 channels: the hand-written twin of the Metal kernel, for comparison only.
//
// x, out [B, D], pairs [R, D/2] uint32 (i | j << 16, within the group), cos, sin [R, D/2], scales [D]; all but pairs of ELEMENT.
// Defines: ELEMENT, ROUNDS. Launch: grid (D / 128, B), block 32: a warp has a group of a row, each thread two pairs a round.

extern "C" __global__ void __launch_bounds__(32)
    rotation(const Element *__restrict__ x, const u32 *__restrict__ pairs, const Element *__restrict__ cosines,
             const Element *__restrict__ sines, const Element *__restrict__ scales, Element *__restrict__ out, int d) {
    __shared__ float t[128];
    const int lane = threadIdx.x, group = blockIdx.x;
    const u64 at = (u64)blockIdx.y * d + group * 128;
    u32 pair[ROUNDS][2];
    float c[ROUNDS][2], s[ROUNDS][2];
#pragma unroll
    for (int r = 0; r < ROUNDS; r++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int p = r * (d / 2) + group * 64 + i * 32 + lane;
            pair[r][i] = pairs[p];
            c[r][i] = to_float(cosines[p]);
            s[r][i] = to_float(sines[p]);
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int j = i * 32 + lane;
        t[j] = to_float(x[at + j]) * to_float(scales[group * 128 + j]);
    }
#pragma unroll
    for (int r = 0; r < ROUNDS; r++) {
        __syncwarp();
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const u32 a = pair[r][i] & 0xffff, b = pair[r][i] >> 16;
            const float ta = t[a], tb = t[b];
            t[a] = ta * c[r][i] + tb * s[r][i];
            t[b] = tb * c[r][i] - ta * s[r][i];
        }
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 4; i++) out[at + i * 32 + lane] = from_float(t[i * 32 + lane]);
}
