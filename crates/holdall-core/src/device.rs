//! What a backend is: devices that own memory, make kernels and run command buffers.

use std::any::TypeId;
use std::fmt::{self, Debug};
use std::sync::Arc;

use holdall_memory::{Access, Pool, Storage, Timelines};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::command::{CommandBuffer, Launch};
use crate::diagnosis::Diagnosis;
use crate::error::{Error, ErrorKind, Result};
use crate::op::{Primitive, Spec};
use crate::pointwise::Program;
use crate::runtime::{Runtime, find};
use crate::shape::{Dims, Layout, Strides};

/// A device by number; 0 is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(pub(crate) u16);

impl DeviceId {
    /// The device that ops run on unless a stream of another one is current.
    pub const DEFAULT: Self = Self(0);

    /// The device called `name` (`cpu`, `cuda:1`; an index of 0 may be left out).
    ///
    /// # Errors
    /// When there is none; the message lists those there are.
    pub fn named(name: &str) -> Result<Self> {
        let devices = Runtime::get()?.devices();
        find(devices.iter().map(|device| &**device), name).map(|i| Self(i as u16))
    }

    /// The device itself.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn get(self) -> Result<Arc<dyn Device>> {
        Runtime::get()?.device(self)
    }
}

/// All devices, the default one first.
///
/// # Errors
/// When the runtime does not start: no backend is linked, or none of them works.
pub fn all() -> Result<Vec<Arc<dyn Device>>> {
    Ok(Runtime::get()?.devices())
}

/// Adds a device to those that the linked backends found: a simulated one, say. Its pool is over [`timelines`]. It
/// stays for as long as the program runs.
///
/// # Errors
/// When the runtime does not start.
pub fn add(device: Arc<dyn Device>) -> Result<DeviceId> {
    Ok(Runtime::get()?.add_device(device))
}

/// The timelines of all streams, which the pool of every device has to share.
///
/// # Errors
/// When the runtime does not start.
pub fn timelines() -> Result<Arc<Timelines>> {
    Ok(Runtime::get()?.timelines().clone())
}

/// How a program gets its backends: each submits one of these with `inventory::submit!`, so that linking the crate
/// is all it takes.
#[derive(Debug)]
pub struct BackendEntry {
    /// The default device is the first one of the backend with the highest rank that has any.
    pub rank: i32,
    /// Makes the backend.
    pub backend: fn() -> Box<dyn Backend>,
}

inventory::collect!(BackendEntry);

/// A family of devices.
pub trait Backend: Send + Sync {
    /// `cpu`, `cuda`, …
    fn name(&self) -> &'static str;

    /// The devices present; none where a driver is missing.
    ///
    /// # Errors
    /// When a device is there but cannot be used.
    fn devices(&self, timelines: &Arc<Timelines>) -> Result<Vec<Arc<dyn Device>>>;

    /// What the backend found and what it misses. Starts nothing; none where it depends on nothing.
    fn diagnose(&self) -> Option<Diagnosis> {
        None
    }
}

/// What a device says of itself.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// `cpu`, `cuda:0`, …
    pub name: String,
    /// The maker's name of it.
    pub description: String,
    /// All of its memory in bytes, if known.
    pub memory_bytes: Option<usize>,
    /// Whether it computes in float64. Ops with such inputs or outputs run on the first device that does.
    pub has_float64: bool,
    /// Whether custom kernels can be checked while they run, and are ended at their deadline.
    pub checks_kernels: bool,
}

/// A device.
pub trait Device: Send + Sync + Debug {
    /// What it is.
    fn info(&self) -> &DeviceInfo;

    /// Its memory.
    fn pool(&self) -> &Arc<Pool>;

    /// A new stream.
    ///
    /// # Errors
    /// When there is no room for one.
    fn stream(&self) -> Result<Box<dyn DeviceStream>>;

    /// Kernels by op.
    fn kernels(&self) -> &Kernels;

