//! Kernels in Metal Shading Language, portable and custom, as CUDA kernels.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use holdall_core::command::Launch;
use holdall_core::ops::Source as Data;
use holdall_core::{Error, ErrorKind, Result};
use holdall_gpu::{Author, Compiled, Dispatch, Facts, Gpu};
use holdall_msl::cuda::{CudaArgument, CudaKernel, CudaOptions, translate};
use holdall_msl::{KernelSource, Signature};
use smallvec::SmallVec;

use crate::compile::Source;
use crate::launch::{CudaLaunch, Fill, Nothing, Parameter};
use crate::module::{Kernel, Loader};

/// The most threads of a group on any GPU.
const MAX_THREADS: u32 = 1024;
/// Memory that a kernel can declare for a group.
const SHARED_BYTES: u32 = 48 << 10;

/// What `holdall-gpu` asks of a GPU.
#[derive(Debug)]
pub(crate) struct Portable {
    facts: Facts,
    loader: Arc<Loader>,
}

impl Portable {
    pub fn new(loader: Arc<Loader>) -> Self {
        let cores = loader.context.properties.multiprocessors;
        Self { facts: Facts { max_threads: MAX_THREADS, threadgroup_bytes: SHARED_BYTES, cores }, loader }
    }
}

/// A translated kernel.
#[derive(Debug)]
struct Translated {
    kernel: Arc<Kernel>,
    arguments: Vec<CudaArgument>,
    /// The same for groups that are too large for it, compiled when one comes: with fewer registers a thread.
    large: OnceLock<Result<Arc<Kernel>, String>>,
    text: Text,
    loader: Arc<Loader>,
}

/// What a kernel is translated from.
#[derive(Debug)]
struct Text {
    name: String,
    header: String,
    body: String,
    signature: Signature,
}

impl Text {
    fn translate(&self, group_size: Option<u32>) -> Result<CudaKernel> {
        let Self { name, header, body, signature } = self;
        translate(&KernelSource { name, header, body }, signature, &CudaOptions { group_size })
            .map_err(|e| self.error(&e))
    }

    fn load(&self, loader: &Loader, kernel: &CudaKernel) -> Result<Arc<Kernel>> {
        let source = Source {
            name: format!("{}.cu", self.name).into(),
            text: kernel.source().into(),
            options: kernel.options().iter().map(ToString::to_string).collect(),
        };
        loader.kernel(&source, kernel.entry()).map_err(|e| match e.kind() {
            // What the compiler has to say, at the places of the user's text.
            ErrorKind::Kernel => self.error(&kernel.diagnose(&e.to_string())).because(e),
            _ => e,
        })
    }

    fn error(&self, what: &holdall_msl::Error) -> Error {
        Error::new(
            ErrorKind::Kernel,
            "metal_kernel",
            format!("{}: the kernel does not compile\n{what}", self.name),
        )
    }
}

impl Compiled for Translated {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Translated {
    /// The kernel for groups of so many threads.
    fn of(&self, threads: u32) -> Result<&Arc<Kernel>> {
        if threads <= self.kernel.max_threads() {
            return Ok(&self.kernel);
        }
        let make = || {
            let kernel = self.text.translate(Some(MAX_THREADS))?;
            self.text.load(&self.loader, &kernel)
        };
        let large = self.large.get_or_init(|| make().map_err(|e| e.to_string()));
        large.as_ref().map_err(|why| Error::new(ErrorKind::Kernel, "metal_kernel", why.clone()))
    }
}

impl Gpu for Portable {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn kernel(
        &self,
        source: &KernelSource<'_>,
        signature: &Signature,
        author: Author,
    ) -> Result<Arc<dyn Compiled>> {
        if author == (Author::User { is_checked: true }) {
            let message = "custom kernels are not checked on GPUs: run the call on the CPU, or ask `holdall kernel check`";
            return Err(Error::new(ErrorKind::Kernel, "metal_kernel", format!("{}: {message}", source.name)));
        }
        let text = Text {
            name: source.name.to_owned(),
            header: source.header.to_owned(),
            body: source.body.to_owned(),
            signature: signature.clone(),
        };
        let translated = text.translate(None)?;
        let kernel = text.load(&self.loader, &translated)?;
        let arguments = translated.arguments().to_vec();
        let (large, loader) = (OnceLock::new(), self.loader.clone());
        Ok(Arc::new(Translated { kernel, arguments, large, text, loader }))
    }

