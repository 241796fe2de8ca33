//! Arithmetic of all types against native Rust: integers exactly, short floats rounded once, functions of floats within
//! units in the last place.

use std::f64::consts::{LN_2, LN_10, PI};

use holdall_msl::ElementType;

use super::native::{self, FLOATS, INTEGERS, bits, is_signed, range, wrap};
use super::support::Kernel;

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 31
    }

    /// A number between 0 and 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How many values each function is asked for.
const N: usize = 640;

/// What an operator gives; nothing where it is the kernel's mistake.
type Native = fn(ElementType, i128, i128) -> Option<i128>;

/// The value's bits as an unsigned number.
fn raw(e: ElementType, a: i128) -> u128 {
    (a & ((1i128 << bits(e)) - 1)) as u128
}

/// Expressions of two integers `a` and `b` of one type.
const OPERATORS: &[(&str, Native)] = &[
    ("a + b", |_, a, b| Some(a + b)),
    ("a - b", |_, a, b| Some(a - b)),
    ("a * b", |_, a, b| a.checked_mul(b).or_else(|| Some(a.wrapping_mul(b)))),
    ("b == 0 ? a : a / b", |_, a, b| Some(if b == 0 { a } else { a / b })),
    ("b == 0 ? a : a % b", |_, a, b| Some(if b == 0 { a } else { a % b })),
    ("a & b", |_, a, b| Some(a & b)),
    ("a | b", |_, a, b| Some(a | b)),
    ("a ^ ~b", |_, a, b| Some(a ^ !b)),
    ("a << (b & 7)", |_, a, b| Some(a << (b & 7))),
    ("a >> (b & 7)", |_, a, b| Some(a >> (b & 7))),
    ("a < b", |_, a, b| Some(i128::from(a < b))),
    ("a >= b", |_, a, b| Some(i128::from(a >= b))),
    ("min(a, b)", |_, a, b| Some(a.min(b))),
    ("max(a, b)", |_, a, b| Some(a.max(b))),
    ("abs(a)", |_, a, _| Some(a.abs())),
    ("absdiff(a, b)", |_, a, b| Some((a - b).abs())),
    ("addsat(a, b)", |e, a, b| Some((a + b).clamp(range(e).0, range(e).1))),
    ("subsat(a, b)", |e, a, b| Some((a - b).clamp(range(e).0, range(e).1))),
    ("hadd(a, b)", |_, a, b| Some((a + b) >> 1)),
    ("rhadd(a, b)", |_, a, b| Some((a + b + 1) >> 1)),
    ("mulhi(a, b)", |e, a, b| {
        Some(if is_signed(e) { (a * b) >> bits(e) } else { ((a as u128 * b as u128) >> bits(e)) as i128 })
    }),
    ("clz(a)", |e, a, _| Some(i128::from(raw(e, a).leading_zeros() - (128 - bits(e))))),
    ("ctz(a)", |e, a, _| Some(i128::from(raw(e, a).trailing_zeros().min(bits(e))))),
    ("popcount(a)", |e, a, _| Some(i128::from(raw(e, a).count_ones()))),
    ("reverse_bits(a)", |e, a, _| Some((raw(e, a).reverse_bits() >> (128 - bits(e))) as i128)),
    ("rotate(a, b)", |e, a, b| {
        let (n, by, a) = (bits(e), (raw(e, b) % u128::from(bits(e))) as u32, raw(e, a));
        Some(if by == 0 { a as i128 } else { (a << by | a >> (n - by)) as i128 })
    }),
    ("extract_bits(a, 2, 5)", |e, a, _| {
        let part = (raw(e, a) >> 2 & 31) as i128;
        Some(if is_signed(e) && part > 15 { part - 32 } else { part })
    }),
    ("insert_bits(a, b, 1, 4)", |e, a, b| Some((raw(e, a) & !0x1e | (raw(e, b) & 15) << 1) as i128)),
    ("clamp(a, T(3), T(90))", |_, a, _| Some(a.clamp(3, 90))),
    ("select(a, b, a > b)", |_, a, b| Some(if a > b { b } else { a })),
];

