//! Which ops have kernels on GPUs.

use holdall::device::DeviceId;

use super::support::simt;

#[test]
fn what_runs_natively_on_cpus_does_so_on_gpus() {
    let _: fn() -> simt::Simt = simt::Simt::default;
    let names = |device: &str| DeviceId::named(device).unwrap().get().unwrap().kernels().names();
    assert_eq!(names("simt"), names("cpu"));
}
