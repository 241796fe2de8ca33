//! Angles, reduced exactly and evaluated in f64.

use super::{double::ROUND, polynomial};

/// Three pieces of 2/π for each exponent of an f32, from the first bit that is not a whole number of turns on.
///
/// 29, 28 and 53 bits: the first two products with 24 bits are exact.
static TWO_OVER_PI: [[f64; 128]; 3] = two_over_pi();

const fn two_over_pi() -> [[f64; 128]; 3] {
    /// The first 256 bits of 2/π after the binary point.
    const BITS: [u64; 4] =
        [0xa2f9_836e_4e44_1529, 0xfc27_57d1_f534_ddc0, 0xdb62_9599_3c43_9041, 0xfe51_63ab_debb_c561];
    let mut pieces = [[0.0; 128]; 3];
    let mut row = 0;
    while row < 128 {
        // Beyond row 102 come infinities and NaN, whatever they are multiplied by.
        let mut bit = if row < 103 { row } else { 102 };
        let mut piece = 0;
        while piece < 3 {
            let width = [29, 28, 53][piece];
            let mut value = 0u64;
            let end = bit + width;
            while bit < end {
                value = value << 1 | BITS[bit / 64] >> (63 - bit % 64) & 1;
                bit += 1;
            }
            // `value` counts units of 2^-end.
            pieces[piece][row] = value as f64 * f64::from_bits((1023 - end as u64) << 52);
            piece += 1;
        }
        row += 1;
    }
    pieces
}

/// (q, f) with x = (q + f) π/2 up to whole turns, |f| ≤ ½; q in the low bits.
#[inline(always)]
fn quarter_turns(x: f32) -> (u64, f64) {
    // Row 0 serves exponents up to 25, where no bit of 2/π can be left out.
    let exponent = (x.to_bits() >> 23 & 0xff) as i32;
    let row = exponent - (127 + 25);
    let row = (if row < 0 { 0 } else { row }) as usize & 127;
    let x = f64::from(x);
    let (first, second) = (x * TWO_OVER_PI[0][row], x * TWO_OVER_PI[1][row]);
    let shifted = first + second + ROUND;
    let q = shifted - ROUND;
    (shifted.to_bits(), (first - q) + second + x * TWO_OVER_PI[2][row])
}

/// sin and cos of f π/2 for |f| ≤ ½.
#[inline(always)]
fn sin_cos_quarter(f: f64) -> (f64, f64) {
    let z = f * f;
    let sin = polynomial!(z; 1.570_796_326_794_889_7, -0.645_964_097_504_248_2, 0.079_692_626_153_707_52,
        -0.004_681_752_566_039_257, 0.000_160_429_134_966_975_74, -3.556_154_811_526_086_7e-6);
    let cos = polynomial!(z; 1.0, -1.233_700_550_136_134_9, 0.253_669_507_899_167_9, -0.020_863_480_721_273_437,
        0.000_919_259_823_847_012_5, -2.519_960_329_921_048e-5, 4.647_042_873_712_515e-7);
    (f * sin, cos)
}

/// `x`, negated where bit 1 of `q` is set.
#[inline(always)]
fn signed(x: f64, q: u64) -> f64 {
    f64::from_bits(x.to_bits() ^ (q & 2) << 62)
}

/// sin x and cos x in f64 precision of the f32 angle.
#[inline(always)]
fn sin_cos_wide(x: f32) -> (f64, f64) {
    let (q, f) = quarter_turns(x);
    let (sin, cos) = sin_cos_quarter(f);
    let swap = q & 1 == 1;
    let (s, c) = if swap { (cos, sin) } else { (sin, cos) };
    (signed(s, q), signed(c, q.wrapping_add(1)))
}

/// sin x and cos x, for x in radians.
#[inline(always)]
pub fn sin_cos(x: f32) -> (f32, f32) {
    let (sin, cos) = sin_cos_wide(x);
    (sin as f32, cos as f32)
}

/// sin x, for x in radians.
#[inline(always)]
pub fn sin(x: f32) -> f32 {
    sin_cos_wide(x).0 as f32
}

/// cos x, for x in radians.
#[inline(always)]
pub fn cos(x: f32) -> f32 {
    sin_cos_wide(x).1 as f32
}

/// tan x, for x in radians.
#[inline(always)]
pub fn tan(x: f32) -> f32 {
    let (sin, cos) = sin_cos_wide(x);
    (sin / cos) as f32
}

/// The angle of the point (x, y), in −π..=π.
#[inline(always)]
fn atan2_wide(y: f64, x: f64) -> f64 {
    use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};
    let (ay, ax) = (y.abs(), x.abs());
    let steep = ay > ax;
    let (low, high) = if steep { (ax, ay) } else { (ay, ax) };
    // Above tan(π/8) turn by π/4.
    let turn = low > high * 0.414_213_562_373_095_03;
    let (numerator, denominator) = if turn { (low - high, low + high) } else { (low, high) };
    let z = numerator / denominator;
    // 0/0 counts as 0 and ∞/∞ as a diagonal.
    let z = if high == 0.0 || low == f64::INFINITY { 0.0 } else { z };
    let w = z * z;
    let p = polynomial!(w; 0.999_999_999_999_973_7, -0.333_333_333_308_026_4, 0.199_999_996_047_943_52,
        -0.142_856_904_204_462_81, 0.111_103_850_022_922_25, -0.090_783_919_660_417_07, 0.075_637_058_189_094_4,
        -0.058_745_244_073_550_27, 0.030_662_868_545_110_453);
    let diagonal = turn || low == f64::INFINITY;
    let angle = z * p + if diagonal { FRAC_PI_4 } else { 0.0 };
    let angle = if steep { FRAC_PI_2 - angle } else { angle };
    let angle = if x.is_sign_negative() { PI - angle } else { angle };
    let angle = angle.copysign(y);
    if x.is_nan() || y.is_nan() { f64::NAN } else { angle }
}

/// The angle of the point (`x`, `y`), in −π..=π, with C99's signs at zeros and infinities.
#[inline(always)]
pub fn atan2(y: f32, x: f32) -> f32 {
    atan2_wide(f64::from(y), f64::from(x)) as f32
}

/// The angle in −π/2..=π/2 whose tangent is `x`.
#[inline(always)]
pub fn atan(x: f32) -> f32 {
    atan2_wide(f64::from(x), 1.0) as f32
}

/// The angle in −π/2..=π/2 whose sine is `x`.
#[inline(always)]
pub fn asin(x: f32) -> f32 {
    let x = f64::from(x);
    atan2_wide(x, ((1.0 - x) * (1.0 + x)).sqrt()) as f32
}

/// The angle in 0..=π whose cosine is `x`.
#[inline(always)]
pub fn acos(x: f32) -> f32 {
    let x = f64::from(x);
    atan2_wide(((1.0 - x) * (1.0 + x)).sqrt(), x) as f32
}
