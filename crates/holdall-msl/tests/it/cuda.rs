//! What kernels are as CUDA C++. Whether NVRTC takes it is asked by `cargo xtask oracle cuda`.

use holdall_msl::cuda::{CudaArgument, CudaKernel, CudaOptions, translate};
use holdall_msl::{ElementType, Input, KernelSource, Output, Part, Signature, TemplateValue};

use crate::samples;

fn kernel(header: &str, body: &str, element: ElementType) -> CudaKernel {
    let input = Input { name: "x", element, ndim: 2, n_elems: 100 };
    let output = Output { name: "y", element };
    let template = [("T", TemplateValue::Type(element)), ("N", TemplateValue::Int(-4))];
    let signature = Signature::derive(body, &[input], &[output], false, &template).expect("a signature");
    let source = KernelSource { name: "my kernel", header, body };
    translate(&source, &signature, &CudaOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// A part of the translation unit.
fn part<'a>(kernel: &'a CudaKernel, name: &str) -> &'a str {
    let (_, rest) = kernel.source().split_once(&format!("#line 1 \"{name}\"\n")).expect("the part");
    rest.split_once("\n#line 1 \"signature\"").expect("its end").0
}

fn body(text: &str) -> String {
    part(&kernel("", text, ElementType::F32), "body").to_owned()
}

fn header(text: &str) -> String {
    part(&kernel(text, "", ElementType::F32), "header").to_owned()
}

/// Without white space that does not matter.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn address_spaces_are_one() {
    assert_eq!(squeezed(&body("device float* p = (device float*)y;")), "float* p = ( float*)y;");
    assert_eq!(squeezed(&body("const constant int* q = c;")), "const const int* q = c;");
    assert_eq!(
        squeezed(&header("void f(thread float& a, threadgroup T* b) {}")),
        "void f( float& a, T* b) {}"
    );
    assert_eq!(squeezed(&header("struct S { void g() thread { } };")), "struct S { void g() { } };");
    assert_eq!(squeezed(&header("constant float t[2] = {1, 2};")), "const float t[2] = {1, 2};");
    assert_eq!(body("x.device;"), body("x.device;").replace("()", ""), "a member is no address space");
}

#[test]
fn only_variables_of_a_group_are_shared() {
    for shared in [
        "threadgroup float a[4];",
        "threadgroup T a[4][N], b;",
        "{ threadgroup metal::vec<float, (2 > 1) ? 2 : 4> a; }",
        "threadgroup atomic_int count;",
        "if (true) { threadgroup unsigned char a[sizeof(T)]; }",
        "static threadgroup float a[2];",
    ] {
        assert!(body(shared).contains("__shared__"), "{shared}");
    }
    for other in [
        "threadgroup float* a = b;",
        "threadgroup T& a = b[0];",
        "threadgroup vec<float, 2>* a = b;",
        "f((threadgroup float*)a);",
        "auto f = [](threadgroup float* a, threadgroup int b[4]) {};",
        "threadgroup float (*rows)[4] = a;",
    ] {
        assert!(!body(other).contains("__shared__"), "{other}");
    }
}

#[test]
fn literals_are_float_and_text_is_left_alone() {
    assert_eq!(
        body("a = 1e-5 + 2. + .5 + 1.0f + 0x1p-2 + 3;"),
        "a = 1e-5f + 2.f + .5f + 1.0f + 0x1p-2f + 3;"
    );
    assert_eq!(header("#define EPS 1e-5 /* 1.0 */ // 2.0"), "#define EPS 1e-5f /* 1.0 */ // 2.0");
    assert_eq!(header("#if VERSION >= 1.0\n#endif"), "#if VERSION >= 1.0\n#endif");
    assert_eq!(body("f(\"device 1.0\", 'd');"), "f(\"device 1.0\", 'd');");
    assert_eq!(body("half h = 1.5h;"), "half h = half::from_bits(0x3e00);");
}

