//! Recording on streams: allocation, binding, hazards and command buffers.

use std::collections::VecDeque;
use std::sync::Arc;

use holdall_memory::{Access, BlockId, Policy, Queue, QueueId, Storage, Tick, User};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::command::{Binding, Command, CommandBuffer, Launch};
use crate::device::{Device, DeviceId, DeviceStream};
use crate::error::{Error, ErrorKind, Origin, Result};
use crate::stream::StreamId;
use crate::validation;

/// A command buffer is closed when it has this many commands,
const MAX_COMMANDS: usize = 64;
/// or names this many bytes of blocks, so that a device starts early on heavy work.
const MAX_BYTES: usize = 256 << 20;
/// Command buffers of a stream that may be waiting or running; recording waits beyond that.
const MAX_IN_FLIGHT: usize = 16;

/// What a command buffer waits for.
type Waits = SmallVec<[(QueueId, Tick); 2]>;

/// All streams, behind one lock.
#[derive(Default)]
pub(crate) struct Scheduler {
    streams: Vec<Encoder>,
}

impl Scheduler {
    pub fn add_stream(
        &mut self,
        id: DeviceId,
        device: Arc<dyn Device>,
        stream: Box<dyn DeviceStream>,
        queue: Queue,
    ) {
        self.streams.push(Encoder {
            device_id: id,
            device,
            stream,
            queue,
            commands: Vec::new(),
            promised: false,
            waits: SmallVec::new(),
            hazards: FxHashMap::default(),
            bytes: 0,
            in_flight: VecDeque::new(),
        });
    }

    pub fn device(&self, stream: StreamId) -> &Arc<dyn Device> {
        &self.streams[stream.0 as usize].device
    }

    /// The encoder of a stream.
    pub fn encoder(&mut self, stream: StreamId) -> &mut Encoder {
        &mut self.streams[stream.0 as usize]
    }

    /// Closes the stream's command buffer and returns the newest closed tick.
    pub fn flush(&mut self, stream: StreamId) -> Result<(QueueId, Tick)> {
        self.encoder(stream).flush()
    }

    /// Closes every open command buffer.
    pub fn flush_all(&mut self) -> Result<()> {
        self.streams.iter_mut().map(|s| s.flush().map(drop)).fold(Ok(()), Result::and)
    }

    /// A block for what is recorded next on `stream`. Where there is no room, what is recorded so far is submitted, so
    /// that the memory which it alone holds comes back.
    pub fn take(&mut self, stream: StreamId, op: &'static str, bytes: usize) -> Result<Storage> {
        let error = match self.encoder(stream).take(op, bytes) {
            Err(error) if error.kind() == ErrorKind::Memory => error,
            done => return done,
        };
        if self.streams.iter().all(|s| s.commands.is_empty()) {
            return Err(error);
        }
        // The op that needs the block goes into the next command buffer, and depends on all that it waits for.
        let mut waits = self.encoder(stream).waits.clone();
        self.flush_all()?;
        let me = self.encoder(stream);
        waits.extend(me.in_flight.back().map(|closed| (me.queue.id(), *closed)));
        waits.retain(|wait| !me.waits.contains(wait));
        me.waits.extend(waits);
        me.take(op, bytes)
    }

    /// Makes what is recorded next on `stream` run after `value` was written.
    pub fn order_after(&mut self, stream: StreamId, written: Option<(QueueId, Tick)>) -> Result<()> {
        let Some((queue, tick)) = written else { return Ok(()) };
        let me = self.encoder(stream);
        if queue == me.queue.id() && tick == me.queue.open() {
            return Ok(());
        }
        if me.queue.timelines().done(queue) >= tick {
            // What it wrote is there, unless it failed.
            let failed = me.queue.timelines().failure(queue, tick);
            return failed.map_or(Ok(()), |e| Err(Error::new(ErrorKind::Device, "eval", e.to_string())));
        }
        // Waiting for its own stream's work costs nothing, and fails with it if it fails.
        if queue == me.queue.id() || me.queue.seen(queue) >= tick {
            if !me.waits.contains(&(queue, tick)) {
                me.waits.push((queue, tick));
            }
            return Ok(());
        }
        // A wait names closed ticks only, so waits never form a circle.
        if let Some(writer) =
            self.streams.iter_mut().find(|s| s.queue.id() == queue && s.queue.open() == tick)
        {
            writer.flush()?;
        }
        let me = self.encoder(stream);
        if !me.device.pool().policy().records_waits() {
            return Ok(());
        }
        me.queue.wait_for(queue, tick);
        me.waits.push((queue, tick));
        Ok(())
    }
}