#[test]
fn integers_of_all_sizes() {
    let mut random = Random(11);
    for (name, element) in INTEGERS {
        let (low, high) = range(*element);
        // Edges, small numbers, anything.
        let edges = [low, low + 1, high, high - 1, 0, 1, wrap(*element, -1), 2, 7, high / 2];
        let mut value = |i: usize| match i % 3 {
            0 => edges[random.next() as usize % edges.len()],
            1 => wrap(*element, i128::from(random.next() % 64) - 32),
            _ => wrap(*element, i128::from(random.next())),
        };
        let a: Vec<i128> = (0..N).map(&mut value).collect();
        let b: Vec<i128> = (0..N).map(|i| value(i / 3)).collect();
        let stores: String = OPERATORS
            .iter()
            .enumerate()
            .map(|(k, (op, _))| format!("y[{k} * {N} + i] = T({op});\n"))
            .collect();
        let body =
            format!("uint i = thread_position_in_grid.x; typedef {name} T; T a = u[i], b = v[i]; {stores}");
        let got = Kernel::new(&body)
            .input("u", *element, native::integers_to_bytes(*element, &a), vec![N])
            .input("v", *element, native::integers_to_bytes(*element, &b), vec![N])
            .output("y", *element, OPERATORS.len() * N)
            .grid(N as u32, 96)
            .run();
        let got = native::bytes_to_integers(*element, &got[0]);
        for (k, (op, native)) in OPERATORS.iter().enumerate() {
            for i in 0..N {
                let Some(want) = native(*element, a[i], b[i]) else { continue };
                let want = wrap(*element, want);
                assert_eq!(got[k * N + i], want, "{op} of {name} a = {}, b = {}", a[i], b[i]);
            }
        }
    }
}

#[test]
fn short_floats_are_rounded_once() {
    let ops: [(&str, fn(f64, f64) -> f64); 6] = [
        ("a + b", |a, b| a + b),
        ("a - b", |a, b| a - b),
        ("a * b", |a, b| a * b),
        ("a / b", |a, b| a / b),
        ("T(sqrt(abs(a)))", |a, _| a.abs().sqrt()),
        ("a < b ? -a : b", |a, b| if a < b { -a } else { b }),
    ];
    let mut random = Random(5);
    // Any bits are a float.
    for (name, element) in &FLOATS[1..] {
        let raw: Vec<u8> = (0..4 * N).map(|_| random.next() as u8).collect();
        let (first, second) = raw.split_at(2 * N);
        let stores: String =
            ops.iter().enumerate().map(|(k, (op, _))| format!("y[{k} * {N} + i] = {op};\n")).collect();
        let body =
            format!("uint i = thread_position_in_grid.x; typedef {name} T; T a = u[i], b = v[i]; {stores}");
        let got = Kernel::new(&body)
            .input("u", *element, first.to_vec(), vec![N])
            .input("v", *element, second.to_vec(), vec![N])
            .output("y", *element, ops.len() * N)
            .grid(N as u32, 64)
            .run();
        let (a, b) = (native::bytes_to_floats(*element, first), native::bytes_to_floats(*element, second));
        let got = native::bytes_to_floats(*element, &got[0]);
        for (k, (op, native)) in ops.iter().enumerate() {
            for i in 0..N {
                // In f64, these give the exact result or one with so many digits that rounding twice is rounding once.
                let (got, want) = (got[k * N + i], native::round(*element, native(a[i], b[i])));
                let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
                assert!(same, "{op} of {name} {} and {}: {got}, {want}", a[i], b[i]);
            }
        }
    }
}

/// Types whose values have the same number of bytes.
const SAME_SIZE: &[&[&str]] = &[
    &["char", "uchar"],
    &["short", "ushort", "half", "bfloat", "char2", "uchar2"],
    &["int", "uint", "float", "short2", "half2", "bfloat2", "uchar4"],
    &["long", "ulong", "int2", "float2", "half4", "ushort4", "bfloat4"],
    &["float4", "uint4", "long2", "ulong2"],
];

