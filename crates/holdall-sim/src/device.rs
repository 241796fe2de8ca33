//! The simulated machine as a device of Holdall.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use holdall_core::command::{CommandBuffer, Launch};
use holdall_core::device::{self, Device, DeviceId, DeviceInfo, DeviceStream, Kernels, Pointwise};
use holdall_core::{Error, ErrorKind, Result};
use holdall_cpu::CpuLaunch;
use holdall_cpu::kernels::pointwise::PointwiseKernel;
use holdall_memory::{BlockId, Lease, Policy, Pool, ResourceCache, Storage, Timelines, User};

use crate::block::POISON;
use crate::driver::SimDriver;
use crate::execute::{Import, Loaded};
use crate::report::Report;
use crate::world::World;

/// Kernels are cut into items as if for so many threads; the items run one by one, in a random order.
const THREADS: usize = 2;

/// How a simulated device behaves.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Decides every order and duration.
    pub seed: u64,
    /// The retention policy of its pool and scheduler.
    pub policy: Policy,
    /// How much memory it has in bytes; without, as much as is asked for.
    pub memory_bytes: Option<usize>,
    /// Command buffers, counted from 0 in the order of submission, that the device reports as lost the moment it
    /// starts them, while it goes on to run them: what a hung driver does.
    pub lose: Vec<u64>,
}

impl Default for SimOptions {
    /// Seed 0, Holdall's policy, unlimited memory, no faults.
    fn default() -> Self {
        Self { seed: 0, policy: Policy::HOLDALL, memory_bytes: None, lose: Vec::new() }
    }
}

/// A device that checks every access. See the documentation of the crate.
pub struct SimDevice {
    info: DeviceInfo,
    world: Arc<World>,
    driver: Arc<SimDriver>,
    pool: Arc<Pool>,
    kernels: Kernels,
}

impl SimDevice {
    /// A device whose streams are in `timelines`.
    pub fn new(timelines: &Arc<Timelines>, options: SimOptions) -> Arc<Self> {
        let SimOptions { seed, policy, memory_bytes, lose } = options;
        let world = World::new(timelines.clone(), policy.name(), seed, lose);
        let driver = Arc::new(SimDriver { world: world.clone(), memory_bytes });
        let pool = Pool::simulated(driver.clone(), timelines.clone(), policy);
        let info = DeviceInfo {
            name: format!("sim:{seed}"),
            description: format!("simulated, policy {:?}", policy.name()),
            memory_bytes,
            has_float64: true,
            checks_kernels: true,
        };
        Arc::new(Self { info, world, driver, pool, kernels: holdall_cpu::kernels(THREADS) })
    }

    /// A new device, added to those of this process.
    ///
    /// # Errors
    /// When the runtime does not start.
    pub fn add(options: SimOptions) -> Result<(Arc<Self>, DeviceId)> {
        let made = Self::new(&device::timelines()?, options);
        Ok((made.clone(), device::add(made)?))
    }

    /// Lets the device finish what was submitted.
    pub fn run_all(&self) {
        self.world.run_all();
    }

    /// What happened so far. Work that was submitted may not have run: see [`Self::run_all`].
    pub fn report(&self) -> Report {
        self.world.report()
    }

    /// A kernel that the device may lose: a resource's value, so that a cache can evict it. `launch` is one of the
    /// device's own.
    pub fn load(&self, launch: Launch) -> SimKernel {
        let mut state = self.world.lock();
        state.kernels += 1;
        SimKernel { launch: Arc::new(Loaded { id: state.kernels, launch }), world: self.world.clone() }
    }

    /// A cache of at most `capacity` kernels that follows the policy of the device.
    pub fn kernel_cache<K: Hash + Eq + Clone>(&self, capacity: usize) -> ResourceCache<K, SimKernel> {
        ResourceCache::simulated(&*self.driver, self.world.timelines.clone(), capacity, self.pool.policy())
    }

