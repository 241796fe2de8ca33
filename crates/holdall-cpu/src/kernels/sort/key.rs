//! Elements as unsigned integers of the same order.

use std::fmt::Debug;
use std::marker::PhantomData;

use bytemuck::Pod;

use crate::kernels::element::{Brain, Half};

/// An element type with a total order in which NaN comes last.
pub trait Sortable: Copy + Debug + Send + Sync + 'static {
    /// An unsigned integer of the type's size.
    type Key: Pod + Ord + Debug + Send + Sync;
    /// Ascends as the elements do; -0 comes before 0, and all NaN are one.
    fn key(self) -> Self::Key;
    /// As [`Sortable::key`], with one key for -0 and 0.
    fn rank(self) -> Self::Key;
    /// The element of a key.
    fn value(key: Self::Key) -> Self;
}

macro_rules! integers {
    ($($t:ty => $key:ty, $flip:expr;)+) => { $(
        impl Sortable for $t {
            type Key = $key;
            #[inline(always)]
            fn key(self) -> $key {
                self as $key ^ $flip
            }
            #[inline(always)]
            fn rank(self) -> $key {
                self.key()
            }
            #[inline(always)]
            fn value(key: $key) -> Self {
                (key ^ $flip) as Self
            }
        }
    )+ };
}
integers! {
    u8 => u8, 0; u16 => u16, 0; u32 => u32, 0; u64 => u64, 0;
    i8 => u8, 1 << 7; i16 => u16, 1 << 15; i32 => u32, 1 << 31; i64 => u64, 1 << 63;
}

macro_rules! floats {
    ($($t:ty => $key:ty, $signed:ty, $infinity:expr, |$x:ident| $bits:expr, |$k:ident| $make:expr;)+) => { $(
        impl Sortable for $t {
            type Key = $key;
            #[inline(always)]
            fn key(self) -> $key {
                let $x = self;
                let bits: $key = $bits;
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                // Negative numbers descend as their bits ascend.
                let flipped = bits ^ ((bits as $signed >> (<$key>::BITS - 1)) as $key | SIGN);
                if bits & !SIGN > $infinity { <$key>::MAX } else { flipped }
            }
            #[inline(always)]
            fn rank(self) -> $key {
                const ZERO: $key = 1 << (<$key>::BITS - 1);
                let key = self.key();
                if key == ZERO - 1 { ZERO } else { key }
            }
            #[inline(always)]
            fn value(key: $key) -> Self {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                let $k = if key & SIGN != 0 { key ^ SIGN } else { !key };
                $make
            }
        }
    )+ };
}
floats! {
    Half => u16, i16, 0x7c00, |x| x.0, |k| Half(k);
    Brain => u16, i16, 0x7f80, |x| x.0, |k| Brain(k);
    f32 => u32, i32, 0x7f80_0000, |x| x.to_bits(), |k| f32::from_bits(k);
    f64 => u64, i64, 0x7ff0_0000_0000_0000, |x| x.to_bits(), |k| f64::from_bits(k);
}

/// What a sort moves around, and what it gives.
pub trait Sorting: Debug + Send + Sync + 'static {
    /// An element in memory.
    type In: Copy;
    /// What is sorted.
    type Entry: Pod + Ord + Send + Sync + Debug;
    /// A result in memory.
    type Out: Copy;
    /// Element `index` of a row.
    fn entry(x: Self::In, index: u32) -> Self::Entry;
    /// What an entry stands for; `element` gives those of the row.
    fn result(entry: Self::Entry, element: impl Fn(usize) -> Self::In) -> Self::Out;
}

/// Sorted elements.
#[derive(Debug)]
pub struct Values<T>(PhantomData<T>);

/// Indices in sorted order: keys with the index below, so that equal elements stay in order.
#[derive(Debug)]
pub struct Places<T>(PhantomData<T>);

/// Elements in the order of [`Places`]: partitions leave most elements in no particular order, which must be one and the
/// same for elements and indices.
#[derive(Debug)]
pub struct Picks<T>(PhantomData<T>);

impl<T: Sortable> Sorting for Values<T> {
    type In = T;
    type Entry = T::Key;
    type Out = T;
    #[inline(always)]
    fn entry(x: T, _: u32) -> T::Key {
        x.key()
    }
    #[inline(always)]
    fn result(entry: T::Key, _: impl Fn(usize) -> T) -> T {
        T::value(entry)
    }
}

macro_rules! places {
    ($($t:ty => $entry:ty;)+) => { $(
        impl Sorting for Places<$t> {
            type In = $t;
            type Entry = $entry;
            type Out = u32;
            #[inline(always)]
            fn entry(x: $t, index: u32) -> $entry {
                <$entry>::from(x.rank()) << 32 | <$entry>::from(index)
            }
            #[inline(always)]
            fn result(entry: $entry, _: impl Fn(usize) -> $t) -> u32 {
                entry as u32
            }
        }

        impl Sorting for Picks<$t> {
            type In = $t;
            type Entry = $entry;
            type Out = $t;
            #[inline(always)]
            fn entry(x: $t, index: u32) -> $entry {
                Places::<$t>::entry(x, index)
            }
            #[inline(always)]
            fn result(entry: $entry, element: impl Fn(usize) -> $t) -> $t {
                element(entry as u32 as usize)
            }
        }
    )+ };
}
places! {
    u8 => u64; u16 => u64; u32 => u64; i8 => u64; i16 => u64; i32 => u64; Half => u64; Brain => u64; f32 => u64;
    u64 => u128; i64 => u128; f64 => u128;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ascend_as_elements_do() {
        let ascending = [f32::NEG_INFINITY, -2.5, -1e-40, -0.0, 0.0, 1e-40, 3.0, f32::INFINITY];
        assert!(ascending.windows(2).all(|w| w[0].key() < w[1].key()));
        assert!(ascending.iter().all(|x| f32::value(x.key()).to_bits() == x.to_bits()));
        assert_eq!((-0.0f32).rank(), 0.0f32.rank());
        for nan in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001)] {
            assert_eq!(nan.key(), u32::MAX);
            assert!(f32::value(nan.key()).is_nan());
        }
        assert!((-128i8).key() < (-1i8).key() && (-1i8).key() < 0i8.key() && 0i8.key() < 127i8.key());
        assert_eq!(i64::value((-5i64).key()), -5);
    }
}
