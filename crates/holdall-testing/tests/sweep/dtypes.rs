//! Which type comes out: promotion, numbers beside arrays, what ops refuse.

use holdall::Dtype::{self, *};
use holdall::{Array, ErrorKind, Operand};
use num_complex::Complex32;

use super::number::{Number, decode};

/// MLX's table, row and column in the order of [`Dtype::ALL`]; the lower half follows.
const PROMOTION: [(Dtype, &str); 14] = [
    (Bool, "bool u8 u16 u32 u64 i8 i16 i32 i64 f16 bf16 f32 f64 c64"),
    (Uint8, "u8 u16 u32 u64 i16 i16 i32 i64 f16 bf16 f32 f64 c64"),
    (Uint16, "u16 u32 u64 i32 i32 i32 i64 f16 bf16 f32 f64 c64"),
    (Uint32, "u32 u64 i64 i64 i64 i64 f16 bf16 f32 f64 c64"),
    (Uint64, "u64 f32 f32 f32 f32 f16 bf16 f32 f64 c64"),
    (Int8, "i8 i16 i32 i64 f16 bf16 f32 f64 c64"),
    (Int16, "i16 i32 i64 f16 bf16 f32 f64 c64"),
    (Int32, "i32 i64 f16 bf16 f32 f64 c64"),
    (Int64, "i64 f16 bf16 f32 f64 c64"),
    (Float16, "f16 f32 f32 f64 c64"),
    (Bfloat16, "bf16 f32 f64 c64"),
    (Float32, "f32 f64 c64"),
    (Float64, "f64 c64"),
    (Complex64, "c64"),
];

fn short(dtype: Dtype) -> &'static str {
    match dtype {
        Bool => "bool",
        Uint8 => "u8",
        Uint16 => "u16",
        Uint32 => "u32",
        Uint64 => "u64",
        Int8 => "i8",
        Int16 => "i16",
        Int32 => "i32",
        Int64 => "i64",
        Float16 => "f16",
        Bfloat16 => "bf16",
        Float32 => "f32",
        Float64 => "f64",
        Complex64 => "c64",
    }
}

fn one(dtype: Dtype) -> Array {
    Array::scalar(1i32).astype(dtype)
}

#[test]
fn arrays_meet_in_the_type_of_the_table() {
    let mut pairs = 0;
    for (row, line) in PROMOTION {
        let others = Dtype::ALL.into_iter().skip_while(|d| *d != row);
        for (other, want) in others.zip(line.split(' ')) {
            for y in [
                one(row).add(one(other)).unwrap(),
                one(other).maximum(one(row)).or_else(|_| one(other).add(one(row))).unwrap(),
            ] {
                assert_eq!(short(y.dtype()), want, "{row} with {other}");
            }
            pairs += 1;
        }
    }
    assert_eq!(pairs, 105);
}

#[test]
fn numbers_take_the_type_of_the_array() {
    for dtype in Dtype::ALL {
        let x = one(dtype);
        let of = |number: Operand| x.add(number).unwrap().dtype();
        assert_eq!(of(true.into()), dtype);
        assert_eq!(of(1.into()), if dtype == Bool { Int32 } else { dtype });
        assert_eq!(of(1.5.into()), if dtype.is_inexact() { dtype } else { Float32 });
        assert_eq!(of(Complex32::I.into()), Complex64);
        assert_eq!((1i32 - &x).dtype(), if dtype == Bool { Int32 } else { dtype });
        assert_eq!((&x / 2).dtype(), dtype.promote(if dtype.is_inexact() { dtype } else { Float32 }));
    }
    assert_eq!(one(Int8).add(300).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(one(Int32).add(1i64 << 40).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(decode(&one(Uint64).add(-2).unwrap()), [Number::Int(u64::MAX.into())]);
}

/// The result types of MLX that do not follow from promotion.
#[test]
fn results_have_the_types_of_their_ops() {
    for dtype in Dtype::ALL {
        let x = one(dtype);
        let float = if dtype.is_inexact() { dtype } else { Float32 };
        assert_eq!(x.exp().unwrap().dtype(), float);
        assert_eq!(x.divide(&x).unwrap().dtype(), float);
        assert_eq!(x.square().unwrap().dtype(), dtype);
        assert_eq!(x.abs().unwrap().dtype(), if dtype == Complex64 { Float32 } else { dtype });
        assert_eq!(x.equal(&x).unwrap().dtype(), Bool);
        assert_eq!(x.logical_not().unwrap().dtype(), Bool);
        assert_eq!(x.power(2).unwrap().dtype(), if dtype == Bool { Int32 } else { dtype });
        let refuses = |y: holdall::Result<Array>, wanted: bool| match y {
            Ok(_) => assert!(!wanted, "{dtype}"),
            Err(e) => {
                assert!(wanted && e.kind() == ErrorKind::Dtype && e.built_at().is_some(), "{dtype}: {e}");
            }
        };
        refuses(x.bitwise_and(&x), dtype.is_inexact());
        refuses(x.left_shift(&x), dtype.is_inexact());
        refuses(x.bitwise_invert(), dtype.is_inexact());
        refuses(x.erf(), dtype == Complex64);
        refuses(x.less(&x), dtype == Complex64);
        refuses(x.remainder(&x), dtype == Complex64);
        refuses(x.negative(), dtype == Bool);
        refuses(x.real(), dtype != Complex64);
    }
}

#[test]
fn shapes_that_do_not_broadcast_are_refused() {
    let x = Array::from_slice(&[1f32; 6], &[2, 3]).unwrap();
    let y = Array::from_slice(&[1f32; 4], &[4]).unwrap();
    let error = x.add(&y).unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Shape, "add"));
    assert!(
        error.to_string().starts_with("add: shapes [2, 3] and [4] do not broadcast (built at "),
        "{error}"
    );
}
