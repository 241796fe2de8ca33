//! What is said about wrong kernels.

use holdall_msl::{ElementType, Kind, Part, Severity};

use crate::support::Kernel;

fn error(header: &str, body: &str) -> String {
    let kernel = Kernel::new(body).header(header).floats("x", &[0.0; 16]).ints("n", &[1, 2]).output(
        "y",
        ElementType::F32,
        16,
    );
    kernel.error()
}

/// The first lines of all messages.
fn messages(header: &str, body: &str) -> Vec<String> {
    let all = error(header, body);
    all.lines()
        .filter(|line| line.starts_with("error") || line.starts_with("warning"))
        .map(str::to_owned)
        .collect()
}

fn message(body: &str) -> String {
    messages("", body).first().cloned().unwrap_or_default()
}

#[test]
fn errors_show_the_line() {
    let got = error("", "uint i = thread_position_in_grid.x;\n  y[i] = x[i] + valeu;\nfloat value = 1;");
    let want = "\
error: unknown name `valeu`
 --> body:2:17
  |
2 |   y[i] = x[i] + valeu;
  |                 ^^^^^
";
    assert_eq!(got, want);
}

#[test]
fn macros_are_shown_where_they_are_used() {
    let got = error("#define SCALE(v) ((v) * factor)\n", "y[0] = SCALE(2.0f);");
    let want = "\
error: unknown name `factor`
 --> body:1:8
  |
1 | y[0] = SCALE(2.0f);
  |        ^^^^^
note: in the expansion of the macro defined here
 --> header:1:25
  |
1 | #define SCALE(v) ((v) * factor)
  |                         ^
";
    assert_eq!(got, want);
}

