//! Order within and between streams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdall_core::device::Device;
use holdall_cuda::Parameter;
use holdall_memory::Access::{Read, Write};
use holdall_memory::TickState;

use crate::lanes::{Lane, gpu, kernel, launch, number, read};

const N: usize = 1 << 16;

#[test]
fn a_chain_reuses_its_memory() {
    let Some(gpu) = gpu() else { return };
    let mut lane = Lane::new(&gpu);
    let (fill, increment) = (kernel(&gpu, "fill"), kernel(&gpu, "increment"));
    let mut x = lane.take(4 * N);
    lane.push(
        "fill",
        launch(&fill, N, &[Parameter::Binding(0), number(N as u32), number(5)]),
        &[(&x, Write)],
    );
    let parameters = [Parameter::Binding(0), Parameter::Binding(1), number(N as u32)];
    for i in 0..2000 {
        let y = lane.take(4 * N);
        lane.push("increment", launch(&increment, N, &parameters), &[(&x, Read), (&y, Write)]);
        x = y;
        if i % 50 == 0 {
            lane.submit();
        }
    }
    let tick = lane.submit();
    lane.wait(tick).unwrap();
    assert_eq!(read(&*gpu, &x, N), vec![2005; N]);
    assert!(gpu.pool().peak_bytes() <= 2 * 4 * N, "{} bytes", gpu.pool().peak_bytes());
}

#[test]
fn a_stream_waits_for_another() {
    let Some(gpu) = gpu() else { return };
    let (mut a, mut b) = (Lane::new(&gpu), Lane::new(&gpu));
    let (late, increment) = (kernel(&gpu, "fill_late"), kernel(&gpu, "increment"));
    for i in 0..300u32 {
        // The block goes to and fro: the next round's first kernel writes what the last one's second read.
        let x = a.take(4 * N);
        let parameters = [Parameter::Binding(0), number(N as u32), number(i), number(20_000 * (i % 5))];
        a.push("fill_late", launch(&late, N, &parameters), &[(&x, Write)]);
        let written = a.submit();
        let y = b.take(4 * N);
        b.wait_for(written);
        let parameters = [Parameter::Binding(0), Parameter::Binding(1), number(N as u32)];
        b.push("increment", launch(&increment, N, &parameters), &[(&x, Read), (&y, Write)]);
        drop(x);
        let read_it = b.submit();
        if i % 7 == 0 {
            a.wait_for(read_it);
        }
        if i % 3 == 0 {
            b.wait(read_it).unwrap();
            let timelines = gpu.pool().timelines();
            assert_eq!(timelines.state(written.0, written.1), TickState::Done);
        }
        assert_eq!(read(&*gpu, &y, N), vec![i + 1; N], "round {i}");
    }
}

#[test]
fn a_stream_waits_for_the_host() {
    let Some(gpu) = gpu() else { return };
    let mut lane = Lane::new(&gpu);
    let fill = kernel(&gpu, "fill");
    let x = lane.take(4 * N);
    let push = |lane: &mut Lane, value| {
        let parameters = [Parameter::Binding(0), number(N as u32), number(value)];
        lane.push("fill", launch(&fill, N, &parameters), &[(&x, Write)]);
    };
    // A stream of no device of ours, whose command buffer ends when this thread says so.
    let mut other = gpu.pool().timelines().register();
    let completion = other.submit();
    lane.wait_for((other.id(), completion.tick()));
    push(&mut lane, 1);
    let first = lane.submit();
    // What comes after has no waits and must not overtake.
    push(&mut lane, 2);
    let second = lane.submit();
    std::thread::sleep(Duration::from_millis(20));
    let timelines = gpu.pool().timelines().clone();
    assert_eq!(timelines.state(second.0, second.1), TickState::Submitted);
    assert_eq!(timelines.state(first.0, first.1), TickState::Submitted);
    completion.done();
    lane.wait(second).unwrap();
    assert_eq!(timelines.state(first.0, first.1), TickState::Done);
    assert_eq!(read(&*gpu, &x, N), vec![2; N]);

    // One that fails takes what waits for it along, and nothing else.
    let completion = other.submit();
    lane.wait_for((other.id(), completion.tick()));
    push(&mut lane, 3);
    let failed = lane.submit();
    push(&mut lane, 4);
    let after = lane.submit();
    completion.fail("out of luck");
    let error = lane.wait(failed).unwrap_err();
    assert!(error.contains("out of luck"), "{error}");
    lane.wait(after).unwrap();
    assert_eq!(read(&*gpu, &x, N), vec![4; N]);
}

