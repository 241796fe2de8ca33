//! Rules 1 to 5, 7 and 9: blocks between their owners, streams, the host and foreign code.

use super::*;

/// A storage is dropped, and its memory trimmed, before the command buffer that names it was even submitted.
fn drop_while_recorded(policy: Policy) {
    explore(move || {
        let world = World::new(2, policy);
        let mut queue = world.timelines.register();
        let storage = world.take(User::Queue(&queue));
        let command = write(&mut queue, &storage, 1);
        drop(storage);
        world.pool.clear_cache();
        let device = world.run(queue.submit(), vec![command]);
        world.pool.poll();
        device.join().unwrap();
        world.pool.poll();
        assert!(!world.cells.is_live(0));
        assert_eq!(world.pool.retired_bytes(), 0);
    });
}

#[test]
fn rule_2_drop_while_recorded() {
    drop_while_recorded(Policy::HOLDALL);
}

#[test]
#[should_panic(expected = "released memory")]
fn rule_2_mutation_without_stamps() {
    drop_while_recorded(Policy::WITHOUT_STAMPS);
}

/// The host drops a storage while the device works on it.
fn drop_while_running(policy: Policy) {
    explore(move || {
        let world = World::new(2, policy);
        let mut queue = world.timelines.register();
        let storage = world.take(User::Queue(&queue));
        let command = write(&mut queue, &storage, 1);
        let device = world.run(queue.submit(), vec![command]);
        drop(storage);
        device.join().unwrap();
        assert!(world.cells.is_live(0), "drop called the driver");
    });
}

