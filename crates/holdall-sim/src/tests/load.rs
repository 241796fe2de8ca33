//! The load, and whether it notices what is wrong.

use holdall_core::Array;
use holdall_core::Stream;
use holdall_core::device::{Device, DeviceId};
use holdall_memory::Policy;

use crate::{Counts, Menu, Outputs, Settings, SimDevice, SimOptions, Stress, Totals, Workload};

fn stress(device: DeviceId, settings: Settings, rounds: usize) -> Totals {
    let mut stress = Stress::new(device, settings).unwrap();
    assert_eq!(stress.missing(), []);
    (0..rounds).for_each(|_| stress.round(&|_| false));
    stress.totals().clone()
}

fn cpu() -> DeviceId {
    DeviceId::named("cpu").unwrap()
}

#[test]
fn the_cpu_can_run_all_of_it() {
    let (menu, missing) = Menu::of(Stream::default_of(cpu()).unwrap()).unwrap();
    assert_eq!(missing, []);
    assert!(menu.checks() && !menu.is_empty());
}

#[test]
fn a_device_that_keeps_nothing_is_found_out() {
    let options = SimOptions { policy: Policy::UNRETAINED, ..SimOptions::default() };
    let (sim, id) = SimDevice::add(options).unwrap();
    let settings = Settings { seed: 3, checked_percent: 5, graph_calls: None };
    let totals = stress(id, settings, 3);
    assert!(!sim.report().is_clean());
    assert!(totals.wrong_results > 0 && totals.nans > 0, "{totals:#?}");
    assert!(totals.first_bad_seed.is_some_and(|seed| (3..6).contains(&seed)), "{totals:#?}");
    assert!(totals.messages[0].contains("arrays are wrong"), "{totals:#?}");
}

#[test]
fn the_same_seed_is_the_same_program() {
    let run = |seed| Workload { seed, ops: 40, ..Workload::default() }.on_cpu().unwrap();
    assert_eq!(run(8), run(8));
    assert_ne!(run(8), run(9));
}

#[test]
fn differences_are_counted_bit_by_bit() {
    let outputs = |arrays: &[&[f32]]| Outputs {
        arrays: arrays.iter().map(|a| a.to_vec()).collect(),
        counts: Counts::default(),
        stopped: false,
    };
    let right = outputs(&[&[1.0, 2.0], &[0.0, 3.0]]);
    let same = right.difference(&right);
    assert_eq!((same.arrays, same.elements, same.nans, same.of), (0, 0, 0, 4));
    let wrong = outputs(&[&[1.0, 2.0], &[-0.0, f32::NAN]]).difference(&right);
    assert_eq!((wrong.arrays, wrong.elements, wrong.nans), (1, 2, 1));
    let short = outputs(&[&[1.0]]).difference(&right);
    assert_eq!((short.arrays, short.elements), (2, 3));
}

/// All blocks of the graph are named by one command buffer, which is still being recorded when memory runs short.
#[test]
fn what_is_recorded_is_submitted_when_memory_runs_short() {
    let (sim, id) = SimDevice::add(SimOptions::default()).unwrap();
    let page = 8192;
    let x = Stream::default_of(id).unwrap().scope(|| {
        let part = Array::from_slice(&vec![1.0f32; page / 4], &[page / 4]).unwrap();
        let mut x = part.clone();
        // Each is larger than all before it, so that none can have another one's memory.
        for _ in 1..20 {
            x = Array::concatenate(&[&x, &part], Some(0)).unwrap();
        }
        x
    });
    // The first part, the longest array and the one before it.
    sim.pool().set_memory_limit((1 + 20 + 19) * page);
    assert_eq!(x.to_vec::<f32>().unwrap(), vec![1.0; 20 * page / 4]);
    assert!(sim.report().is_clean(), "{}", sim.report());
    sim.pool().set_memory_limit(10 * page);
    let y = Stream::default_of(id).unwrap().scope(|| Array::concatenate(&[&x, &x], Some(0)).unwrap());
    assert!(y.eval().unwrap_err().to_string().contains("out of memory"));
}
