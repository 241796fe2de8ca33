//! Rule 8: command buffers that fail.

use super::*;

/// The device is lost, but a thread of it still works on the block until it is known to be idle.
fn lost_device(policy: Policy) {
    explore(move || {
        let world = World::new(1, policy);
        let mut queue = world.timelines.register();
        let storage = world.take(User::Queue(&queue));
        let command = write(&mut queue, &storage, 1);
        let completion = queue.submit();
        let (cells, timelines) = (world.cells.clone(), world.timelines.clone());
        let device = thread::spawn(move || {
            let queue = completion.queue();
            completion.lose("the device fell off the bus");
            command.run(&cells, &timelines);
            timelines.mark_idle(queue);
        });
        assert!(storage.wait_written().is_err());
        drop(storage);
        world.pool.clear_cache();
        device.join().unwrap();
        world.pool.poll();
        assert!(!world.cells.is_live(0));
    });
}

#[test]
fn rule_8_lost_device() {
    lost_device(Policy::HOLDALL);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn rule_8_mutation_without_failed_retention() {
    lost_device(Policy::WITHOUT_FAILED_RETENTION);
}

/// A submission is refused while the one before it runs: the earlier one's block stays.
#[test]
fn rule_8_refused_submission() {
    explore(|| {
        let world = World::new(1, Policy::HOLDALL);
        let mut queue = world.timelines.register();
        let storage = world.take(User::Queue(&queue));
        let commands = vec![write(&mut queue, &storage, 1)];
        let device = world.run(queue.submit(), commands);
        let refused = queue.submit();
        let tick = refused.tick();
        refused.fail("no room in the ring");
        assert!(world.timelines.wait(queue.id(), tick).is_err());
        drop(storage);
        world.pool.clear_cache();
        device.join().unwrap();
        assert_eq!(world.timelines.done(queue.id()), tick);
    });
}

/// Nobody is left waiting when a completion is dropped, and each waiter gets the error.
#[test]
fn rule_8_every_waiter_wakes() {
    explore(|| {
        let timelines = Timelines::new();
        let mut queue = timelines.register();
        let id = queue.id();
        let completion = queue.submit();
        let tick = completion.tick();
        let waiter = {
            let timelines = timelines.clone();
            thread::spawn(move || timelines.wait(id, tick).unwrap_err().to_string())
        };
        drop(completion);
        let mine = timelines.wait(id, tick).unwrap_err().to_string();
        assert_eq!(mine, waiter.join().unwrap());
        assert!(timelines.wait_ended(id, tick).is_err());
    });
}

/// A stream that goes away ends its open tick.
#[test]
fn rule_8_dropped_stream() {
    explore(|| {
        let world = World::new(1, Policy::HOLDALL);
        let mut queue = world.timelines.register();
        let storage = world.take(User::Queue(&queue));
        queue.bind(&storage, Access::Read);
        let (id, tick) = (queue.id(), queue.open());
        let waiter = {
            let timelines = world.timelines.clone();
            thread::spawn(move || timelines.wait(id, tick).is_err())
        };
        drop(queue);
        assert!(waiter.join().unwrap());
        assert!(storage.is_idle());
    });
}
