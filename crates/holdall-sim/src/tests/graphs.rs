//! Random graphs.

use holdall_core::device::{Device, DeviceId};
use holdall_core::{Array, Stream};
use holdall_memory::Policy;

use crate::{COMPARED, Outputs, SimDevice, SimOptions, Workload, compare};

fn same(a: &Outputs, b: &Outputs) -> bool {
    let found = a.difference(b);
    assert!(found.of > 0, "nothing to compare");
    found.elements == 0
}

#[test]
fn random_graphs_are_clean_and_equal_the_cpu() {
    for seed in 0..60 {
        let workload = Workload { seed, ops: 60, ..Workload::default() };
        let (values, report) = workload.on_sim(Policy::HOLDALL).unwrap();
        assert!(report.is_clean(), "seed {seed}: {report}");
        assert!(same(&values, &workload.on_cpu().unwrap()), "seed {seed}: wrong values\n{report}");
    }
}

#[test]
fn streams_that_reuse_each_others_memory_equal_one_stream() {
    let mut reused = 0;
    for seed in 1000..1200 {
        let workload = Workload { seed, ops: 30, streams: 4, side: 34, ..Workload::default() };
        let one = Workload { streams: 1, ..workload };
        let (values, report) = workload.on_sim(Policy::HOLDALL).unwrap();
        assert!(report.is_clean(), "seed {seed}: {report}");
        let (expected, alone) = one.on_sim(Policy::HOLDALL).unwrap();
        assert!(alone.is_clean(), "seed {seed}: {alone}");
        assert!(same(&values, &expected), "seed {seed}: wrong values\n{report}");
        reused += report.reused_across_streams;
    }
    assert!(reused > 200, "memory went from stream to stream {reused} times only");
}

#[test]
fn the_same_seed_gives_the_same_report() {
    for policy in [Policy::HOLDALL, Policy::UNRETAINED] {
        let workload = Workload { seed: 7, ops: 80, ..Workload::default() };
        let (values, report) = workload.on_sim(policy).unwrap();
        let (again, second) = workload.on_sim(policy).unwrap();
        assert_eq!(report, second);
        assert!(same(&values, &again));
    }
}

/// The claim of `holdall stress --compare`.
#[test]
fn policies_differ_as_they_should() {
    let table = compare(Workload { ops: 100, ..Workload::default() }, 6, &COMPARED, &mut |_| false).unwrap();
    let [unretained, retained, each, holdall] = &table.rows[..] else { panic!("four rows") };
    for row in [holdall, retained] {
        assert!(row.report.is_clean(), "{table}\n{}", row.report);
        assert_eq!((row.wrong_percent, row.nan_percent), (0.0, 0.0), "{table}");
    }
    assert!(!unretained.report.is_clean(), "{table}");
    assert!(unretained.wrong_percent > 0.0 && unretained.nan_percent > 0.0, "{table}");
    assert!(holdall.report.peak_bytes <= retained.report.peak_bytes, "{table}");
    let slower = holdall.report.virtual_ns as f64 / unretained.report.virtual_ns as f64 - 1.0;
    assert!(slower.abs() <= 0.01, "{:.2}% slower\n{table}", 100.0 * slower);
    assert!(each.report.virtual_ns > holdall.report.virtual_ns, "{table}");
}

#[test]
fn a_long_chain_needs_three_buffers_at_most() {
    let (sim, id) = SimDevice::add(SimOptions::default()).unwrap();
    let bytes = 16 << 10;
    let x = Stream::default_of(id).unwrap().scope(|| {
        let mut x = Array::from_slice(&vec![1.0f32; bytes / 4], &[bytes / 16, 4]).unwrap();
        // A permutation of columns: exact, and products are not fused.
        let turn: Vec<f32> = (0..16).map(|i| f32::from(u8::from(i % 4 == (i / 4 + 1) % 4))).collect();
        let turn = Array::from_slice(&turn, &[4, 4]).unwrap();
        for _ in 0..10_000 {
            x = x.matmul(&turn).unwrap();
        }
        x.eval().unwrap();
        x
    });
    assert_eq!(x.to_vec::<f32>().unwrap(), vec![1.0; bytes / 4]);
    let report = sim.report();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.commands, 10_000);
    // The three buffers, and a slab for the small matrix.
    let slab = sim.pool().driver().page_bytes() * 16;
    assert!(sim.pool().peak_bytes() <= 3 * bytes + 64, "{} bytes", sim.pool().peak_bytes());
    assert!(report.peak_bytes <= 3 * bytes + slab, "{report}");
}

#[test]
fn arrays_come_from_the_cpu() {
    let on_cpu = Stream::default_of(DeviceId::DEFAULT)
        .unwrap()
        .scope(|| Array::from_slice(&[1.0f32, 2.0, 3.0], &[3]).unwrap().multiply(2.0f32).unwrap());
    let (sim, id) = SimDevice::add(SimOptions::default()).unwrap();
    let y = Stream::default_of(id).unwrap().scope(|| on_cpu.add(1.0f32).unwrap());
    assert_eq!(y.to_vec::<f32>().unwrap(), [3.0, 5.0, 7.0]);
    assert!(sim.report().is_clean(), "{}", sim.report());
}
