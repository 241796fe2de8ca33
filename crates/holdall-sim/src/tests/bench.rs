//! Command buffers made by hand, so that they can be wrong.

use std::sync::Arc;

use holdall_core::Origin;
use holdall_core::command::{Binding, Command, CommandBuffer, Launch};
use holdall_core::device::{Device, DeviceStream};
use holdall_cpu::CpuLaunch;
use holdall_cpu::kernel::{Kernel, Scratch, Slice};
use holdall_memory::{Access, Queue, QueueId, Storage, Tick, Timelines, User};

use crate::{Report, SimDevice, SimOptions, ViolationKind};

/// Writes one byte of a binding.
#[derive(Debug)]
pub struct Set {
    pub binding: usize,
    pub at: usize,
}

impl Kernel for Set {
    fn items(&self, _: usize) -> usize {
        1
    }

    unsafe fn run(&self, _: usize, _: usize, memory: &[Slice], _: &mut Scratch) {
        let to = memory[self.binding].as_ptr::<u8>().wrapping_add(self.at);
        // SAFETY: the device gives a kernel memory with guards of 256 bytes on both sides, and `at` is within those.
        unsafe { to.write(7) };
    }
}

/// A launch of [`Set`].
pub fn set(binding: usize, at: usize) -> Launch {
    Arc::new(CpuLaunch(Arc::new(Set { binding, at })))
}

/// One stream.
pub struct Lane {
    pub queue: Queue,
    stream: Box<dyn DeviceStream>,
    commands: Vec<Command>,
    waits: Vec<(QueueId, Tick)>,
}

impl Lane {
    /// Records a launch.
    #[track_caller]
    pub fn launch(&mut self, launch: Launch, blocks: &[(&Storage, usize, Access)], barrier: bool) {
        let bindings = blocks
            .iter()
            .map(|(storage, offset, access)| Binding {
                bound: self.queue.bind(storage, *access),
                offset: *offset,
            })
            .collect();
        self.commands.push(Command { launch, bindings, barrier, op: "test", origin: Origin::caller() });
    }

    /// Records a command that writes the first byte of the last block.
    #[track_caller]
    pub fn push(&mut self, blocks: &[(&Storage, Access)], barrier: bool) {
        let all: Vec<_> = blocks.iter().map(|(s, a)| (*s, 0, *a)).collect();
        self.launch(set(blocks.len() - 1, 0), &all, barrier);
    }

    pub fn wait_for(&mut self, queue: QueueId, tick: Tick) {
        self.queue.wait_for(queue, tick);
        self.waits.push((queue, tick));
    }

    pub fn submit(&mut self) -> (QueueId, Tick) {
        let completion = self.queue.submit();
        let tick = completion.tick();
        let (waits, commands) = (self.waits.drain(..).collect(), std::mem::take(&mut self.commands));
        self.stream.submit(CommandBuffer { waits, commands, completion }).unwrap();
        (self.queue.id(), tick)
    }
}

/// A device with two streams.
pub struct Bench {
    pub timelines: Arc<Timelines>,
    pub sim: Arc<SimDevice>,
    pub a: Lane,
    pub b: Lane,
}

impl Bench {
    pub fn new(options: SimOptions) -> Self {
        let timelines = Timelines::new();
        let sim = SimDevice::new(&timelines, options);
        let lane = || Lane {
            queue: timelines.register(),
            stream: sim.stream().unwrap(),
            commands: Vec::new(),
            waits: Vec::new(),
        };
        let (a, b) = (lane(), lane());
        Self { timelines, sim, a, b }
    }

    /// A block for the first stream.
    pub fn take(&self, bytes: usize) -> Storage {
        self.sim.pool().take(bytes, User::Queue(&self.a.queue)).unwrap()
    }

    /// What the device found once it is through.
    pub fn report(&self) -> Report {
        self.sim.run_all();
        self.sim.report()
    }

    /// Checks that the device found one kind of violation, once, and that its text names the place in this test.
    #[track_caller]
    pub fn expect(&self, kind: ViolationKind) {
        let report = self.report();
        assert_eq!(report.counts.iter().collect::<Vec<_>>(), [(&kind, &1)], "{report}");
        let text = report.violations[0].to_string();
        assert!(text.starts_with(kind.name()) && text.contains("src/tests/"), "{text}");
    }

    /// As [`Self::expect`], for what the host did.
    #[track_caller]
    pub fn expect_host(&self, kind: ViolationKind) {
        let report = self.report();
        assert_eq!(report.counts.iter().collect::<Vec<_>>(), [(&kind, &1)], "{report}");
        assert!(report.violations[0].to_string().contains("by the host"), "{report}");
    }

    #[track_caller]
    pub fn expect_clean(&self) {
        let report = self.report();
        assert!(report.is_clean(), "{report}");
    }
}