#[test]
fn integers_have_the_sizes_of_the_language() {
    assert_eq!(
        body("long a; unsigned long b; char c; unsigned char d; unsigned e; long long f; short g; signed h;"),
        "int64_t a; uint64_t b; int8_t c; uint8_t d; uint e; int64_t f; short g; int h;"
    );
    assert_eq!(body("(unsigned int)a + long(b) + 1l + 2ul"), "(uint)a + int64_t(b) + 1ll + 2ull");
}

#[test]
fn swizzles_are_values_or_places() {
    let text = kernel("", "a.xy = b.zyx.xy; a.rgb += p->xx; s.x = a[0].w;", ElementType::F32);
    assert_eq!(
        part(&text, "body"),
        "a.holdall_xy() = b.zyx().xy(); a.holdall_rgb() += p->xx(); s.x = a[0].w;"
    );
    let first = text.source().lines().next().unwrap_or_default();
    assert!(first.contains("METAL_SWIZZLE(zyx, 2, 1, 0)") && first.contains("(rgb, 0, 1, 2)"), "{first}");
    // A struct of the user has such a member.
    let cov = kernel("struct Cov { float xx, xy; };", "c.xy = 1; v.yx;", ElementType::F32);
    assert_eq!(part(&cov, "body"), "c.xy = 1; v.yx();");
}

#[test]
fn directives_and_attributes_have_their_counterparts() {
    assert_eq!(
        squeezed(&header("#include <metal_stdlib>\n#pragma METAL fp contract(off)\nint a;")),
        "int a;"
    );
    assert_eq!(header("#include \"mine.h\"").trim(), "#include \"mine.h\"");
    assert_eq!(body("#pragma clang loop unroll(full)\nfor (;;);"), "#pragma unroll\nfor (;;);");
    assert_eq!(body("#pragma unroll(4)\nfor (;;);"), "#pragma unroll 4\nfor (;;);");
    assert_eq!(body("#pragma clang loop unroll(disable)\nfor (;;);"), "#pragma unroll 1\nfor (;;);");
    assert_eq!(header("#define U _Pragma(\"clang loop unroll(full)\")"), "#define U _Pragma(\"unroll\")");
    assert_eq!(squeezed(&header("[[gnu::always_inline]] int f(uint a [[x]]);")), "int f(uint a );");
    assert_eq!(body("a[b[0]] = c[d[1]];"), "a[b[0]] = c[d[1]];");
}

#[test]
fn branches_are_marked_where_short_floats_occur() {
    assert_eq!(body("y[0] = a ? b : 0.5;"), "y[0] = a ? b : 0.5f;");
    let marked = kernel("", "y[0] = a < b ? c : d ? e : 1; return;", ElementType::BF16);
    assert_eq!(
        part(&marked, "body"),
        "y[0] = impl_::settle(a < b ?(( c ), impl_::branch{}):(( impl_::settle(d ?(( e ), impl_::branch{}):(( 1), impl_::branch{}))), impl_::branch{})); return;"
    );
    let template = kernel("", "y[0] = f<A, 2>(a) ? g<A, B>(b) : h<Q, vec<A, 2>>(c), 1;", ElementType::F16);
    assert_eq!(
        part(&template, "body"),
        "y[0] = impl_::settle(f<A, 2>(a) ?(( g<A, B>(b) ), impl_::branch{}):(( h<Q, vec<A, 2>>(c)), impl_::branch{})), 1;"
    );
    let sums = kernel("", "y[0] = c ? a : f<N + 1, N / 2>(z);", ElementType::F16);
    assert_eq!(
        part(&sums, "body"),
        "y[0] = impl_::settle(c ?(( a ), impl_::branch{}):(( f<N + 1, N / 2>(z)), impl_::branch{}));"
    );
    let in_macro = kernel("#define MAX(a, b) ((a) > (b) ? (a) : (b))", "", ElementType::F16);
    assert!(
        part(&in_macro, "header")
            .contains("(impl_::settle((a) > (b) ?(( (a) ), impl_::branch{}):(( (b)), impl_::branch{})))")
    );
}

