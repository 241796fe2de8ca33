//! Which ops have kernels on GPUs, and which run as their decomposition.

use holdall::device::DeviceId;

use super::support::simt;

/// The ops that the CPU has a kernel for and GPUs have not, with the reason.
const MISSING: &[(&str, &str)] = &[];

#[test]
fn what_runs_natively() {
    let _: fn() -> simt::Simt = simt::Simt::default;
    let names = |device: &str| DeviceId::named(device).unwrap().get().unwrap().kernels().names();
    let (gpu, cpu) = (names("simt"), names("cpu"));
    let missing: Vec<&str> = cpu.iter().copied().filter(|name| !gpu.contains(name)).collect();
    assert_eq!(missing, MISSING.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert!(gpu.iter().all(|name| cpu.contains(name)), "{gpu:?}");
}
