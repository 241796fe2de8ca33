//! Compiled kernels by what they were made for, and launches of them.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::Pod;
use holdall_core::device::{Argument, Bound, Operand, Plan, Request};
use holdall_core::op::Spec;
use holdall_core::{Dtype, Error, ErrorKind, Result};
use holdall_memory::Access;
use holdall_msl::{ElementType, KernelSource, TemplateValue};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::gpu::{Author, Compiled, Dispatch, Extent, Facts, Gpu, Inline};
use crate::kernel::Kernel;

/// Compiled kernels that a library keeps, of each sort.
const CAPACITY: usize = 4096;

/// The kernels of this crate, compiled for one GPU as they are needed.
#[derive(Debug)]
pub struct Library {
    pub(crate) gpu: Arc<dyn Gpu>,
    kernels: Cache<Key>,
    pub(crate) pointwise: Cache<SmallVec<[u64; 16]>>,
    pub(crate) custom: Cache<crate::custom::Key>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    /// The address of the kernel, which is a static.
    kernel: usize,
    template: SmallVec<[TemplateValue; 8]>,
}

/// Compiled kernels by a key; of those that were not used for longest, some are dropped when there are too many. Who
/// launched a kernel keeps it alive.
#[derive(Debug)]
pub(crate) struct Cache<K> {
    entries: RwLock<FxHashMap<K, Entry>>,
    clock: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    compiled: Arc<dyn Compiled>,
    used: AtomicU64,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { entries: RwLock::default(), clock: AtomicU64::new(0) }
    }
}

impl<K: Hash + Eq> Cache<K> {
    /// The kernel of a key, made if need be.
    pub fn get(
        &self,
        key: K,
        make: impl FnOnce(&K) -> Result<Arc<dyn Compiled>>,
    ) -> Result<Arc<dyn Compiled>> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        if let Some(entry) = self.entries.read().get(&key) {
            entry.used.store(now, Ordering::Relaxed);
            return Ok(entry.compiled.clone());
        }
        // Without the lock: two threads may compile the same, which costs time and nothing else.
        let compiled = make(&key)?;
        let mut entries = self.entries.write();
        if entries.len() >= CAPACITY {
            let mut ages: Vec<u64> = entries.values().map(|e| e.used.load(Ordering::Relaxed)).collect();
            let middle = ages.len() / 2;
            let median = *ages.select_nth_unstable(middle).1;
            entries.retain(|_, entry| entry.used.load(Ordering::Relaxed) >= median);
        }
        let entry = Entry { compiled: compiled.clone(), used: AtomicU64::new(now) };
        entries.insert(key, entry);
        Ok(compiled)
    }
}

impl Library {
    /// The library of a GPU, with nothing compiled yet.
    #[must_use]
    pub fn new(gpu: Arc<dyn Gpu>) -> Arc<Self> {
        let (kernels, pointwise, custom) = Default::default();
        Arc::new(Self { gpu, kernels, pointwise, custom })
    }

    pub(crate) fn facts(&self) -> &Facts {
        self.gpu.facts()
    }

    /// A call of a kernel with these template arguments.
    pub(crate) fn call(
        &self,
        op: &'static str,
        kernel: &'static Kernel,
        template: &[TemplateValue],
    ) -> Result<Call<'_>> {
        let key = Key { kernel: std::ptr::from_ref(kernel).addr(), template: template.into() };
        let compiled = self.kernels.get(key, |_| self.compile(op, kernel, template))?;
        Ok(Call::new(self, op, compiled))
    }

    fn compile(
        &self,
        op: &'static str,
        kernel: &'static Kernel,
        template: &[TemplateValue],
    ) -> Result<Arc<dyn Compiled>> {
        let wrong = |e: &str| Error::new(ErrorKind::Kernel, op, format!("{}: {e}", kernel.name));
        let parsed = kernel.parsed().map_err(wrong)?;
        let signature = parsed.signature(template).map_err(|e| wrong(&e))?;
        let source = KernelSource { name: kernel.name, header: &parsed.header, body: &parsed.body };
        self.gpu.kernel(&source, &signature, Author::Library)
    }
}

/// A call in the making. Arguments are given in the kernel's order.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    library: &'a Library,
    op: &'static str,
    compiled: Arc<dyn Compiled>,
    arguments: SmallVec<[(Argument, Access); 4]>,
    extents: SmallVec<[Extent; 8]>,
    inline: Inline,
    is_partial: bool,
}

impl<'a> Call<'a> {
    pub fn new(library: &'a Library, op: &'static str, compiled: Arc<dyn Compiled>) -> Self {
        let (arguments, extents, inline) = Default::default();
        Self { library, op, compiled, arguments, extents, inline, is_partial: false }
    }

    /// Binds memory.
    pub fn memory(mut self, argument: Argument, access: Access, extent: Extent) -> Self {
        self.arguments.push((argument, access));
        self.extents.push(extent);
        self
    }

    /// Binds an input for reading.
    pub fn input(self, i: usize, request: &Request<'_>) -> Self {
        self.memory(Argument::Input(i), Access::Read, extent(&request.inputs[i]))
    }

    /// Binds an output for writing; it is row-major without gaps.
    pub fn output(self, i: usize, request: &Request<'_>) -> Self {
        self.memory(Argument::Output(i), Access::Write, Extent::new(request.outputs[i].bytes()))
    }

    /// Binds an output, part of which is written: it may hold values before.
    pub fn updated(self, i: usize, request: &Request<'_>) -> Self {
        self.partial().memory(Argument::Output(i), Access::ReadWrite, Extent::new(request.outputs[i].bytes()))
    }

