//! The CPU as a device.

use std::sync::Arc;

use holdall_core::command::Launch;
use holdall_core::device::{
    Backend, BackendEntry, Device, DeviceInfo, DeviceStream, Export, Kernels, Pointwise,
};
use holdall_core::{Error, ErrorKind, Result, settings};
use holdall_memory::{Driver, HostDriver, Pool, Storage, Timelines, User};

use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};
use crate::kernels::pointwise::PointwiseKernel;
use crate::launch;
use crate::stream::{CpuLaunch, CpuStream};
use crate::team::Team;

holdall_core::inventory::submit! { BackendEntry { rank: 0, backend: || Box::new(CpuBackend) } }

/// The backend of the machine's own processor.
#[derive(Debug)]
pub struct CpuBackend;

impl Backend for CpuBackend {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn devices(&self, timelines: &Arc<Timelines>) -> Result<Vec<Arc<dyn Device>>> {
        Ok(vec![Arc::new(Cpu::new(timelines)?)])
    }
}

/// The CPU.
#[derive(Debug)]
pub struct Cpu {
    info: DeviceInfo,
    pool: Arc<Pool>,
    team: Arc<Team>,
    kernels: Kernels,
}

impl Cpu {
    /// The CPU with as many threads as the settings say, or as the process may run at once.
    ///
    /// # Errors
    /// When a setting means nothing.
    pub fn new(timelines: &Arc<Timelines>) -> Result<Self> {
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = settings::cpu_threads()?.unwrap_or_else(available);
        Isa::allowed()?;
        let driver = Arc::new(HostDriver::new());
        let info = DeviceInfo {
            name: "cpu".into(),
            description: format!("{} threads, {:?}", threads, Isa::get()),
            memory_bytes: driver.total_bytes(),
            has_float64: true,
            checks_kernels: true,
        };
        let pool = Pool::new(driver, timelines.clone());
        Ok(Self { info, pool, team: Arc::new(Team::new(threads)), kernels: launch::kernels(threads) })
    }
}

impl Device for Cpu {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    fn stream(&self) -> Result<Box<dyn DeviceStream>> {
        Ok(Box::new(CpuStream::new(self.team.clone(), self.pool.timelines().clone())?))
    }

    fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    fn pointwise(&self, pointwise: &Pointwise<'_>) -> Result<Launch> {
        Ok(Arc::new(CpuLaunch(Arc::new(PointwiseKernel::new(pointwise, self.team.members())?))))
    }

    fn import(&self, from: &dyn Device, bytes: usize) -> Result<Launch> {
        if !from.pool().driver().host_addressable() {
            return Ok(Arc::new(CpuLaunch(Arc::new(Fetch { bytes, from: from.export()? }))));
        }
        Ok(Arc::new(CpuLaunch(Arc::new(Copy { bytes, items: items(bytes, self.team.members()) }))))
    }

    fn read(&self, storage: &Storage, offset: usize, into: &mut [u8]) -> Result<()> {
        storage
            .with_host(|bytes| into.copy_from_slice(&bytes[offset..offset + into.len()]))
            .map_err(|e| Error::new(ErrorKind::Device, "read", e.to_string()))
    }

    fn upload(&self, bytes: usize, fill: &mut dyn FnMut(&mut [u8]) -> Result<()>) -> Result<Storage> {
        let error = |e: holdall_memory::Error| Error::new(ErrorKind::Memory, "array", e.to_string());
        let mut storage = self.pool.take(bytes.max(1), User::Host).map_err(error)?;
        storage.with_host_mut(|to| fill(&mut to[..bytes])).map_err(error)??;
        Ok(storage)
    }
}

fn items(bytes: usize, threads: usize) -> usize {
    (bytes >> 20).clamp(1, 4 * threads)
}

/// Bytes fetched from another device, which does the work.
#[derive(Debug)]
struct Fetch {
    bytes: usize,
    from: Arc<dyn Export>,
}

impl Kernel for Fetch {
    fn items(&self, _: usize) -> usize {
        1
    }

    unsafe fn run(&self, _: usize, _: usize, memory: &[Slice], scratch: &mut Scratch) {
        // SAFETY: the destination is a block of at least these bytes, bound after the source, and there is one item.
        let into = unsafe { memory[1].write::<u8>(0, self.bytes) };
        // SAFETY: the source is the block of the other device that the command bound, of at least these bytes, and the
        // command buffer that runs now has waited for its writer.
        if let Err(e) = unsafe { self.from.read(memory[0].as_ptr::<u8>(), into) } {
            scratch.fail(e.to_string());
        }
    }
}

/// Bytes copied from one block to another.
#[derive(Debug)]
struct Copy {
    bytes: usize,
    items: usize,
}

impl Kernel for Copy {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        let part = span(self.bytes, 4096, item, self.items);
        // SAFETY: source and destination are distinct blocks of at least these bytes, bound in this order, and the
        // parts of the items do not overlap.
        unsafe {
            let from = &memory[0].read::<u8>(self.bytes)[part.clone()];
            memory[1].write::<u8>(part.start, part.len()).copy_from_slice(from);
        }
    }
}