    /// A kernel for a fused elementwise program. Bindings: the inputs, then the outputs.
    ///
    /// # Errors
    /// When there is none for these types.
    fn pointwise(&self, pointwise: &Pointwise<'_>) -> Result<Launch>;

    /// A kernel that copies `bytes` bytes from a block of the device `from` to one of this: run on this device's
    /// streams. Bindings: source, destination.
    ///
    /// # Errors
    /// When the two cannot reach each other.
    fn import(&self, from: &dyn Device, bytes: usize) -> Result<Launch>;

    /// How the host reads blocks of this device within a command, for the `import` of devices that address the host's
    /// memory. Not needed where the host can address the blocks.
    ///
    /// # Errors
    /// When it cannot.
    fn export(&self) -> Result<Arc<dyn Export>> {
        let name = &self.info().name;
        Err(Error::new(ErrorKind::Device, "copy", format!("{name} has no memory that the host can read")))
    }

    /// Copies from a block to the host; whoever calls has waited for the block's writer.
    ///
    /// # Errors
    /// When the device fails.
    fn read(&self, storage: &Storage, offset: usize, into: &mut [u8]) -> Result<()>;

    /// A new block filled from the host: `bytes` long, written by `fill`.
    ///
    /// # Errors
    /// When memory runs out or `fill` fails.
    fn upload(&self, bytes: usize, fill: &mut dyn FnMut(&mut [u8]) -> Result<()>) -> Result<Storage>;
}

/// Copies from a device's blocks to the host, for commands of other devices.
pub trait Export: Send + Sync + Debug {
    /// Copies what lies at `address` to the host, and returns when it is there.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Safety
    /// `address` is that of a binding, or within it, with at least as many bytes to its end as `into` has. This is called
    /// while the command buffer runs in which it was bound, which waited for the block's writer.
    unsafe fn read(&self, address: *const u8, into: &mut [u8]) -> Result<()>;
}

/// The device side of a stream. Command buffers run in the order in which they are submitted.
pub trait DeviceStream: Send {
    /// Hands over a command buffer; its completion is ended by the device, also when this fails.
    ///
    /// # Errors
    /// When the device does not take it.
    fn submit(&mut self, commands: CommandBuffer) -> Result<()>;
}

/// A fused elementwise program with the arrays that it runs over. Outputs are row-major without gaps.
#[derive(Debug)]
pub struct Pointwise<'a> {
    /// What each element runs.
    pub program: &'a Program,
    /// The shape of the outputs, to which every input is broadcast.
    pub shape: &'a [usize],
    /// Strides of each input over that shape.
    pub strides: &'a [Strides],
    /// Whether each input and output begins at a multiple of 64 bytes of its block, so that elements can be moved several
    /// at a time.
    pub is_aligned: bool,
}

/// Whether data at this many bytes from the start of a block is aligned as [`Pointwise::is_aligned`] says.
pub fn is_aligned(offset: usize) -> bool {
    offset.is_multiple_of(64)
}

/// An input as a kernel sees it when it is planned.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Shape and type.
    pub spec: Spec,
    /// Where the elements lie; the binding starts at the first, so the offset is not the kernel's concern.
    pub layout: Layout,
}

impl Operand {
    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.spec.shape
    }

    /// The strides in elements.
    pub fn strides(&self) -> &[isize] {
        &self.layout.strides
    }

    /// Whether the elements lie row-major without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous(&self.spec.shape)
    }
}

/// What a command of a [`Plan`] binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// An input of the op.
    Input(usize),
    /// An output of the op.
    Output(usize),
    /// A temporary of the plan.
    Temporary(usize),
}

/// A launch and what it binds, in the kernel's order.
pub type Bound = (Launch, SmallVec<[(Argument, Access); 4]>);

/// How a backend runs an op: launches over inputs, outputs and temporaries. The scheduler allocates, binds and records.
#[derive(Debug, Default)]
pub struct Plan {
    /// Inputs to be copied row-major first; when any is named, nothing else of the plan counts, and the op is planned
    /// again with the copies.
    pub contiguous: SmallVec<[usize; 2]>,
    /// Layouts of the outputs; those not given are row-major without gaps.
    pub layouts: SmallVec<[Layout; 1]>,
    /// Sizes of temporaries in bytes.
    pub temporaries: SmallVec<[usize; 2]>,
    /// Pairs of an output and the input whose memory and layout it takes over, if nobody else needs it; else the output
    /// starts as a copy. The launches then write it in place.
    pub in_place: SmallVec<[(usize, usize); 1]>,
    /// The launches in order.
    pub launches: SmallVec<[Bound; 1]>,
}

impl Plan {
    /// One launch that reads all inputs and writes all outputs, then uses temporaries of these sizes.
    pub fn launch(launch: Launch, inputs: usize, outputs: usize, temporaries: &[usize]) -> Self {
        let arguments = (0..inputs)
            .map(|i| (Argument::Input(i), Access::Read))
            .chain((0..outputs).map(|i| (Argument::Output(i), Access::Write)))
            .chain((0..temporaries.len()).map(|i| (Argument::Temporary(i), Access::ReadWrite)))
            .collect();
        Self {
            temporaries: temporaries.into(),
            launches: std::iter::once((launch, arguments)).collect(),
            ..Self::default()
        }
    }

    /// A request for row-major copies of these inputs.
    pub fn contiguous(inputs: impl IntoIterator<Item = usize>) -> Self {
        Self { contiguous: inputs.into_iter().collect(), ..Self::default() }
    }

    /// No work: the outputs are empty.
    pub fn nothing() -> Self {
        Self::default()
    }
}

/// What a kernel's planner sees.
#[derive(Debug)]
pub struct Request<'a> {
    /// The inputs.
    pub inputs: &'a [Operand],
    /// Specs of the outputs.
    pub outputs: &'a [Spec],
}

