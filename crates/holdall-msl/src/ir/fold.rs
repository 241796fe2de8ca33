//! What the pure operations mean, on the bits of scalars. It folds constants, and is the reference for backends.

use half::{bf16, f16};

use super::{Binary, Compare, Const, Integer, Math, OpKind, Test, Unary};
use crate::scalar::Scalar;

/// The value of a float constant.
#[must_use]
pub fn to_f64(value: Const) -> f64 {
    match value.ty {
        Scalar::F32 => f64::from(f32::from_bits(value.bits as u32)),
        Scalar::F16 => f16::from_bits(value.bits as u16).to_f64(),
        Scalar::BF16 => bf16::from_bits(value.bits as u16).to_f64(),
        Scalar::U64 => value.bits as f64,
        _ => value.as_i64() as f64,
    }
}

fn to_f32(value: Const) -> f32 {
    match value.ty {
        Scalar::F32 => f32::from_bits(value.bits as u32),
        _ => to_f64(value) as f32,
    }
}

/// A value as a constant of a float type, rounded to nearest even.
#[must_use]
pub fn from_f64(ty: Scalar, value: f64) -> Const {
    let bits = match ty {
        Scalar::F16 => u64::from(f16::from_f64(value).to_bits()),
        Scalar::BF16 => u64::from(bf16::from_f64(value).to_bits()),
        _ => u64::from((value as f32).to_bits()),
    };
    Const::new(ty, bits)
}

fn from_f32(ty: Scalar, value: f32) -> Const {
    if ty == Scalar::F32 {
        Const::new(ty, u64::from(value.to_bits()))
    } else {
        from_f64(ty, f64::from(value))
    }
}

fn integer(ty: Scalar, value: i128) -> Const {
    Const::new(ty, value as u64)
}

fn to_i128(value: Const) -> i128 {
    if value.ty.is_signed() { i128::from(value.as_i64()) } else { i128::from(value.bits) }
}

fn boolean(value: bool) -> Const {
    Const::new(Scalar::Bool, u64::from(value))
}

/// Converts between scalar types.
#[must_use]
pub fn convert(value: Const, to: Scalar) -> Const {
    let from = value.ty;
    if from == to {
        return value;
    }
    if to == Scalar::Bool {
        // NaN is true, both zeros are false.
        return boolean(if from.is_float() { to_f64(value) != 0.0 } else { value.bits != 0 });
    }
    match (from.is_float(), to.is_float()) {
        (true, true) => from_f64(to, to_f64(value)),
        (true, false) => {
            let float = to_f64(value);
            let bits = to.bits();
            let (low, high) = if to.is_signed() {
                (-(2f64.powi(bits as i32 - 1)), 2f64.powi(bits as i32 - 1))
            } else {
                (0.0, 2f64.powi(bits as i32))
            };
            let saturated = if float.is_nan() {
                0
            } else if float <= low {
                low as i128
            } else if float >= high {
                high as i128 - 1
            } else {
                float as i128
            };
            integer(to, saturated)
        }
        (false, true) => {
            let exact = to_i128(value);
            match to {
                Scalar::F32 => Const::new(to, u64::from((exact as f32).to_bits())),
                Scalar::BF16 => {
                    // Rounding to f64 first would round long integers twice; to odd it does not.
                    let near = exact as f64;
                    let odd = if near as i128 == exact { near } else { to_odd(exact) };
                    from_f64(to, odd)
                }
                _ => from_f64(to, exact as f64),
            }
        }
        (false, false) => integer(to, to_i128(value)),
    }
}

/// An integer of more than 53 bits as a double whose last bit is set, so that a second rounding is right.
fn to_odd(exact: i128) -> f64 {
    let magnitude = exact.unsigned_abs();
    let shift = (128 - magnitude.leading_zeros()).saturating_sub(53);
    let kept = (magnitude >> shift) | u128::from(magnitude & ((1 << shift) - 1) != 0);
    let value = kept as f64 * 2f64.powi(shift as i32);
    if exact < 0 { -value } else { value }
}

fn unary(op: Unary, value: Const) -> Const {
    let ty = value.ty;
    match op {
        // The sign bit alone, also of NaN and zero.
        Unary::Negate if ty.is_float() => Const::new(ty, value.bits ^ (1 << (ty.bits() - 1))),
        Unary::Negate => Const::new(ty, value.bits.wrapping_neg()),
        Unary::Not => Const::new(ty, !value.bits),
    }
}