    /// Outputs hold values before: the kernel need not write all of them.
    pub fn partial(mut self) -> Self {
        self.is_partial = true;
        self
    }

    /// Adds a value.
    pub fn value<T: Pod>(mut self, value: T) -> Self {
        self.inline.value(value);
        self
    }

    /// Adds a parameter of several values.
    pub fn values<T: Pod>(mut self, values: &[T]) -> Self {
        self.inline.values(values);
        self
    }

    /// Launches.
    pub fn run(self, grid: [u32; 3], threadgroup: [u32; 3]) -> Result<Bound> {
        let Self { library, op, compiled, arguments, extents, inline, is_partial } = self;
        let dispatch = Dispatch { grid, threadgroup, inline: &inline, extents: &extents, is_partial };
        let launch =
            library.gpu.launch(&compiled, dispatch).map_err(|e| Error::new(e.kind(), op, e.to_string()))?;
        Ok((launch, arguments))
    }

    /// Launches a thread for each of `n` elements, in groups of 256.
    pub fn each(self, n: usize) -> Result<Bound> {
        let (grid, group) = linear(n);
        self.run(grid, group)
    }
}

/// The plan of one launch.
pub(crate) fn plan(bound: Bound) -> Plan {
    Plan { launches: std::iter::once(bound).collect(), ..Plan::default() }
}

/// The first input as it is.
pub(crate) fn unchanged() -> Plan {
    Plan { in_place: std::iter::once((0, 0)).collect(), ..Plan::default() }
}

/// Threads in a group of kernels that do elements one by one.
const GROUP: u32 = 256;
/// Threads along x of a grid of several rows.
const ROW: usize = 1 << 30;

/// A grid of at least `n` threads, whose linear index is `x + y * 2^30`; those from `n` on have nothing to do. So kernels go by
/// `holdall_index`.
pub(crate) fn linear(n: usize) -> ([u32; 3], [u32; 3]) {
    let grid = if n <= ROW { [n as u32, 1, 1] } else { [ROW as u32, n.div_ceil(ROW) as u32, 1] };
    (grid, [GROUP, 1, 1])
}

/// Groups along x of a grid of several rows.
const ROW_GROUPS: usize = 1 << 20;

/// A grid of at least `n` groups of `threads`, whose linear index is `x + y * 2^20`; those from `n` on have nothing to do. So
/// kernels go by `holdall_group`.
pub(crate) fn groups(n: usize, threads: u32) -> ([u32; 3], [u32; 3]) {
    let (x, y) = if n <= ROW_GROUPS { (n, 1) } else { (ROW_GROUPS, n.div_ceil(ROW_GROUPS)) };
    ([x as u32 * threads, y as u32, 1], [threads, 1, 1])
}

/// Where an operand lies.
pub(crate) fn extent(x: &Operand) -> Extent {
    Extent::strided(x.shape(), x.strides(), x.spec.dtype.size())
}

/// Whether places in all of these can be told in 32 bits.
pub(crate) fn fits_32<'a>(specs: impl IntoIterator<Item = &'a Spec>) -> bool {
    specs.into_iter().all(|spec| spec.size() <= 1 << 31)
}

/// The type of indices.
pub(crate) fn index(is_small: bool) -> TemplateValue {
    TemplateValue::Type(if is_small { ElementType::U32 } else { ElementType::U64 })
}

/// A type as a template argument.
///
/// # Errors
/// For float64.
pub(crate) fn ty(op: &'static str, dtype: Dtype) -> Result<TemplateValue> {
    element(op, dtype).map(TemplateValue::Type)
}

/// The unsigned integer of as many bytes as a type: for kernels that move elements. Pairs of 32 bits for those of 8.
pub(crate) fn bits(dtype: Dtype) -> TemplateValue {
    TemplateValue::Type(match dtype.size() {
        1 => ElementType::U8,
        2 => ElementType::U16,
        4 => ElementType::U32,
        _ => ElementType::U64,
    })
}

/// The element type of a kernel's parameters.
///
/// # Errors
/// For float64, which GPUs that run Metal do not have.
pub(crate) fn element(op: &'static str, dtype: Dtype) -> Result<ElementType> {
    Ok(match dtype {
        Dtype::Bool => ElementType::Bool,
        Dtype::Uint8 => ElementType::U8,
        Dtype::Uint16 => ElementType::U16,
        Dtype::Uint32 => ElementType::U32,
        Dtype::Uint64 => ElementType::U64,
        Dtype::Int8 => ElementType::I8,
        Dtype::Int16 => ElementType::I16,
        Dtype::Int32 => ElementType::I32,
        Dtype::Int64 => ElementType::I64,
        Dtype::Float16 => ElementType::F16,
        Dtype::Bfloat16 => ElementType::BF16,
        Dtype::Float32 => ElementType::F32,
        Dtype::Complex64 => ElementType::Complex64,
        Dtype::Float64 => {
            let message = "GPUs have no float64: compute on a stream of the CPU, or in float32";
            return Err(Error::dtype(op, message));
        }
    })
}

/// Whether all inputs are real floats that GPUs have.
pub(crate) fn is_float(inputs: &[&Spec]) -> bool {
    inputs.iter().all(|x| matches!(x.dtype, Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32))
}

/// A refusal of a type that the op's kernels do not take.
pub(crate) fn refused(op: &'static str, dtype: Dtype) -> Error {
    Error::dtype(op, format!("there is no GPU kernel for {dtype}"))
}
