//! Pointers, vectors, functions, structs, templates, the preprocessor.

use holdall_msl::{ElementType, TemplateValue};

use crate::support::{Kernel, float_of, int_of};

fn ints(header: &str, body: &str, n: usize) -> Vec<i32> {
    Kernel::new(body).header(header).output("y", ElementType::I32, n).run_ints()
}

fn floats(header: &str, body: &str, n: usize) -> Vec<f32> {
    Kernel::new(body).header(header).output("y", ElementType::F32, n).run_floats()
}

#[test]
fn pointers_walk_compare_and_cast() {
    let body = "const device int* p = x + 2; auto q = &x[5]; y[0] = *p; y[1] = q[-1]; y[2] = q - p; y[3] = p < q;
        p++; y[4] = *p++; y[5] = *p; y[6] = ((const device uchar*)x)[4]; device int* w = y + 7; *w = 70; w[1] = 71;
        y[9] = *(const device short*)(x + 1); y[10] = q == x + 5; y[11] = reinterpret_cast<const device uint*>(x)[9];
        thread int* none = nullptr; y[12] = none == nullptr ? 1 : 0; y[13] = 3[x];";
    let x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    let kernel = Kernel::new(body).ints("x", &x).output("y", ElementType::I32, 14);
    assert_eq!(kernel.run_ints(), [3, 5, 3, 1, 4, 5, 2, 70, 71, 2, 1, 10, 1, 4]);
}

#[test]
fn pointers_choose_between_objects() {
    let body = "uint i = thread_position_in_grid.x; const device int* p = i % 2 ? a : b; y[i] = p[i];";
    let kernel =
        Kernel::new(body).ints("a", &[1; 8]).ints("b", &[2; 8]).output("y", ElementType::I32, 8).grid(8, 8);
    assert_eq!(kernel.run_ints(), [2, 1, 2, 1, 2, 1, 2, 1]);
}

#[test]
fn local_arrays_and_pointers_to_locals() {
    let header = "void swap(thread int* a, thread int* b) { int t = *a; *a = *b; *b = t; }
        void bump(thread int& a) { a += 100; }
        int sum(thread const int* p, int n) { int s = 0; for (int i = 0; i < n; i++) s += p[i]; return s; }";
    let body = "int a[4] = {1, 2, 3}; int b = 7, c = 8; swap(&b, &c); bump(b); y[0] = b; y[1] = c; y[2] = sum(a, 4);
        for (int i = 0; i < 4; i++) a[i] = i * i; y[3] = sum(a, 4); int m[2][3] = {{1, 2, 3}, {4, 5, 6}}; y[4] = m[1][0];
        thread int* r = m[1]; y[5] = r[2]; swap(&a[0], &a[3]); y[6] = a[0]; int z[100] = {5}; y[7] = z[0] + z[99];
        int flat[2][2] = {1, 2, 3, 4}; y[8] = flat[1][0]; int u[] = {4, 5, 6}; y[9] = sizeof(u) / sizeof(u[0]);";
    assert_eq!(ints(header, body, 10), [108, 7, 6, 14, 4, 6, 9, 5, 3, 3]);
}

#[test]
fn vectors_swizzle_and_compute() {
    let body = "float4 v = float4(1, 2, 3, 4); float2 w = v.zx; y[0] = w.x; v.xy = v.yx; y[1] = v.x; y[2] = v[2];
        float3 a = float3(v.xy, 5) * 2.0f; y[3] = a.z; y[4] = dot(a, float3(1)); v.wzyx = v; y[5] = v.x; v += 1; y[6] = v.w;
        int3 i = int3(float3(1.9f, -1.9f, 3)); y[7] = i.y; y[8] = all(v == v) ? 1 : 0; y[9] = any(v > 100.0f);
        float3 c = cross(float3(1, 0, 0), float3(0, 1, 0)); y[10] = c.z; y[11] = length(float2(3, 4)); uchar4 u(250);
        u += uchar4(10); y[12] = u.x; half4 h = half4(v); y[13] = h.y; v.r = 9; y[14] = v.x; int k = 2; y[15] = v[k];
        float2 s = select(float2(1, 2), float2(3, 4), bool2(true, false)); y[16] = s.x * 10 + s.y; vec<float, 2> g = {6, 7};
        y[17] = g.y; y[18] = float4(g, g).w; v.yz *= 2; y[19] = v.y; float2 t = -g; y[20] = t.x; y[21] = v.zw.y;";
    let got = floats("", body, 22);
    let want = [
        3.0, 2.0, 3.0, 10.0, 16.0, 4.0, 3.0, -1.0, 1.0, 0.0, 1.0, 5.0, 4.0, 4.0, 9.0, 2.0, 32.0, 7.0, 7.0,
        8.0, -6.0, 3.0,
    ];
    assert_eq!(got, want);
}

