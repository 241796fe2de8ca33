//! Streams: see the crate's documentation.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};

use holdall_core::command::{Command, CommandBuffer};
use holdall_core::device::DeviceStream;
use holdall_core::{Error, ErrorKind, Result};
use holdall_memory::{Completion, Gate, QueueId, Tick, Timelines};
use parking_lot::{Condvar, Mutex};

use crate::api::call;
use crate::context::Context;
use crate::event::{Event, RawStream};
use crate::fill;
use crate::graphs::Graphs;
use crate::launch::{CudaLaunch, Fill, Import, Nothing, Pointers, address};
use crate::staging::Staging;
use crate::ticks::{Launched, Ticks};

/// All streams of the backend that were used, by their timeline, so that they can wait for each other's events.
#[derive(Debug, Default)]
pub(crate) struct Streams(Mutex<Vec<(QueueId, Weak<Shared>)>>);

impl Streams {
    fn add(&self, queue: QueueId, stream: &Arc<Shared>) {
        let mut streams = self.0.lock();
        // A timeline goes on under a new stream when the old one is gone.
        streams.retain(|(id, stream)| *id != queue && stream.strong_count() > 0);
        streams.push((queue, Arc::downgrade(stream)));
    }

    /// The event behind a tick, if it is one of these streams' and was launched.
    fn event_of(&self, queue: QueueId, tick: Tick) -> Option<Arc<Event>> {
        let stream = self.0.lock().iter().find(|(id, _)| *id == queue)?.1.upgrade()?;
        stream.ticks.event_of(tick)
    }
}

/// How streams launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modes {
    /// Each kernel is waited for.
    pub validate: bool,
    /// Command buffers that come again become graphs.
    pub graphs: bool,
}

/// What a stream, its threads and those who wait for it share.
struct Shared {
    context: Arc<Context>,
    raw: RawStream,
    ticks: Ticks,
    timelines: Arc<Timelines>,
    streams: Arc<Streams>,
    staging: Arc<Staging>,
    modes: Modes,
    /// Who launches has them: one at a time.
    graphs: Mutex<Graphs>,
    backlog: Mutex<Backlog>,
    work: Condvar,
}

/// Command buffers that the stream's thread launches, since the host takes part in one of them or those before.
#[derive(Default)]
struct Backlog {
    line: VecDeque<CommandBuffer>,
    /// The thread has one in hand.
    busy: bool,
    /// What was submitted before was lost in its waits: the gate of the thread is closed for all that follows.
    stuck: bool,
    started: bool,
    closed: bool,
}

/// A stream of a GPU.
pub(crate) struct CudaStream {
    shared: Arc<Shared>,
    /// Whether the first command buffer has told which timeline is the stream's.
    known: bool,
}

impl CudaStream {
    /// A stream with the thread that ends its ticks.
    pub fn new(
        context: &Arc<Context>,
        timelines: &Arc<Timelines>,
        streams: &Arc<Streams>,
        staging: &Arc<Staging>,
        modes: Modes,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            context: context.clone(),
            raw: RawStream::new(context).map_err(|e| context.error("stream", e))?,
            ticks: Ticks::new(context.clone(), timelines.clone()),
            timelines: timelines.clone(),
            streams: streams.clone(),
            staging: staging.clone(),
            modes,
            graphs: Mutex::default(),
            backlog: Mutex::default(),
            work: Condvar::new(),
        });
        let its = shared.clone();
        thread("holdall-cuda-end", move || its.ticks.serve())?;
        Ok(Self { shared, known: false })
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map(drop)
        .map_err(|e| Error::new(ErrorKind::Device, "stream", "the system gave no thread for it").because(e))
}

