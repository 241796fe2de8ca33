//! Each rule of the memory protocol: with it the device finds nothing, without it exactly what the rule prevents.

use std::sync::Arc;

use holdall_core::device::Device;
use holdall_memory::{Access, Policy, TickState, User};

use super::bench::{Bench, set};
use crate::{Hazard, Report, SimOptions, ViolationKind, Workload};

/// Random graphs under the policy.
fn graphs(policy: Policy) -> Report {
    let run = |seed| Workload { seed, ops: 60, ..Workload::default() }.on_sim(policy).unwrap().1;
    let mut all = run(0);
    (1..6).for_each(|seed| all.merge(run(seed)));
    all
}

/// A stream frees what another one then takes.
fn reuse(policy: Policy) -> Report {
    let mut bench = Bench::new(SimOptions { policy, ..SimOptions::default() });
    let x = bench.take(10_000);
    bench.a.push(&[(&x, Access::Write)], false);
    bench.a.submit();
    drop(x);
    let y = bench.sim.pool().take(10_000, User::Queue(&bench.b.queue)).unwrap();
    bench.b.push(&[(&y, Access::Write)], false);
    bench.b.submit();
    bench.report()
}

/// The cache is emptied while the device still works.
fn trim(policy: Policy) -> Report {
    let mut bench = Bench::new(SimOptions { policy, ..SimOptions::default() });
    let x = bench.take(10_000);
    bench.a.push(&[(&x, Access::Write)], false);
    bench.a.submit();
    drop(x);
    bench.sim.pool().trim(0);
    bench.report()
}

/// A kernel is evicted while a command buffer that names it has not run.
fn evict(policy: Policy) -> Report {
    let mut bench = Bench::new(SimOptions { policy, ..SimOptions::default() });
    let cache = bench.sim.kernel_cache::<&str>(1);
    let make = |_: &str| Ok::<_, ()>(bench.sim.load(set(0, 0)));
    let x = bench.take(10_000);
    let kernel = cache.get_or_try_insert(&"first", || make("first")).unwrap();
    bench.a.queue.bind_resource(&kernel);
    bench.a.launch(kernel.launch(), &[(&x, 0, Access::Write)], false);
    drop(kernel);
    drop(cache.get_or_try_insert(&"second", || make("second")).unwrap());
    bench.a.submit();
    bench.report()
}

/// The device reports a command buffer as lost, and goes on with it, while another stream looks for memory.
fn lose(policy: Policy) -> Report {
    let mut bench = Bench::new(SimOptions { policy, lose: vec![0], ..SimOptions::default() });
    let (x, other) = (bench.take(10_000), bench.take(100_000));
    let busy = bench.sim.pool().take(50_000, User::Queue(&bench.b.queue)).unwrap();
    for _ in 0..40 {
        bench.a.push(&[(&other, Access::Write)], true);
    }
    bench.a.push(&[(&x, Access::Write)], true);
    let (queue, tick) = bench.a.submit();
    drop(x);
    for _ in 0..1000 {
        if bench.timelines.state(queue, tick) == TickState::Failed {
            break;
        }
        bench.b.push(&[(&busy, Access::Write)], false);
        bench.b.submit();
    }
    assert_eq!(bench.timelines.state(queue, tick), TickState::Failed);
    let y = bench.sim.pool().take(10_000, User::Queue(&bench.b.queue)).unwrap();
    bench.b.push(&[(&y, Access::Write)], false);
    bench.b.submit();
    bench.report()
}

/// Foreign code reads a block that a command would like to write in place.
fn lend(policy: Policy) -> Report {
    let mut bench = Bench::new(SimOptions { policy, ..SimOptions::default() });
    let x = Arc::new(bench.take(10_000));
    bench.a.push(&[(&x, Access::Write)], false);
    bench.a.submit();
    // SAFETY: nobody uses the address; the loan only says so.
    let loan = bench.sim.lend(unsafe { x.lease() }.unwrap());
    if bench.a.queue.may_reuse(&x) {
        bench.a.push(&[(&x, Access::ReadWrite)], false);
    } else {
        let copy = bench.take(10_000);
        bench.a.push(&[(&x, Access::Read), (&copy, Access::Write)], false);
    }
    bench.a.submit();
    let report = bench.report();
    drop(loan);
    report
}

