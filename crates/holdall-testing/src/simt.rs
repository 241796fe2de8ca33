//! The device `simt`: the portable GPU kernels on the CPU, in checked mode.
//!
//! Programs that link this crate have it; `HOLDALL_DEVICE=simt` makes it the default one. What a kernel does wrong is the error of the
//! evaluation: accesses out of bounds, races, reads of what was never written, elements of outputs that are not written.

use std::any::Any;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdall_core::command::Launch;
use holdall_core::device::{Backend, BackendEntry, Device, DeviceInfo, DeviceStream, Kernels, Pointwise};
use holdall_core::ops::Source;
use holdall_core::{Error, ErrorKind, Result};
use holdall_cpu::simt;
use holdall_cpu::simt::cache::Cache;
use holdall_cpu::simt::{Binding, Checked, MAX_THREADGROUP_BYTES, MAX_THREADS, Program};
use holdall_cpu::{Cpu, CpuLaunch};
use holdall_gpu::{Author, Compiled, Dispatch, Facts, Gpu, Library};
use holdall_memory::{Pool, Storage, Timelines};
use holdall_msl::cuda::{CudaKernel, CudaOptions, translate};
use holdall_msl::ir::BufferRole;
use holdall_msl::{KernelSource, Signature};

holdall_core::inventory::submit! { BackendEntry { rank: -1, backend: || Box::new(SimtBackend) } }

/// `full`, or `small` where the default device is this one, on which large arrays take minutes.
pub fn size(full: usize, small: usize) -> usize {
    let is_default = matches!(holdall_core::settings::device(), Ok(Some(name)) if name == "simt");
    if is_default { small } else { full }
}

/// The backend of the device.
#[derive(Debug)]
pub struct SimtBackend;

impl Backend for SimtBackend {
    fn name(&self) -> &'static str {
        "simt"
    }

    fn devices(&self, timelines: &Arc<Timelines>) -> Result<Vec<Arc<dyn Device>>> {
        Ok(vec![Arc::new(SimtDevice::new(timelines)?)])
    }
}

/// The device: memory and streams of a CPU of its own, kernels of a GPU.
#[derive(Debug)]
pub struct SimtDevice {
    info: DeviceInfo,
    cpu: Cpu,
    library: Arc<Library>,
    kernels: Kernels,
}

impl SimtDevice {
    /// A device.
    ///
    /// # Errors
    /// When a setting of the CPU means nothing.
    pub fn new(timelines: &Arc<Timelines>) -> Result<Self> {
        let library = Library::new(Arc::new(Simt::default()));
        Ok(Self {
            info: DeviceInfo {
                name: "simt".into(),
                description: "GPU kernels on the CPU, checked".into(),
                memory_bytes: None,
                has_float64: false,
                checks_kernels: true,
            },
            cpu: Cpu::new(timelines)?,
            kernels: library.kernels(),
            library,
        })
    }
}

impl Device for SimtDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn pool(&self) -> &Arc<Pool> {
        self.cpu.pool()
    }

    fn stream(&self) -> Result<Box<dyn DeviceStream>> {
        self.cpu.stream()
    }

    fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    fn pointwise(&self, pointwise: &Pointwise<'_>) -> Result<Launch> {
        self.library.pointwise(pointwise)
    }

    fn import(&self, from: &dyn Device, bytes: usize) -> Result<Launch> {
        self.cpu.import(from, bytes)
    }

    fn read(&self, storage: &Storage, offset: usize, into: &mut [u8]) -> Result<()> {
        self.cpu.read(storage, offset, into)
    }

    fn upload(&self, bytes: usize, fill: &mut dyn FnMut(&mut [u8]) -> Result<()>) -> Result<Storage> {
        self.cpu.upload(bytes, fill)
    }
}

/// The engine as a GPU.
#[derive(Debug)]
pub struct Simt {
    facts: Facts,
    programs: Cache,
    /// Where portable kernels are written to as CUDA C++, if they are to be.
    texts: Option<PathBuf>,
}

impl Default for Simt {
    fn default() -> Self {
        // Few cores, so that kernels cut their work into several groups at small sizes too.
        let facts = Facts { max_threads: MAX_THREADS, threadgroup_bytes: MAX_THREADGROUP_BYTES, cores: 4 };
        Self { facts, programs: Cache::new(4096), texts: holdall_core::settings::simt_kernels() }
    }
}

