//! Memory, and copies between devices.

use holdall_core::device::Device;
use holdall_core::{Error, ErrorKind};
use holdall_memory::Access::{Read, Write};
use holdall_memory::User;

use crate::host::Host;
use crate::lanes::{Lane, bytes, gpu, kernel, launch, number, numbers, read, upload};
use holdall_cuda::Parameter;

const SIZES: [usize; 7] = [1, 3, 1023, 1 << 18, (1 << 20) - 1, (1 << 20) + 1, 5_000_001];

#[test]
fn data_comes_back_as_it_was() {
    let Some(gpu) = gpu() else { return };
    for n in SIZES {
        let data = numbers(n, n as u32);
        let storage = upload(&*gpu, &bytes(&data));
        assert!(read(&*gpu, &storage, n) == data, "{n} numbers");
        let mut part = vec![0; 4 * n - 1];
        gpu.read(&storage, 1, &mut part).unwrap();
        assert!(part == bytes(&data)[1..], "{n} numbers from the second byte on");
        assert!(gpu.read(&storage, 4 * n, &mut [0]).is_err());
    }
    assert_eq!(upload(&*gpu, &[]).bytes(), 1);
}

#[test]
fn an_upload_that_fails_is_an_error() {
    let Some(gpu) = gpu() else { return };
    for bytes in [10, 10 << 20] {
        let error = gpu.upload(bytes, &mut |_| Err(Error::new(ErrorKind::Io, "load", "no such file")));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Io);
    }
    assert_eq!(gpu.pool().active_bytes(), 0);
}

#[test]
fn blocks_go_from_the_host_to_the_gpu_and_back() {
    let Some(gpu) = gpu() else { return };
    let cpu = Host::new(gpu.pool().timelines());
    let (mut up, mut down) = (Lane::new(&gpu), Lane::new(&cpu));
    let increment = kernel(&gpu, "increment");
    for n in SIZES {
        let data = numbers(n, 9);
        let source = upload(&*cpu, &bytes(&data));
        let (there, more) = (up.take(4 * n), up.take(4 * n));
        // The copy waits for the host's stream, whose copy waits for the GPU.
        let nothing = down.submit();
        up.wait_for(nothing);
        up.push("copy", gpu.import(&*cpu, 4 * n).unwrap(), &[(&source, Read), (&there, Write)]);
        let parameters = [Parameter::Binding(0), Parameter::Binding(1), number(n as u32)];
        up.push("increment", launch(&increment, n, &parameters), &[(&there, Read), (&more, Write)]);
        let tick = up.submit();
        down.wait_for(tick);
        let back = down.take(4 * n);
        down.push("copy", cpu.import(&*gpu, 4 * n).unwrap(), &[(&more, Read), (&back, Write)]);
        let tick = down.submit();
        down.wait(tick).unwrap();
        let wanted: Vec<u32> = data.iter().map(|x| x.wrapping_add(1)).collect();
        assert!(read(&*cpu, &back, n) == wanted, "{n} numbers");
    }
}

#[test]
fn when_memory_runs_out_work_goes_on() {
    let Some(gpu) = gpu() else { return };
    let mut lane = Lane::new(&gpu);
    let total = gpu.info().memory_bytes.unwrap();
    let error = gpu.pool().take(2 * total, User::Host).unwrap_err();
    assert_eq!(error.kind(), holdall_memory::ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("active") && error.to_string().contains("memory limit"), "{error}");
    // Blocks in use by a kernel and freed already make room, once the kernel has ended.
    let third = total / 3;
    let late = kernel(&gpu, "fill_late");
    for i in 0..6u32 {
        let block = lane.device.pool().take(third, User::Queue(&lane.queue)).unwrap();
        let parameters = [Parameter::Binding(0), number(256), number(i), number(20_000_000)];
        lane.push("fill_late", launch(&late, 256, &parameters), &[(&block, Write)]);
        lane.submit();
        // The host may not have it at once; it has to come from the driver, or wait.
        drop(block);
        let other = gpu.pool().take(third, User::Host).unwrap();
        drop(other);
    }
    let held: Vec<_> = std::iter::from_fn(|| gpu.pool().take(total / 8, User::Host).ok()).take(20).collect();
    assert!((4..=8).contains(&held.len()), "{} eighths of the memory", held.len());
    drop(held);
    let data = numbers(1000, 1);
    assert_eq!(read(&*gpu, &upload(&*gpu, &bytes(&data)), 1000), data);
}
