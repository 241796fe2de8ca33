//! `Stress` on the CPU, whose memory these tests limit: so they are a process of their own and come one after the other.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::sync::{Mutex, PoisonError};

use holdall_core::device::DeviceId;
use holdall_sim::{Settings, Stress, Totals};

static ALONE: Mutex<()> = Mutex::new(());

/// Totals after so many rounds, each of which `stop` ends.
fn stress(settings: Settings, rounds: usize, stop: bool) -> Totals {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stress = Stress::new(DeviceId::named("cpu").unwrap(), settings).unwrap();
    assert_eq!(stress.missing(), []);
    (0..rounds).for_each(|_| stress.round(&|_| stop));
    stress.totals().clone()
}

/// The reduced form of `holdall stress --graph-ops 10000 --rounds 200`: one lazy graph on two streams with little memory.
#[test]
fn whole_graphs_equal_their_ops_one_by_one() {
    let calls = 400;
    let settings = Settings { seed: 1, checked_percent: 2, graph_calls: Some(calls) };
    let totals = stress(settings, 6, false);
    assert!(totals.is_clean(), "{totals:#?}");
    // Op by op, as a graph, as a graph with little memory, and what ran out of that.
    assert_eq!(totals.counts.custom_kernel_calls, 6 * 3 * calls as u64, "{totals:#?}");
    assert!(totals.counts.checked_calls > 20 && totals.trims > 0, "{totals:#?}");
    assert!(totals.blocks_reused > totals.counts.custom_kernel_calls, "{totals:#?}");
    // Each call names its output and at least one input.
    assert!(totals.uses_checked > 2 * totals.counts.custom_kernel_calls, "{totals:#?}");
}

#[test]
fn mixed_rounds_are_clean_on_the_cpu() {
    let settings = Settings { seed: 100, checked_percent: 15, graph_calls: None };
    let totals = stress(settings, 6, false);
    assert!(totals.is_clean() && totals.rounds == 6, "{totals:#?}");
}

#[test]
fn a_stopped_round_compares_nothing() {
    let totals = stress(Settings { seed: 5, checked_percent: 0, graph_calls: Some(100) }, 1, true);
    assert!(totals.is_clean() && totals.rounds == 0, "{totals:?}");
    assert!(totals.counts.custom_kernel_calls < 4, "{totals:?}");
}