#[test]
fn as_type_keeps_all_bits() {
    let mut random = Random(9);
    let bytes: Vec<u8> = (0..16 * 40).map(|_| random.next() as u8).collect();
    for same in SAME_SIZE {
        for from in *same {
            for to in *same {
                let body = format!(
                    "uint i = thread_position_in_grid.x; if (i >= {} / sizeof({from})) return;
                     ((device {to}*)y)[i] = as_type<{to}>(((const device {from}*)x)[i]);",
                    bytes.len()
                );
                let got = Kernel::new(&body)
                    .input("x", ElementType::U8, bytes.clone(), vec![bytes.len()])
                    .output("y", ElementType::U8, bytes.len())
                    .grid(bytes.len() as u32, 128)
                    .run();
                assert!(got[0] == bytes, "as_type<{to}> of {from}");
            }
        }
    }
}

#[test]
fn packed_vectors_lie_without_gaps() {
    for (name, element) in INTEGERS.iter().chain(FLOATS) {
        for n in 2..=4usize {
            let len = 12 * n;
            let values: Vec<i64> = (0..len as i64).collect();
            let body = format!(
                "uint i = thread_position_in_grid.x; const device packed_{name}{n}* p = (const device packed_{name}{n}*)x;
                 device packed_{name}{n}* q = (device packed_{name}{n}*)y; {name}{n} v = p[i]; v += {name}{n}(p[11 - i]);
                 packed_{name}{n} w = v; w[{n} - 1] = p[i].x; q[i] = w; if (sizeof(packed_{name}{n}) != {n} * sizeof({name})) q[i] = p[0];"
            );
            let got = Kernel::new(&body)
                .input("x", *element, native::whole_to_bytes(*element, &values), vec![len])
                .output("y", *element, len)
                .grid(12, 5)
                .run();
            let got = native::bytes_to_f64(*element, &got[0]);
            for (i, got) in got.into_iter().enumerate() {
                let (row, k) = (i / n, i % n);
                let want = if k == n - 1 { row * n } else { row * n + (11 - row) * n + 2 * k };
                assert_eq!(got, want as f64, "{i} of packed_{name}{n}");
            }
        }
    }
}

/// Functions with the interval that they are asked for, and how many units in the last place of `float` they may be off.
/// Metal itself allows 4 to 6 for most; these are the engine's own bounds.
const FUNCTIONS: &[(&str, f64, f64, f64, fn(f64) -> f64)] = &[
    ("exp", -80.0, 80.0, 1.0, f64::exp),
    ("exp2", -120.0, 120.0, 1.5, f64::exp2),
    ("exp10", -37.0, 38.0, 1.0, |x| (x * LN_10).exp()),
    ("expm1", -20.0, 80.0, 2.0, f64::exp_m1),
    ("log", 1e-30, 1e30, 1.0, f64::ln),
    ("log2", 1e-3, 1e3, 1.0, |x| x.ln() / LN_2),
    ("log10", 1e-3, 1e3, 1.0, |x| x.ln() / LN_10),
    ("log1p", -0.9, 50.0, 2.0, f64::ln_1p),
    ("sin", -100.0, 100.0, 1.0, f64::sin),
    ("cos", -100.0, 100.0, 1.0, f64::cos),
    ("tan", -100.0, 100.0, 2.0, f64::tan),
    ("asin", -1.0, 1.0, 2.0, f64::asin),
    ("acos", -1.0, 1.0, 2.0, f64::acos),
    ("atan", -50.0, 50.0, 1.0, f64::atan),
    ("sinh", -50.0, 50.0, 2.0, f64::sinh),
    ("cosh", -50.0, 50.0, 2.0, f64::cosh),
    ("tanh", -8.0, 8.0, 2.0, f64::tanh),
    ("asinh", -50.0, 50.0, 2.0, f64::asinh),
    ("acosh", 1.0, 50.0, 2.0, f64::acosh),
    ("atanh", -0.99, 0.99, 2.0, f64::atanh),
    ("sinpi", -0.5, 0.5, 2.0, |x| (x * PI).sin()),
    ("cospi", -0.25, 0.25, 2.0, |x| (x * PI).cos()),
    ("tanpi", -0.25, 0.25, 3.0, |x| (x * PI).tan()),
    ("sqrt", 0.0, 1e30, 0.5, f64::sqrt),
    ("rsqrt", 1e-30, 1e30, 1.5, |x| 1.0 / x.sqrt()),
    ("floor", -9.0, 9.0, 0.0, f64::floor),
    ("rint", -9.0, 9.0, 0.0, f64::round_ties_even),
    ("round", -9.0, 9.0, 0.0, f64::round),
    ("trunc", -9.0, 9.0, 0.0, f64::trunc),
    ("fract", -9.0, 9.0, 0.5, |x| x - x.floor()),
];