type Scenario = fn(Policy) -> Report;

const SCENARIOS: [Scenario; 6] = [graphs, reuse, trim, evict, lose, lend];

/// For each mutation, the scenarios that have to notice, and what they may call it.
fn expected(policy: Policy) -> (&'static [Scenario], fn(ViolationKind) -> bool) {
    use ViolationKind as Kind;
    // Taking over the memory of a value that other streams still read is reuse within one life, seen from the command
    // buffer that was submitted last.
    const fn donated(kind: ViolationKind) -> bool {
        matches!(kind, Kind::MissingWait(Hazard::WriteAfterRead | Hazard::ReadAfterWrite))
    }
    match policy {
        Policy::WITHOUT_WAITS => (&[graphs], |k| matches!(k, Kind::MissingWait(_))),
        Policy::WITHOUT_STAMPS => (&[graphs, reuse, trim], |k| {
            matches!(k, Kind::EarlyReuse | Kind::AfterRelease | Kind::HostAccess) || donated(k)
        }),
        Policy::WITHOUT_POOLED_FREE => (&[graphs, reuse, trim], |k| k == Kind::AfterRelease),
        Policy::WITHOUT_REUSE_CHECK => (&[graphs, reuse], |k| k == Kind::EarlyReuse || donated(k)),
        Policy::WITHOUT_HOST_CHECK => (&[graphs], |k| k == Kind::HostAccess),
        Policy::WITHOUT_RELEASE_CHECK => (&[graphs, trim], |k| k == Kind::AfterRelease),
        Policy::WITHOUT_RESOURCE_RETIREMENT => (&[evict], |k| k == Kind::DestroyedKernel),
        Policy::WITHOUT_BLOCK_HAZARDS => (&[graphs], |k| matches!(k, Kind::MissingBarrier(_))),
        Policy::WITHOUT_FAILED_RETENTION => (&[lose], |k| k == Kind::EarlyReuse),
        Policy::WITHOUT_LEASES => (&[lend], |k| k == Kind::Leased),
        other => panic!("no test for policy {:?}", other.name()),
    }
}

#[test]
fn every_missing_rule_is_reported_by_name() {
    for policy in Policy::MUTATIONS {
        let (scenarios, allowed) = expected(policy);
        for (i, scenario) in scenarios.iter().enumerate() {
            let report = scenario(policy);
            assert!(!report.is_clean(), "{}: scenario {i} finds nothing", policy.name());
            let others: Vec<_> = report.counts.keys().filter(|kind| !allowed(**kind)).collect();
            let such = report.violations.iter().filter(|v| others.contains(&&v.kind));
            let such: Vec<String> = such.map(ToString::to_string).collect();
            assert!(others.is_empty(), "{}: scenario {i}:\n{}\n{report}", policy.name(), such.join("\n"));
        }
    }
}

#[test]
fn single_mistakes_have_single_names() {
    for (scenario, policy, kind) in [
        (reuse as Scenario, Policy::WITHOUT_STAMPS, ViolationKind::EarlyReuse),
        (trim, Policy::WITHOUT_STAMPS, ViolationKind::AfterRelease),
        (reuse, Policy::WITHOUT_POOLED_FREE, ViolationKind::AfterRelease),
        (reuse, Policy::WITHOUT_REUSE_CHECK, ViolationKind::EarlyReuse),
        (trim, Policy::WITHOUT_RELEASE_CHECK, ViolationKind::AfterRelease),
        (reuse, Policy::UNRETAINED, ViolationKind::EarlyReuse),
        (trim, Policy::UNRETAINED, ViolationKind::AfterRelease),
    ] {
        let report = scenario(policy);
        assert_eq!(report.counts.keys().collect::<Vec<_>>(), [&kind], "{}: {report}", policy.name());
    }
}

#[test]
fn with_all_rules_there_is_nothing_to_report() {
    for (i, scenario) in SCENARIOS.into_iter().enumerate() {
        for policy in [Policy::HOLDALL, Policy::RETAINED_UNTIL_COMPLETE] {
            let report = scenario(policy);
            assert!(report.is_clean(), "{}: scenario {i}: {report}", policy.name());
        }
    }
}