fn binary(op: Binary, a: Const, b: Const) -> Const {
    let ty = a.ty;
    if ty.is_float() {
        let (x, y) = (to_f32(a), to_f32(b));
        // Sums, products and quotients of 16-bit floats in f32 round as if done exactly.
        let value = match op {
            Binary::Add => x + y,
            Binary::Subtract => x - y,
            Binary::Multiply => x * y,
            Binary::Divide => x / y,
            Binary::Min => x.min(y),
            Binary::Max => x.max(y),
            _ => 0.0,
        };
        return from_f32(ty, value);
    }
    let (x, y) = (to_i128(a), to_i128(b));
    let amount = (b.bits % u64::from(ty.bits().max(8))) as u32;
    match op {
        Binary::Add => Const::new(ty, a.bits.wrapping_add(b.bits)),
        Binary::Subtract => Const::new(ty, a.bits.wrapping_sub(b.bits)),
        Binary::Multiply => Const::new(ty, a.bits.wrapping_mul(b.bits)),
        Binary::Divide => integer(ty, if y == 0 { 0 } else { x / y }),
        Binary::Remainder => integer(ty, if y == 0 { 0 } else { x % y }),
        Binary::And => Const::new(ty, a.bits & b.bits),
        Binary::Or => Const::new(ty, a.bits | b.bits),
        Binary::Xor => Const::new(ty, a.bits ^ b.bits),
        Binary::ShiftLeft => Const::new(ty, a.bits << amount),
        Binary::ShiftRight => integer(ty, x >> amount),
        Binary::Min => integer(ty, x.min(y)),
        Binary::Max => integer(ty, x.max(y)),
    }
}

fn compare(op: Compare, a: Const, b: Const) -> Const {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order =
        if a.ty.is_float() { to_f64(a).partial_cmp(&to_f64(b)) } else { Some(to_i128(a).cmp(&to_i128(b))) };
    boolean(match op {
        Compare::Eq => order == Some(Equal),
        Compare::Ne => order != Some(Equal),
        Compare::Lt => order == Some(Less),
        Compare::Le => matches!(order, Some(Less | Equal)),
        Compare::Gt => order == Some(Greater),
        Compare::Ge => matches!(order, Some(Greater | Equal)),
    })
}

/// The value in double precision, rounded once. A float function gives the nearest float.
fn math(op: Math, args: &[Const]) -> Const {
    let ty = args[0].ty;
    let x = to_f64(args[0]);
    let y = args.get(1).map_or(0.0, |arg| to_f64(*arg));
    let value = match op {
        Math::Abs => return Const::new(ty, args[0].bits & !(1 << (ty.bits() - 1))),
        Math::Copysign => {
            let sign = 1 << (ty.bits() - 1);
            return Const::new(ty, (args[0].bits & !sign) | (args[1].bits & sign));
        }
        Math::Nextafter => return next_after(args[0], args[1]),
        Math::Floor => x.floor(),
        Math::Ceil => x.ceil(),
        Math::Trunc => x.trunc(),
        Math::Round => x.round(),
        Math::Rint => x.round_ties_even(),
        Math::Sqrt => return from_f32(ty, to_f32(args[0]).sqrt()),
        Math::Rsqrt => 1.0 / x.sqrt(),
        Math::Exp => x.exp(),
        Math::Exp2 => x.exp2(),
        Math::Exp10 => libm::exp10(x),
        Math::Expm1 => x.exp_m1(),
        Math::Log => x.ln(),
        Math::Log2 => x.log2(),
        Math::Log10 => x.log10(),
        Math::Log1p => x.ln_1p(),
        Math::Sin => x.sin(),
        Math::Cos => x.cos(),
        Math::Tan => x.tan(),
        Math::Asin => x.asin(),
        Math::Acos => x.acos(),
        Math::Atan => x.atan(),
        Math::Sinh => x.sinh(),
        Math::Cosh => x.cosh(),
        Math::Tanh => x.tanh(),
        Math::Asinh => x.asinh(),
        Math::Acosh => x.acosh(),
        Math::Atanh => x.atanh(),
        // Reduced first, so that whole and half numbers give exact results.
        Math::Sinpi => half_turns(x),
        Math::Cospi => half_turns(turned(x) + 0.5),
        Math::Tanpi => half_turns(x) / half_turns(turned(x) + 0.5),
        Math::Atan2 => x.atan2(y),
        Math::Pow => x.powf(y),
        Math::Powr => {
            if x < 0.0 {
                f64::NAN
            } else {
                x.powf(y)
            }
        }
        Math::Fmod => x % y,
        Math::Ldexp => libm::ldexp(x, args[1].as_i64().clamp(-2000, 2000) as i32),
        Math::Fma => {
            let z = to_f32(args[2]);
            let (x, y) = (to_f32(args[0]), to_f32(args[1]));
            return match ty {
                Scalar::F32 => from_f32(ty, x.mul_add(y, z)),
                // The product of 16-bit floats is exact in f64, and the sum nearly: 53 bits round as if exact.
                _ => from_f64(ty, f64::from(x).mul_add(f64::from(y), f64::from(z))),
            };
        }
    };
    from_f64(ty, value)
}

/// What is left of whole turns, in half turns: from -1 to 1, and exact.
fn turned(x: f64) -> f64 {
    x - 2.0 * (x / 2.0).round()
}

/// The sine of so many half turns.
fn half_turns(x: f64) -> f64 {
    let x = turned(x);
    match x.abs() {
        0.0 | 1.0 => 0.0,
        0.5 => x.signum(),
        _ => (x * std::f64::consts::PI).sin(),
    }
}