#[test]
fn rule_3_drop_while_running() {
    drop_while_running(Policy::HOLDALL);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn rule_3_mutation_without_pooled_free() {
    drop_while_running(Policy::WITHOUT_POOLED_FREE);
}

/// Within a stream a freed block is reused at once, while the device may not even have begun with its first use.
#[test]
fn rule_4_reuse_in_stream() {
    explore(|| {
        let world = World::new(1, Policy::HOLDALL);
        let mut queue = world.timelines.register();
        let first = world.take(User::Queue(&queue));
        let block = first.block();
        let commands = vec![write(&mut queue, &first, 1), read(&mut queue, &first, 1)];
        let device = world.run(queue.submit(), commands);
        drop(first);
        let second = world.take(User::Queue(&queue));
        assert_eq!(second.block(), block);
        let commands = vec![write(&mut queue, &second, 2)];
        let next = world.run(queue.submit(), commands);
        second.with_host(|_| assert_eq!(world.cells.read(0), 2)).unwrap();
        device.join().unwrap();
        next.join().unwrap();
    });
}

/// Another stream takes memory that a stream still uses: it gets other memory, unless the device has finished.
fn reuse_across_streams(timelines: Arc<Timelines>, policy: Policy, reused: &Seen) {
    let world = World::on(timelines, 2, policy);
    let mut a = world.timelines.register();
    let mut b = world.timelines.register();
    let first = world.take(User::Queue(&a));
    let commands = vec![write(&mut a, &first, 1), read(&mut a, &first, 1)];
    let device_a = world.run(a.submit(), commands);
    let block = first.block();
    drop(first);
    let second = world.take(User::Queue(&b));
    reused.note(second.block() == block);
    let commands = vec![write(&mut b, &second, 2), read(&mut b, &second, 2)];
    let device_b = world.run(b.submit(), commands);
    device_a.join().unwrap();
    device_b.join().unwrap();
}

#[test]
fn rule_4_reuse_across_streams() {
    let reused = Arc::new(Seen::default());
    let note = reused.clone();
    explore(move || reuse_across_streams(Timelines::new(), Policy::HOLDALL, &note));
    reused.assert_both();
}

#[test]
#[should_panic(expected = "Causality violation")]
fn rule_4_mutation_without_reuse_check() {
    explore(|| reuse_across_streams(Timelines::new(), Policy::WITHOUT_REUSE_CHECK, &Seen::default()));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn rule_1_mutation_done_without_release() {
    explore(|| reuse_across_streams(Timelines::with_relaxed_done(), Policy::HOLDALL, &Seen::default()));
}

/// A stream that waits for another may reuse what that one used, without anyone having seen it finish. Whether the
/// device performs the wait makes the difference.
fn reuse_after_a_wait(wait: bool) {
    explore(move || {
        let world = World::new(1, Policy::HOLDALL);
        let mut a = world.timelines.register();
        let mut b = world.timelines.register();
        let first = world.take(User::Queue(&a));
        let commands = vec![write(&mut a, &first, 1)];
        let tick = a.open();
        let device_a = world.run(a.submit(), commands);
        drop(first);
        b.wait_for(a.id(), tick);
        let second = world.take(User::Queue(&b));
        let mut commands = vec![Command::Wait(a.id(), tick), write(&mut b, &second, 2)];
        if !wait {
            commands.remove(0);
        }
        let device_b = world.run(b.submit(), commands);
        device_a.join().unwrap();
        device_b.join().unwrap();
        assert_eq!(world.cells.read(0), 2);
    });
}

#[test]
fn rule_4_reuse_after_a_wait() {
    reuse_after_a_wait(true);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn rule_4_mutation_wait_not_performed() {
    reuse_after_a_wait(false);
}

/// The host reads what a device wrote, and then writes where others may still read.
fn host_access(policy: Policy) {
    explore(move || {
        let world = World::new(1, policy);
        let mut a = world.timelines.register();
        let mut b = world.timelines.register();
        let mut storage = world.take(User::Queue(&a));
        let commands = vec![write(&mut a, &storage, 1)];
        let tick = a.open();
        let device_a = world.run(a.submit(), commands);
        b.wait_for(a.id(), tick);
        let commands = vec![Command::Wait(a.id(), tick), read(&mut b, &storage, 1)];
        let device_b = world.run(b.submit(), commands);
        storage.with_host(|_| assert_eq!(world.cells.read(0), 1, "the host read too early")).unwrap();
        storage.with_host_mut(|_| world.cells.write(0, 2)).unwrap();
        device_a.join().unwrap();
        device_b.join().unwrap();
    });
}

#[test]
fn rule_4_host_access() {
    host_access(Policy::HOLDALL);
}

#[test]
#[should_panic(expected = "the host read too early")]
fn rule_4_mutation_without_host_check() {
    host_access(Policy::WITHOUT_HOST_CHECK);
}

/// The cache is trimmed while the device works on what lies in it.
fn trim_with_work_in_flight(policy: Policy) {
    let released = Arc::new(Seen::default());
    let note = released.clone();
    explore(move || {
        let world = World::new(1, policy);
        let mut queue = world.timelines.register();
        let storage = world.take(User::Queue(&queue));
        let commands = vec![write(&mut queue, &storage, 1)];
        let device = world.run(queue.submit(), commands);
        drop(storage);
        world.pool.trim(0);
        note.note(world.pool.retired_bytes() == 0);
        device.join().unwrap();
        world.pool.poll();
        assert!(!world.cells.is_live(0));
    });
    released.assert_both();
}

#[test]
fn rule_5_trim_with_work_in_flight() {
    trim_with_work_in_flight(Policy::HOLDALL);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn rule_5_mutation_without_release_check() {
    trim_with_work_in_flight(Policy::WITHOUT_RELEASE_CHECK);
}

/// The pool goes away while the device works.
#[test]
fn rule_5_pool_dropped_with_work_in_flight() {
    explore(|| {
        let world = World::new(1, Policy::HOLDALL);
        let mut queue = world.timelines.register();
        let storage = world.take(User::Queue(&queue));
        let commands = vec![write(&mut queue, &storage, 1)];
        let device = world.run(queue.submit(), commands);
        drop(storage);
        drop(world.pool);
        device.join().unwrap();
        world.timelines.collect();
        assert!(!world.cells.is_live(0));
    });
}

/// A device that runs the commands of a buffer at the same time unless they name the same block.
fn hazards(policy: Policy) {
    explore(move || {
        let world = World::new(1, policy);
        let mut queue = world.timelines.register();
        let first = world.take(User::Queue(&queue));
        let one = queue.bind(&first, Access::Write);
        drop(first);
        let second = world.take(User::Queue(&queue));
        let two = queue.bind(&second, Access::Write);
        let completion = queue.submit();
        let cells = world.cells.clone();
        let other = thread::spawn(move || cells.write(one.handle(), 1));
        if one.block() == two.block() {
            other.join().unwrap();
            world.cells.write(two.handle(), 2);
        } else {
            world.cells.write(two.handle(), 2);
            other.join().unwrap();
        }
        completion.done();
    });
}

#[test]
fn rule_7_hazards_by_block() {
    hazards(Policy::HOLDALL);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn rule_7_mutation_without_block_hazards() {
    hazards(Policy::WITHOUT_BLOCK_HAZARDS);
}

/// Foreign code reads a block while its only owner would like to write it in place.
fn lease(policy: Policy) {
    let reused = Arc::new(Seen::default());
    let note = reused.clone();
    explore(move || {
        let world = World::new(1, policy);
        let mut queue = world.timelines.register();
        let storage = Arc::new(world.take(User::Queue(&queue)));
        // SAFETY: the foreign thread reads through the cells only, and ends the lease when it has read.
        let lease = unsafe { storage.lease() }.unwrap();
        let cells = world.cells.clone();
        let foreign = thread::spawn(move || {
            assert_eq!(cells.read(0), 0, "overwritten");
            drop(lease);
        });
        let may_reuse = queue.may_reuse(&storage);
        note.note(may_reuse);
        if may_reuse {
            let commands = vec![write(&mut queue, &storage, 1)];
            world.run(queue.submit(), commands).join().unwrap();
        }
        foreign.join().unwrap();
        assert!(queue.may_reuse(&storage));
    });
    reused.assert_both();
}

#[test]
fn rule_9_lease() {
    lease(Policy::HOLDALL);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn rule_9_mutation_without_leases() {
    lease(Policy::WITHOUT_LEASES);
}

/// Two streams record the same block on two threads, and whoever is last frees it: both stamps have to be there.
#[test]
fn rule_2_two_recorders_and_a_drop_from_any_thread() {
    explore(|| {
        let world = World::new(1, Policy::HOLDALL);
        let mut a = world.timelines.register();
        let mut b = world.timelines.register();
        // loom's own count, since the order of the drops is part of what is modelled.
        let storage = loom::sync::Arc::new(world.take(User::Queue(&a)));
        let shared = storage.clone();
        let other = thread::spawn(move || {
            let bound = b.bind(&shared, Access::Read);
            drop(shared);
            (b, bound)
        });
        let mine = a.bind(&storage, Access::Read);
        drop(storage);
        let (mut b, theirs) = other.join().unwrap();
        world.pool.clear_cache();
        assert_eq!(world.pool.retired_bytes(), BYTES);
        for (queue, bound) in [(&mut a, mine), (&mut b, theirs)] {
            assert_eq!(world.cells.read(bound.handle()), 0);
            queue.submit().done();
        }
        world.pool.poll();
        assert_eq!(world.pool.retired_bytes(), 0);
    });
}
