//! What commands carry: kernels with their parameters, and copies from the host.

use std::any::Any;
use std::ffi::c_void;
use std::sync::Arc;

use holdall_core::command::{Binding, Executable};
use holdall_core::device::Export;
use holdall_core::ops::Source;
use holdall_core::{Error, ErrorKind, Result};
use holdall_memory::Queue;
use smallvec::SmallVec;

use crate::module::Kernel;

/// A parameter of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// The address of a binding, by its position in the command.
    Binding(usize),
    /// The same, so many bytes away: for kernels that begin before the first element.
    Offset(usize, isize),
    /// A value: its bytes, as the kernel's type has them.
    Value(SmallVec<[u8; 16]>),
}

impl Parameter {
    /// A value of a plain type.
    pub fn value<const N: usize>(bytes: [u8; N]) -> Self {
        Self::Value(SmallVec::from_slice(&bytes))
    }
}

/// Addresses that are parameters of a launch.
pub(crate) type Pointers = SmallVec<[u64; 8]>;

/// A kernel with grid and parameters.
#[derive(Clone, Debug)]
pub struct CudaLaunch {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared_bytes: u32,
    slots: SmallVec<[Slot; 8]>,
    /// Values one after the other, each aligned as a parameter may have to be.
    values: Vec<Word>,
}

/// Where the bytes of a parameter come from.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Binding(u32, i64),
    /// An index into the values.
    Value(u32),
}

/// No parameter is aligned more strictly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(16))]
struct Word([u8; 16]);

/// The largest number of groups along each axis.
const MAX_GRID: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];

impl CudaLaunch {
    /// A launch of `grid` groups of `block` threads, with `shared_bytes` bytes of memory that each group shares besides what
    /// the kernel declares.
    ///
    /// # Errors
    /// When the device cannot launch so many.
    pub fn new(
        kernel: Arc<Kernel>,
        grid: [u32; 3],
        block: [u32; 3],
        shared_bytes: u32,
        parameters: &[Parameter],
    ) -> Result<Self> {
        let error = |what: String| {
            let name = kernel.name();
            Err(Error::new(ErrorKind::Kernel, "launch", format!("{name}: {what}")))
        };
        let threads = block.iter().map(|n| u64::from(*n)).product::<u64>();
        if threads == 0 || threads > u64::from(kernel.max_threads()) || block[2] > 64 {
            let most = kernel.max_threads();
            return error(format!("a group of {block:?} threads; the kernel can have {most} in one"));
        }
        if grid.iter().zip(MAX_GRID).any(|(n, most)| *n == 0 || *n > most) {
            return error(format!("a grid of {grid:?} groups; it has to be from 1 to {MAX_GRID:?}"));
        }
        if shared_bytes > kernel.max_shared_bytes() {
            let most = kernel.max_shared_bytes();
            return error(format!("{shared_bytes} bytes of shared memory; there are {most}"));
        }
        let (slots, values) = pack(parameters);
        Ok(Self { kernel, grid, block, shared_bytes, slots, values })
    }

    /// How many bindings the parameters name, at least.
    pub(crate) fn bindings(&self) -> usize {
        let named = self.slots.iter().map(|slot| match slot {
            Slot::Binding(i, _) => *i as usize + 1,
            Slot::Value(_) => 0,
        });
        named.max().unwrap_or(0)
    }

    /// The addresses that are parameters, in order, for bindings at `addresses`.
    pub(crate) fn pointers(&self, addresses: &[u64]) -> Pointers {
        let pointer = |slot: &Slot| match slot {
            Slot::Binding(i, start) => Some(addresses[*i as usize].wrapping_add_signed(*start)),
            Slot::Value(_) => None,
        };
        self.slots.iter().filter_map(pointer).collect()
    }

    /// Calls `f` with the pointers to the parameters' bytes that the driver takes; they are valid during the call.
    pub(crate) fn with_parameters<R>(&self, pointers: &Pointers, f: impl FnOnce(*mut *mut c_void) -> R) -> R {
        let mut pointers = pointers.iter();
        let mut parameters: SmallVec<[*mut c_void; 16]> = self
            .slots
            .iter()
            .map(|slot| match slot {
                Slot::Binding(..) => {
                    pointers.next().map_or(std::ptr::null(), std::ptr::from_ref).cast_mut().cast()
                }
                Slot::Value(at) => std::ptr::from_ref(&self.values[*at as usize]).cast_mut().cast(),
            })
            .collect();
        f(parameters.as_mut_ptr())
    }

    /// Whether another launch has the same values, grid and shared memory, so that only addresses can differ.
    pub(crate) fn same_but_addresses(&self, other: &Self) -> bool {
        self.grid == other.grid
            && self.block == other.block
            && self.shared_bytes == other.shared_bytes
            && self.values == other.values
    }
}

/// Puts the parameters' values one after the other.
fn pack(parameters: &[Parameter]) -> (SmallVec<[Slot; 8]>, Vec<Word>) {
    let mut values = Vec::new();
    let slots = parameters
        .iter()
        .map(|parameter| match parameter {
            Parameter::Binding(i) => Slot::Binding(*i as u32, 0),
            Parameter::Offset(i, start) => Slot::Binding(*i as u32, *start as i64),
            Parameter::Value(bytes) => {
                let at = values.len() as u32;
                values.extend(bytes.chunks(16).map(|part| {
                    let mut word = Word::default();
                    word.0[..part.len()].copy_from_slice(part);
                    word
                }));
                if bytes.is_empty() {
                    values.push(Word::default());
                }
                Slot::Value(at)
            }
        })
        .collect();
    (slots, values)
}

impl Executable for CudaLaunch {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn bind(&self, queue: &mut Queue) {
        self.kernel.bind(queue);
    }
}

/// A copy from a block of another device: of its memory if the host can address it, else through what it exports.
#[derive(Debug)]
pub(crate) struct Import {
    pub bytes: usize,
    pub from: Option<Arc<dyn Export>>,
}

impl Executable for Import {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Data read from a source into blocks.
#[derive(Debug)]
pub(crate) struct Fill(pub Arc<dyn Source>);

impl Executable for Fill {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A launch of no threads.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Executable for Nothing {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The address of a binding.
///
/// # Safety
/// As [`Bound::address`](holdall_memory::Bound::address).
pub(crate) unsafe fn address(binding: &Binding) -> u64 {
    // SAFETY: passed on to the caller.
    unsafe { binding.bound.address() }.addr() as u64 + binding.offset as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_packed_at_multiples_of_sixteen_bytes() {
        let long: Vec<u8> = (0..20).collect();
        let parameters = [
            Parameter::Binding(1),
            Parameter::value(7u32.to_ne_bytes()),
            Parameter::Value(SmallVec::from_vec(long.clone())),
            Parameter::value([]),
            Parameter::Offset(0, -8),
        ];
        let (slots, values) = pack(&parameters);
        assert_eq!(values.len(), 4);
        assert!(matches!(
            slots[..],
            [Slot::Binding(1, 0), Slot::Value(0), Slot::Value(1), Slot::Value(3), Slot::Binding(0, -8)]
        ));
        assert_eq!(values[0].0[..4], 7u32.to_ne_bytes());
        let bytes: Vec<u8> = values[1..3].iter().flat_map(|word| word.0).take(20).collect();
        assert_eq!(bytes, long);
        assert_eq!(align_of_val(&values[0]), 16);
    }
}