/// One stream's recorder.
pub(crate) struct Encoder {
    pub device_id: DeviceId,
    pub device: Arc<dyn Device>,
    stream: Box<dyn DeviceStream>,
    pub queue: Queue,
    commands: Vec<Command>,
    /// Whether a value waits for the command buffer that is being recorded: one of no elements has no commands.
    promised: bool,
    waits: Waits,
    /// Blocks touched since the last barrier, and whether they were written: hazards are those of blocks, not of
    /// arrays, since a block changes hands within the command buffer.
    hazards: FxHashMap<BlockId, bool>,
    bytes: usize,
    /// Closed ticks that may not have ended, oldest first.
    in_flight: VecDeque<Tick>,
}

impl Encoder {
    fn take(&self, op: &'static str, bytes: usize) -> Result<Storage> {
        // Empty arrays have a block too: everything that is bound is a block.
        self.device
            .pool()
            .take(bytes.max(1), User::Queue(&self.queue))
            .map_err(|e| Error::new(ErrorKind::Memory, op, format!("no room for {bytes} bytes: {e}")))
    }

    /// The command buffer that is being recorded: a value waits for it, so it will be submitted, even if empty.
    pub fn now(&mut self) -> Option<(QueueId, Tick)> {
        self.promised = true;
        Some((self.queue.id(), self.queue.open()))
    }

    /// Records a launch.
    pub fn push(
        &mut self,
        op: &'static str,
        origin: Origin,
        launch: Launch,
        blocks: &[(&Storage, usize, Access)],
    ) {
        let bindings: SmallVec<[Binding; 4]> = blocks
            .iter()
            .map(|(storage, offset, access)| Binding {
                bound: self.queue.bind(storage, *access),
                offset: *offset,
            })
            .collect();
        launch.bind(&mut self.queue);
        let barrier = bindings.iter().any(|b| {
            self.hazards.get(&b.bound.block()).is_some_and(|written| *written || b.bound.access().writes())
        });
        if barrier {
            self.hazards.clear();
        }
        for b in &bindings {
            *self.hazards.entry(b.bound.block()).or_default() |= b.bound.access().writes();
            self.bytes += b.bound.bytes();
        }
        self.commands.push(Command { launch, bindings, barrier, op, origin });
    }

    /// Closes the command buffer if it is long enough.
    pub fn flush_if_full(&mut self) -> Result<()> {
        if self.commands.len() >= MAX_COMMANDS || self.bytes >= MAX_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Closes the command buffer and hands it to the device.
    pub fn flush(&mut self) -> Result<(QueueId, Tick)> {
        let id = self.queue.id();
        if std::mem::take(&mut self.promised) || !self.commands.is_empty() {
            let commands = std::mem::take(&mut self.commands);
            let waits = std::mem::take(&mut self.waits);
            self.hazards.clear();
            self.bytes = 0;
            let completion = self.queue.submit();
            let closed = completion.tick();
            // A simulated device without all rules is there to show what then goes wrong.
            let has_rules = self.device.pool().policy() == Policy::HOLDALL;
            let wrong = has_rules
                .then(|| validation::check(self.queue.timelines(), id, closed, &waits, &commands))
                .flatten();
            self.stream.submit(CommandBuffer { waits, commands, completion })?;
            self.in_flight.push_back(closed);
            if let Some(wrong) = wrong {
                return Err(wrong);
            }
            if self.in_flight.len() > MAX_IN_FLIGHT {
                // A failure comes out where somebody reads a value.
                let _ = self.in_flight.pop_front().map(|oldest| self.queue.timelines().wait(id, oldest));
            }
        }
        Ok((id, self.in_flight.back().copied().unwrap_or(Tick::NEVER)))
    }
}
