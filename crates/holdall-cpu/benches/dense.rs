//! Times of the dense kernels, as medians: `cargo bench -p holdall-cpu --bench dense [FILTER]`.

use std::time::Instant;

use holdall_cpu::kernels::math;

/// The median of `repeats` runs of `f`, in seconds.
fn median(repeats: usize, mut f: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[repeats / 2]
}

macro_rules! math_rows {
    ($filter:expr; $($name:ident),*) => {
        let x: Vec<f32> = (0..4096).map(|i| 0.9 * (i as f32 / 2048.0 - 1.0)).collect();
        let mut y = vec![0f32; 4096];
        $(if concat!("math ", stringify!($name)).contains($filter) {
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))]
            fn avx512(x: &[f32], y: &mut [f32]) {
                for (x, y) in x.iter().zip(y) {
                    *y = math::$name(*x);
                }
            }
            // SAFETY: this benchmark is for machines with AVX-512.
            let t = median(301, || unsafe { avx512(&x, &mut y) });
            println!("math {:8} {:.3} ns an element", stringify!($name), t * 1e9 / 4096.0);
            std::hint::black_box(&y);
        })*
    };
}

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let filter = filter.as_str();
    math_rows!(filter; exp, exp2, expm1, log, log2, log1p, sin, cos, tan, sinh, cosh, tanh, asin, acos, atan,
        asinh, acosh, atanh, erf, erfinv, rsqrt, sigmoid);
}
