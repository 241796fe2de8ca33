//! What a GPU backend provides: it compiles kernels and makes launches of them.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use bytemuck::Pod;
use holdall_core::command::Launch;
use holdall_core::ops::Source;
use holdall_core::{Result, Strides};
use holdall_msl::{KernelSource, Signature};
use smallvec::SmallVec;

/// A kernel that a backend compiled.
pub trait Compiled: Any + Debug + Send + Sync {
    /// For the backend to find its own type.
    fn as_any(&self) -> &dyn Any;
}

/// Whose a kernel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// A kernel of this crate.
    Library,
    /// A custom kernel.
    User {
        /// Whether its mistakes are to be looked for while it runs.
        is_checked: bool,
    },
}

/// What launch rules go by.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The most threads of a group.
    pub max_threads: u32,
    /// Bytes of memory that the threads of a group share.
    pub threadgroup_bytes: u32,
    /// Cores, or multiprocessors: how many groups of 1024 threads it takes to fill the device, nearly.
    pub cores: u32,
}

/// A GPU, as the kernels of this crate need it.
pub trait Gpu: Debug + Send + Sync {
    /// What launch rules go by.
    fn facts(&self) -> &Facts;

    /// Compiles a kernel. The library keeps it.
    ///
    /// # Errors
    /// What is wrong with the text, in the user's lines.
    fn kernel(
        &self,
        source: &KernelSource<'_>,
        signature: &Signature,
        author: Author,
    ) -> Result<Arc<dyn Compiled>>;

    /// A launch of a kernel that this device compiled.
    ///
    /// # Errors
    /// When the group is too large for the kernel.
    fn launch(&self, kernel: &Arc<dyn Compiled>, dispatch: Dispatch<'_>) -> Result<Launch>;

    /// A launch that reads from a source, from its first part to its last, into the memory that is bound: that of its
    /// outputs.
    ///
    /// # Errors
    /// When the device has no way to.
    fn load(&self, source: &Arc<dyn Source>) -> Result<Launch>;
}

/// Threads and arguments of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<'a> {
    /// Threads along each axis: exactly that many run.
    pub grid: [u32; 3],
    /// Threads of a group along each axis, before it is cut to the grid.
    pub threadgroup: [u32; 3],
    /// The bytes of the buffers that are no memory, in the order of the signature: parameters, and for custom kernels shapes,
    /// strides and numbers of axes.
    pub inline: &'a Inline,
    /// Of each buffer that is memory, in the order of the signature, where it lies.
    pub extents: &'a [Extent],
    /// Whether the outputs hold values before, so that the kernel need not write all of them.
    pub is_partial: bool,
}

/// A buffer's part of the memory that is bound for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes from where the memory is bound, the first element, to where the buffer begins: never more than 0. It is less where
    /// elements lie before the first one.
    pub start: isize,
    /// Bytes of the buffer.
    pub bytes: usize,
}

impl Extent {
    /// A buffer that begins where it is bound.
    pub fn new(bytes: usize) -> Self {
        Self { start: 0, bytes }
    }

    /// The extent of elements of `size` bytes that lie at these strides.
    pub fn strided(shape: &[usize], strides: &[isize], size: usize) -> Self {
        if shape.contains(&0) {
            return Self::new(0);
        }
        let (mut before, mut after) = (0usize, 0usize);
        for (d, s) in shape.iter().zip(strides) {
            let reach = (d - 1) * s.unsigned_abs();
            *(if *s < 0 { &mut before } else { &mut after }) += reach;
        }
        Self { start: -((before * size) as isize), bytes: (before + after + 1) * size }
    }
}

/// Values that go with a launch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inline {
    bytes: SmallVec<[u8; 128]>,
    ends: SmallVec<[u32; 12]>,
}

impl Inline {
    /// Adds the bytes of a buffer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    /// Adds a buffer of one value.
    pub fn value<T: Pod>(&mut self, value: T) {
        self.push(bytemuck::bytes_of(&value));
    }

    /// Adds a buffer of these values.
    pub fn values<T: Pod>(&mut self, values: &[T]) {
        self.push(bytemuck::cast_slice(values));
    }

    /// Adds the shape of an input, as custom kernels see it.
    pub fn shape(&mut self, shape: &[usize]) {
        let shape: SmallVec<[i32; 8]> = shape.iter().map(|d| *d as i32).collect();
        self.values(&shape);
    }

    /// Adds the strides of an input, as custom kernels see them.
    pub fn strides(&mut self, strides: &Strides) {
        let strides: SmallVec<[i64; 8]> = strides.iter().map(|s| *s as i64).collect();
        self.values(&strides);
    }

    /// The bytes of each buffer, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start as usize..*end as usize])
    }

    /// How many buffers there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}