    fn launch(&self, kernel: &Arc<dyn Compiled>, dispatch: Dispatch<'_>) -> Result<Launch> {
        let wrong = |what: String| Error::new(ErrorKind::Argument, "launch", what);
        let Some(translated) = kernel.as_any().downcast_ref::<Translated>() else {
            return Err(wrong("the kernel was compiled for another device".into()));
        };
        if dispatch.grid.contains(&0) {
            return Ok(Arc::new(Nothing));
        }
        let name = &translated.text.name;
        let nominal: [u32; 3] = std::array::from_fn(|i| dispatch.threadgroup[i].clamp(1, dispatch.grid[i]));
        let product = |of: [u32; 3]| of.iter().map(|n| u64::from(*n)).product::<u64>();
        let groups = product(std::array::from_fn(|i| dispatch.grid[i].div_ceil(nominal[i])));
        let threads = product(nominal);
        if threads > u64::from(MAX_THREADS) {
            return Err(wrong(format!("{name}: a group of {threads} threads; there can be {MAX_THREADS}")));
        }
        let groups = u32::try_from(groups).ok().filter(|n| *n <= i32::MAX as u32);
        let groups = groups.ok_or_else(|| wrong(format!("{name}: a grid of more than 2^31 groups")))?;
        let mut inline = dispatch.inline.iter();
        let mut extents = dispatch.extents.iter().enumerate();
        let mut parameters: SmallVec<[Parameter; 12]> = SmallVec::new();
        for argument in &translated.arguments {
            let parameter = match argument {
                CudaArgument::Buffer(_) => {
                    extents.next().map(|(i, extent)| Parameter::Offset(i, extent.start))
                }
                CudaArgument::Launch => {
                    let words = dispatch.grid.iter().chain(&nominal);
                    Some(Parameter::Value(words.flat_map(|word| word.to_ne_bytes()).collect()))
                }
                CudaArgument::Shape(_)
                | CudaArgument::Strides(_)
                | CudaArgument::Ndim(_)
                | CudaArgument::Parameter(..) => inline
                    .next()
                    .filter(|bytes| bytes.len() <= argument.size())
                    .map(|bytes| Parameter::Value(padded(bytes, argument.size()))),
            };
            parameters.push(parameter.ok_or_else(|| wrong(format!("{name}: an argument is not given")))?);
        }
        if inline.next().is_some() || extents.next().is_some() {
            return Err(wrong(format!("{name} has fewer parameters than are given")));
        }
        let kernel = translated.of(threads as u32)?;
        let launch = CudaLaunch::new(kernel.clone(), [groups, 1, 1], [threads as u32, 1, 1], 0, &parameters)?;
        Ok(Arc::new(launch))
    }

    fn load(&self, source: &Arc<dyn Data>) -> Result<Launch> {
        Ok(Arc::new(Fill(source.clone())))
    }
}

/// The bytes of a parameter, with as many behind them as its type has.
fn padded(bytes: &[u8], len: usize) -> SmallVec<[u8; 16]> {
    let mut padded = SmallVec::with_capacity(len);
    padded.extend_from_slice(bytes);
    padded.resize(len, 0);
    padded
}

#[cfg(test)]
mod tests {
    use holdall_msl::ir::BufferRole;
    use holdall_msl::{BufferParameter, ElementType, Space};

    use super::*;
    use crate::compile::Compiler;
    use crate::nvrtc::Nvrtc;

    #[test]
    fn translated_kernels_compile_for_each_architecture() {
        if let Err(e) = Nvrtc::get() {
            eprintln!("nothing was tested: {e}");
            return;
        }
        let buffer = |name: &str, role, element, n_elems| BufferParameter {
            name: name.to_owned(),
            role,
            element,
            space: if n_elems == 0 { Space::Device } else { Space::Constant },
            is_reference: n_elems == 1,
            is_atomic: false,
            n_elems,
        };
        let buffers = vec![
            buffer("x", BufferRole::Input(0), ElementType::BF16, 0),
            buffer("y", BufferRole::Output(0), ElementType::F32, 0),
            buffer("size", BufferRole::Parameter(0), ElementType::U64, 1),
            buffer("steps", BufferRole::Parameter(1), ElementType::I64, 3),
        ];
        let body = "uint i = thread_position_in_grid.x;\nif (i >= size) return;\n\
                    y[i] = simd_sum(float(x[i * steps[2]]));\n";
        let signature = Signature::new(buffers, body, &[]).unwrap();
        let source = KernelSource { name: "scaled", header: "", body };
        let kernel = translate(&source, &signature, &CudaOptions { group_size: None }).unwrap();
        let sizes: Vec<usize> = kernel.arguments().iter().map(|argument| argument.size()).collect();
        assert_eq!(sizes, [8, 8, 8, 24, 24]);
        let source = Source {
            name: "scaled.cu".into(),
            text: kernel.source().into(),
            options: kernel.options().iter().map(ToString::to_string).collect(),
        };
        for architecture in ["sm_80", "sm_90a", "sm_100a"] {
            let code = Compiler::new(architecture, (0, 0)).with_cache(None).code(&source).unwrap();
            assert_eq!(&code[..4], b"\x7fELF", "{architecture}");
        }
    }
}