impl Request<'_> {
    /// A plan asking for copies of those of the named inputs that are not row-major without gaps, if there are any.
    pub fn require_contiguous(&self, inputs: impl IntoIterator<Item = usize>) -> Option<Plan> {
        let missing: SmallVec<[usize; 2]> =
            inputs.into_iter().filter(|i| !self.inputs[*i].is_contiguous()).collect();
        (!missing.is_empty()).then(|| Plan::contiguous(missing))
    }

    /// The shape of the first output.
    pub fn shape(&self) -> &Dims {
        &self.outputs[0].shape
    }
}

/// A backend's kernels by the type of the op.
#[derive(Default)]
pub struct Kernels {
    entries: FxHashMap<TypeId, Entry>,
}

type Takes = dyn Fn(&dyn Primitive, &[&Spec]) -> bool + Send + Sync;
type Planner = dyn Fn(&dyn Primitive, &Request<'_>) -> Result<Plan> + Send + Sync;

type Teller = dyn Fn(&dyn Primitive, &[&Spec]) -> Result<String> + Send + Sync;

struct Entry {
    name: &'static str,
    takes: Box<Takes>,
    plan: Box<Planner>,
    source: Option<Box<Teller>>,
}

impl Kernels {
    /// Registers how ops of type `P` run.
    pub fn register<P: Primitive>(
        &mut self,
        plan: impl Fn(&P, &Request<'_>) -> Result<Plan> + Send + Sync + 'static,
    ) {
        self.register_for(|_: &P, _: &[&Spec]| true, plan);
    }

    /// Registers how ops of type `P` run for those inputs that `takes` accepts; others are left to the op's
    /// decomposition.
    pub fn register_for<P: Primitive>(
        &mut self,
        takes: impl Fn(&P, &[&Spec]) -> bool + Send + Sync + 'static,
        plan: impl Fn(&P, &Request<'_>) -> Result<Plan> + Send + Sync + 'static,
    ) {
        let entry = Entry {
            name: std::any::type_name::<P>(),
            takes: Box::new(move |op, inputs| op.as_any().downcast_ref().is_some_and(|op| takes(op, inputs))),
            plan: Box::new(move |op, request| match op.as_any().downcast_ref() {
                Some(op) => plan(op, request),
                None => {
                    Err(Error::new(ErrorKind::Kernel, op.name(), "was looked up under another op's type"))
                }
            }),
            source: None,
        };
        self.entries.insert(TypeId::of::<P>(), entry);
    }

    /// Says what the source of a registered op of type `P` is, for people.
    pub fn register_source<P: Primitive>(
        &mut self,
        source: impl Fn(&P, &[&Spec]) -> Result<String> + Send + Sync + 'static,
    ) {
        if let Some(entry) = self.entries.get_mut(&TypeId::of::<P>()) {
            entry.source = Some(Box::new(move |op, inputs| {
                op.as_any().downcast_ref().map_or_else(|| Ok(String::new()), |op| source(op, inputs))
            }));
        }
    }

    /// The source that an op runs on these inputs, where the device can tell.
    pub fn source(&self, op: &dyn Primitive, inputs: &[&Spec]) -> Option<Result<String>> {
        let entry = self.entries.get(&op.as_any().type_id())?;
        Some(entry.source.as_ref()?(op, inputs))
    }

    /// Registers how ops of type `P` run, before what is registered for them already: that is asked where `plan` has no
    /// plan. Only for ops that are registered.
    pub fn prefer<P: Primitive>(
        &mut self,
        plan: impl Fn(&P, &Request<'_>) -> Result<Option<Plan>> + Send + Sync + 'static,
    ) {
        let Some(Entry { name, takes, plan: other, source }) = self.entries.remove(&TypeId::of::<P>()) else {
            return;
        };
        let plan: Box<Planner> = Box::new(move |op, request| {
            let preferred = op.as_any().downcast_ref().map_or(Ok(None), |op| plan(op, request))?;
            preferred.map_or_else(|| other(op, request), Ok)
        });
        self.entries.insert(TypeId::of::<P>(), Entry { name, takes, plan, source });
    }

    /// Whether there is a kernel for this op on these inputs.
    pub fn has(&self, op: &dyn Primitive, inputs: &[&Spec]) -> bool {
        self.entries.get(&op.as_any().type_id()).is_some_and(|entry| (entry.takes)(op, inputs))
    }

    /// The plan for an op.
    ///
    /// # Errors
    /// When there is no kernel for it, or it cannot be made.
    pub fn plan(&self, op: &dyn Primitive, request: &Request<'_>) -> Result<Plan> {
        match self.entries.get(&op.as_any().type_id()) {
            Some(entry) => (entry.plan)(op, request),
            None => Err(Error::new(ErrorKind::Kernel, op.name(), "the device has no kernel for this op")),
        }
    }

    /// Names of the op types that have a kernel, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.entries.values().map(|entry| entry.name).collect();
        names.sort_unstable();
        names
    }
}

impl Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