#[test]
fn vectors_in_memory_have_their_layout() {
    assert_eq!(int_of("", "sizeof(float3) * 100 + sizeof(packed_float3)"), 1612);
    assert_eq!(int_of("struct S { char a; float3 b; uchar c; };", "sizeof(S) * 100 + alignof(S)"), 4816);
    assert_eq!(int_of("struct S { char a; packed_float3 b; short c; };", "sizeof(S)"), 20);
    let body = "const device float4* p = (const device float4*)x; float4 v = p[1]; y[0] = v.x + v.w;
        const device packed_float3* q = (const device packed_float3*)x; float3 w = q[1]; y[1] = w.x;
        ((device float2*)y)[1] = v.yz; y[4] = ((const device half2*)x)[0].y;";
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let kernel = Kernel::new(body).floats("x", &x).output("y", ElementType::F32, 5);
    assert_eq!(kernel.run_floats(), [13.0, 4.0, 6.0, 7.0, 1.875]);
}

#[test]
fn functions_return_early_overload_and_default() {
    let header = "int sign_of(int x) { if (x < 0) return -1; if (x > 0) { return 1; } return 0; }
        int find(const device int* p, int n, int what) { for (int i = 0; i < n; i++) { if (p[i] == what) return i; } return -1; }
        float twice(float x) { return x * 2; } int twice(int x) { return x * 3; } int add(int a, int b = 10) { return a + b; }
        namespace inner { constant int k = 5; int get() { return k; } namespace deep { int get() { return k + 1; } } }
        void two(int x, thread int& a, thread int& b) { a = x; if (x == 1) return; b = x; }";
    let body = "y[0] = sign_of(-5); y[1] = sign_of(5) + sign_of(0) * 10; y[2] = find(x, 4, 30); y[3] = find(x, 4, 99);
        y[4] = twice(1); y[5] = twice(1.0f); y[6] = add(1); y[7] = add(1, 2); y[8] = inner::get() + inner::deep::get();
        int a = 0, b = 0; two(1, a, b); y[9] = a * 10 + b; two(2, a, b); y[10] = a * 10 + b;";
    let kernel = Kernel::new(body).header(header).ints("x", &[10, 20, 30, 40, 1, 1, 1, 1]).output(
        "y",
        ElementType::I32,
        11,
    );
    assert_eq!(kernel.run_ints(), [-1, 1, 2, -1, 3, 2, 11, 3, 11, 10, 22]);
}

#[test]
fn structs_have_members_and_operators() {
    let header = "struct Pair { int a; int b = 4; int sum() const { return a + b; } void set(int v) { a = v; this->b = v + 1; } };
        struct V { float x, y; V(float a, float b) : x(a), y(b) {} V() : V(0, 0) {} V operator+(V o) const { return V(x + o.x, y + o.y); }
          thread V& operator+=(V o) { x += o.x; y += o.y; return *this; } float operator[](int i) const { return i ? y : x; } };
        V operator*(V a, float s) { return V(a.x * s, a.y * s); } bool operator==(V a, V b) { return a.x == b.x && a.y == b.y; }
        struct Stack { int data[4]; int n = 0; void push(int v) { data[n++] = v; } int pop() { return data[--n]; } };
        struct Add { int k; int operator()(int x) const { return x + k; } }; enum Mode { A, B = 5, C }; enum class E : uchar { X = 3 };
        struct Con { static constexpr int n = 3; typedef float T; using U = int; };";
    let body = "Pair p = {1}; y[0] = p.sum(); p.set(7); y[1] = p.a * 10 + p.b; V v(1, 2); V w = v + V(3, 4); w += v; y[2] = w.x; y[3] = w[1];
        y[4] = (w * 2.0f).y; y[5] = w == v; Stack s; s.push(4); s.push(6); y[6] = s.pop() * 10 + s.pop(); Add add{5}; y[7] = add(1);
        y[8] = C; y[9] = int(E::X); Con::T f = 1.5f; y[10] = Con::n + int(f * 2); Pair ps[3] = {{1, 2}, {3, 4}}; int i = 1; y[11] = ps[i].b;
        thread Pair* q = &ps[2]; q->a = 9; y[12] = ps[2].a; V z; y[13] = z.x; Pair copy = ps[1]; copy.a = 0; y[14] = ps[1].a;";
    assert_eq!(ints(header, body, 15), [5, 78, 5, 8, 16, 0, 64, 6, 6, 3, 6, 4, 9, 0, 3]);
}

