//! Every feature of Metal kernels, in the order in which people use them: a kernel with it that gives what it should, and
//! one that uses it wrongly, with what is said about that.
//!
//! The ranks come from counting 753 public kernels. The test fails when a rank or a group of features has no such pair.

use holdall_msl::{ElementType, TemplateValue};

use crate::support::{Kernel, ints};

/// How the kernels of a feature are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Plain,
    /// With `atomic_outputs`.
    Atomic,
    /// With a second output `z`.
    TwoOutputs,
    /// The feature is one of calls: the file and the names of the two tests.
    Elsewhere(&'static str),
}

pub struct Feature {
    pub rank: u32,
    pub name: &'static str,
    pub call: Call,
    /// Header and body, parted by `/*body*/` if there is a header.
    pub right: &'static str,
    /// What `y` begins with then.
    pub want: &'static [i32],
    pub wrong: &'static str,
    /// What the first message contains then.
    pub message: &'static str,
}

pub const fn feature(
    rank: u32,
    name: &'static str,
    right: &'static str,
    want: &'static [i32],
    wrong: &'static str,
    message: &'static str,
) -> Feature {
    Feature { rank, name, call: Call::Plain, right, want, wrong, message }
}

impl Feature {
    pub const fn with(self, call: Call) -> Self {
        Self { call, ..self }
    }

    /// 32 threads of one group; `x` holds the floats from 0 to 15, `k` eight digits in two rows, `n` two integers that are few enough to
    /// be in constant memory, `s` is a number, `y` has 32 integers.
    fn kernel<'a>(&self, text: &'a str) -> Kernel<'a> {
        let (header, body) = text.split_once("/*body*/").unwrap_or(("", text));
        let x: Vec<f32> = (0..16u8).map(f32::from).collect();
        let kernel = Kernel::new(body)
            .header(header)
            .floats("x", &x)
            .input("k", ElementType::I32, ints(&[3, 1, 4, 1, 5, 9, 2, 6]), vec![2, 4])
            .ints("n", &[7, 2])
            .input("s", ElementType::I32, ints(&[5]), Vec::new())
            .output("y", ElementType::I32, 32)
            .template("T", TemplateValue::Type(ElementType::F32))
            .template("N", TemplateValue::Int(4))
            .template("flag", TemplateValue::Bool(true))
            .grid(32, 32);
        let kernel =
            if self.call == Call::TwoOutputs { kernel.output("z", ElementType::F16, 32) } else { kernel };
        Kernel { atomic: self.call == Call::Atomic, ..kernel }
    }
}

fn features() -> impl Iterator<Item = &'static Feature> {
    crate::ranking_common::FEATURES.iter().chain(crate::ranking_rare::FEATURES)
}

#[test]
fn every_feature_works_and_its_misuse_is_explained() {
    let mut wrongs = Vec::new();
    for feature in features() {
        let name = format!("{} {}", feature.rank, feature.name);
        if let Call::Elsewhere(path) = feature.call {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
            let text = std::fs::read_to_string(format!("{root}{path}")).expect("a file of tests");
            for test in [feature.right, feature.wrong] {
                if !text.contains(&format!("#[test]\nfn {test}()")) {
                    wrongs.push(format!("{name}: {path} has no test {test}"));
                }
            }
            continue;
        }
        match feature.kernel(feature.right).compile() {
            Ok(_) => {
                let got = feature.kernel(feature.right).run_ints();
                if got[..feature.want.len()] != *feature.want {
                    wrongs.push(format!("{name}: wanted {:?}, got {got:?}", feature.want));
                }
            }
            Err(error) => wrongs.push(format!("{name}: {error}")),
        }
        match feature.kernel(feature.wrong).compile() {
            Ok(_) => wrongs.push(format!("{name}: its misuse compiles")),
            Err(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                if feature.message.is_empty() || !first.contains(feature.message) {
                    wrongs.push(format!("{name}: wanted {:?}, got {first:?}", feature.message));
                }
            }
        }
    }
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

/// The groups of the second count, and the ranks that stand for them.
const GROUPS: &[(&str, &[u32])] = &[
    (
        "B0 scalar core",
        &[1, 2, 3, 5, 6, 7, 8, 9, 14, 17, 19, 24, 25, 27, 29, 32, 34, 36, 37, 46, 59, 87, 97, 100],
    ),
    ("B1 bfloat16_t", &[38, 75]),
    ("B2 preprocessor", &[33, 43, 45, 51, 58]),
    ("B3 helper functions", &[4, 13, 16, 20]),
    ("B4 threadgroup memory and barriers", &[10, 11, 12, 15, 40, 60, 63, 71, 83, 102]),
    ("B5 SIMD reductions", &[18, 21, 30, 52, 62, 64, 78, 79, 81]),
    ("B6 shuffles and votes", &[50, 66, 92, 95, 103, 201]),
    ("B7 pointers and references", &[23, 28, 31, 41, 49, 54, 61, 68]),
    ("B8 vectors", &[22, 26, 35, 55, 57, 69, 74, 93, 94]),
    ("B9 as_type and integer functions", &[44, 202]),
    ("B10 templates and traits", &[39, 42, 203]),
    ("B11 structs, operators, aliases", &[56, 72]),
    ("B12 atomics", &[47, 48, 65, 70, 76, 77, 82, 86, 204]),
    ("B13 strided inputs and MLX's helpers", &[67, 80, 90, 91, 98, 205]),
    ("B14 lambdas", &[206]),
    ("B15 simdgroup_matrix", &[85, 88, 96]),
    ("B16 complex64_t", &[207]),
    ("B17 double-float arithmetic", &[84]),
    ("B18 MLX's own headers", &[99]),
];

#[test]
fn every_rank_and_group_is_there_once() {
    let mut ranks: Vec<u32> = features().map(|feature| feature.rank).collect();
    ranks.sort_unstable();
    let absent: Vec<u32> = (1..=103).filter(|rank| !ranks.contains(rank)).collect();
    assert!(absent.is_empty(), "no tests of the features {absent:?}");
    assert!(ranks.windows(2).all(|pair| pair[0] != pair[1]), "a rank is there twice: {ranks:?}");
    for (group, members) in GROUPS {
        let absent: Vec<&u32> = members.iter().filter(|rank| !ranks.contains(rank)).collect();
        assert!(absent.is_empty(), "{group}: no tests of {absent:?}");
    }
    assert_eq!(GROUPS.len(), 19);
}
