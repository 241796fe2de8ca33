//! Calls of the driver: each gives a `Result`, and none is made before [`load`](crate::libraries::driver) has said that the
//! driver is there with all the functions that this crate uses.

use std::ffi::{CStr, c_char};
use std::fmt;

use cudarc::driver::sys::{self, CUresult};

/// An error of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CudaError {
    call: &'static str,
    code: CUresult,
}

pub(crate) type Result<T> = std::result::Result<T, CudaError>;

/// What a call returned.
pub(crate) fn check(call: &'static str, code: CUresult) -> Result<()> {
    if code == CUresult::CUDA_SUCCESS { Ok(()) } else { Err(CudaError { call, code }) }
}

/// A call of the driver with its name in the error.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {
        $crate::api::check(stringify!($function), cudarc::driver::sys::$function($($argument),*))
    };
}
pub(crate) use call;

impl CudaError {
    pub fn is_out_of_memory(self) -> bool {
        self.code == CUresult::CUDA_ERROR_OUT_OF_MEMORY
    }

    pub fn is_no_device(self) -> bool {
        matches!(self.code, CUresult::CUDA_ERROR_NO_DEVICE | CUresult::CUDA_ERROR_STUB_LIBRARY)
    }

    pub fn is_not_ready(self) -> bool {
        self.code == CUresult::CUDA_ERROR_NOT_READY
    }

    /// True for errors after which nothing works in this process: the context is gone, and all that ran in it.
    pub fn is_fatal(self) -> bool {
        matches!(
            self.code,
            CUresult::CUDA_ERROR_DEINITIALIZED
                | CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE
                | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED
                | CUresult::CUDA_ERROR_ECC_UNCORRECTABLE
                | CUresult::CUDA_ERROR_NVLINK_UNCORRECTABLE
                | CUresult::CUDA_ERROR_ILLEGAL_ADDRESS
                | CUresult::CUDA_ERROR_LAUNCH_TIMEOUT
                | CUresult::CUDA_ERROR_ASSERT
                | CUresult::CUDA_ERROR_HARDWARE_STACK_ERROR
                | CUresult::CUDA_ERROR_ILLEGAL_INSTRUCTION
                | CUresult::CUDA_ERROR_MISALIGNED_ADDRESS
                | CUresult::CUDA_ERROR_INVALID_ADDRESS_SPACE
                | CUresult::CUDA_ERROR_INVALID_PC
                | CUresult::CUDA_ERROR_LAUNCH_FAILED
                | CUresult::CUDA_ERROR_EXTERNAL_DEVICE
                | CUresult::CUDA_ERROR_UNKNOWN
        )
    }
}

impl fmt::Display for CudaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut texts: [*const c_char; 2] = [std::ptr::null(); 2];
        // SAFETY: an error exists, so the driver is loaded; it stores a pointer to a static string, or null.
        unsafe {
            let _ = sys::cuGetErrorString(self.code, &raw mut texts[0]);
            let _ = sys::cuGetErrorName(self.code, &raw mut texts[1]);
        }
        let text = |at: usize| {
            // SAFETY: not null, so a string of the driver's, which stays for as long as the process.
            (!texts[at].is_null()).then(|| unsafe { CStr::from_ptr(texts[at]) }.to_string_lossy())
        };
        match (text(0), text(1)) {
            (Some(message), Some(name)) => write!(f, "{message} ({name} from {})", self.call),
            _ => write!(f, "error {} from {}", self.code as u32, self.call),
        }
    }
}

impl std::error::Error for CudaError {}

impl CudaError {
    /// As an error of the library.
    pub fn of(self, op: &'static str) -> holdall_core::Error {
        let kind = if self.is_out_of_memory() {
            holdall_core::ErrorKind::Memory
        } else {
            holdall_core::ErrorKind::Device
        };
        holdall_core::Error::new(kind, op, self.to_string())
    }
}

/// The functions of the driver that this crate calls; a driver that misses one is too old.
pub(crate) const FUNCTIONS: &[&CStr] = &[
    c"cuInit",
    c"cuDriverGetVersion",
    c"cuDeviceGetCount",
    c"cuDeviceGet",
    c"cuDeviceGetName",
    c"cuDeviceGetAttribute",
    c"cuDeviceTotalMem_v2",
    c"cuDevicePrimaryCtxRetain",
    c"cuCtxSetCurrent",
    c"cuMemAlloc_v2",
    c"cuMemFree_v2",
    c"cuMemHostAlloc",
    c"cuMemFreeHost",
    c"cuMemcpyHtoDAsync_v2",
    c"cuMemcpyDtoHAsync_v2",
    c"cuStreamCreate",
    c"cuStreamDestroy_v2",
    c"cuStreamWaitEvent",
    c"cuStreamSynchronize",
    c"cuEventCreate",
    c"cuEventRecord",
    c"cuEventQuery",
    c"cuEventSynchronize",
    c"cuEventDestroy_v2",
    c"cuModuleLoadData",
    c"cuModuleGetFunction",
    c"cuModuleUnload",
    c"cuFuncSetAttribute",
    c"cuFuncGetAttribute",
    c"cuLaunchKernel",
    c"cuGetErrorName",
    c"cuGetErrorString",
    c"cuGraphCreate",
    c"cuGraphDestroy",
    c"cuGraphAddKernelNode_v2",
    c"cuGraphAddEmptyNode",
    c"cuGraphInstantiateWithFlags",
    c"cuGraphExecKernelNodeSetParams_v2",
    c"cuGraphExecDestroy",
    c"cuGraphLaunch",
];
