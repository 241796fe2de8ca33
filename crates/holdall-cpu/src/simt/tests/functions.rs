//! Functions of floats, in all types, against the front end's reference.

use holdall_msl::ElementType;

use super::support::{Kernel, to_floats};

const ONE: &[&str] = &[
    "abs", "floor", "ceil", "trunc", "round", "rint", "sqrt", "rsqrt", "exp", "exp2", "exp10", "log", "log2",
    "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "sinpi", "cospi",
];
const TWO: &[&str] = &["atan2", "pow", "fmod", "copysign", "min", "max", "fdim"];

/// Values that functions are asked for, their domains' edges among them.
fn values() -> Vec<f32> {
    let mut values: Vec<f32> = (0..90).map(|i| (i as f32 - 40.0) * 0.37).collect();
    values.extend([
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        1e-3,
        2.5,
        -2.5,
    ]);
    values
}

fn compare(body: &str, tolerance: f32) {
    let x = values();
    let kernel =
        Kernel::new(body).floats("x", &x).output("y", ElementType::F32, x.len()).grid(x.len() as u32, 64);
    let (got, want) = (to_floats(&kernel.run()[0]), to_floats(&kernel.reference()[0]));
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let near =
            got == want || (got.is_nan() && want.is_nan()) || (got - want).abs() <= tolerance * want.abs();
        assert!(near, "{body}\nof {}: {got}, {want}", x[i]);
    }
}

#[test]
fn functions_of_all_float_types() {
    // Two units in the last place.
    for (ty, tolerance) in [("float", 5e-7), ("half", 2e-3), ("bfloat", 1.6e-2)] {
        for name in ONE {
            compare(
                &format!(
                    "uint i = thread_position_in_grid.x; {ty} v = {ty}(x[i]); y[i] = float(metal::{name}(v));"
                ),
                tolerance,
            );
        }
        for name in TWO {
            compare(
                &format!(
                    "uint i = thread_position_in_grid.x; {ty} v = {ty}(x[i]), w = {ty}(x[(i * 7 + 3) % 102]);
                    y[i] = float(metal::{name}(v, w));"
                ),
                tolerance,
            );
        }
    }
}

#[test]
fn operators_and_conversions_are_exact() {
    for ty in ["float", "half", "bfloat"] {
        compare(
            &format!(
                "uint i = thread_position_in_grid.x; {ty} v = {ty}(x[i]), w = {ty}(x[(i * 7 + 3) % 102]);
                 {ty} r = (v + w) * v - w / (v + {ty}(3)); r = v < w ? -r : r; y[i] = float(r) + float(int(v)) + float({ty}(uint(i) * 1001u));"
            ),
            0.0,
        );
    }
}