fn next_after(from: Const, to: Const) -> Const {
    let (x, y) = (to_f64(from), to_f64(to));
    if x.is_nan() || y.is_nan() {
        return from_f64(from.ty, f64::NAN);
    }
    if x == y {
        return to;
    }
    let sign = 1u64 << (from.ty.bits() - 1);
    if x == 0.0 {
        return Const::new(from.ty, 1 | if y < 0.0 { sign } else { 0 });
    }
    let up = (y > x) == (x > 0.0);
    Const::new(from.ty, if up { from.bits + 1 } else { from.bits - 1 })
}

fn test(op: Test, value: Const) -> Const {
    let ty = value.ty;
    let x = to_f64(value);
    let mantissa = match ty {
        Scalar::F16 => 10,
        Scalar::BF16 => 7,
        _ => 23,
    };
    let exponent = (value.bits & !(1 << (ty.bits() - 1))) >> mantissa;
    boolean(match op {
        Test::IsNan => x.is_nan(),
        Test::IsInf => x.is_infinite(),
        Test::IsFinite => x.is_finite(),
        Test::IsNormal => x.is_finite() && exponent != 0,
        Test::SignBit => value.bits >> (ty.bits() - 1) != 0,
    })
}

fn integers(op: Integer, args: &[Const]) -> Const {
    let ty = args[0].ty;
    let bits = ty.bits();
    let unused = 64 - bits;
    let a = args[0];
    let x = to_i128(a);
    let y = args.get(1).map_or(0, |arg| to_i128(*arg));
    let field = |offset: Const, count: Const| {
        let offset = (offset.bits as u32).min(bits);
        let count = (count.bits as u32).min(bits - offset);
        let mask = if count >= 64 { u64::MAX } else { (1u64 << count) - 1 };
        (offset, count, mask)
    };
    let (low, high) = if ty.is_signed() {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    };
    match op {
        Integer::PopCount => Const::new(ty, u64::from(a.bits.count_ones())),
        Integer::LeadingZeros => Const::new(ty, u64::from((a.bits << unused).leading_zeros().min(bits))),
        Integer::TrailingZeros => Const::new(ty, u64::from(a.bits.trailing_zeros().min(bits))),
        Integer::ReverseBits => Const::new(ty, a.bits.reverse_bits() >> unused),
        Integer::Abs => integer(ty, x.abs()),
        Integer::MulHi if ty.is_signed() => integer(ty, (x * y) >> bits),
        Integer::MulHi => integer(ty, ((x as u128 * y as u128) >> bits) as i128),
        Integer::Rotate => {
            let amount = (args[1].bits % u64::from(bits)) as u32;
            let right = if amount == 0 { 0 } else { a.bits >> (bits - amount) };
            Const::new(ty, (a.bits << amount) | right)
        }
        Integer::AddSaturated => integer(ty, (x + y).clamp(low, high)),
        Integer::SubSaturated => integer(ty, (x - y).clamp(low, high)),
        Integer::AbsDiff => integer(ty, (x - y).abs()),
        Integer::HalfAdd => integer(ty, (x + y) >> 1),
        Integer::RoundedHalfAdd => integer(ty, (x + y + 1) >> 1),
        Integer::ExtractBits => {
            let (offset, count, mask) = field(args[1], args[2]);
            let value = if offset >= 64 { 0 } else { (a.bits >> offset) & mask };
            if ty.is_signed() && count > 0 && count < 64 && value >> (count - 1) & 1 == 1 {
                return Const::new(ty, value | !mask);
            }
            Const::new(ty, value)
        }
        Integer::InsertBits => {
            let (offset, _, mask) = field(args[2], args[3]);
            if offset >= 64 {
                return a;
            }
            Const::new(ty, (a.bits & !(mask << offset)) | ((args[1].bits & mask) << offset))
        }
    }
}

/// The result of a pure operation on constants of the types that its kind names; `None` for all other operations.
#[must_use]
pub fn evaluate(kind: OpKind, args: &[Const]) -> Option<Const> {
    Some(match (kind, args) {
        (OpKind::Copy(_), [a]) => *a,
        (OpKind::Unary(op, _), [a]) => unary(op, *a),
        (OpKind::Binary(op, _), [a, b]) => binary(op, *a, *b),
        (OpKind::Compare(op, _), [a, b]) => compare(op, *a, *b),
        (OpKind::Select(_), [condition, yes, no]) => {
            if condition.bits != 0 {
                *yes
            } else {
                *no
            }
        }
        (OpKind::Convert { to, .. }, [a]) => convert(*a, to),
        (OpKind::Bitcast { to, .. }, [a]) => Const::new(to, a.bits),
        (OpKind::Math(op, ..), _) if args.len() == op.arity() => math(op, args),
        (OpKind::Test(op, _), [a]) => test(op, *a),
        (OpKind::Integer(op, _), _) if args.len() == op.arity() => integers(op, args),
        _ => return None,
    })
}