#[test]
fn many_threads_use_many_streams() {
    let Some(gpu) = gpu() else { return };
    std::thread::scope(|scope| {
        for t in 0..8u32 {
            let gpu = gpu.clone();
            scope.spawn(move || {
                let mut lane = Lane::new(&gpu);
                let (fill, increment) = (kernel(&gpu, "fill"), kernel(&gpu, "increment"));
                for i in 0..100 {
                    let x = lane.take(4 * N);
                    let parameters = [Parameter::Binding(0), number(N as u32), number(1000 * t + i)];
                    lane.push("fill", launch(&fill, N, &parameters), &[(&x, Write)]);
                    let y = lane.take(4 * N);
                    let parameters = [Parameter::Binding(0), Parameter::Binding(1), number(N as u32)];
                    lane.push("increment", launch(&increment, N, &parameters), &[(&x, Read), (&y, Write)]);
                    lane.submit();
                    assert_eq!(read(&*gpu, &y, N), vec![1000 * t + i + 1; N]);
                }
            });
        }
    });
}

#[test]
fn a_stream_that_is_dropped_finishes_its_work() {
    let Some(gpu) = gpu() else { return };
    let late = kernel(&gpu, "fill_late");
    for i in 0..20u32 {
        let mut lane = Lane::new(&gpu);
        let x = lane.take(4 * N);
        let parameters = [Parameter::Binding(0), number(N as u32), number(i), number(3_000_000)];
        lane.push("fill_late", launch(&late, N, &parameters), &[(&x, Write)]);
        lane.submit();
        drop(lane);
        assert_eq!(read(&*gpu, &x, N), vec![i; N]);
    }
}

/// Not a test of speed, which is printed, but of that nobody sleeps for long.
#[test]
fn waiting_is_quick() {
    let Some(gpu) = gpu() else { return };
    let mut lane = Lane::new(&gpu);
    let fill = kernel(&gpu, "fill");
    let x = lane.take(4096);
    let made = launch(&fill, 1024, &[Parameter::Binding(0), number(1024), number(1)]);
    let mut round = |n: usize| {
        let start = Instant::now();
        for _ in 0..n {
            lane.push("fill", made.clone(), &[(&x, Write)]);
        }
        let tick = lane.submit();
        let submitted = start.elapsed();
        lane.wait(tick).unwrap();
        (submitted, start.elapsed())
    };
    let mut best = |n: usize| {
        let times: Vec<_> = (0..200).map(|_| round(n)).collect();
        let least = |f: fn(&(Duration, Duration)) -> Duration| times.iter().map(f).min().unwrap_or_default();
        (least(|t| t.0), least(|t| t.1))
    };
    let (one, many) = (best(1), best(64));
    println!("one kernel: submitted in {:?}, waited for in {:?}", one.0, one.1);
    println!("64 kernels: submitted in {:?}, waited for in {:?}", many.0, many.1);
    assert!(one.1 < Duration::from_millis(2));
}

#[test]
fn devices_of_several_registries_do_not_mix() {
    let (Some(gpu), Some(other)) = (gpu(), gpu()) else { return };
    assert!(!Arc::ptr_eq(gpu.pool().timelines(), other.pool().timelines()));
    let (mut a, mut b) = (Lane::new(&gpu), Lane::new(&other));
    let fill = kernel(&gpu, "fill");
    let x = a.take(64);
    a.push("fill", launch(&fill, 16, &[Parameter::Binding(0), number(16), number(1)]), &[(&x, Write)]);
    let tick = a.submit();
    a.wait(tick).unwrap();
    // A kernel of the other one's is refused by name, and nothing breaks.
    let y = b.take(64);
    b.push("fill", launch(&fill, 16, &[Parameter::Binding(0), number(16), number(1)]), &[(&y, Write)]);
    let tick = b.submit();
    assert!(b.wait(tick).unwrap_err().contains("fill"));
}
