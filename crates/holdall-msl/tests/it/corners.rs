//! Corners of the language that kernels use now and then.

use holdall_msl::{ElementType, TemplateValue};

use crate::support::{Kernel, float_of, int_of};

fn ints(header: &str, body: &str, n: usize) -> Vec<i32> {
    let x: Vec<i32> = (0..16).map(|i| i * 3).collect();
    Kernel::new(body)
        .header(header)
        .ints("x", &x)
        .output("y", ElementType::I32, n)
        .template("T", TemplateValue::Type(ElementType::F16))
        .template("N", TemplateValue::Int(4))
        .run_ints()
}

#[test]
fn double_float_arithmetic_is_exact() {
    let header = "#pragma METAL fp contract(off)
        struct df64 { float hi, lo; };
        inline df64 two_sum(float a, float b) { float s = a + b; float v = s - a; return {s, (a - (s - v)) + (b - v)}; }
        inline df64 two_prod(float a, float b) { float p = a * b; return df64{p, metal::fma(a, b, -p)}; }
        static inline df64 add(df64 a, df64 b) { df64 s = two_sum(a.hi, b.hi); s.lo += a.lo + b.lo; return two_sum(s.hi, s.lo); }";
    let body = "df64 a = two_sum(1.0f, 1e-8f); df64 b = add(a, a); y[0] = b.hi; y[1] = b.lo; df64 p = two_prod(1.1f, 1.1f); y[2] = p.lo;";
    let y = Kernel::new(body).header(header).output("y", ElementType::F32, 3).run_floats();
    assert_eq!(y, [2.0, 2e-8, f32::mul_add(1.1, 1.1, -(1.1f32 * 1.1))]);
}

#[test]
fn declarations_of_all_kinds() {
    let header = "using namespace metal;\ntypedef struct { int a; int b; } Plain;\ntypedef struct Tag { int c; } Tagged;\ntypedef float Quad[4];
        static constant constexpr int lut[4] = {1, 2, 4, 8}; constant float2 offsets[2] = {float2(1, 2), {3, 4}}; constant uint mask = ~0u;
        static constexpr constant int alpha = 3, beta = alpha + 1; int total(const thread int a[4]) { return a[0] + a[3]; }
        [[gnu::always_inline]] inline int shared_sum(threadgroup int (&s)[4], uint n) { int t = 0; for (uint i = 0; i < n; i++) t += s[i]; return t; }
        void fill(threadgroup int* s, int v) { s[0] = v; s[1] = v + 1; s[2] = 0; s[3] = 0; }
        inline float erf(float v) { return v * 2; } template <typename U> U max3(U a, U b, U c) { return max(a, max(b, c)); }";
    let body = "Plain p = {1, 2}; Tagged t = {5}; y[0] = p.b + t.c; y[1] = lut[x[1]] + int(offsets[1].x) + int(mask >> 31); y[2] = alpha * 10 + beta;
        int a[N] = {x[1], 0, 0, x[2]}; y[3] = total(a); threadgroup int s[4]; fill(s, 7); y[4] = shared_sum(s, 4); thread int v = 1, *q = &v; *q += 4; y[5] = v;
        const auto c = 5; constexpr auto d = c * 2; y[6] = d; auto& r = a[1]; r = 9; y[7] = a[1]; if (int k = x[3]) y[8] = k; int3 z{1, 2, 3}; y[9] = z[2] + z.y;
        Quad quad; quad[2] = 3; y[10] = quad[2] + erf(1.0f) + max3(1, 5, 3); for (;;) { break; } uint n = 3; int count = 0; while (n--) count++; y[11] = count;
        device int* const w = y; w[12] = *&x[4]; enum class Op { Add = 2, Mul }; Op op = Op::Mul; y[13] = op == Op::Mul; float m[2][2] = {}; m[1][1] = 2; y[14] = m[0][0] + m[1][1];
        const device int& first = x[5]; y[15] = first; T h = T(1.5); y[16] = h * 2; struct { int u; } ; y[17] = sizeof(Plain) + sizeof(Quad);";
    let body = body.replace("struct { int u; } ; ", "");
    let y = ints(header, &body, 18);
    assert_eq!(y, [7, 12, 34, 9, 15, 5, 10, 9, 9, 5, 10, 3, 12, 1, 2, 15, 3, 24]);
}

