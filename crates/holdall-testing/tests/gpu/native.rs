//! Which ops have kernels on GPUs, and which run as their decomposition.

use holdall::device::DeviceId;

use super::support::simt;

/// The ops that the CPU has a kernel for and GPUs have not, with the reason.
const MISSING: &[(&str, &str)] = &[
    ("holdall_core::ops::attention::Attention", "runs as its decomposition"),
    ("holdall_core::ops::mask::MaskedScatter", "has none yet"),
    ("holdall_core::ops::scan::Scan", "has none yet"),
    ("holdall_core::ops::sort::ArgSort", "has none yet"),
    ("holdall_core::ops::sort::SearchSorted", "has none yet"),
    ("holdall_core::ops::sort::Sort", "has none yet"),
];

#[test]
fn what_runs_natively() {
    let _: fn() -> simt::Simt = simt::Simt::default;
    let names = |device: &str| DeviceId::named(device).unwrap().get().unwrap().kernels().names();
    let (gpu, cpu) = (names("simt"), names("cpu"));
    let missing: Vec<&str> = cpu.iter().copied().filter(|name| !gpu.contains(name)).collect();
    assert_eq!(missing, MISSING.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert!(gpu.iter().all(|name| cpu.contains(name)), "{gpu:?}");
}
