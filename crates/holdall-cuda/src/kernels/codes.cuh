// Packs of 32 codes of BITS bits (BITS words, lowest bits first), turned into pairs of 16-bit floats for tensor cores.
//
// A code q becomes 1 + q / 2^BITS, by placing it at the top of the mantissa of 1.0: one shift and one logical operation
// for two codes, and exact. Who uses the product takes the 1 away: sum(q x) = CODE_SCALE * (sum(a x) - CODE_ONE * sum(x)).
// Codes of 8 bits do not fit bfloat16's mantissa; they are converted, also exactly.
//
// The order of the codes in the pairs is pair_first(i), pair_second(i); x has to be taken in the same order.

#if ELEMENT == 1
#define MANTISSA 10
#define ONES 0x3c003c00u
#else
#define MANTISSA 7
#define ONES 0x3f803f80u
#endif

#if BITS == 8 && ELEMENT != 1
#define CODE_SCALE 1.0f
#define CODE_ONE 0.0f
#else
#define CODE_SCALE ((float)(1 << BITS))
#define CODE_ONE 1.0f
#endif

struct Pack {
    u32 word[BITS];
};

DEVICE Pack load_pack(const u32 *p) {
    Pack pack;
#if BITS % 4 == 0
#pragma unroll
    for (int i = 0; i < BITS / 4; i++) {
        uint4 v = stream16(p + 4 * i);
        pack.word[4 * i] = v.x;
        pack.word[4 * i + 1] = v.y;
        pack.word[4 * i + 2] = v.z;
        pack.word[4 * i + 3] = v.w;
    }
#elif BITS % 2 == 0
#pragma unroll
    for (int i = 0; i < BITS / 2; i++) {
        uint2 v = stream8(p + 2 * i);
        pack.word[2 * i] = v.x;
        pack.word[2 * i + 1] = v.y;
    }
#else
#pragma unroll
    for (int i = 0; i < BITS; i++) pack.word[i] = stream4(p + i);
#endif
    return pack;
}

/// Positions (0..32) of the two codes of pair i (0..16).
DEVICE constexpr int pair_first(int i) {
    return BITS == 4 ? (i / 4) * 8 + i % 4 : 2 * i;
}
DEVICE constexpr int pair_second(int i) {
    return BITS == 4 ? pair_first(i) + 4 : 2 * i + 1;
}

DEVICE u32 shifted(u32 w, int right) { return right >= 0 ? w >> right : w << -right; }

/// Code i of a pack with its lowest bit at `place`; other bits are anything.
DEVICE u32 code_at(const Pack &p, int i, int place) {
    int bit = i * BITS, word = bit / 32, offset = bit % 32;
    if (offset + BITS <= 32) return shifted(p.word[word], offset - place);
    return __funnelshift_r(p.word[word], p.word[word + 1], offset - place);
}

/// Pair i of a pack as two 16-bit floats.
DEVICE u32 code_pair(const Pack &p, int i) {
    constexpr u32 mask = ((1u << BITS) - 1u) * 0x00010001u;
#if BITS == 8 && ELEMENT != 1
    u32 w = p.word[i / 2];
    u32 low = __byte_perm(w, 0x4b000000u, i % 2 ? 0x7542 : 0x7540);
    u32 high = __byte_perm(w, 0x4b000000u, i % 2 ? 0x7543 : 0x7541);
    return ::pack(__uint_as_float(low) - 8388608.0f, __uint_as_float(high) - 8388608.0f);
#elif BITS == 4
    constexpr int place = MANTISSA - BITS;
    return masked(shifted(p.word[i / 4], i % 4 * BITS - place), mask << place, ONES);
#else
    constexpr int place = MANTISSA - BITS;
    u32 both = __byte_perm(code_at(p, 2 * i, place), code_at(p, 2 * i + 1, place), 0x5410);
    return masked(both, mask << place, ONES);
#endif
}

#define TERMS (ELEMENT == 0 ? 3 : 1) // 16-bit terms whose sum is an element of x, exactly

/// 32 elements, two a word, as pairs in the order of the codes.
DEVICE void reorder(u32 (&pairs)[16], const u32 (&v)[16]) {
#pragma unroll
    for (int i = 0; i < 16; i++) {
        int a = pair_first(i), b = pair_second(i);
        pairs[i] = __byte_perm(v[a / 2], v[b / 2], (a % 2 ? 0x32 : 0x10) | (b % 2 ? 0x7600 : 0x5400));
    }
}

/// The 32 values of x that belong to one pack, as pairs in the order of the codes.
DEVICE void load_x(u32 (&pairs)[TERMS][16], const Element *x) {
#if ELEMENT == 0
    float v[32];
#pragma unroll
    for (int i = 0; i < 8; i++) {
        float4 q = ((const float4 *)x)[i];
        v[4 * i] = q.x;
        v[4 * i + 1] = q.y;
        v[4 * i + 2] = q.z;
        v[4 * i + 3] = q.w;
    }
#pragma unroll
    for (int i = 0; i < 16; i++) {
        float a = v[pair_first(i)], b = v[pair_second(i)];
#pragma unroll
        for (int term = 0; term < TERMS; term++) {
            u32 p = pack(a, b);
            pairs[term][i] = p;
            a -= low_half(p);
            b -= high_half(p);
        }
    }
#else
    u32 v[16];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        uint4 q = ((const uint4 *)x)[i];
        v[4 * i] = q.x;
        v[4 * i + 1] = q.y;
        v[4 * i + 2] = q.z;
        v[4 * i + 3] = q.w;
    }
    reorder(pairs[0], v);
#endif
}
