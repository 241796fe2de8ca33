//! A GPU: what it is, its context, and whether it still works.

use std::ffi::{CStr, c_int};
use std::ptr::null_mut;
use std::sync::OnceLock;

use cudarc::driver::sys::{CUcontext, CUdevice, CUdevice_attribute_enum as Attribute};
use holdall_core::{Error, ErrorKind};

use crate::api::{CudaError, Result, call};

/// What a GPU says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Properties {
    pub ordinal: usize,
    pub handle: CUdevice,
    pub description: String,
    /// Major and minor.
    pub capability: (u32, u32),
    pub memory_bytes: usize,
    pub multiprocessors: u32,
    /// The most shared memory that a group may ask for.
    pub shared_bytes: u32,
}

/// The GPUs of the machine, and the version of CUDA that the driver has.
///
/// # Errors
/// When the driver does not start.
pub(crate) fn enumerate() -> Result<(Vec<Properties>, (u32, u32))> {
    let (mut version, mut count): (c_int, c_int) = (0, 0);
    // SAFETY: the driver stores a number at each address.
    unsafe {
        call!(cuInit(0))?;
        call!(cuDriverGetVersion(&raw mut version))?;
        call!(cuDeviceGetCount(&raw mut count))?;
    }
    let devices = (0..count).map(properties).collect::<Result<_>>()?;
    Ok((devices, (version as u32 / 1000, version as u32 % 1000 / 10)))
}

fn properties(ordinal: c_int) -> Result<Properties> {
    let (mut handle, mut name, mut memory_bytes) = (0, [0; 128], 0);
    // SAFETY: each address has room for what the driver stores; the name is cut to the length given.
    unsafe {
        call!(cuDeviceGet(&raw mut handle, ordinal))?;
        call!(cuDeviceGetName(name.as_mut_ptr(), name.len() as c_int, handle))?;
        call!(cuDeviceTotalMem_v2(&raw mut memory_bytes, handle))?;
    }
    let attribute = |which| {
        let mut value: c_int = 0;
        // SAFETY: the driver stores a number.
        unsafe { call!(cuDeviceGetAttribute(&raw mut value, which, handle)) }.map(|()| value as u32)
    };
    // SAFETY: the driver ended the name with a zero.
    let description = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    Ok(Properties {
        ordinal: ordinal as usize,
        handle,
        description,
        capability: (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        memory_bytes,
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        shared_bytes: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
    })
}

impl Properties {
    /// The name that NVRTC has for the architecture, with the instructions of just this one where there are such.
    pub fn architecture(&self) -> String {
        architecture(self.capability)
    }
}

/// `sm_80`, `sm_90a`, …
pub(crate) fn architecture((major, minor): (u32, u32)) -> String {
    format!("sm_{major}{minor}{}", if major >= 9 { "a" } else { "" })
}

/// The primary context of a GPU. Made when it is first needed; it stays for as long as the process, as other libraries
/// share it.
#[derive(Debug)]
pub(crate) struct Context {
    pub properties: Properties,
    raw: OnceLock<Result<Raw>>,
    lost: OnceLock<String>,
}

#[derive(Clone, Copy, Debug)]
struct Raw(CUcontext);

// SAFETY: a context may be made current and used by any thread.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

impl Context {
    pub fn new(properties: Properties) -> Self {
        Self { properties, raw: OnceLock::new(), lost: OnceLock::new() }
    }

    /// Makes the context current for the calling thread.
    pub fn enter(&self) -> Result<()> {
        let made = self.raw.get_or_init(|| {
            let mut raw = null_mut();
            // SAFETY: the driver stores the context; the device is one that it named.
            unsafe { call!(cuDevicePrimaryCtxRetain(&raw mut raw, self.properties.handle)) }?;
            Ok(Raw(raw))
        });
        let raw = (*made)?;
        // SAFETY: the context is never released.
        unsafe { call!(cuCtxSetCurrent(raw.0)) }
    }

    /// `cuda:0`, …
    pub fn name(&self) -> String {
        format!("cuda:{}", self.properties.ordinal)
    }

    /// Takes note of an error: after some the device is of no use.
    pub fn note(&self, error: CudaError) -> CudaError {
        if error.is_fatal() {
            let _ = self.lost.set(format!("{} was lost: {error}", self.name()));
        }
        error
    }

    /// The device can no longer be waited for.
    pub fn lose(&self, error: CudaError) {
        let _ = self.lost.set(format!("{} was lost: {error}", self.name()));
    }

    /// Why the device is of no use any more.
    pub fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// The error of the library for one of the driver.
    pub fn error(&self, op: &'static str, error: CudaError) -> Error {
        self.note(error);
        match self.lost() {
            Some(lost) => Error::new(ErrorKind::Device, op, lost),
            None => error.of(op),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_have_the_names_that_nvrtc_takes() {
        assert_eq!(architecture((8, 0)), "sm_80");
        assert_eq!(architecture((8, 9)), "sm_89");
        assert_eq!(architecture((9, 0)), "sm_90a");
        assert_eq!(architecture((10, 0)), "sm_100a");
    }
}
