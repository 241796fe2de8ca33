//! Which vector instructions this machine has, found once.

use std::sync::OnceLock;

use holdall_core::{Result, settings};

/// A level of vector instructions for which kernels are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What the target guarantees; NEON on aarch64.
    Portable,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, DQ, VL (and all of AVX2).
    Avx512,
}

impl Isa {
    const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The best level that the machine has and the settings allow.
    pub fn get() -> Self {
        static ISA: OnceLock<Isa> = OnceLock::new();
        // A setting that means nothing was refused when the device was made.
        *ISA.get_or_init(|| detect().min(Self::allowed().unwrap_or(Self::Avx512)))
    }

    /// The best level that the settings allow: `portable`, `avx2` or `avx512`.
    ///
    /// # Errors
    /// When they name no level.
    pub fn allowed() -> Result<Self> {
        let level = settings::isa(&["portable", "avx2", "avx512"])?;
        Ok(level.map_or(Self::Avx512, |i| Self::ALL[i]))
    }

    /// Every level that runs here, for tests that compare them.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|isa| *isa <= detect()).collect()
    }
}

/// A function compiled for each vector level; its first argument chooses. The body is an `#[inline(always)]` function of
/// the same parameters; the caller keeps to its contract, and passes no level that the machine lacks.
macro_rules! levels {
    ($(#[$doc:meta])* $vis:vis fn $name:ident<$($f:ident: $bound:path),*>($($x:ident: $t:ty),* $(,)?) = $body:ident;) => {
        $(#[$doc])*
        #[inline]
        $vis unsafe fn $name<$($f: $bound),*>(isa: $crate::isa::Isa, $($x: $t),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            unsafe fn avx512<$($f: $bound),*>($($x: $t),*) {
                // SAFETY: passed on to the caller.
                unsafe { $body::<$($f),*>($($x),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn avx2<$($f: $bound),*>($($x: $t),*) {
                // SAFETY: passed on to the caller.
                unsafe { $body::<$($f),*>($($x),*) }
            }
            // SAFETY: passed on to the caller, who has the level.
            unsafe {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    $crate::isa::Isa::Avx512 => avx512::<$($f),*>($($x),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::isa::Isa::Avx2 => avx2::<$($f),*>($($x),*),
                    _ => $body::<$($f),*>($($x),*),
                }
            }
        }
    };
}
pub(crate) use levels;

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Isa::Avx512,
        (true, false) => Isa::Avx2,
        _ => Isa::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::Portable
}