#[test]
fn the_signature_is_that_of_the_call() {
    let body = "uint i = thread_position_in_grid.x; y[i] = x[i] + x_shape[0] + x_strides[1] + x_ndim;";
    let kernel = kernel("", body, ElementType::F16);
    let expected = [
        CudaArgument::Buffer(0),
        CudaArgument::Shape(0),
        CudaArgument::Strides(0),
        CudaArgument::Ndim(0),
        CudaArgument::Buffer(4),
        CudaArgument::Launch,
    ];
    assert_eq!(kernel.arguments(), expected);
    assert_eq!(kernel.arguments().iter().map(|a| a.size()).sum::<usize>(), 8 + 64 + 128 + 4 + 8 + 24);
    assert_eq!(kernel.entry(), "holdall_kernel_my_kernel");
    for line in [
        "extern \"C\" __global__ void holdall_kernel_my_kernel(",
        "const float16_t* holdall_argument_x,",
        "using T = float16_t;",
        "constexpr int N = -4;",
        "if (threadIdx.x >= holdall_at.n) return;",
    ] {
        assert!(kernel.source().contains(line), "{line}");
    }
    assert!(kernel.options().contains(&"--fmad=false"));
}

#[test]
fn what_nvrtc_says_is_about_the_users_lines() {
    let kernel = kernel("", "\nfloat a = undefined_thing;\n", ElementType::F32);
    let log = "body(2): error: identifier \"undefined_thing\" is undefined\n  float a = undefined_thing;\n            ^\n\n1 error detected in the compilation of \"kernel.cu\".\n";
    let error = kernel.diagnose(log);
    let label = error.diagnostics()[0].label().expect("a place");
    assert_eq!((label.position().part, label.position().line, label.position().column), (Part::Body, 2, 11));
    assert_eq!(label.line(), "float a = undefined_thing;");
}

#[test]
fn lines_keep_their_numbers() {
    let parts = [
        samples::SOFTMAX,
        samples::GIVENS_HEADER,
        samples::GIVENS,
        samples::GATED_DELTA,
        samples::MATMUL_HEADER,
        samples::TOP_K_HEADER,
        samples::TOP_K,
        samples::BF16_HEADER,
        samples::SIMD_MATMUL,
        "a /* over\nlines */ [[maybe_unused\n]] b;\n#define X \\\n  1.0 \\\n  + 2.0\nunsigned\nlong c;\n#include <metal_math>\nd ?\n e\n : f;\n",
    ];
    for text in parts {
        for element in [ElementType::F32, ElementType::BF16] {
            let kernel = kernel(text, "", element);
            let rewritten = part(&kernel, "header");
            assert_eq!(rewritten.matches('\n').count(), text.matches('\n').count(), "{rewritten}");
            let names = |text: &str| text.lines().map(|line| line.contains("float")).collect::<Vec<_>>();
            assert_eq!(names(rewritten).len(), names(text).len());
        }
    }
}

/// Pieces of kernels that are cut anywhere are text that makes no sense: an error or something for NVRTC to refuse.
#[test]
fn cut_text_does_no_harm() {
    let whole = [
        samples::SOFTMAX,
        samples::TOP_K_HEADER,
        samples::BF16_HEADER,
        "é ? ' : [[ {{ ((\"\n#\n#define\n#define (\n_Pragma(\"ü",
    ]
    .concat();
    let input = Input { name: "x", element: ElementType::F16, ndim: 1, n_elems: 9 };
    let output = Output { name: "y", element: ElementType::F16 };
    let cuts: Vec<usize> = (0..whole.len()).filter(|at| whole.is_char_boundary(*at)).collect();
    let mut translated = 0;
    for pair in cuts.windows(8).step_by(3) {
        for text in [&whole[pair[0]..], &whole[..pair[7]]] {
            let signature = Signature::derive(text, &[input], &[output], false, &[]).expect("a signature");
            let source = KernelSource { name: "cut", header: text, body: text };
            translated += usize::from(translate(&source, &signature, &CudaOptions::default()).is_ok());
        }
    }
    assert!(translated > 0, "nothing is text at all");
}
