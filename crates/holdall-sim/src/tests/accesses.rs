//! What a single wrong access is called.

use holdall_core::device::Device;
use holdall_memory::{Access, Policy, TickState, User};

use super::bench::{Bench, set};
use crate::{Hazard, SimOptions, ViolationKind};

fn bench() -> Bench {
    Bench::new(SimOptions::default())
}

const BYTES: usize = 10_000;

#[test]
fn barriers() {
    for (first, second, hazard) in [
        (Access::Write, Access::Read, Hazard::ReadAfterWrite),
        (Access::Read, Access::Write, Hazard::WriteAfterRead),
        (Access::Write, Access::Write, Hazard::WriteAfterWrite),
    ] {
        for barrier in [true, false] {
            let mut bench = bench();
            let (x, y, z) = (bench.take(BYTES), bench.take(BYTES), bench.take(BYTES));
            bench.a.push(&[(&x, Access::Write)], false);
            bench.a.push(&[(&x, first), (&y, Access::Write)], true);
            bench.a.push(&[(&x, second), (&z, Access::Write)], barrier);
            bench.a.submit();
            if barrier {
                bench.expect_clean();
            } else {
                bench.expect(ViolationKind::MissingBarrier(hazard));
            }
        }
    }
}

#[test]
fn waits() {
    for (first, second, hazard) in [
        (Access::Write, Access::Read, Hazard::ReadAfterWrite),
        (Access::Read, Access::Write, Hazard::WriteAfterRead),
        (Access::Write, Access::Write, Hazard::WriteAfterWrite),
    ] {
        for wait in [true, false] {
            let mut bench = bench();
            let (x, y, z) = (bench.take(BYTES), bench.take(BYTES), bench.take(BYTES));
            bench.a.push(&[(&x, Access::Write)], false);
            let (queue, tick) = bench.a.submit();
            bench.timelines.wait(queue, tick).unwrap();
            bench.a.push(&[(&x, first), (&y, Access::Write)], false);
            let (queue, tick) = bench.a.submit();
            if wait {
                bench.b.wait_for(queue, tick);
            }
            bench.b.push(&[(&x, second), (&z, Access::Write)], false);
            bench.b.submit();
            if wait {
                bench.expect_clean();
            } else {
                bench.expect(ViolationKind::MissingWait(hazard));
            }
        }
    }
}

#[test]
fn waits_carry_over_from_stream_to_stream() {
    let mut bench = bench();
    let (x, y, z) = (bench.take(BYTES), bench.take(BYTES), bench.take(BYTES));
    bench.a.push(&[(&x, Access::Write)], false);
    let (queue, tick) = bench.a.submit();
    bench.b.wait_for(queue, tick);
    bench.b.push(&[(&y, Access::Write)], false);
    bench.b.submit();
    // A later command buffer of the same stream needs no wait of its own.
    bench.b.push(&[(&x, Access::Read), (&z, Access::Write)], false);
    bench.b.submit();
    bench.expect_clean();
}

#[test]
fn unwritten_memory() {
    let mut bench = bench();
    let (x, y) = (bench.take(BYTES), bench.take(BYTES));
    bench.a.push(&[(&x, Access::Read), (&y, Access::Write)], false);
    bench.a.submit();
    bench.expect(ViolationKind::UnwrittenRead);
}

#[test]
fn memory_of_an_earlier_owner_is_unwritten_and_poisoned() {
    let mut bench = bench();
    let x = bench.take(BYTES);
    bench.a.push(&[(&x, Access::Write)], false);
    let (queue, tick) = bench.a.submit();
    bench.timelines.wait(queue, tick).unwrap();
    let block = x.block();
    drop(x);
    let (x, y) = (bench.take(BYTES), bench.take(BYTES));
    assert_eq!(x.block(), block);
    bench.a.push(&[(&x, Access::Read), (&y, Access::Write)], false);
    bench.a.submit();
    bench.expect(ViolationKind::UnwrittenRead);
    let mut bytes = [0; 4];
    bench.sim.read(&y, 0, &mut bytes).unwrap();
    assert_eq!(bytes, [7, 0xFF, 0xFF, 0xFF]);
}

#[test]
fn bounds() {
    // The binding begins past the block; the kernel writes behind it; the kernel writes before it.
    let cases = [(BYTES + 1, set(0, 0)), (0, set(0, BYTES)), (0, set(0, 0usize.wrapping_sub(1)))];
    for (offset, launch) in cases {
        let mut bench = bench();
        let x = bench.take(BYTES);
        bench.a.launch(launch, &[(&x, offset, Access::Write)], false);
        bench.a.submit();
        bench.expect(ViolationKind::OutOfBounds);
    }
}

#[test]
fn inputs_are_not_written() {
    let mut bench = bench();
    let (x, y) = (bench.take(BYTES), bench.take(BYTES));
    bench.a.push(&[(&x, Access::Write)], false);
    bench.a.launch(set(0, 1), &[(&x, 0, Access::Read), (&y, 0, Access::Write)], true);
    bench.a.submit();
    bench.expect(ViolationKind::UndeclaredWrite);
}

#[test]
fn the_host_waits() {
    let mut bench = bench();
    let x = bench.take(BYTES);
    bench.a.push(&[(&x, Access::Write)], false);
    bench.a.submit();
    let mut bytes = [0; 1];
    bench.sim.read(&x, 0, &mut bytes).unwrap();
    bench.expect_host(ViolationKind::HostAccess);
}

#[test]
fn the_host_writes_no_block_in_use() {
    for policy in [Policy::HOLDALL, Policy::UNRETAINED] {
        let mut bench = Bench::new(SimOptions { policy, ..SimOptions::default() });
        let x = bench.take(BYTES);
        bench.a.push(&[(&x, Access::Write)], false);
        bench.a.submit();
        drop(x);
        drop(bench.sim.upload(BYTES, &mut |_| Ok(())).unwrap());
        if policy == Policy::HOLDALL {
            bench.expect_clean();
        } else {
            bench.expect_host(ViolationKind::HostAccess);
        }
    }
}

#[test]
fn completions_come_later_than_submissions() {
    let mut bench = bench();
    let x = bench.take(BYTES);
    bench.a.push(&[(&x, Access::Write)], false);
    let (queue, tick) = bench.a.submit();
    assert_eq!(bench.timelines.state(queue, tick), TickState::Submitted);
    bench.timelines.wait(queue, tick).unwrap();
    assert_eq!(bench.timelines.state(queue, tick), TickState::Done);
}

#[test]
fn a_thread_may_wait_before_another_submits() {
    let mut bench = bench();
    let x = bench.take(BYTES);
    bench.a.push(&[(&x, Access::Write)], false);
    let (queue, first) = bench.a.submit();
    bench.a.push(&[(&x, Access::Write)], false);
    let second = bench.a.queue.open();
    std::thread::scope(|scope| {
        let timelines = &bench.timelines;
        let waiter = scope.spawn(move || timelines.wait(queue, second));
        // Once the first has ended, the waiter has been to the device; it may still be about to block.
        while timelines.state(queue, first) != TickState::Done {
            std::thread::yield_now();
        }
        bench.a.submit();
        waiter.join().unwrap().unwrap();
    });
    drop(bench.sim.pool().take(1, User::Host).unwrap());
}