#[test]
fn vector_pointers_and_generic_vectors() {
    let body = "const device packed_char4* b = (const device packed_char4*)x; y[0] = b[1].x; vec<int, 4> v = *(const device int4*)(x + 4); y[1] = v.w;
        auto w = reinterpret_cast<const device vec<int, 2>*>(x)[1]; y[2] = w.y; *(device int2*)(y + 4) = v.xy; ((device int*)x)[0] = 5; y[6] = x[0];
        ulong u = as_type<ulong>(uint2(1, 2)); y[7] = u >> 32; ushort2 s = ushort2(1, 2) + ushort(3); y[8] = s.y; bool2 l = s > 4; y[9] = l.x + 2 * l.y;
        int4 sel = select(int4(1), int4(2), v > 12); y[3] = sel.x + sel.y * 10; uint3 g(1, 2, 3); g.x++; g.yz = g.zy; y[10] = g.x * 100 + g.y * 10 + g.z;
        float3 f = float3(1, 2, 3); f *= f; f /= 2.0f; f = f - 1; y[11] = f.z * 2; half2 hh = half2(3, 4); y[12] = length(hh); int2 neg = -int2(1, 2); y[13] = neg.y;
        float4 big = float4(f, 7); y[14] = big.w; y[15] = (v & 3).y; packed_float3 pf = f; float3 back = float3(pf) + pf; y[16] = back.z; y[17] = all(l) || any(l);";
    let y = ints("", body, 18);
    assert_eq!(y, [3, 21, 9, 21, 12, 15, 5, 2, 5, 2, 232, 7, 5, -2, 7, 3, 7, 1]);
}

#[test]
fn lambdas_members_and_static_functions() {
    let header = "struct Acc { int sum; int n; static int twice(int v) { return v * 2; } Acc() : sum(0), n(0) {} void operator()(int v) { sum += v; n++; }
          explicit operator bool() const { return n > 0; } operator int() const { return sum; } int mean() const { return n ? sum / n : 0; } };
        template <typename Op> int fold(const device int* p, int n, Op op) { int r = p[0]; for (int i = 1; i < n; i++) r = op(r, p[i]); return r; }
        struct Max { template <typename U> U operator()(U a, U b) const { return a > b ? a : b; } static constexpr constant int init = -5; };
        template <typename T, typename Op, int W = 2> struct Reducer { Op op; T run(T a, T b) { return op(a, b) * W; } };
        template <typename T> struct Traits { using type = int; static constexpr bool wide = sizeof(T) > 2; }; template <> struct Traits<half> { using type = float; static constexpr bool wide = false; };
        template <typename T> typename Traits<T>::type convert(T v) { typename Traits<T>::type r = v; return r; }";
    let body = "Acc acc; acc(3); acc(5); y[0] = acc.mean(); y[1] = Acc::twice(4); y[2] = acc + 1; if (acc) y[3] = 1; y[4] = fold(x, 5, Max{}); y[5] = Max::init;
        Reducer<int, Max> r; y[6] = r.run(2, 9); int base = 10; auto add = [=](int a, int b) { return a + b + base; }; y[7] = fold(x, 3, add); y[8] = convert(half(2.5h)) * 2;
        y[9] = Traits<float>::wide * 2 + Traits<half>::wide; Traits<half>::type f = 0.5f; y[10] = f * 4; Acc* none; ";
    let body = body.replace(" Acc* none;", " Acc other = acc; other(100); y[11] = acc.n;");
    assert_eq!(ints(header, &body, 12), [4, 8, 9, 1, 12, -5, 18, 29, 5, 2, 2, 2]);
}

