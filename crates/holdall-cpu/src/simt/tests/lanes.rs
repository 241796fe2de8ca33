//! SIMD operations with inactive lanes, in ragged groups of up to three axes; atomic operations of all types.

use std::collections::BTreeMap;

use holdall_msl::ElementType;
use proptest::prelude::*;

use super::native::{self, INDEX, Named, Stand, held, is_float};
use super::support::Kernel;

/// An active lane with its value.
type Lanes = [(usize, f64)];

/// What an operation gives a lane; nothing if that is undefined.
type Give = fn(&Lanes, usize) -> Option<f64>;

fn of(lanes: &Lanes, lane: usize) -> Option<f64> {
    lanes.iter().find(|(other, _)| *other == lane).map(|(_, value)| *value)
}

fn before(lanes: &Lanes, me: usize) -> impl Iterator<Item = f64> + '_ {
    lanes.iter().take_while(move |(lane, _)| *lane < me).map(|(_, value)| *value)
}

fn all(lanes: &Lanes) -> impl Iterator<Item = f64> + '_ {
    lanes.iter().map(|(_, value)| *value)
}

fn quad(lanes: &Lanes, me: usize) -> impl Iterator<Item = f64> + '_ {
    lanes.iter().filter(move |(lane, _)| lane / 4 == me / 4).map(|(_, value)| *value)
}

/// Operations on a value `v` of 1 or 2.
const OPS: &[(&str, Give)] = &[
    ("simd_sum(v)", |l, _| Some(all(l).sum())),
    ("simd_product(v)", |l, _| Some(all(l).product())),
    ("simd_min(v)", |l, _| Some(all(l).fold(9.0, f64::min))),
    ("simd_max(v)", |l, _| Some(all(l).fold(0.0, f64::max))),
    ("simd_prefix_inclusive_sum(v)", |l, me| Some(before(l, me + 1).sum())),
    ("simd_prefix_exclusive_sum(v)", |l, me| Some(before(l, me).sum())),
    ("simd_prefix_inclusive_product(v)", |l, me| Some(before(l, me + 1).product())),
    ("simd_prefix_exclusive_product(v)", |l, me| Some(before(l, me).product())),
    ("simd_broadcast_first(v)", |l, _| all(l).next()),
    ("simd_broadcast(v, 3)", |l, _| of(l, 3)),
    ("simd_shuffle(v, (lane * 5 + 1) % 32)", |l, me| of(l, (me * 5 + 1) % 32)),
    ("simd_shuffle_xor(v, 6)", |l, me| of(l, me ^ 6)),
    ("simd_shuffle_up(v, 3)", |l, me| of(l, if me < 3 { me } else { me - 3 })),
    ("simd_shuffle_down(v, 9)", |l, me| of(l, if me + 9 > 31 { me } else { me + 9 })),
    ("simd_shuffle_rotate_up(v, 4)", |l, me| of(l, (me + 28) % 32)),
    ("simd_shuffle_rotate_down(v, 4)", |l, me| of(l, (me + 4) % 32)),
    ("simd_shuffle_and_fill_up(v, T(v + 5), 2)", |l, me| {
        if me < 2 { of(l, me + 30).map(|v| v + 5.0) } else { of(l, me - 2) }
    }),
    ("simd_shuffle_and_fill_down(v, T(v + 5), 2)", |l, me| {
        if me > 29 { of(l, me - 30).map(|v| v + 5.0) } else { of(l, me + 2) }
    }),
    ("T(simd_any(v > T(1)))", |l, _| Some(f64::from(all(l).any(|v| v > 1.0)))),
    ("T(simd_all(v > T(1)))", |l, _| Some(f64::from(all(l).all(|v| v > 1.0)))),
    ("T(popcount(uint(ulong(simd_ballot(v > T(1))))))", |l, _| {
        Some(all(l).filter(|v| *v > 1.0).count() as f64)
    }),
    ("T(ctz(uint(ulong(simd_active_threads_mask()))))", |l, _| l.first().map(|(lane, _)| *lane as f64)),
    ("T(simd_is_first())", |l, me| l.first().map(|(lane, _)| f64::from(*lane == me))),
    ("quad_sum(v)", |l, me| Some(quad(l, me).sum())),
    ("quad_min(v)", |l, me| Some(quad(l, me).fold(9.0, f64::min))),
    ("quad_max(v)", |l, me| Some(quad(l, me).fold(0.0, f64::max))),
    ("quad_broadcast(v, 2)", |l, me| of(l, me / 4 * 4 + 2)),
    ("quad_shuffle_xor(v, 3)", |l, me| of(l, me ^ 3)),
    ("quad_shuffle_up(v, 1)", |l, me| of(l, if me % 4 == 0 { me } else { me - 1 })),
    ("quad_shuffle_down(v, 1)", |l, me| of(l, if me % 4 == 3 { me } else { me + 1 })),
];

