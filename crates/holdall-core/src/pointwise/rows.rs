//! The rows of the table as generic functions: `rows::exp::value::<S>(x)`.

#![expect(unused_variables, reason = "a row's derivative need not use every input and output")]

use super::algebra::{Algebra, Bits, Complex, Float, Logic, Ordered, Real};
use super::{Class, Derivative, Row, Text};
use crate::Array;

/// The derivative that vanishes everywhere.
fn zero(_: Array) -> Option<Array> {
    None
}

macro_rules! define {
    ($($(#[doc = $doc:literal])* $class:ident $name:ident($($x:ident),+) -> ($($y:ident),+) = [$($value:expr),+],
        d $($t:ident)? $([$([$($d:expr),+]),*])?, on $lo:literal..$hi:literal;)+) => {
        $($(#[doc = $doc])* pub mod $name {
            use super::*;
            value!($class ($($x),+) [$($value),+]);
            derivative!(($($x),+) ($($y),+) $($t)? $([$([$($d),+]),*])?);
        })+

        /// Every elementwise op.
        pub static TABLE: &[Row] = &[$(Row {
            name: stringify!($name),
            index: Index::$name as u16,
            class: class!($class),
            arity: [$(stringify!($x)),+].len() as u8,
            outputs: [$(stringify!($y)),+].len() as u8,
            doc: concat!($($doc),*),
            domain: ($lo, $hi),
            text: |x| match x {
                [$($x),+] => text!($class $name ($($x),+)),
                _ => unreachable!("the renderer passes as many operands as the row's arity"),
            },
            derivative: $name::DERIVATIVE,
        }),+];

        indices! { 0; $($name)+ }
    };
}

/// Constants `ADD`, `EXP`, …: each row's place in the table, by its name in lower case inside `index`.
macro_rules! indices {
    ($($n:expr)?; $($name:ident)+) => {
        #[expect(non_camel_case_types, reason = "the names of ops are in lower case everywhere")]
        #[derive(Clone, Copy)]
        enum Index { $($name),+ }
        /// Each row by name.
        pub mod row {
            use super::{Index, Row, TABLE};
            $(
                #[doc = concat!("The row of `", stringify!($name), "`.")]
                pub fn $name() -> &'static Row { &TABLE[Index::$name as usize] }
            )+
        }
    };
}

macro_rules! class {
    (float) => {
        Class::Float
    };
    (real) => {
        Class::Real
    };
    (arith) => {
        Class::Arith
    };
    (ordered) => {
        Class::Ordered
    };
    (equality) => {
        Class::Equality
    };
    (comparison) => {
        Class::Comparison
    };
    (logical) => {
        Class::Logical
    };
    (bits) => {
        Class::Bits
    };
    (part) => {
        Class::Part
    };
    (complex) => {
        Class::Complex
    };
    (select) => {
        Class::Select
    };
}

macro_rules! value {
    (float $($rest:tt)*) => { value!(@same Float $($rest)*); };
    (real $($rest:tt)*) => { value!(@same Real $($rest)*); };
    (arith $($rest:tt)*) => { value!(@same Algebra $($rest)*); };
    (ordered $($rest:tt)*) => { value!(@same Ordered $($rest)*); };
    (bits $($rest:tt)*) => { value!(@same Bits $($rest)*); };
    (complex $($rest:tt)*) => { value!(@same Complex $($rest)*); };
    (equality $($rest:tt)*) => { value!(@truth Algebra $($rest)*); };
    (comparison $($rest:tt)*) => { value!(@truth Ordered $($rest)*); };
    (@same $bound:ident ($($x:ident),+) [$($value:expr),+]) => {
        /// The op's outputs.
        #[inline(always)]
        pub fn value<S: $bound>($($x: S),+) -> [S; [$(stringify!($value)),+].len()] { [$($value),+] }
    };
    (@truth $bound:ident ($($x:ident),+) [$value:expr]) => {
        /// The op's output.
        #[inline(always)]
        pub fn value<S: $bound>($($x: S),+) -> [S::Bool; 1] { [$value] }
    };
    (logical ($($x:ident),+) [$value:expr]) => {
        /// The op's output.
        #[inline(always)]
        pub fn value<S: Logic>($($x: S),+) -> [S; 1] { [$value] }
    };
    (part ($x:ident) [$value:expr]) => {
        /// The op's output.
        #[inline(always)]
        pub fn value<S: Complex>($x: S) -> [S::Part; 1] { [$value] }
    };
    (select ($c:ident, $a:ident, $b:ident) [$value:expr]) => {
        /// The op's output.
        #[inline(always)]
        pub fn value<S: Algebra>($c: S::Bool, $a: S, $b: S) -> [S; 1] { [$value] }
    };
}

macro_rules! derivative {
    ($x:tt $y:tt none) => {
        pub(super) const DERIVATIVE: Derivative = None;
    };
    (($($x:ident),+) ($($y:ident),+) $t:ident [$($d:tt),*]) => {
        pub(super) const DERIVATIVE: Derivative = Some(|inputs, outputs, $t, output, input| {
            let [$($x),+] = inputs else { unreachable!("a node has as many inputs as its row's arity") };
            let [$($y),+] = outputs else { unreachable!("a node has as many outputs as its row") };
            $(let $x = $x.clone();)+
            $(let $y = $y.clone();)+
            let $t = $t.clone();
            let at = output * inputs.len() + input;
            let mut _i = 0;
            $(derivative!(@row at _i $d);)*
            unreachable!("the table gives a derivative for each output by each input")
        });
    };
    (@row $at:ident $i:ident [$($d:expr),+]) => {
        $(
            if $at == $i {
                return Option::<Array>::from($d);
            }
            $i += 1;
        )+
    };
}

macro_rules! text {
    (logical $name:ident ($($x:ident),+)) => { $name::value::<Text>($($x.clone()),+).to_vec() };
    ($class:ident $name:ident ($($x:ident),+)) => { $name::value::<Text>($($x.clone()),+).to_vec() };
}

elementwise_table!(define);
