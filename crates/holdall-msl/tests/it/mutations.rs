//! Broken kernels: whatever the text is, there is a program or an error, and soon.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::exercise::exercise;
use crate::samples;

/// Numbers that are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

const FEATURES: &str = "struct S { int a; S(int b) : a(b) {} int f() const { return a; } }; template <typename T, int N = 2> T t(T x) { return x * N; }
namespace ns { enum class E : uchar { A, B = 3 }; constant float k[] = {1, 2}; } using F = vec<float, 3>;
#define M(a, ...) a + (__VA_ARGS__)
float twist(float2x2 m, float2 v) { m *= m; return (transpose(m) * v).y + determinant(m) + m[1].x; }
/*body*/
F w3 = F(1, 2, 3); w3.xy = w3.yx * 2; S s(4); auto g = [&](int z) { return z + s.f(); }; switch (g(1)) { case 1: break; default: y[0] = t<int, 3>(2); }
threadgroup atomic_uint c; atomic_fetch_add_explicit(&c, M(1u, 2u), memory_order_relaxed); thread int* p = &s.a; *p++ = as_type<int>(ns::k[int(ns::E::B) - 3]);
simdgroup_half8x8 h(1.0h); simdgroup_multiply(h, h, h); y[2] = twist(float2x2(2.0f), w3.xy) + float(h.thread_elements()[0]);
do { y[1] += simd_sum(x[0] ? w3.z : sizeof(S)); } while (y[1]++ < 3 && !(p == nullptr)); for (int i = 0, j = 1; i < 3; i += j) { if constexpr (sizeof(F) == 16) continue; }";

fn corpus() -> Vec<String> {
    let pairs = [
        ("", samples::SOFTMAX),
        (samples::GIVENS_HEADER, samples::GIVENS),
        ("", samples::GATED_DELTA),
        ("", samples::GRID_SAMPLE),
        ("", samples::PREFIX_SUM),
        (samples::MATMUL_HEADER, samples::MATMUL),
        (samples::MATMUL_HEADER, samples::SIMD_MATMUL),
        (samples::TOP_K_HEADER, samples::TOP_K),
        ("", samples::STRIDED_EXP),
        (samples::BF16_HEADER, samples::BF16),
    ];
    let mut all: Vec<String> = pairs.iter().map(|(header, body)| format!("{header}/*body*/{body}")).collect();
    all.push(FEATURES.to_owned());
    all
}

/// Words, numbers, and single characters.
fn tokens(text: &str) -> Vec<&str> {
    let mut list = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = if word(first) { rest.find(|c| !word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        list.push(&rest[..end]);
        rest = &rest[end..];
    }
    list
}

fn mutate(corpus: &[String], random: &mut Random) -> Vec<u8> {
    let text = &corpus[random.below(corpus.len())];
    let mut list = tokens(text);
    let other = tokens(&corpus[random.below(corpus.len())]);
    for _ in 0..=random.below(4) {
        let (a, b) = (random.below(list.len()), random.below(list.len()));
        match random.below(7) {
            0 => drop(list.remove(a)),
            1 => list.insert(a, list[b]),
            2 => list.swap(a, b),
            3 => list.truncate(a + 1),
            4 => list[a] = other[random.below(other.len())],
            5 => {
                let words = [
                    "(",
                    ")",
                    "{",
                    "}",
                    "<",
                    ">",
                    "::",
                    "*",
                    "&",
                    "template",
                    "auto",
                    "0",
                    "-1",
                    "=",
                    "#define A A\n",
                    "[",
                    ";",
                    "const",
                ];
                list[a] = words[random.below(words.len())];
            }
            _ => {
                let piece: Vec<&str> = list[a.min(b)..a.max(b)].iter().take(40).copied().collect();
                list.splice(a..a, piece);
            }
        }
        if list.is_empty() {
            list.push(" ");
        }
    }
    let mut bytes = list.concat().into_bytes();
    if random.below(4) == 0 {
        let at = random.below(bytes.len());
        bytes[at] = random.below(256) as u8;
    }
    bytes
}

#[test]
fn mutated_kernels_are_programs_or_errors() {
    let corpus = corpus();
    for text in &corpus {
        assert!(exercise(text.as_bytes()), "{text}");
    }
    let seed = 0x5eed_0123_4567_89ab;
    let mut random = Random(seed);
    let start = Instant::now();
    let mut compiled = 0;
    let mut n = 0;
    while start.elapsed() < Duration::from_secs(4) && n < 20_000 {
        let bytes = mutate(&corpus, &mut random);
        let before = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| exercise(&bytes)));
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            before.elapsed() < Duration::from_secs(2),
            "seed {seed:#x}, number {n} takes {:?}:\n{text}",
            before.elapsed()
        );
        match result {
            Ok(ok) => compiled += usize::from(ok),
            Err(_) => panic!("seed {seed:#x}, number {n}:\n{text}"),
        }
        n += 1;
    }
    assert!(n > 100 && compiled > 0, "{compiled} of {n} compile");
}

/// What a fuzzer found, and seeds for it.
#[test]
fn the_corpus_is_replayed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/msl");
    let mut n = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file of the corpus");
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let ok = exercise(&bytes);
        assert!(ok || !name.starts_with("ok-"), "{name} does not compile");
        assert!(!ok || !name.starts_with("bad-"), "{name} compiles");
        n += 1;
    }
    assert!(n >= 8, "{n} files");
}