/// The same for integers alone.
const BIT_OPS: &[(&str, Give)] = &[
    ("simd_and(v)", |l, _| Some(f64::from(all(l).fold(255u8, |a, v| a & v as u8)))),
    ("simd_or(v)", |l, _| Some(f64::from(all(l).fold(0u8, |a, v| a | v as u8)))),
    ("simd_xor(v)", |l, _| Some(f64::from(all(l).fold(0u8, |a, v| a ^ v as u8)))),
];

fn types() -> impl Iterator<Item = &'static Named> {
    native::INTEGERS.iter().chain(native::FLOATS)
}

fn geometry() -> impl Strategy<Value = ([u32; 3], [u32; 3])> {
    let axes = |a: u32, b: u32, c: u32| (1..a, 1..b, 1..c).prop_map(|(x, y, z): (u32, u32, u32)| [x, y, z]);
    (axes(50, 6, 4), axes(40, 5, 4))
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(24))]

    /// Lanes that are not active take no part, whatever the shape of the group.
    #[test]
    fn simd_operations_are_of_the_active_lanes(
        (grid, group) in geometry(), choice in 0usize..11, seed in any::<u64>(), share in 1u64..8,
    ) {
        let (name, element) = *types().nth(choice).expect("a type");
        let ops: Vec<_> = OPS.iter().chain(BIT_OPS.iter().filter(|_| !is_float(element))).collect();
        let stands = native::stands(grid, group);
        let n = stands.len();
        let noise = |i: usize| (seed ^ i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let values: Vec<i64> = (0..n).map(|i| 1 + (noise(i) & 1) as i64).collect();
        let active: Vec<i32> = (0..n).map(|i| i32::from(noise(i) >> 3 & 7 < share)).collect();
        let stores: String =
            ops.iter().enumerate().map(|(k, (op, _))| format!("y[{k} * {n} + i] = {op};\n")).collect();
        let body = format!(
            "{INDEX} typedef {name} T; T v = x[i]; uint lane = thread_index_in_simdgroup; if (m[i]) {{ {stores} }}"
        );
        let got = Kernel::new(&body)
            .input("x", element, native::whole_to_bytes(element, &values), vec![n, 1])
            .input("m", ElementType::I32, active.iter().flat_map(|v| v.to_le_bytes()).collect(), vec![n, 1])
            .output("y", element, ops.len() * n)
            .space(grid, group)
            .run();
        let got = native::bytes_to_f64(element, &got[0]);
        let mut lanes: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
        for (i, Stand { simd, lane }) in stands.iter().enumerate().filter(|(i, _)| active[*i] != 0) {
            lanes.entry(*simd).or_default().push((*lane, values[i] as f64));
        }
        lanes.values_mut().for_each(|list| list.sort_by_key(|(lane, _)| *lane));
        for (k, (op, give)) in ops.iter().enumerate() {
            for (i, Stand { simd, lane }) in stands.iter().enumerate() {
                let want = if active[i] == 0 { Some(0.0) } else { give(&lanes[simd], *lane) };
                if let Some(want) = want {
                    prop_assert_eq!(got[k * n + i], held(element, want), "{} of {}, thread {}", op, name, i);
                }
            }
        }
    }

    /// Whatever the order, the end is the same.
    #[test]
    fn atomic_operations_add_up((grid, group) in geometry(), seed in any::<u64>(), shared in any::<bool>()) {
        let n: usize = grid.iter().product::<u32>() as usize;
        for (name, element) in [("int", ElementType::I32), ("uint", ElementType::U32), ("float", ElementType::F32)] {
            let shift = if element == ElementType::U32 { 0 } else { 500 };
            let value = |i: usize| ((seed ^ i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 41) as i64 % 1000 - shift;
            let values: Vec<i64> = (0..n).map(value).collect();
            for (op, join) in ATOMICS {
                if element == ElementType::F32 && !matches!(*op, "add" | "sub") {
                    continue;
                }
                let fetch = |to: &str| format!("atomic_fetch_{op}_explicit(&{to}, v, memory_order_relaxed);");
                // What a group took away, all take away by adding it.
                let merge = if *op == "sub" { "add" } else { op };
                // In threadgroup memory first, or at once.
                let body = if shared {
                    format!(
                        "{INDEX} {name} v = x[i]; threadgroup atomic<{name}> t[5]; uint l = thread_index_in_threadgroup;
                         uint3 e = threads_per_threadgroup; for (uint j = l; j < 5; j += e.x * e.y * e.z) {{ atomic_store_explicit(&t[j], 0, memory_order_relaxed); }}
                         threadgroup_barrier(mem_flags::mem_threadgroup); {} threadgroup_barrier(mem_flags::mem_threadgroup);
                         for (uint j = l; j < 5; j += e.x * e.y * e.z) {{ {name} w = atomic_load_explicit(&t[j], memory_order_relaxed);
                           atomic_fetch_{merge}_explicit(&y[j], w, memory_order_relaxed); }}",
                        fetch("t[i % 5]")
                    )
                } else {
                    format!("{INDEX} {name} v = x[i]; {}", fetch("y[i % 5]"))
                };
                let mut kernel = Kernel::new(&body)
                    .input("x", element, native::whole_to_bytes(element, &values), vec![n, 1, 1])
                    .output("y", element, 5)
                    .space(grid, group);
                kernel.atomic = true;
                let got = native::bytes_to_f64(element, &kernel.run()[0]);
                for (bin, got) in got.into_iter().enumerate() {
                    // Outputs hold zeros at first.
                    let want = (0..n).filter(|i| i % 5 == bin).map(|i| values[i]).fold(0, join);
                    prop_assert_eq!(got, held(element, want as f64), "{} of {}, {}", op, name, bin);
                }
            }
        }
    }

    /// Each value that was put in comes out once.
    #[test]
    fn exchanges_lose_nothing((grid, group) in geometry(), strong in any::<bool>()) {
        let n: usize = grid.iter().product::<u32>() as usize;
        for (name, element) in [("int", ElementType::I32), ("uint", ElementType::U32), ("float", ElementType::F32)] {
            let kind = if strong { "strong" } else { "weak" };
            let body = format!(
                "{INDEX} {name} v = {name}(i + 1); device atomic<{name}>* a = (device atomic<{name}>*)y;
                 y[2 + i] = atomic_exchange_explicit(a, v, memory_order_relaxed); {name} seen = atomic_load_explicit(a + 1, memory_order_relaxed);
                 while (!atomic_compare_exchange_{kind}_explicit(a + 1, &seen, seen + {name}(2), memory_order_relaxed, memory_order_relaxed)) {{}}"
            );
            let got = Kernel::new(&body).output("y", element, 2 + n).space(grid, group).run();
            let got = native::bytes_to_f64(element, &got[0]);
            prop_assert_eq!(got[1], 2.0 * n as f64);
            let mut all: Vec<f64> = got[2..].iter().copied().chain([got[0]]).collect();
            all.sort_by(f64::total_cmp);
            prop_assert_eq!(all, (0..=n).map(|i| i as f64).collect::<Vec<_>>(), "{}", name);
        }
    }
}

/// What atomic operations do to whole numbers of 32 bits.
const ATOMICS: &[(&str, fn(i64, i64) -> i64)] = &[
    ("add", |a, b| a + b),
    ("sub", |a, b| a - b),
    ("min", i64::min),
    ("max", i64::max),
    ("or", |a, b| a | b),
    ("xor", |a, b| a ^ b),
];

#[test]
fn atomic_and_clears_bits() {
    let body = "threadgroup atomic_uint t; uint i = thread_position_in_grid.x; if (i == 0) atomic_store_explicit(&t, ~0u, memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup); atomic_fetch_and_explicit(&t, x[i], memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup); y[i] = atomic_load_explicit(&t, memory_order_relaxed);";
    let x: Vec<i32> = (0..200).map(|i| !(1 << (i % 23))).collect();
    let y = Kernel::new(body).ints("x", &x).output("y", ElementType::U32, 200).grid(200, 200).run();
    assert_eq!(native::bytes_to_integers(ElementType::U32, &y[0]), [i128::from(!0u32 << 23); 200]);
}