#[test]
fn templates_deduce_specialise_and_instantiate() {
    let header = "template <typename T> T twice(T x) { return x + x; } template <> float twice<float>(float x) { return x * 20; }
        template <typename T, int N> T sum(thread const T (&a)[N]) { T s = 0; for (int i = 0; i < N; i++) s += a[i]; return s; }
        template <int N> int power(int x) { if constexpr (N == 0) { return 1; } else { return x * power<N - 1>(x); } }
        template <typename T> struct Box { T v; Box(T x) : v(x) {} T get() const { return v; } template <typename U> U as() const { return U(v); } };
        template <typename T> struct Name { static constexpr int id = 0; }; template <> struct Name<half> { static constexpr int id = 1; };
        template <typename T> struct Name<device T*> { static constexpr int id = 10 + Name<T>::id; };
        template <typename A, typename B = A> constexpr bool same() { return is_same_v<A, B>; }
        template <typename T> T load(const device T* p, uint i) { return p[i]; } template <typename T> using Pair = vec<T, 2>;
        template <typename T, metal::enable_if_t<metal::is_floating_point_v<T>, bool> = true> int kind(T) { return 1; }
        template <typename T, metal::enable_if_t<!metal::is_floating_point<T>::value, bool> = true> int kind(T) { return 2; }
        template <typename F> int apply(F f, int x) { return f(x); }";
    let body = "y[0] = twice(4); y[1] = twice(1.0f); int a[3] = {1, 2, 3}; y[2] = sum(a); y[3] = power<3>(2); Box<float> b(2.5f); y[4] = b.as<int>();
        y[5] = Name<float>::id + Name<half>::id; y[6] = Name<device half*>::id; y[7] = same<int>() + same<int, uint>(); y[8] = load(x, 1);
        Pair<int> p(3, 4); y[9] = p.y; y[10] = kind(1.0f) * 10 + kind(1u); auto f = [&](int v) { return v * a[2]; }; y[11] = apply(f, 5);
        y[12] = twice<int>(7); y[13] = f(2); y[14] = N + int(T(2.7f)) + (flag ? 100 : 0);";
    let kernel = Kernel::new(body)
        .header(header)
        .ints("x", &[5, 6, 7, 8, 9, 10, 11, 12])
        .output("y", ElementType::I32, 15)
        .template("T", TemplateValue::Type(ElementType::I32))
        .template("N", TemplateValue::Int(4))
        .template("flag", TemplateValue::Bool(true));
    assert_eq!(kernel.run_ints(), [8, 20, 6, 8, 2, 1, 11, 1, 6, 4, 12, 15, 14, 6, 106]);
}