/// The same for two arguments.
const OF_TWO: &[(&str, f64, f64, f64, fn(f64, f64) -> f64)] = &[
    ("pow", 0.01, 20.0, 1.0, f64::powf),
    ("powr", 0.01, 20.0, 1.0, f64::powf),
    ("atan2", -9.0, 9.0, 1.0, f64::atan2),
    ("fmod", 0.5, 90.0, 0.0, |a, b| a % b),
    ("fdim", -9.0, 9.0, 0.5, |a, b| (a - b).max(0.0)),
    ("step", -9.0, 9.0, 0.0, |a, b| f64::from(b >= a)),
    ("copysign", -9.0, 9.0, 0.0, f64::copysign),
];

/// The distance in units in the last place of `float`.
fn ulps(got: f32, want: f64) -> f64 {
    let near = (want as f32).abs().max(f32::MIN_POSITIVE);
    let unit = f64::from(f32::from_bits(near.to_bits() + 1)) - f64::from(near);
    let error = (f64::from(got) - want).abs() / unit;
    if error.is_nan() { f64::INFINITY } else { error }
}

#[test]
fn functions_are_within_units_in_the_last_place() {
    let mut random = Random(3);
    let mut wrongs = Vec::new();
    let mut ask = |call: &str, low: f64, high: f64| {
        let mut values = || (0..N).map(|_| (low + (high - low) * random.unit()) as f32).collect::<Vec<f32>>();
        let (a, b) = (values(), values());
        let body =
            format!("uint i = thread_position_in_grid.x; float a = u[i], b = v[i]; y[i] = metal::{call};");
        let kernel = Kernel::new(&body).floats("u", &a).floats("v", &b);
        let got = kernel.output("y", ElementType::F32, N).grid(N as u32, 256).run();
        (a, b, super::support::to_floats(&got[0]))
    };
    for (name, low, high, bound, native) in FUNCTIONS {
        let (a, _, got) = ask(&format!("{name}(a)"), *low, *high);
        let errors = got.iter().zip(&a).map(|(got, a)| (ulps(*got, native(f64::from(*a))), *a));
        let worst = errors.fold((0.0, 0.0), |worst, e| if e.0 > worst.0 { e } else { worst });
        if worst.0 > *bound {
            wrongs.push(format!("{name}({}): {:.2} units, stated {bound}", worst.1, worst.0));
        }
    }
    for (name, low, high, bound, native) in OF_TWO {
        let (a, b, got) = ask(&format!("{name}(a, b)"), *low, *high);
        let all = got.iter().zip(a.iter().zip(&b));
        // Beyond the range of `float` there are no units.
        let finite = all.filter(|(_, (a, b))| (native(f64::from(**a), f64::from(**b)) as f32).is_finite());
        let errors = finite.map(|(got, (a, b))| (ulps(*got, native(f64::from(*a), f64::from(*b))), (*a, *b)));
        let worst = errors.fold((0.0, (0.0, 0.0)), |worst, e| if e.0 > worst.0 { e } else { worst });
        if worst.0 > *bound {
            wrongs.push(format!("{name}{:?}: {:.2} units, stated {bound}", worst.1, worst.0));
        }
    }
    let (a, b, got) = ask("fma(a, b, -a)", -9.0, 9.0);
    for (got, (a, b)) in got.iter().zip(a.iter().zip(&b)) {
        assert_eq!(*got, a.mul_add(*b, -*a), "fma({a}, {b}, {})", -a);
    }
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}