    /// Foreign code starts to use what was leased. While the loan is open, commands that write the block are reported.
    pub fn lend(&self, lease: Lease) -> Loan {
        let mut state = self.world.lock();
        let block = lease.storage().block();
        if let Some(&place) = state.owners.get(&block) {
            state.memory.block(place).loans += 1;
        }
        drop(state);
        Loan { lease: Some(lease), world: self.world.clone() }
    }

    /// Reads a block for the host, with the check that it may.
    fn fetch(&self, block: BlockId, bytes: usize, offset: usize, into: &mut [u8]) -> Result<()> {
        let mut state = self.world.lock();
        let gone = || Error::new(ErrorKind::Device, "read", "the block is not one of this device");
        let place = *state.owners.get(&block).ok_or_else(gone)?;
        if !into.is_empty() {
            state.host_order(place, "read", false);
        }
        let life = state.memory.block(place).owner;
        let part = state.memory.bytes_of(place, life, bytes).and_then(|b| b.get(offset..offset + into.len()));
        match part {
            Some(part) => into.copy_from_slice(part),
            None => into.fill(POISON),
        }
        Ok(())
    }
}

impl Device for SimDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    fn stream(&self) -> Result<Box<dyn DeviceStream>> {
        Ok(Box::new(SimStream { world: self.world.clone() }))
    }

    fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    fn pointwise(&self, pointwise: &Pointwise<'_>) -> Result<Launch> {
        Ok(Arc::new(CpuLaunch(Arc::new(PointwiseKernel::new(pointwise, THREADS)?))))
    }

    fn import(&self, from: &dyn Device, bytes: usize) -> Result<Launch> {
        if from.pool().driver().host_addressable() {
            return Ok(Arc::new(Import { bytes }));
        }
        let name = &from.info().name;
        Err(Error::new(ErrorKind::Device, "copy", format!("{name} has no memory that the host can read")))
    }

    fn read(&self, storage: &Storage, offset: usize, into: &mut [u8]) -> Result<()> {
        self.fetch(storage.block(), storage.bytes(), offset, into)
    }

    fn upload(&self, bytes: usize, fill: &mut dyn FnMut(&mut [u8]) -> Result<()>) -> Result<Storage> {
        let error = |e: holdall_memory::Error| Error::new(ErrorKind::Memory, "array", e.to_string());
        let mut data = vec![POISON; bytes];
        fill(&mut data)?;
        let storage = self.pool.take(bytes.max(1), User::Host).map_err(error)?;
        if self.pool.policy().checks_host() {
            storage.wait_idle().map_err(error)?;
        }
        let mut state = self.world.lock();
        if let Some(&place) = state.owners.get(&storage.block()) {
            state.host_order(place, "upload", true);
            let life = state.memory.block(place).owner;
            if let Some(memory) = state.memory.bytes_of(place, life, bytes) {
                memory.copy_from_slice(&data);
            }
        }
        drop(state);
        Ok(storage)
    }
}

impl fmt::Debug for SimDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDevice")
            .field("info", &self.info)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// A stream of the device.
struct SimStream {
    world: Arc<World>,
}

impl DeviceStream for SimStream {
    fn submit(&mut self, commands: CommandBuffer) -> Result<()> {
        self.world.submit(commands);
        Ok(())
    }
}

/// A kernel on the simulated device. Dropping it destroys it: a command that names it must not run after that.
pub struct SimKernel {
    launch: Arc<Loaded>,
    world: Arc<World>,
}

impl SimKernel {
    /// For commands.
    pub fn launch(&self) -> Launch {
        self.launch.clone()
    }
}

impl Drop for SimKernel {
    fn drop(&mut self) {
        self.world.destroy(self.launch.id);
    }
}

impl fmt::Debug for SimKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimKernel").field(&self.launch).finish()
    }
}

/// Use of a leased block by foreign code. Ends when it is dropped, and the lease with it.
pub struct Loan {
    lease: Option<Lease>,
    world: Arc<World>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let mut state = self.world.lock();
        if let Some(&place) = state.owners.get(&lease.storage().block()) {
            state.memory.block(place).loans -= 1;
        }
        // The lease may hold the last owner of the block, whose drop comes back to this device.
        drop(state);
        drop(lease);
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loan").field(&self.lease).finish()
    }
}