#[test]
fn calls_say_which_argument_is_wrong() {
    let got = error("float f(device float* p, int k) {\n  return p[k];\n}", "y[0] = f(x, 1);");
    let want = "\
error: argument 1 of `f`: expected `device float*`, got `const device float*`
 --> body:1:8
  |
1 | y[0] = f(x, 1);
  |        ^^^^^^^
note: parameter `p` is declared here
 --> header:1:23
  |
1 | float f(device float* p, int k) {
  |                       ^
";
    assert_eq!(got, want);
}

#[test]
fn several_mistakes_are_reported() {
    let got = messages(
        "int bad(int a) { return a + b; }",
        "int q = zz;\ny[0] = q + ww;\nfloat3 v = float2(1);\ny[1] = v.q;",
    );
    let want = [
        "error: unknown name `zz`",
        "error: unknown name `ww`",
        "error: expected `float3`, got `float2`",
        "error: `float3` has no component `q`",
        "error: unknown name `b`",
    ];
    assert_eq!(got, want);
}

#[test]
fn syntax_mistakes_do_not_hide_each_other() {
    let got = messages("", "int a = ;\nint b = 1\nint c = (2;\ny[0] = 1;");
    let want = [
        "error: expected an expression, got `;`",
        "error: expected `;`, got `int`",
        "error: expected `)`, got `;`",
    ];
    assert_eq!(got, want);
}

#[test]
fn names_are_suggested() {
    assert_eq!(message("y[0] = simd_smu(1.0f);"), "error: unknown name `simd_smu`: did you mean `simd_sum`?");
    assert_eq!(message("flaot z = 1;"), "error: unknown type `flaot`: did you mean `float`?");
    assert_eq!(
        message("uint i = thread_positon_in_grid.x;"),
        "error: unknown name `thread_positon_in_grid`: did you mean `thread_position_in_grid`?"
    );
    assert_eq!(
        message("struct S { int count; }; S s; s.cuont = 1;"),
        "error: `S` has no member `cuont`: did you mean `count`?"
    );
}

#[test]
fn types_are_checked() {
    for (body, want) in [
        ("y[0] = max(1, 2u);", "error: the call `max(int, uint)` is ambiguous"),
        ("y[0] = max(x[0], 0);", "error: the call `max(float, int)` is ambiguous"),
        ("x[0] = 1;", "error: cannot assign to this: it is `const`"),
        ("1 = 2;", "error: cannot assign to this: it is a value, not a variable"),
        ("y[0.5f] = 1;", "error: an index is an integer, got `float`"),
        ("float2 a = 1; float3 b = 1; y[0] = (a + b).x;", "error: `+` does not take `float2` and `float3`"),
        ("y[0] = 1.0f % 2.0f;", "error: `%` does not take `float` and `float`"),
        ("device float* p = x;", "error: expected `device float*`, got `const device float*`"),
        ("thread float* p = y;", "error: expected `thread float*`, got `device float*`"),
        (
            "float* p = y;",
            "error: a pointer names its address space: `device`, `constant`, `threadgroup` or `thread`",
        ),
        ("int k = n[0]; float a[k];", "error: expected a constant expression"),
        ("float a[0];", "error: the size of an array is at least 1, got 0"),
        ("int z = 1 / 0;", "error: integer division by zero"),
        ("break;", "error: `break` outside of a loop"),
        ("return 1;", "error: a kernel returns nothing"),
        ("auto a;", "error: `auto` needs an initial value"),
        ("y[0] = dot(float2(1), float3(1));", "error: `dot` does not take (float2, float3)"),
        ("y[0] = exp(1.0f, 2.0f);", "error: `exp` takes 1 argument, got 2"),
        ("float4 v = float4(1, 2);", "error: `float4` has 4 components, got 2"),
        ("float4 v; v.xx = float2(1);", "error: cannot assign to this: it is `const`"),
        (
            "threadgroup float t[4] = {1};",
            "error: `t` is shared by the threads of a group: it cannot have an initial value",
        ),
        ("switch (1.0f) { case 1: break; }", "error: `switch` takes an integer, got `float`"),
        ("switch (n[0]) { case 1: case 1: break; }", "error: this `case` is there twice"),
        ("static_assert(sizeof(int) == 8, \"no\");", "error: static assertion failed: no"),
        ("as_type<half>(1.0f);", "error: `as_type` needs types of one size: `float` and `half` differ"),
        (
            "atomic_fetch_add_explicit(y, 1.0f, memory_order_relaxed);",
            "error: `atomic_fetch_add_explicit` takes a pointer to an atomic variable, got `device float*`",
        ),
        ("if (float2(1) < 2) return;", "error: expected one `bool`, got `bool2`"),
        (
            "y[0] = (device float*)n;",
            "error: a cast cannot change the address space from `constant` to `device`",
        ),
    ] {
        assert_eq!(message(body), want, "{body}");
    }
}

#[test]
fn what_is_missing_is_named() {
    for (body, want) in [
        ("texture2d<float> t;", "error: textures are not supported (`texture2d`)"),
        ("double d = 1;", "error: `double` is not a type of MSL: Metal has no 64-bit floats"),
        ("goto end;", "error: `goto` is not supported"),
        ("union U { int a; };", "error: unions are not supported"),
        ("struct A {}; struct B : A {};", "error: inheritance is not supported"),
        ("for (auto v : x) {}", "error: `for` over a range is not supported"),
        ("printf(\"a\");", "error: strings are not supported"),
    ] {
        assert_eq!(message(body), want, "{body}");
    }
    let header = |text| messages(text, "y[0] = 1;").first().cloned().unwrap_or_default();
    assert_eq!(
        header("#include \"other.h\""),
        "error: cannot include `other.h`: kernels see only Metal's headers and MLX's helpers"
    );
    assert_eq!(
        header("[[kernel]] void f() {}\nkernel void g() {}"),
        "error: the header defines a whole `kernel`: only the inside of one kernel is compiled"
    );
    assert_eq!(header("#if 1\n"), "error: this `#if` has no `#endif`");
    assert_eq!(
        header("#define A(x) x\nconstant int k = A(1, 2);"),
        "error: the macro `A` takes 1 arguments, got 2"
    );
    assert_eq!(
        header("int f(int a) { return f(a - 1); }"),
        "error: `f` calls itself: recursion is not supported"
    );
}

#[test]
fn recursion_through_others_is_found() {
    let got =
        error("int g(int a);\nint f(int a) { return g(a); }\nint g(int a) { return f(a); }", "y[0] = f(1);");
    assert!(got.starts_with("error: `f` calls itself: recursion is not supported"), "{got}");
    assert!(got.contains("= note: through f → g"), "{got}");
}

#[test]
fn bounds_are_errors() {
    let deep = format!("y[0] = {}1{};", "(".repeat(500), ")".repeat(500));
    assert!(message(&deep).contains("nested more than"), "{}", message(&deep));
    let long = format!("y[0] = 1{};", " + 1".repeat(5000));
    assert!(message(&long).contains("operators in a row"));
    let braces = format!("{}{}", "{".repeat(5000), "}".repeat(5000));
    assert!(message(&braces).contains("nested more than"));
    let stars = format!("thread int {} p;", "*".repeat(50_000));
    assert!(!message(&stars).is_empty());
    let doubling = "#define A(x) x x x x x x x x\n#define B(x) A(A(A(A(x))))\n#define C(x) B(B(B(x)))";
    assert!(messages(doubling, "int z; C(z;)")[0].contains("more than a million tokens"));
    let calls: String =
        (1..100).map(|i| format!("int f{i}(int x) {{ return f{}(x) + f{}(x); }}\n", i - 1, i - 1)).collect();
    let header = format!("int f0(int x) {{ return x; }}\n{calls}");
    assert!(error(&header, "y[0] = f60(1);").contains("error: "));
    assert!(
        messages("template <int N> int f() { return f<N + 1>(); }", "y[0] = f<0>();")[0].contains("deep")
    );
    assert!(message("float a[1 << 30];").contains("an array takes at most"));
    let endless = "constexpr int f() { int i = 0; while (true) { i++; } return i; }";
    assert!(messages(endless, "int a[f()];")[0].contains("expected a constant expression"));
    let doubling = "#define D(x) x##x\n#define E(x) D(x)\n#define S(x) #x\n#define T(x) S(x)";
    let nested = format!("y[0] = {}a{};", "E(".repeat(40), ")".repeat(40));
    assert!(messages(doubling, &nested)[0].contains("a token of more than 4096 bytes"));
    let nested = format!("y[0] = {}\"{};", "T(".repeat(40), ")".repeat(40));
    assert!(!messages(doubling, &nested).is_empty());
    let twice =
        "template <int N> int f() { return f<N - 1>() + f<N - 1>(); } template <> int f<0>() { return 1; }";
    assert!(messages(twice, "y[0] = f<20>();")[0].contains("more than a million operations"));
    let slow = "constexpr int f() { int i = 0; while (i < 10000) { i++; } return i; }";
    let asserts = "static_assert(f() > 0);".repeat(1000);
    assert!(messages(slow, &asserts)[0].contains("takes too long"));
    let many: String = (0..5000).map(|i| format!("int v{i} = {i};")).collect();
    assert!(message(&many).contains("more than 4096 names"));
    let overloads: String =
        (0..300).map(|i| format!("struct S{i} {{}}; int f(S{i} s) {{ return 1; }}\n")).collect();
    assert!(messages(&overloads, "y[0] = f(S7());")[0].contains("there are 300 functions"));
    let chain = format!("int a = n[0]; if (a == 1) y[0] = 1; {}", "else if (a == 2) y[0] = 2; ".repeat(2000));
    assert!(message(&chain).contains("nested too deeply"));
}

#[test]
fn mistakes_in_templates_show_the_call() {
    let got = error("template <typename T>\nT first(T a) {\n  return a[0];\n}", "y[0] = first(1.0f);");
    let want = "\
error: `[]` takes an array, pointer or vector, got `float`
 --> header:3:10
  |
3 |   return a[0];
  |          ^
note: in this call of `first`
 --> body:1:8
  |
1 | y[0] = first(1.0f);
  |        ^^^^^^^^^^^
";
    assert_eq!(got, want);
}

#[test]
fn small_inputs_are_explained() {
    let got = error("", "const device int* p = n;");
    assert!(
        got.contains("= note: inputs with fewer than 8 elements are in `constant` memory: `auto` takes both"),
        "{got}"
    );
}

#[test]
fn switches_inside_of_switches_are_bounded() {
    let cases: String = (0..100).map(|i| format!("case {i}: y[0] = {i}; break; ")).collect();
    let nested = (0..10).fold("y[1] = 1;".to_owned(), |inner, _| {
        format!("switch (n[0]) {{ case 1000: {{ {inner} }} {cases} }}")
    });
    assert!(message(&nested).contains("nested too deeply"), "{}", message(&nested));
}

#[test]
fn warnings_do_not_stop() {
    let kernel = Kernel::new("int a[2]; a[0] = 1; if (a[0] = 2) y[0] = 1; y[1] = 2.0L; a[2] = 1;").output(
        "y",
        ElementType::F32,
        2,
    );
    let compiled = kernel.compile().expect("it compiles");
    let messages: Vec<&str> = compiled.warnings.iter().map(holdall_msl::Diagnostic::message).collect();
    let want = [
        "this condition assigns: did you mean `==`?",
        "MSL has no `double`: this literal is a `float`",
        "index 2 is outside of 0 to 1",
    ];
    assert_eq!(messages, want);
    assert!(
        compiled.warnings.iter().all(|w| w.severity() == Severity::Warning && w.kind() == Kind::Suspicious)
    );
    let label = compiled.warnings[0].label().expect("a place");
    assert_eq!((label.position().part, label.position().line, label.position().column), (Part::Body, 1, 25));
}
