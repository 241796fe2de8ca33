//! Command buffers that come again, and are launched as graphs.

use std::time::{Duration, Instant};

use holdall_core::command::Launch;
use holdall_cuda::Parameter;
use holdall_memory::Access::{Read, Write};
use holdall_memory::Storage;

use crate::lanes::{Lane, gpu, kernel, launch, number, read};

fn fill(n: usize, value: u32) -> [Parameter; 3] {
    [Parameter::Binding(0), number(n as u32), number(value)]
}

fn step(n: usize) -> [Parameter; 3] {
    [Parameter::Binding(0), Parameter::Binding(1), number(n as u32)]
}

#[test]
fn addresses_values_and_grids_may_change() {
    let Some(gpu) = gpu() else { return };
    let (set, increment) = (kernel(&gpu, "fill"), kernel(&gpu, "increment"));
    let mut lane = Lane::new(&gpu);
    let mut held = Vec::new();
    for round in 0..40u32 {
        // Arrays that grow, at other addresses now and then.
        let n = 1000 + 300 * (round as usize / 3);
        if round % 4 == 0 {
            held.push(lane.take(4 * n));
        }
        let mut x = lane.take(4 * n);
        lane.push("fill", launch(&set, n, &fill(n, round)), &[(&x, Write)]);
        for _ in 0..20 {
            let y = lane.take(4 * n);
            lane.push("increment", launch(&increment, n, &step(n)), &[(&x, Read), (&y, Write)]);
            x = y;
        }
        let tick = lane.submit();
        if round % 5 == 0 {
            lane.wait(tick).unwrap();
        }
        assert_eq!(read(&*gpu, &x, n), vec![round + 20; n], "round {round}");
    }
}

#[test]
fn kernels_between_barriers_are_all_waited_for() {
    let Some(gpu) = gpu() else { return };
    let n = 1 << 14;
    let (late, increment) = (kernel(&gpu, "fill_late"), kernel(&gpu, "increment"));
    let mut lane = Lane::new(&gpu);
    for round in 0..20u32 {
        // Eight slow kernels side by side, then eight that read them, then eight more.
        let [a, b, c]: [Vec<Storage>; 3] = [0; 3].map(|_| (0..8).map(|_| lane.take(4 * n)).collect());
        for (i, x) in a.iter().enumerate() {
            let value = round * 100 + i as u32;
            let parameters = [Parameter::Binding(0), number(n as u32), number(value), number(100_000)];
            lane.push_with(i == 0, "fill_late", launch(&late, n, &parameters), &[(x, Write)]);
        }
        for (from, to) in [(&a, &b), (&b, &c)] {
            for i in 0..8 {
                // Each reads the next one's, so that a barrier too few is seen.
                let blocks = [(&from[(i + 1) % 8], Read), (&to[i], Write)];
                lane.push_with(i == 0, "increment", launch(&increment, n, &step(n)), &blocks);
            }
        }
        lane.submit();
        for (i, x) in c.iter().enumerate() {
            let wanted = round * 100 + (i as u32 + 2) % 8 + 2;
            assert_eq!(read(&*gpu, x, n), vec![wanted; n], "round {round}, {i}");
        }
    }
}

#[test]
fn more_topologies_than_are_kept() {
    let Some(gpu) = gpu() else { return };
    let n = 256;
    let (set, increment) = (kernel(&gpu, "fill"), kernel(&gpu, "increment"));
    let mut lane = Lane::new(&gpu);
    let mut rounds = Vec::new();
    for _ in 0..3 {
        for bits in 0..300u32 {
            let x = lane.take(4 * n);
            let y = lane.take(4 * n);
            lane.push("fill", launch(&set, n, &fill(n, 7)), &[(&x, Write)]);
            for bit in 0..9 {
                if bits >> bit & 1 == 0 {
                    lane.push("fill", launch(&set, n, &fill(n, bit)), &[(&y, Write)]);
                } else {
                    lane.push("increment", launch(&increment, n, &step(n)), &[(&x, Read), (&y, Write)]);
                }
            }
            lane.push("increment", launch(&increment, n, &step(n)), &[(&y, Read), (&x, Write)]);
            lane.submit();
            rounds.push((bits, x));
        }
    }
    for (bits, x) in rounds {
        // The last of the nine gave 8 either way.
        assert_eq!(read(&*gpu, &x, n), vec![9; n], "{bits:b}");
    }
}

/// Says what a graph of small kernels costs beside launches one by one.
#[test]
fn replays_are_cheaper_than_launches() {
    let Some(gpu) = gpu() else { return };
    let set = kernel(&gpu, "fill");
    let mut lane = Lane::new(&gpu);
    let x: Vec<Storage> = (0..2).map(|_| lane.take(4096)).collect();
    let launches: Vec<Launch> = (0..64).map(|i| launch(&set, 1024, &fill(1024, i))).collect();
    let others: Vec<Launch> = (0..64).map(|i| launch(&set, 1000, &fill(1000, i))).collect();
    let mut time = |name: &str, buffers: usize, per: usize, change: &dyn Fn(usize) -> (usize, bool)| {
        let mut best = (Duration::MAX, Duration::MAX);
        for round in 0..30 {
            let (block, other) = change(round);
            let start = Instant::now();
            let mut submitting = Duration::ZERO;
            let mut tick = None;
            for _ in 0..buffers {
                for i in 0..per {
                    let made = if other { &others[i] } else { &launches[i] };
                    lane.push("fill", made.clone(), &[(&x[block], Write)]);
                }
                let submit = Instant::now();
                tick = Some(lane.submit());
                submitting += submit.elapsed();
            }
            lane.wait(tick.unwrap()).unwrap();
            if round > 3 {
                best = best.min((start.elapsed(), submitting));
            }
        }
        let each = |t: Duration| t.as_nanos() as f64 / 1000.0 / (buffers * per) as f64;
        println!("{name}: {:.2} us a kernel, of which submitting {:.2}", each(best.0), each(best.1));
        each(best.0)
    };
    let same = |_: usize| (0, false);
    let direct = time("3 at a time", 320, 3, &same);
    let graph = time("64 at a time, the same", 16, 64, &same);
    time("64 at a time, other addresses", 16, 64, &|round| (round % 2, false));
    time("64 at a time, all different", 16, 64, &|round| (round % 2, round % 2 == 1));
    time("8 at a time, the same", 128, 8, &same);
    assert!(graph < direct, "{graph} us as a graph, {direct} us one by one");
}