impl DeviceStream for CudaStream {
    fn submit(&mut self, commands: CommandBuffer) -> Result<()> {
        let shared = &self.shared;
        if !std::mem::replace(&mut self.known, true) {
            let queue = commands.completion.queue();
            shared.streams.add(queue, shared);
            let its = Arc::downgrade(shared);
            shared.timelines.on_wait(queue, move |queue, tick| {
                if let Some(its) = its.upgrade() {
                    its.ticks.help(&its.timelines, queue, tick);
                }
            });
        }
        let mut backlog = shared.backlog.lock();
        if backlog.line.is_empty() && !backlog.busy && !backlog.stuck && !shared.needs_host(&commands) {
            // The thread has nothing to do, and gets nothing while this is locked: the order is kept.
            shared.launch(commands);
            return Ok(());
        }
        if !backlog.started {
            let its = shared.clone();
            // Without a thread, dropping the command buffer here loses its tick.
            thread("holdall-cuda-host", move || its.serve())?;
            backlog.started = true;
        }
        backlog.line.push_back(commands);
        drop(backlog);
        shared.work.notify_one();
        Ok(())
    }
}

impl Drop for CudaStream {
    fn drop(&mut self) {
        let mut backlog = self.shared.backlog.lock();
        backlog.closed = true;
        let thread = backlog.started;
        drop(backlog);
        if thread {
            // The thread closes the ticks when it has launched what is left.
            self.shared.work.notify_all();
        } else {
            self.shared.ticks.close();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("stream", &self.raw).finish_non_exhaustive()
    }
}

impl Shared {
    /// Whether the host has to do something before or between the commands.
    fn needs_host(&self, commands: &CommandBuffer) -> bool {
        let own = commands.completion.queue();
        let waits = commands.waits.iter().any(|(queue, tick)| {
            *queue != own
                && self.timelines.done(*queue) < *tick
                && self.streams.event_of(*queue, *tick).is_none()
        });
        let host = |command: &Command| {
            let launch = command.launch.as_any();
            launch.is::<Import>() || launch.is::<Fill>()
        };
        waits || commands.commands.iter().any(host)
    }

    /// The thread that launches what the host takes part in.
    fn serve(&self) {
        let mut gate = Gate::new(self.timelines.clone());
        loop {
            let mut commands = {
                let mut backlog = self.backlog.lock();
                loop {
                    if let Some(commands) = backlog.line.pop_front() {
                        backlog.busy = true;
                        break commands;
                    }
                    backlog.busy = false;
                    if backlog.closed {
                        drop(backlog);
                        self.ticks.close();
                        return;
                    }
                    self.work.wait(&mut backlog);
                }
            };
            // All of them here, so that a command buffer that fails in them ends after them.
            let waits = std::mem::take(&mut commands.waits);
            let lost = waits.clone();
            match gate.pass(commands.completion, waits) {
                Some(completion) => self.launch(CommandBuffer { completion, ..commands }),
                None => {
                    let ended = |(queue, tick)| self.timelines.wait_ended(queue, tick).is_ok();
                    if !lost.into_iter().all(ended) {
                        self.backlog.lock().stuck = true;
                    }
                }
            }
        }
    }

    /// Gives a command buffer to the driver.
    fn launch(&self, commands: CommandBuffer) {
        let CommandBuffer { waits, mut commands, mut completion } = commands;
        let failure = self.enqueue(&mut completion, &waits, &mut commands).err();
        let mut event = None;
        if self.context.lost().is_none() {
            let marked = self.ticks.event().and_then(|marked| marked.record(&self.raw).map(|()| marked));
            match marked {
                Ok(marked) => event = Some(Arc::new(marked)),
                // Without an event, the end is waited for here.
                Err(e) => {
                    self.context.note(e);
                    if let Err(e) = self.raw.synchronize() {
                        self.context.lose(e);
                    }
                }
            }
        }
        self.ticks.push(Launched { completion, event, waits, commands, failure });
    }

