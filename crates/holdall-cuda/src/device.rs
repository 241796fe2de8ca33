//! GPUs as devices.

use std::sync::Arc;

use holdall_core::command::Launch;
use holdall_core::device::{
    Backend, BackendEntry, Device, DeviceInfo, DeviceStream, Export, Kernels, Pointwise,
};
use holdall_core::diagnosis::Diagnosis;
use holdall_core::{Error, ErrorKind, Result, settings};
use holdall_gpu::Library;
use holdall_memory::{Pool, Storage, Timelines, User};

use crate::compile::{Compiler, Source};
use crate::context::{Context, enumerate};
use crate::driver::CudaDriver;
use crate::launch::Import;
use crate::module::{Kernel, Loader};
use crate::nvrtc::Nvrtc;
use crate::portable::Portable;
use crate::staging::{Exported, Staging};
use crate::stream::{CudaStream, Modes, Streams};
use crate::{kernels, libraries, report};

holdall_core::inventory::submit! { BackendEntry { rank: 1, backend: || Box::new(CudaBackend) } }

/// Larger arrays are not filled in pinned memory.
const FILL_BYTES: usize = 4 << 20;

/// The backend of NVIDIA's GPUs.
#[derive(Debug)]
pub struct CudaBackend;

impl Backend for CudaBackend {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn devices(&self, timelines: &Arc<Timelines>) -> Result<Vec<Arc<dyn Device>>> {
        Ok(Cuda::all(timelines)?.into_iter().map(|device| device as Arc<dyn Device>).collect())
    }

    fn diagnose(&self) -> Option<Diagnosis> {
        Some(report::diagnose())
    }
}

/// A GPU.
#[derive(Debug)]
pub struct Cuda {
    info: DeviceInfo,
    context: Arc<Context>,
    pool: Arc<Pool>,
    streams: Arc<Streams>,
    staging: Arc<Staging>,
    loader: Arc<Loader>,
    library: Arc<Library>,
    kernels: Kernels,
    modes: Modes,
}

impl Cuda {
    /// The GPUs of the machine that can be used; none where there is no driver.
    ///
    /// # Errors
    /// When there are GPUs, but the driver does not start or the compiler is missing.
    pub fn all(timelines: &Arc<Timelines>) -> Result<Vec<Arc<Self>>> {
        if libraries::driver().is_err() {
            return Ok(Vec::new());
        }
        let (found, version) = match enumerate() {
            Ok(found) => found,
            Err(e) if e.is_no_device() => return Ok(Vec::new()),
            Err(e) => return Err(e.of("device")),
        };
        let usable: Vec<_> = found.into_iter().filter(|gpu| report::problem(gpu).is_none()).collect();
        if usable.is_empty() {
            return Ok(Vec::new());
        }
        Nvrtc::get()?;
        let modes = Modes { validate: settings::validate()?, graphs: settings::cuda_graphs()? };
        let streams = Arc::new(Streams::default());
        let make = |properties: crate::context::Properties| {
            let compiler = Compiler::new(properties.architecture(), version);
            let context = Arc::new(Context::new(properties));
            let loader = Arc::new(Loader::new(&context, compiler, timelines));
            let library = Library::new(Arc::new(Portable::new(loader.clone())));
            let properties = &context.properties;
            Arc::new(Self {
                info: DeviceInfo {
                    name: context.name(),
                    description: properties.description.clone(),
                    memory_bytes: Some(properties.memory_bytes),
                    has_float64: false,
                    checks_kernels: false,
                },
                pool: Pool::new(Arc::new(CudaDriver::new(context.clone())), timelines.clone()),
                streams: streams.clone(),
                staging: Arc::new(Staging::new(context.clone())),
                kernels: {
                    let mut kernels = library.kernels();
                    kernels::register(&mut kernels, &loader);
                    kernels
                },
                library,
                loader,
                modes,
                context,
            })
        };
        Ok(usable.into_iter().map(make).collect())
    }

    /// A kernel of a source: compiled, unless it was, and loaded. `name` is its name in the code: its C name, so that it has to
    /// be declared `extern "C"`.
    ///
    /// # Errors
    /// When it does not compile, or the code has no such kernel.
    pub fn kernel(&self, source: &Source, name: &str) -> Result<Arc<Kernel>> {
        self.loader.kernel(source, name)
    }

    /// Lets go of all compiled code that no launch holds; the device may still run it.
    pub fn unload(&self) {
        self.loader.unload();
    }

    /// Compute capability: major and minor version.
    pub fn capability(&self) -> (u32, u32) {
        self.context.properties.capability
    }

    /// How many multiprocessors it has.
    pub fn multiprocessors(&self) -> u32 {
        self.context.properties.multiprocessors
    }
}

impl Device for Cuda {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    fn stream(&self) -> Result<Box<dyn DeviceStream>> {
        let timelines = self.pool.timelines();
        let stream = CudaStream::new(&self.context, timelines, &self.streams, &self.staging, self.modes)?;
        Ok(Box::new(stream))
    }

    fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    fn pointwise(&self, pointwise: &Pointwise<'_>) -> Result<Launch> {
        self.library.pointwise(pointwise)
    }

    fn import(&self, from: &dyn Device, bytes: usize) -> Result<Launch> {
        let from = if from.pool().driver().host_addressable() { None } else { Some(from.export()?) };
        Ok(Arc::new(Import { bytes, from }))
    }

    fn export(&self) -> Result<Arc<dyn Export>> {
        Ok(Arc::new(Exported(self.staging.clone())))
    }

    fn read(&self, storage: &Storage, offset: usize, into: &mut [u8]) -> Result<()> {
        if offset.checked_add(into.len()).is_none_or(|end| end > storage.bytes()) {
            return Err(Error::argument("read", format!("past the end of {} bytes", storage.bytes())));
        }
        let copy = |at: *const u8| {
            // SAFETY: the block's writers have finished, and the range is within it. The copy has finished on return.
            unsafe { self.staging.download(at.addr() as u64 + offset as u64, into) }
        };
        // SAFETY: as above.
        let copied = unsafe { storage.copy_out(copy) };
        copied.map_err(|e| memory("read", &e))?.map_err(|e| self.context.error("read", e))
    }

    fn upload(&self, bytes: usize, fill: &mut dyn FnMut(&mut [u8]) -> Result<()>) -> Result<Storage> {
        let mut storage = self.pool.take(bytes.max(1), User::Host).map_err(|e| memory("array", &e))?;
        if bytes == 0 {
            fill(&mut [])?;
            return Ok(storage);
        }
        let mut all = Vec::new();
        if bytes > FILL_BYTES {
            all.resize(bytes, 0);
            fill(&mut all)?;
        }
        let piece = |start: usize, piece: &mut [u8]| -> Result<()> {
            if all.is_empty() {
                return fill(piece);
            }
            piece.copy_from_slice(&all[start..start + piece.len()]);
            Ok(())
        };
        let copy = |at: *mut u8| {
            // SAFETY: the block has so many bytes, and nothing uses it; the copy has finished on return.
            unsafe { self.staging.upload(None, at.addr() as u64, bytes, piece) }
        };
        // SAFETY: as above.
        unsafe { storage.copy_in(copy) }.map_err(|e| memory("array", &e))??;
        Ok(storage)
    }
}

fn memory(op: &'static str, error: &holdall_memory::Error) -> Error {
    let kind = match error.kind() {
        holdall_memory::ErrorKind::OutOfMemory => ErrorKind::Memory,
        _ => ErrorKind::Device,
    };
    Error::new(kind, op, error.to_string())
}
