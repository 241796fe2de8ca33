//! A device of the host's memory: enough of the CPU's backend to copy to and from a GPU.

use std::sync::Arc;

use holdall_core::command::{CommandBuffer, Executable, Launch};
use holdall_core::device::{Device, DeviceInfo, DeviceStream, Export, Kernels, Pointwise};
use holdall_core::{Error, ErrorKind, Result};
use holdall_memory::{Gate, HostDriver, Pool, Storage, Timelines, User};

#[derive(Debug)]
pub struct Host {
    info: DeviceInfo,
    pool: Arc<Pool>,
    kernels: Kernels,
}

impl Host {
    pub fn new(timelines: &Arc<Timelines>) -> Arc<Self> {
        let info = DeviceInfo {
            name: "host".into(),
            description: String::new(),
            memory_bytes: None,
            has_float64: true,
            checks_kernels: true,
        };
        let pool = Pool::new(Arc::new(HostDriver::new()), timelines.clone());
        Arc::new(Self { info, pool, kernels: Kernels::default() })
    }
}

/// A copy from a device that exports its memory.
#[derive(Debug)]
struct Fetch(Arc<dyn Export>, usize);

impl Executable for Fetch {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Device for Host {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    fn stream(&self) -> Result<Box<dyn DeviceStream>> {
        let (sender, receiver) = std::sync::mpsc::channel::<CommandBuffer>();
        let mut gate = Gate::new(self.pool.timelines().clone());
        std::thread::spawn(move || {
            for commands in receiver {
                let Some(completion) = gate.pass(commands.completion, commands.waits) else { continue };
                for command in &commands.commands {
                    let Fetch(export, bytes) = command.launch.as_any().downcast_ref().unwrap();
                    // SAFETY: this runs the command buffer, and both blocks have as many bytes as the copy.
                    unsafe {
                        let [from, to] = [0, 1].map(|i| command.bindings[i].bound.address());
                        export.read(from, std::slice::from_raw_parts_mut(to, *bytes)).unwrap();
                    }
                }
                completion.done();
            }
        });
        Ok(Box::new(HostStream(sender)))
    }

    fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    fn pointwise(&self, _: &Pointwise<'_>) -> Result<Launch> {
        Err(Error::new(ErrorKind::Kernel, "pointwise", "there are no kernels"))
    }

    fn import(&self, from: &dyn Device, bytes: usize) -> Result<Launch> {
        Ok(Arc::new(Fetch(from.export()?, bytes)))
    }

    fn read(&self, storage: &Storage, offset: usize, into: &mut [u8]) -> Result<()> {
        storage.with_host(|bytes| into.copy_from_slice(&bytes[offset..offset + into.len()])).unwrap();
        Ok(())
    }

    fn upload(&self, bytes: usize, fill: &mut dyn FnMut(&mut [u8]) -> Result<()>) -> Result<Storage> {
        let mut storage = self.pool.take(bytes.max(1), User::Host).unwrap();
        storage.with_host_mut(|to| fill(&mut to[..bytes])).unwrap()?;
        Ok(storage)
    }
}

struct HostStream(std::sync::mpsc::Sender<CommandBuffer>);

impl DeviceStream for HostStream {
    fn submit(&mut self, commands: CommandBuffer) -> Result<()> {
        self.0.send(commands).map_err(|_| Error::new(ErrorKind::Device, "stream", "its thread has ended"))
    }
}
