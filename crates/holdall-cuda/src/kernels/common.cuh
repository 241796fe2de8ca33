// What the hand-written kernels share. The loader puts this text, and the #defines of a variant, before a kernel's own text;
// NVRTC needs no header for it.
//
// ELEMENT: element type of activations, scales and caches: 0 float32, 1 float16, 2 bfloat16.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef ELEMENT
#define ELEMENT 2
#endif

#if ELEMENT == 0
typedef float Element;
#else
typedef u16 Element; // the bits of a 16-bit float
#endif

#define DEVICE static __device__ __forceinline__

DEVICE float f16_to_float(u16 bits) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(bits));
    return f;
}

DEVICE float low_half(u32 pair) {
#if ELEMENT == 1
    return f16_to_float((u16)pair);
#else
    return __uint_as_float(pair << 16);
#endif
}

DEVICE float high_half(u32 pair) {
#if ELEMENT == 1
    return f16_to_float((u16)(pair >> 16));
#else
    return __uint_as_float(pair & 0xffff0000u);
#endif
}

DEVICE float to_float(Element e) {
#if ELEMENT == 0
    return e;
#else
    return low_half(e);
#endif
}

DEVICE Element from_float(float f) {
#if ELEMENT == 0
    return f;
#elif ELEMENT == 1
    u16 bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(f));
    return bits;
#else
    u16 bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(f));
    return bits;
#endif
}

/// Two floats as a pair of 16-bit floats; bfloat16 unless elements are float16.
DEVICE u32 pack(float low, float high) {
    u32 pair;
#if ELEMENT == 1
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
#endif
    return pair;
}

/// a · b + c of pairs, each rounded once.
DEVICE u32 fma_pair(u32 a, u32 b, u32 c) {
    u32 d;
#if ELEMENT == 1
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
#else
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
#endif
    return d;
}

/// (a & mask) | ones, as one operation.
DEVICE u32 masked(u32 a, u32 mask, u32 ones) {
    u32 d;
    asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(d) : "r"(a), "r"(mask), "r"(ones));
    return d;
}

/// Loads that are used once and should not push anything out of the first-level cache.
DEVICE uint4 stream16(const void *p) {
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(p));
    return v;
}

DEVICE uint2 stream8(const void *p) {
    uint2 v;
    asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p));
    return v;
}

DEVICE u32 stream4(const void *p) {
    u32 v;
    asm volatile("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(v) : "l"(p));
    return v;
}

/// c += a · b for a 16x16 by 16x8 tile; c is float32. Thread 4g+t holds rows g, g+8 of a and c, column g of b.
DEVICE void mma(float (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
#if ELEMENT == 1
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#endif
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

/// Waits for the kernels before this one in its stream, where it was launched with programmatic stream serialisation (before sm_90, or
/// launched plainly, it does nothing). What is read or written before it must be constant for those kernels too.
DEVICE void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// Lets the next kernel's blocks start as soon as they find room; it does its own waiting.
DEVICE void let_next_start() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
