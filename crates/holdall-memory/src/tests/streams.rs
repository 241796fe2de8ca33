//! Streams on real threads, over real memory.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use super::host;
use crate::sync::Arc;
use crate::{Access, Bound, Completion, Gate, Pool, Queue, QueueId, Storage, Tick, Timelines, User};

enum Command {
    Fill(Bound, u8),
    /// Every byte has this value, or something was given away too early.
    Expect(Bound, u8),
}

struct Buffer {
    waits: Vec<(QueueId, Tick)>,
    commands: Vec<Command>,
    completion: Completion,
}

/// A stream with its device thread.
struct Stream {
    queue: Queue,
    waits: Vec<(QueueId, Tick)>,
    open: Vec<Command>,
    device: Sender<Buffer>,
}

fn run(timelines: &Arc<Timelines>, buffers: &Receiver<Buffer>) {
    let mut gate = Gate::new(timelines.clone());
    for Buffer { waits, commands, completion } in buffers {
        let completion = gate.pass(completion, waits).expect("nothing fails here");
        for command in commands {
            match command {
                Command::Fill(bound, value) => {
                    // SAFETY: this runs the command buffer that the block was bound in, in order, before its
                    // completion; the protocol under test keeps everyone else away.
                    unsafe { bound.address().write_bytes(value, bound.bytes()) };
                }
                Command::Expect(bound, value) => {
                    // SAFETY: as above, and host memory is initialised.
                    let bytes = unsafe { std::slice::from_raw_parts(bound.address(), bound.bytes()) };
                    assert!(bytes.iter().all(|&byte| byte == value), "the contents changed");
                }
            }
        }
        completion.done();
    }
}

impl Stream {
    fn submit(&mut self) -> Tick {
        let completion = self.queue.submit();
        let tick = completion.tick();
        let (waits, commands) = (std::mem::take(&mut self.waits), std::mem::take(&mut self.open));
        assert!(self.device.send(Buffer { waits, commands, completion }).is_ok(), "the device is gone");
        tick
    }

    fn fill(&mut self, pool: &Arc<Pool>, bytes: usize, value: u8) -> Storage {
        let storage = pool.take(bytes, User::Queue(&self.queue)).unwrap();
        self.open.push(Command::Fill(self.queue.bind(&storage, Access::Write), value));
        storage
    }

    fn expect(&mut self, storage: &Storage, value: u8) {
        self.open.push(Command::Expect(self.queue.bind(storage, Access::Read), value));
    }
}

#[test]
fn contents_survive_what_streams_host_and_limits_do() {
    let (timelines, pool) = host();
    pool.set_cache_limit(1 << 20);
    thread::scope(|scope| {
        let mut streams: Vec<_> = (0..3)
            .map(|_| {
                let (device, buffers) = mpsc::channel();
                let timelines = &timelines;
                scope.spawn(move || run(timelines, &buffers));
                Stream { queue: timelines.register(), waits: Vec::new(), open: Vec::new(), device }
            })
            .collect();
        for round in 0..600_usize {
            let value = (round % 251) as u8 + 1;
            let bytes = [10, 3000, 20_000, 150_000][round % 4];
            let (from, to) = (round % 3, (round + 1 + round % 2) % 3);
            // Temporaries reuse each other's memory inside the stream.
            for at in 0..3 {
                let temporary = streams[from].fill(&pool, bytes, at);
                streams[from].expect(&temporary, at);
            }
            let storage = streams[from].fill(&pool, bytes, value);
            let tick = streams[from].submit();
            let id = streams[from].queue.id();
            // The waits of a command buffer come before its commands.
            streams[to].submit();
            streams[to].waits.push((id, tick));
            streams[to].queue.wait_for(id, tick);
            streams[to].expect(&storage, value);
            if round % 7 == 0 {
                storage.with_host(|all| assert!(all.iter().all(|&byte| byte == value))).unwrap();
            }
            drop(storage);
            // Taken over from another stream, since this one waits for it.
            let next = streams[to].fill(&pool, bytes, !value);
            streams[to].expect(&next, !value);
            streams[to].submit();
            let mut uploaded = pool.take(bytes, User::Host).unwrap();
            uploaded.with_host_mut(|all| all.fill(value)).unwrap();
            streams[to].expect(&uploaded, value);
            drop(uploaded);
            if round % 50 == 0 {
                pool.clear_cache();
            }
        }
        for stream in &mut streams {
            let tick = stream.submit();
            timelines.wait(stream.queue.id(), tick).unwrap();
        }
    });
    pool.clear_cache();
    assert_eq!((pool.active_bytes(), pool.cached_bytes(), pool.retired_bytes()), (0, 0, 0));
}
