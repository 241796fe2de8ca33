//! Streams: a thread each, which takes command buffers in order and runs them with the team's help.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use holdall_core::command::{CommandBuffer, Executable};
use holdall_core::device::DeviceStream;
use holdall_core::{Error, ErrorKind, Result};
use holdall_memory::{Completion, Gate, TickState, Timelines};

use crate::kernel::{Kernel, Scratch, Slice};
use crate::team::{Job, Task, Team};

/// A kernel as a command carries it.
#[derive(Clone, Debug)]
pub struct CpuLaunch(pub Arc<dyn Kernel>);

impl Executable for CpuLaunch {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A stream of the CPU.
#[derive(Debug)]
pub struct CpuStream {
    sender: Sender<CommandBuffer>,
    team: Arc<Team>,
    timelines: Arc<Timelines>,
    /// Whether those who wait for this stream work with the team.
    has_guests: bool,
}

impl CpuStream {
    /// Starts the stream's thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(team: Arc<Team>, timelines: Arc<Timelines>) -> Result<Self> {
        let (sender, receiver) = channel();
        let (its_team, its_timelines) = (team.clone(), timelines.clone());
        std::thread::Builder::new()
            .name("holdall-stream".into())
            .spawn(move || serve(&receiver, &its_team, its_timelines))
            .map_err(|e| {
                Error::new(ErrorKind::Device, "stream", "the system gave no thread for it").because(e)
            })?;
        Ok(Self { sender, team, timelines, has_guests: false })
    }
}

impl DeviceStream for CpuStream {
    fn submit(&mut self, commands: CommandBuffer) -> Result<()> {
        // The first command buffer is what tells the stream which timeline is its own.
        if !std::mem::replace(&mut self.has_guests, true) {
            let (team, timelines) = (self.team.clone(), Arc::downgrade(&self.timelines));
            self.timelines.on_wait(commands.completion.queue(), move |queue, tick| {
                let Some(timelines) = timelines.upgrade() else { return };
                team.assist(&|| matches!(timelines.state(queue, tick), TickState::Done | TickState::Failed));
            });
        }
        // When the thread is gone, dropping the command buffer here fails its tick.
        self.sender
            .send(commands)
            .map_err(|_| Error::new(ErrorKind::Device, "stream", "the stream's thread has ended"))
    }
}

/// The thread of a stream; ends when the stream is dropped.
fn serve(receiver: &Receiver<CommandBuffer>, team: &Team, timelines: Arc<Timelines>) {
    let mut scratch = Scratch::default();
    let mut gate = Gate::new(timelines);
    while let Ok(commands) = receiver.recv() {
        let Some((job, completion)) = prepare(commands, &mut gate) else { continue };
        let mut running = Some(completion);
        let slot = std::cell::RefCell::new(&mut running);
        team.run(
            job,
            &mut scratch,
            || {
                let (job, completion) = prepare(receiver.try_recv().ok()?, &mut gate)?;
                **slot.borrow_mut() = Some(completion);
                Some(job)
            },
            |job| {
                if let Some(completion) = slot.borrow_mut().take() {
                    match job.failure() {
                        None => completion.done(),
                        Some(why) => completion.fail(why),
                    }
                }
            },
        );
    }
}

/// Waits for what a command buffer waits for, and makes a job of it.
fn prepare(commands: CommandBuffer, gate: &mut Gate) -> Option<(Arc<Job>, Completion)> {
    let CommandBuffer { waits, commands, completion } = commands;
    let completion = gate.pass(completion, waits)?;
    let mut tasks = Vec::with_capacity(commands.len());
    for command in commands {
        let Some(CpuLaunch(kernel)) = command.launch.as_any().downcast_ref() else {
            completion.fail(format!("{}: was made for another backend", command.op));
            return None;
        };
        let memory = command
            .bindings
            .iter()
            .map(|b| {
                // SAFETY: this runs the command buffer in which the binding was made, before its completion.
                let start = unsafe { b.bound.address() };
                Slice::new(start.wrapping_add(b.offset), b.bound.bytes().saturating_sub(b.offset))
            })
            .collect();
        let (op, origin) = (command.op, Some(command.origin));
        tasks.push((Task { kernel: kernel.clone(), memory, op, origin }, command.barrier));
    }
    Some((Arc::new(Job::new(tasks)), completion))
}