#[test]
fn shadows_and_scopes() {
    assert_eq!(int_of("int a = 1; { int a = 2; a++; } for (int a = 0; a < 3; a++) {}", "a"), 1);
    assert_eq!(
        int_of(
            "int s = 0; for (int i = 0; i < 3; i++) { int t; if (i == 0) t = 5; else t = i; s += t; }",
            "s"
        ),
        8
    );
    assert_eq!(
        int_of("int r = 0; switch (2) { case 2: { int q = 4; r = q; break; } default: r = 1; }", "r"),
        4
    );
    assert_eq!(float_of("float max = 3; float min = 1;", "max - min"), 2.0);
    assert_eq!(
        int_of("int i = 0; int a[3] = {1, 2, 3}; a[i++] += 10; a[i] *= i + 1;", "a[0] * 100 + a[1] * 10 + i"),
        1141
    );
    assert_eq!(int_of("bool b = true; b = b && !b || b; int n = 0; b ? n++ : n--;", "n"), 1);
    assert_eq!(
        int_of("uint64_t h = 14695981039346656037ul; h ^= 5; h *= 1099511628211ul;", "int(h >> 40)"),
        ((14695981039346656037u64 ^ 5).wrapping_mul(1099511628211) >> 40) as i32
    );
    assert_eq!(int_of("int k = 5; int j = k-- - --k;", "j * 10 + k"), 23);
    assert_eq!(float_of("half a = 1; float b = 2; bool c = true;", "(c ? a : b) + (c ? 1 : 2.5f)"), 2.0);
}

#[test]
fn pointers_live_in_structs_and_arrays() {
    let header = "struct View { const device int* data; int stride; int at(int i) const { return data[i * stride]; } };
        View shifted(View v, int by) { v.data += by; return v; } struct Pair { thread int* a; device int* out; };";
    let body = "View v = {x, 2}; y[0] = v.at(3); y[1] = shifted(v, 1).at(1); const device int* rows[3] = {x, x + 4, x + 8}; int s = 0;
        for (int i = 0; i < 3; i++) s += rows[i][1]; y[2] = s; int local = 7; Pair p = {&local, y + 3}; *p.a += 1; p.out[0] = local;
        View views[2] = {{x, 1}, {x + 1, 3}}; for (int i = 0; i < 2; i++) y[4 + i] = views[i].at(2); rows[1] = nullptr; y[6] = rows[1] == nullptr;
        const int five = 5; thread const int* q = &five; y[7] = *q; for (int i = 0; i < 3; i++) { rows[i]++; } y[8] = rows[2] - x;";
    let body = body.replace("{ rows[i]++; }", "{ if (i != 1) rows[i]++; }");
    assert_eq!(ints(header, &body, 9), [18, 9, 45, 8, 6, 21, 1, 5, 9]);
}

/// Whether the machine of the tests meets a value that was never written.
fn reads_nothing(statements: &str) -> bool {
    let result = std::panic::catch_unwind(|| int_of(statements, "r"));
    result.is_err_and(|panic| {
        panic.downcast_ref::<String>().is_some_and(|text| text.contains("before it is written"))
    })
}

#[test]
fn reads_of_unwritten_variables_stay_reads() {
    assert!(reads_nothing("int r;"));
    assert!(reads_nothing("int a; int c = y[0]; if (c == 1) a = 5; int r = a;"));
    assert!(reads_nothing("int r = 0; for (int i = 0; i < 2; i++) { int t; if (i == 0) t = 1; r += t; }"));
    assert!(reads_nothing(
        "auto f = [&](int v) { if (v == 1) return 3; if (v == 2) return 3; }; int r = f(y[0] + 3);"
    ));
    assert!(reads_nothing("float2 v; v.x = 1; int r = v.y;"));
    assert!(!reads_nothing("int r; for (int i = 0; i < 2; i++) { int t; if (i >= 0) t = 1; r = t; }"));
}

#[test]
fn limits_of_all_types() {
    let body = "y[0] = isinf(Limits<bfloat16_t>::min) && Limits<bfloat16_t>::min < 0; y[1] = Limits<bool>::max; y[2] = numeric_limits<ulong>::max() == ~0ul;
        y[3] = metal::numeric_limits<float>::infinity() == INFINITY; y[4] = Limits<int8_t>::min; y[5] = numeric_limits<short>::digits; y[6] = ceildiv(7, 2);
        y[7] = numeric_limits<half>::epsilon() == 0.0009765625h; { threadgroup T tile[N][2]; tile[1][1] = T(2); y[8] = sizeof(tile) + int(tile[1][1]); } y[9] = M_PI_F > 3.14f;";
    assert_eq!(ints("", body, 10), [1, 1, 1, 1, -128, 15, 4, 1, 18, 1]);
}

