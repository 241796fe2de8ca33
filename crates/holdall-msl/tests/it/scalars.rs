//! Scalars, control flow, literals.

use holdall_msl::ElementType;

use crate::support::{Kernel, float_of, int_of};

#[test]
fn a_kernel_maps_an_array() {
    let body = "uint i = thread_position_in_grid.x; if (i >= 40) return; y[i] = x[i] * 2 + 1;";
    let x: Vec<f32> = (0..40u8).map(f32::from).collect();
    let kernel = Kernel::new(body).floats("x", &x).output("y", ElementType::F32, 40).grid(64, 32);
    assert_eq!(kernel.run_floats(), x.iter().map(|x| x * 2.0 + 1.0).collect::<Vec<_>>());
}

#[test]
fn integers_promote_and_wrap() {
    assert_eq!(int_of("uchar a = 200, b = 100;", "a + b"), 300);
    assert_eq!(int_of("uchar a = 200; a += 100;", "a"), 44);
    assert_eq!(int_of("char c = 127; c++;", "c"), -128);
    assert_eq!(int_of("int a = -7;", "a / 2 * 10 + a % 2"), -31);
    assert_eq!(int_of("uint a = 1;", "(a - 2) > 0 ? 1 : 0"), 1);
    assert_eq!(int_of("int a = -1; uint b = 1;", "a > b"), 1);
    assert_eq!(int_of("long a = 1l << 40;", "int(a >> 38)"), 4);
    assert_eq!(int_of("ushort h = 0xffff;", "~h"), -65536);
    assert_eq!(int_of("int a = -8;", "a >> 1"), -4);
    assert_eq!(int_of("int a = INT_MAX; a += 1;", "a == INT_MIN"), 1);
    assert_eq!(int_of("size_t n = sizeof(float3);", "n"), 16);
}

#[test]
fn floats_convert() {
    assert_eq!(int_of("float f = -2.9f;", "int(f)"), -2);
    assert_eq!(int_of("float f = 3e9f;", "int(f)"), i32::MAX);
    assert_eq!(int_of("", "uint(3e9f) == 3000000000u"), 1);
    assert_eq!(float_of("half h = 2049;", "h"), 2048.0);
    assert_eq!(float_of("half h = 0.1;", "h * 3"), 0.299_804_7);
    assert_eq!(float_of("bfloat b = 1.0f / 3;", "b"), 0.333_984_38);
    assert_eq!(float_of("bfloat16_t a = 256, b = 1;", "a + b"), 256.0);
    assert_eq!(float_of("bfloat16_t a = 256;", "a + 1.0f"), 257.0);
    assert_eq!(float_of("", "1e-5"), 1e-5);
    assert_eq!(int_of("bool b = 0.5f;", "b"), 1);
}

#[test]
fn control_flow_does_what_it_says() {
    assert_eq!(
        int_of(
            "int s = 0; for (int i = 0; i < 10; ++i) { if (i == 3) continue; if (i == 7) break; s += i; }",
            "s"
        ),
        18
    );
    assert_eq!(int_of("int s = 0, i = 0; while (true) { if (++i > 5) break; s += i; }", "s"), 15);
    assert_eq!(int_of("int s = 0; do { s++; } while (s < 4);", "s"), 4);
    assert_eq!(
        int_of(
            "int r = 0; switch (3) { case 1: r = 1; break; case 3: r = 3; case 4: r += 10; break; default: r = 9; }",
            "r"
        ),
        13
    );
    assert_eq!(
        int_of(
            "int r = 0; for (int k = 0; k < 5; k++) switch (k) { case 0: case 2: r += 1; break; case 1: r += 10; continue; default: r += 100; }",
            "r"
        ),
        212
    );
    assert_eq!(int_of("int i = 0; bool b = i != 0 && 1 / i > 0;", "b"), 0);
    assert_eq!(int_of("int a = 5; int b = a > 3 ? a < 10 ? 1 : 2 : 3;", "b"), 1);
    assert_eq!(int_of("int a = 1; int b = (a++, a * 10);", "b"), 20);
    assert_eq!(int_of("int a = 1; a = a++ + a;", "a"), 3);
}

#[test]
fn variables_that_loops_carry() {
    assert_eq!(
        int_of("int a = 0, b = 1; for (int i = 0; i < 10; i++) { int t = a; a = b; b = t + b; }", "a"),
        55
    );
    assert_eq!(int_of("int n = 27, k = 0; while (n != 1) { n = n % 2 ? 3 * n + 1 : n / 2; k++; }", "k"), 111);
    assert_eq!(
        int_of(
            "int last = -1; for (int i = 0; i < 5; i++) { int seen = last; last = i; if (seen == 2) break; }",
            "last"
        ),
        3
    );
    assert_eq!(
        int_of(
            "int a = 1, b = 2, c = 3; for (int i = 0; i < 4; i++) { int t = a; a = b; b = c; c = t; }",
            "a * 100 + b * 10 + c"
        ),
        231
    );
    assert_eq!(int_of("uint x = 48, y_ = 36; while (y_) { uint t = x % y_; x = y_; y_ = t; }", "x"), 12);
    assert_eq!(
        int_of(
            "int best = 0; for (int i = 0; i < 6; i++) for (int j = i; j < 6; j++) { if ((i * j) % 7 > best && i != j) best = (i * j) % 7; else continue; }",
            "best"
        ),
        6
    );
    assert_eq!(
        int_of(
            "bool found = false; int at = -1; for (int i = 0; i < 8 && !found; i++) { if (i * i > 20 || i == 7) { found = true; at = i; } }",
            "at"
        ),
        5
    );
}

#[test]
fn half_turns_are_reduced_exactly() {
    use holdall_msl::Scalar;
    use holdall_msl::ir::{Math, OpKind, Precision, fold};
    let of = |math, x: f64| {
        let kind = OpKind::Math(math, Precision::Default, Scalar::F32);
        fold::to_f64(fold::evaluate(kind, &[fold::from_f64(Scalar::F32, x)]).expect("a value"))
    };
    // Tiny angles keep their digits, and huge ones are whole numbers of turns.
    assert_eq!(of(Math::Sinpi, -1e-30), f64::from((f64::from(-1e-30f32) * std::f64::consts::PI) as f32));
    assert_eq!((of(Math::Cospi, 3e38), of(Math::Tanpi, 3e38)), (1.0, 0.0));
    assert_eq!((of(Math::Sinpi, 2.5), of(Math::Sinpi, -0.5), of(Math::Sinpi, 7.0)), (1.0, -1.0, 0.0));
    assert_eq!((of(Math::Cospi, 1.0), of(Math::Cospi, 0.5), of(Math::Cospi, -2.0)), (-1.0, 0.0, 1.0));
}
