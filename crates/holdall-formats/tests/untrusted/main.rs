//! Files of unknown origin: the fuzz corpus, and thousands of mutated files of each format.

mod exercise;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use exercise::exercise;

const FORMATS: [&str; 4] = ["gguf", "npy", "npz", "safetensors"];

/// Name and content of every corpus file of a format.
fn corpus(format: &str) -> Vec<(String, Vec<u8>)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(format);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| {
            let path = entry.expect("the corpus can be listed").path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            (name, fs::read(&path).expect("a corpus file can be read"))
        })
        .collect();
    files.sort();
    assert!(files.len() >= 8, "{}: {} files", folder.display(), files.len());
    files
}

/// Names of seeds that must open begin so; all others must not panic.
const SOUND: &str = "ok-";

#[test]
fn the_corpus_is_replayed() {
    for format in FORMATS {
        for (name, bytes) in corpus(format) {
            let opened = exercise(format, &bytes);
            assert!(opened || !name.starts_with(SOUND), "{format}/{name} does not open");
            assert!(!opened || !name.starts_with("bad-"), "{format}/{name} opens");
        }
    }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Numbers at which sizes, counts and offsets go wrong.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    7,
    31,
    32,
    33,
    255,
    1 << 16,
    u32::MAX as u64,
    1 << 32,
    1 << 60,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 31,
    u64::MAX,
];

/// One small change, most often near the start, where headers are.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let reach = if random.below(3) == 0 { bytes.len() } else { bytes.len().min(200) };
    let at = random.below(reach);
    match random.below(7) {
        0 if !bytes.is_empty() => bytes[at] = random.next() as u8,
        1 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        2 => bytes.truncate(at),
        3 => {
            let n = random.below(16);
            bytes.splice(at..at, (0..n).map(|i| i as u8));
        }
        4 => {
            let end = (at + random.below(16)).min(bytes.len());
            bytes.drain(at..end);
        }
        5 => {
            // A decimal digit more or less, for the text headers.
            if let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) {
                bytes[at + digit] = b'0' + random.below(10) as u8;
                if random.below(2) == 0 {
                    bytes.splice(at + digit..at + digit, *b"99999999999");
                }
            }
        }
        _ => {
            let edge = EDGES[random.below(EDGES.len())].to_le_bytes();
            let width = [1, 2, 4, 8][random.below(4)];
            let end = (at + width).min(bytes.len());
            let n = end - at;
            bytes[at..end].copy_from_slice(&edge[..n]);
        }
    }
}

#[test]
fn mutated_files_never_panic() {
    const SEED: u64 = 0x5eed_f11e;
    const ROUNDS: usize = 20_000;
    for format in FORMATS {
        let seeds = corpus(format);
        let sound: Vec<_> = seeds.iter().filter(|(name, _)| name.starts_with(SOUND)).cloned().collect();
        let mut random = Random(SEED);
        let mut opened = 0;
        for round in 0..ROUNDS {
            // Half of the time a sound file, so that what follows the header is reached too.
            let seeds = if random.below(2) == 0 { &sound } else { &seeds };
            let (name, seed) = &seeds[random.below(seeds.len())];
            let mut bytes = seed.clone();
            for _ in 0..=random.below(3) {
                mutate(&mut bytes, &mut random);
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| exercise(format, &bytes)));
            opened += usize::from(outcome.unwrap_or_else(|_| {
                panic!("seed {SEED:#x}, {format}, round {round}, from {name}: {bytes:?}")
            }));
        }
        // Both outcomes are common, or the mutations are too wild or too mild to find anything.
        assert!((ROUNDS / 100..ROUNDS * 9 / 10).contains(&opened), "{format}: {opened} of {ROUNDS} opened");
    }
}