    fn enqueue(
        &self,
        completion: &mut Completion,
        waits: &[(QueueId, Tick)],
        commands: &mut Vec<Command>,
    ) -> std::result::Result<(), String> {
        let text = |e| self.context.note(e).to_string();
        if let Some(lost) = self.context.lost() {
            return Err(lost.to_owned());
        }
        self.context.enter().map_err(text)?;
        for &(queue, tick) in waits {
            if queue == completion.queue() || self.timelines.done(queue) >= tick {
                continue;
            }
            match self.streams.event_of(queue, tick) {
                Some(event) => self.raw.wait_for(&event).map_err(text)?,
                // It had an event when it was asked for: somebody is ending it now.
                None => self.timelines.wait_ended(queue, tick).map_err(|e| e.to_string())?,
            }
        }
        if self.modes.graphs && !self.modes.validate {
            let mut graphs = self.graphs.lock();
            if graphs.launch(&self.context, &self.timelines, &self.raw, commands, completion).map_err(text)? {
                return Ok(());
            }
        }
        for i in 0..commands.len() {
            let command = &commands[i];
            let place = |why: String| format!("{}: {why} (built at {})", command.op, command.origin);
            let mut outcome = self.run(command);
            if self.modes.validate && outcome.is_ok() {
                outcome = self.raw.synchronize().map_err(text);
            }
            if let Err(why) = outcome {
                let why = place(why);
                commands.truncate(i);
                return Err(why);
            }
        }
        Ok(())
    }

    /// Enqueues one command.
    fn run(&self, command: &Command) -> std::result::Result<(), String> {
        let text = |e| self.context.error("launch", e).to_string();
        let launch = command.launch.as_any();
        if let Some(launch) = launch.downcast_ref::<CudaLaunch>() {
            if launch.bindings() > command.bindings.len()
                || !Arc::ptr_eq(&launch.kernel.context, &self.context)
            {
                return Err(format!("{} was bound otherwise than its parameters say", launch.kernel.name()));
            }
            // SAFETY: this enqueues the command buffer in which they were bound, in order, before its completion.
            let addresses: Pointers =
                command.bindings.iter().map(|binding| unsafe { address(binding) }).collect();
            return self.kernel(launch, &launch.pointers(&addresses)).map_err(text);
        }
        if launch.is::<Nothing>() {
            return Ok(());
        }
        if let Some(Fill(source)) = launch.downcast_ref() {
            // SAFETY: this runs the command buffer in which they were bound.
            let to: Pointers = command.bindings.iter().map(|binding| unsafe { address(binding) }).collect();
            // SAFETY: `Array::load` checked that the parts fill the outputs, and what else touches them is ordered by this
            // stream.
            return unsafe { fill::fill(&self.staging, &self.raw, &**source, &to) };
        }
        let Some(import) = launch.downcast_ref::<Import>() else {
            return Err("was made for another backend".to_owned());
        };
        let [from, to] = &command.bindings[..] else {
            return Err("a copy binds a source and a destination".to_owned());
        };
        // SAFETY: this runs the command buffer in which both were bound.
        let (source, to) =
            unsafe { (from.bound.address().wrapping_add(from.offset).cast_const(), address(to)) };
        let fill = |start: usize, piece: &mut [u8]| -> Result<()> {
            let at = source.wrapping_add(start);
            match &import.from {
                // SAFETY: the source has as many bytes as the copy, and its writer has ended.
                Some(export) => unsafe { export.read(at, piece) },
                None => {
                    // SAFETY: as above, and the host can address it; it is pinned memory that is written.
                    unsafe { std::ptr::copy_nonoverlapping(at, piece.as_mut_ptr(), piece.len()) };
                    Ok(())
                }
            }
        };
        // SAFETY: the destination has as many bytes as the copy, and what else touches it is ordered by this stream.
        unsafe { self.staging.upload(Some(&self.raw), to, import.bytes, fill) }.map_err(|e| e.to_string())
    }

    fn kernel(&self, launch: &CudaLaunch, pointers: &Pointers) -> crate::api::Result<()> {
        let ([gx, gy, gz], [bx, by, bz]) = (launch.grid, launch.block);
        let (function, shared) = (launch.kernel.function(), launch.shared_bytes);
        launch.with_parameters(pointers, |parameters| {
            // SAFETY: the kernel is loaded, and stamped for this command buffer; the parameters are as many as its planner says
            // and stay in place during the call, which copies them.
            unsafe {
                call!(cuLaunchKernel(
                    function,
                    gx,
                    gy,
                    gz,
                    bx,
                    by,
                    bz,
                    shared,
                    self.raw.raw,
                    parameters,
                    std::ptr::null_mut()
                ))
            }
        })
    }
}