#[test]
fn constants_are_evaluated() {
    let header = "constant constexpr float table[] = {0.5f, 1.5f, 2.5f}; constant int N = 4; constexpr int pad(int x) { return (x + 3) / 4 * 4; }
        constexpr int fact(int n) { int r = 1; for (int i = 2; i <= n; i++) r *= i; return r; } static_assert(fact(5) == 120, \"five\");
        constant int grid[2][2] = {{1, 2}, {3, 4}};";
    let body = "int i = N - 2; y[0] = table[i] * 2; int buffer[pad(N + 1)]; y[1] = sizeof(buffer) / 4; constexpr int M = fact(4); y[2] = M;
        const int w[] = {7, 8, 9}; y[3] = w[i]; y[4] = grid[1][i - 2]; y[5] = pad(i); const int K = N * 2; int again[K]; again[0] = 1; y[6] = sizeof(again);
        y[7] = numeric_limits<int>::max() == INT_MAX; y[8] = isinf(Limits<float>::max); y[9] = numeric_limits<half>::max() == 65504;";
    assert_eq!(ints(header, body, 10), [5, 8, 24, 9, 3, 4, 32, 1, 1, 1]);
}

#[test]
fn the_preprocessor_expands() {
    let header = "#include <metal_stdlib>\n#define SQ(x) ((x) * (x))\n#define CAT(a, b) a##b\n#define LOOP(n, ...) for (int i = 0; i < n; i++) { __VA_ARGS__ }
#define STEP(k) total += k; \\\n total *= 2;\n#if defined(SQ) && (__METAL_VERSION__ >= 300)\n#define OK 1\n#elif 1\n#define OK 2\n#else\n#error no\n#endif
#define F(x) G(x)\n#define G(x) F(x) + 1\n#undef F\nint F(int x) { return x; }\n#ifdef NOTHING\n#error nothing\n#endif\n#pragma METAL fp contract(off)\n#define EMPTY()\n#define SELF SELF_ + 1\n#define SELF_ 3";
    let body = "int total = 0; LOOP(3, total += SQ(i + 1);) y[0] = total; int xy = 5; y[1] = CAT(x, y); y[2] = OK; STEP(1)\n y[3] = total;
        y[4] = F(4); EMPTY() y[5] = __LINE__;\n#pragma unroll\nfor (int k = 0; k < 2; k++) y[6] = k; y[7] = SELF * 2;";
    assert_eq!(ints(header, body, 8), [14, 5, 1, 30, 4, 3, 1, 5]);
}

#[test]
fn as_type_and_integer_functions() {
    assert_eq!(int_of("", "as_type<int>(1.0f)"), 0x3f80_0000);
    assert_eq!(float_of("", "as_type<float>(0x40490fdbu)"), std::f32::consts::PI);
    assert_eq!(int_of("half2 h = half2(1, 2); uint u = as_type<uint>(h);", "u"), 0x4000_3c00);
    assert_eq!(int_of("uint u = 0x04030201; uchar4 c = as_type<uchar4>(u);", "c.z"), 3);
    assert_eq!(int_of("", "popcount(0xffu) + clz(1u) + ctz(8u)"), 42);
    assert_eq!(int_of("", "mulhi(0x80000000u, 6u) + int(mulhi(0xffffffffffffffffu, 2ul))"), 4);
    assert_eq!(int_of("", "rotate(0x80000001u, 1u)"), 3);
    assert_eq!(int_of("", "extract_bits(0xabcdu, 4, 8) + extract_bits(-1, 0, 4)"), 0xbc - 1);
    assert_eq!(int_of("", "insert_bits(0u, 0xfu, 4, 4)"), 0xf0);
    assert_eq!(int_of("", "absdiff(-5, 7) + hadd(7, 8) + rhadd(7, 8) + abs(-3) + madhi(1 << 30, 8, 1)"), 33);
    assert_eq!(int_of("ushort s = 1;", "reverse_bits(s) == 0x8000"), 1);
}

#[test]
fn math_functions_resolve_their_overloads() {
    assert_eq!(float_of("float x = -1;", "max(x, 0.5f) + min(2.0f, x) + metal::abs(x)"), 0.5);
    assert_eq!(float_of("half h = 2;", "max(h, 3.0f) + fast::exp2(2.0f) + metal::precise::sqrt(4.0f)"), 9.0);
    assert_eq!(float_of("float x = 3;", "pow(x, 2) + fma(x, x, 1.0f) + clamp(x, 0.0f, 1.0f)"), 20.0);
    assert_eq!(int_of("short s = 3; uint n = 7;", "max(s, short(5)) + min(n, 9u) + clamp(4, 0, 3)"), 15);
    assert_eq!(
        float_of(
            "float c; float s = sincos(0.0f, c);",
            "s + c + sign(-2.0f) + fract(1.25f) + mix(0.0f, 10.0f, 0.5f)"
        ),
        5.25
    );
    assert_eq!(float_of("bfloat b = 4;", "sqrt(b) + rsqrt(b) + saturate(2.0f) + step(1.0f, 2.0f)"), 4.5);
    assert_eq!(int_of("float n = NAN;", "isnan(n) + isinf(INFINITY) * 2 + isfinite(1.0f) * 4 + (n == n)"), 7);
    assert_eq!(
        float_of("", "select(1.0f, 2.0f, true) + ldexp(1.0f, 3) + copysign(2.0f, -1.0f) + fmod(7.0f, 4.0f)"),
        11.0
    );
    assert_eq!(float_of("int e; float m = frexp(12.0f, e);", "m + e"), 4.75);
    assert_eq!(float_of("float4 v = max(float4(1, -2, 3, -4), 0.0f);", "v.x + v.y + v.z + v.w"), 4.0);
    // Exactly rounded float arithmetic: the error of a product, as double-float code has it.
    assert_eq!(
        float_of("float a = 1.0000001f; float p = a * a;", "fma(a, a, -p)"),
        f32::mul_add(1.000_000_1, 1.000_000_1, -(1.000_000_1f32 * 1.000_000_1))
    );
}

#[test]
fn complex_numbers_are_a_struct() {
    let data: Vec<u8> = [1.0f32, 2.0, 3.0, -1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let body = "complex64_t p = x[0] * x[1] + 1.0f; y[0] = p.real; y[1] = p.imag;";
    let kernel =
        Kernel::new(body).input("x", ElementType::Complex64, data, vec![2]).output("y", ElementType::F32, 2);
    assert_eq!(kernel.run_floats(), [6.0, 5.0]);
}

#[test]
fn elements_are_walked_over_one_by_one() {
    let body = "LoopedElemToLoc<2, int64_t> loop(x_ndim); int n = 0; for (int i = 0; i < 6; i++) { y[i] = x[loop.location()]; loop.next(x_shape, x_strides); }
        y[6] = loop.location();";
    let kernel = Kernel::new(body)
        .input("x", ElementType::I32, crate::support::ints(&[1, 2, 3, 4, 5, 6]), vec![2, 3])
        .output("y", ElementType::I32, 7);
    assert_eq!(kernel.run_ints(), [1, 2, 3, 4, 5, 6, 0]);
}