/// A program of the engine.
#[derive(Debug)]
struct Simulated(Arc<Program>);

impl Compiled for Simulated {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Gpu for Simt {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn kernel(
        &self,
        source: &KernelSource<'_>,
        signature: &Signature,
        author: Author,
    ) -> Result<Arc<dyn Compiled>> {
        let is_checked = author != Author::User { is_checked: false };
        let fail = |message: String| {
            Error::new(ErrorKind::Kernel, "metal_kernel", format!("{}: {message}", source.name))
        };
        let program = self
            .programs
            .get(source, signature, is_checked)
            .map_err(|e| fail(format!("the kernel does not compile\n{e}")))?
            .program
            .clone();
        if author == Author::Library {
            // Whoever runs the tests here knows that the kernels are CUDA C++, too.
            let translated = translate(source, signature, &CudaOptions::default())
                .map_err(|e| fail(format!("the kernel does not translate to CUDA C++\n{e}")))?;
            if let Some(folder) = &self.texts {
                write_text(folder, source.name, signature, &translated)
                    .map_err(|e| fail(format!("cannot write to {}: {e}", folder.display())))?;
            }
        }
        let written =
            program.ir().buffers.iter().find(|b| b.is_written && matches!(b.role, BufferRole::Input(_)));
        if let Some(buffer) = written {
            let message = format!("writes its input {}; only outputs may be written", buffer.name);
            return Err(fail(message));
        }
        Ok(Arc::new(Simulated(program)))
    }

    fn launch(&self, kernel: &Arc<dyn Compiled>, dispatch: Dispatch<'_>) -> Result<Launch> {
        let fail = |message: String| Error::new(ErrorKind::Argument, "launch", message);
        let Some(Simulated(program)) = kernel.as_any().downcast_ref() else {
            return Err(fail("the kernel was compiled for another device".into()));
        };
        let mut inline = dispatch.inline.iter();
        let mut extents = dispatch.extents.iter();
        let mut bindings = Vec::new();
        for buffer in &program.ir().buffers {
            let binding = if buffer.role.is_memory() {
                extents.next().map(|extent| Binding::Memory(extent.bytes))
            } else {
                inline.next().map(|bytes| Binding::Bytes(bytes.into()))
            };
            bindings.push(binding.ok_or_else(|| fail(format!("{} is not given", buffer.name)))?);
        }
        if inline.next().is_some() || extents.next().is_some() {
            return Err(fail(format!("{} has fewer parameters than are given", program.name())));
        }
        let (grid, threadgroup) = (dispatch.grid, dispatch.threadgroup);
        if !program.is_checked() {
            // A custom kernel, whose buffers begin where they are bound.
            let launch = simt::Launch::new(program.clone(), grid, threadgroup, bindings)
                .map_err(|e| fail(e.to_string()))?;
            return Ok(Arc::new(CpuLaunch(Arc::new(launch))));
        }
        let launch =
            Checked::new(program.clone(), grid, threadgroup, bindings).map_err(|e| fail(e.to_string()))?;
        let launch = launch.starts(dispatch.extents.iter().map(|extent| extent.start).collect());
        let launch = if dispatch.is_partial { launch.initialised() } else { launch };
        Ok(Arc::new(CpuLaunch(Arc::new(launch))))
    }

    fn load(&self, source: &Arc<dyn Source>) -> Result<Launch> {
        Ok(holdall_cpu::load(source))
    }
}

/// Writes `NAME.TYPES.HASH.cu`, with the types of the kernel's memory; the first line has NVRTC's options.
fn write_text(folder: &Path, name: &str, signature: &Signature, kernel: &CudaKernel) -> std::io::Result<()> {
    let memory = signature.buffers().iter().filter(|buffer| buffer.role.is_memory());
    let types: Vec<&str> = memory.map(|buffer| buffer.element.msl()).collect();
    let mut hasher = DefaultHasher::new();
    kernel.source().hash(&mut hasher);
    let stem = format!("{name}.{}.{:016x}", types.join("-"), hasher.finish());
    std::fs::create_dir_all(folder)?;
    let made = File::create_new(folder.join(stem + ".cu"));
    match made {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => write!(made?, "// nvrtc: {}\n{}", kernel.options().join(" "), kernel.source()),
    }
}
