use std::thread;
use std::time::Duration;

use crate::{Access, ErrorKind, Gate, Tick, TickState, Timelines, User};

#[test]
fn a_tick_goes_from_recording_to_done() {
    let timelines = Timelines::new();
    let mut queue = timelines.register();
    let (id, tick) = (queue.id(), queue.open());
    assert_eq!(tick.get(), 1);
    assert_eq!(timelines.state(id, tick), TickState::Recording);
    let completion = queue.submit();
    assert_eq!((completion.queue(), completion.tick()), (id, tick));
    assert_eq!(timelines.state(id, tick), TickState::Submitted);
    assert_eq!(queue.open().get(), 2);
    assert_eq!(timelines.done(id), Tick::NEVER);
    completion.done();
    assert_eq!(timelines.state(id, tick), TickState::Done);
    assert_eq!(timelines.done(id), tick);
    timelines.wait(id, tick).unwrap();
    timelines.wait(id, Tick::NEVER).unwrap();
}

#[test]
fn a_failed_tick_gives_its_error_each_time() {
    let timelines = Timelines::new();
    let mut queue = timelines.register();
    let id = queue.id();
    let (one, two, three) = (queue.submit(), queue.submit(), queue.submit());
    let ticks = [one.tick(), two.tick(), three.tick()];
    two.fail("bad kernel");
    // The first may still run, so nothing is done yet.
    assert_eq!(timelines.done(id), Tick::NEVER);
    assert_eq!(timelines.state(id, ticks[1]), TickState::Failed);
    for _ in 0..3 {
        let error = timelines.wait(id, ticks[1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert_eq!(error.to_string(), "command buffer 2 of stream 0 failed: bad kernel");
    }
    one.done();
    // The second had ended already.
    assert_eq!(timelines.done(id), ticks[1]);
    assert!(timelines.wait(id, ticks[1]).is_err());
    timelines.wait_ended(id, ticks[1]).unwrap();
    timelines.wait(id, ticks[0]).unwrap();
    three.done();
    timelines.wait(id, ticks[2]).unwrap();
    assert!(timelines.failure(id, ticks[1]).is_some());
    assert!(timelines.failure(id, ticks[2]).is_none());
}

#[test]
fn a_lost_tick_holds_until_a_later_one_is_done_or_the_device_idle() {
    let timelines = Timelines::new();
    let mut queue = timelines.register();
    let id = queue.id();
    let one = queue.submit();
    let lost = one.tick();
    one.lose("timeout");
    assert!(timelines.wait(id, lost).is_err());
    assert!(timelines.wait_ended(id, lost).is_err());
    assert_eq!(timelines.done(id), Tick::NEVER);
    let two = queue.submit();
    let done = two.tick();
    two.done();
    // Streams run in order.
    assert_eq!(timelines.done(id), done);
    timelines.wait_ended(id, lost).unwrap();
    assert_eq!(timelines.state(id, lost), TickState::Failed);

    let (three, four) = (queue.submit(), queue.submit());
    let (third, fourth) = (three.tick(), four.tick());
    three.lose("gone");
    timelines.mark_idle(id);
    assert_eq!(timelines.done(id), fourth);
    assert!(timelines.wait(id, third).unwrap_err().to_string().ends_with("gone"));
    assert!(timelines.wait(id, fourth).is_err());
    // Late news change nothing.
    four.done();
    assert!(timelines.wait(id, fourth).is_err());
}

#[test]
fn every_opened_tick_ends() {
    let (timelines, pool) = super::host();
    let mut queue = timelines.register();
    let id = queue.id();
    let tick = queue.open();
    drop(queue.submit());
    assert!(timelines.wait(id, tick).unwrap_err().to_string().contains("dropped"));
    let storage = pool.take(4, User::Queue(&queue)).unwrap();
    queue.bind(&storage, Access::Write);
    let open = queue.open();
    drop(queue);
    assert!(timelines.wait(id, open).unwrap_err().to_string().contains("closed"));
    // Once somebody says that the lost one has ended, the timeline goes on under a new stream.
    assert_ne!(timelines.register().id(), id);
    timelines.mark_idle(id);
    let ids: Vec<_> =
        std::iter::repeat_with(|| timelines.register()).take(2).map(|queue| queue.id()).collect();
    assert!(ids.contains(&id));
}

#[test]
fn waits_carry_over_from_stream_to_stream() {
    let timelines = Timelines::new();
    let mut queues: Vec<_> = (0..4).map(|_| timelines.register()).collect();
    let ids: Vec<_> = queues.iter().map(crate::Queue::id).collect();
    let a = queues[0].submit();
    queues[1].wait_for(ids[0], a.tick());
    let b = queues[1].submit();
    queues[2].wait_for(ids[1], b.tick());
    assert_eq!(queues[2].seen(ids[0]), a.tick());
    // A tick that is still open may be dropped, with its waits.
    queues[1].wait_for(ids[2], Tick(1));
    let open = queues[1].open();
    queues[3].wait_for(ids[1], open);
    assert_eq!(queues[3].seen(ids[1]), open);
    assert_eq!(queues[3].seen(ids[0]), Tick::NEVER);
    // What a stream had seen at an early tick does not grow with what it sees later.
    let early = b.tick();
    let mut fifth = timelines.register();
    fifth.wait_for(ids[1], early);
    assert_eq!(fifth.seen(ids[2]), Tick::NEVER);
    assert_eq!(fifth.seen(ids[0]), a.tick());
    a.done();
    b.done();
}

#[test]
fn more_streams_than_fit_the_direct_table() {
    let timelines = Timelines::new();
    let mut queues: Vec<_> = (0..100).map(|_| timelines.register()).collect();
    let completions: Vec<_> = queues.iter_mut().map(crate::Queue::submit).collect();
    let ids: Vec<_> = queues.iter().map(crate::Queue::id).collect();
    for completion in completions {
        completion.done();
    }
    assert!(ids.iter().all(|&id| timelines.done(id).get() == 1));
    drop(queues);
    // All ended: the numbers are used again, and the timelines go on.
    let next = timelines.register();
    assert!(ids.contains(&next.id()));
    assert_eq!(next.open().get(), 2);
}

#[test]
fn waiters_wake_up() {
    let timelines = Timelines::new();
    let mut queue = timelines.register();
    let (id, tick) = (queue.id(), queue.open());
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| timelines.wait(id, tick))).collect();
        thread::sleep(Duration::from_millis(5));
        queue.submit().done();
        for waiter in waiters {
            waiter.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_gate_performs_all_waits_before_it_fails() {
    let timelines = Timelines::new();
    let [mut a, mut b, mut c] = std::array::from_fn(|_| timelines.register());
    let mut gate = Gate::new(timelines.clone());
    let (failing, running) = (a.submit(), b.submit());
    let waits = [(a.id(), failing.tick()), (b.id(), running.tick())];
    failing.fail("bad kernel");
    let waiting = c.submit();
    let (id, tick) = (c.id(), waiting.tick());
    thread::scope(|scope| {
        let passed = scope.spawn(|| gate.pass(waiting, waits).is_some());
        thread::sleep(Duration::from_millis(5));
        // The second wait is still due: later command buffers of the stream reuse memory behind it.
        assert_eq!(timelines.state(id, tick), TickState::Submitted);
        running.done();
        assert!(!passed.join().unwrap());
    });
    assert!(timelines.wait(id, tick).unwrap_err().to_string().ends_with("bad kernel"));
    assert_eq!(timelines.done(id), tick);
    assert!(gate.pass(c.submit(), waits[1..].iter().copied()).is_some());
}

#[test]
fn a_gate_closes_behind_lost_work() {
    let timelines = Timelines::new();
    let (mut a, mut b) = (timelines.register(), timelines.register());
    let mut gate = Gate::new(timelines.clone());
    let lost = a.submit();
    let wait = (a.id(), lost.tick());
    lost.lose("the bus fell silent");
    for waits in [&[wait][..], &[]] {
        let waiting = b.submit();
        let tick = waiting.tick();
        assert!(gate.pass(waiting, waits.iter().copied()).is_none());
        assert!(timelines.wait(b.id(), tick).unwrap_err().to_string().ends_with("the bus fell silent"));
        assert_eq!(timelines.done(b.id()), Tick::NEVER);
    }
}