#[test]
fn code_that_people_write() {
    let header = "#include <metal_simdgroup>\n#include \"mlx/backend/metal/kernels/utils.h\"\nusing namespace metal;
        #define MLX_MTL_PRAGMA_UNROLL _Pragma(\"clang loop unroll(full)\")\n#define STEEL_CONST static constant constexpr const
        template <typename T, short BM, short BN> struct Loader { STEEL_CONST short n_reads = (BM * BN) / 32; const int src_ld; const short bi;
          threadgroup T* dst; const device T* src; METAL_FUNC Loader(const device T* src_, const int ld, threadgroup T* dst_, ushort lane [[thread_index_in_simdgroup]])
            : src_ld(ld), bi(lane / BN), dst(dst_ + bi * BN), src(src_ + bi * src_ld) {}
          METAL_FUNC void load() const { MLX_MTL_PRAGMA_UNROLL for (short i = 0; i < BM; i++) { dst[i] = src[i * src_ld]; } } METAL_FUNC void next() { src += BN; } };
        template <typename U> struct Add { U operator()(U a, U b) { return a + b; } static constexpr constant U init = 0; };
        template <typename U, typename Op = Add<U>> inline U simd_reduce_all(U v) { Op op; for (ushort s = 16; s > 0; s >>= 1) v = op(v, simd_shuffle_xor(v, s)); return v; }
        inline uint hash(uint x) { x ^= x >> 16; x *= 0x7feb352dU; x ^= x >> 15; x *= 0x846ca68bU; return x ^ (x >> 16); }
        METAL_FUNC float4 dequant(uint packed, float scale, float bias) { return float4((uint4(packed) >> uint4(0, 4, 8, 12)) & 0xfu) * scale + bias; }";
    let body = "threadgroup int tile[8]; uint lane = thread_index_in_simdgroup; Loader<int, 4, 2> loader(x, 2, tile, ushort(lane));
        if (lane == 0) { loader.load(); } threadgroup_barrier(metal::mem_flags::mem_threadgroup); y[0] = tile[3]; loader.next(); y[1] = simd_reduce_all(int(lane));
        y[2] = hash(1u) & 0xff; float4 d = dequant(0x4321, 2.0f, 1.0f); y[3] = d.x + d.w * 10; const uint64_t big = (uint64_t)x[2] << 33; y[4] = big >> 32;
        constexpr short reads = Loader<int, 8, 8>::n_reads; y[5] = reads; const int2 block = {int(lane) / 8, int(lane) % 8}; if (lane == 9) { y[6] = block.x * 10 + block.y; }
        device uchar* bytes = (device uchar*)(y + 7); bytes[0] = 1; bytes[1] = (uchar)257; half hv = (half)x[1]; y[8] = hv * hv + (half)0.5f > 9 ? 1 : 0;";
    let x: Vec<i32> = (0..16).map(|i| i * 3).collect();
    let kernel = Kernel::new(body).header(header).ints("x", &x).output("y", ElementType::I32, 9).grid(32, 32);
    let h = {
        let mut v = 1u32;
        v ^= v >> 16;
        v = v.wrapping_mul(0x7feb_352d);
        v ^= v >> 15;
        v = v.wrapping_mul(0x846c_a68b);
        ((v ^ (v >> 16)) & 0xff) as i32
    };
    assert_eq!(kernel.run_ints(), [18, 496, h, 93, 12, 2, 11, 257, 1]);
}

#[test]
fn decltype_names_the_type_of_an_expression() {
    let header = "template <typename T> T holdall_square(T x) { return x * x; }";
    let body = "float a = 3; half h = 2; y[0] = ((a * decltype(a)(0.5)) + decltype((a + h))(1.0)) * 2; decltype(x[0]) k = 7.9f; y[1] = k;
        y[2] = holdall_square((a < decltype(a)(4.0)) ? a : (-a)); y[3] = sizeof(decltype(h * h)) + sizeof(decltype(h * a));";
    assert_eq!(ints(header, body, 4), [5, 7, 9, 6]);
}
