//! Code on a device.

use std::ffi::{CString, c_int};
use std::fmt;
use std::ptr::null_mut;
use std::sync::Arc;

use cudarc::driver::sys::{CUfunction, CUfunction_attribute_enum as Attribute, CUmodule};
use holdall_core::{Error, ErrorKind, Result};
use holdall_memory::{Queue, Resource, ResourceCache, Timelines};

use crate::api::call;
use crate::compile::{Compiler, Source};
use crate::context::Context;

/// Code that the driver has loaded. Unloading it while a kernel runs is what [`Resource`] prevents.
pub(crate) struct Module {
    raw: CUmodule,
    context: Arc<Context>,
}

// SAFETY: modules may be used by any thread.
unsafe impl Send for Module {}
// SAFETY: as above; the driver guards its own state.
unsafe impl Sync for Module {}

impl Module {
    pub fn load(context: &Arc<Context>, name: &str, code: &[u8]) -> Result<Self> {
        let load = || {
            context.enter()?;
            let mut raw = null_mut();
            // SAFETY: the code is a whole CUBIN, whose header has its size.
            unsafe { call!(cuModuleLoadData(&raw mut raw, code.as_ptr().cast())) }?;
            Ok(raw)
        };
        let raw = load().map_err(|e| {
            let error = context.error("compile", e);
            Error::new(error.kind(), "compile", format!("{name} was not loaded")).because(error)
        })?;
        Ok(Self { raw, context: context.clone() })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if self.context.enter().is_ok() {
            // SAFETY: the module is this value's own, and the memory protocol drops it when no kernel of it runs.
            let _ = unsafe { call!(cuModuleUnload(self.raw)) };
        }
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Module").field(&self.raw).finish()
    }
}

/// Compiles and loads code for a device.
#[derive(Debug)]
pub(crate) struct Loader {
    pub context: Arc<Context>,
    compiler: Compiler,
    modules: ResourceCache<Source, Module>,
}

/// Modules that stay loaded; those that are used longest ago make room.
const MAX_MODULES: usize = 2048;

impl Loader {
    pub fn new(context: &Arc<Context>, compiler: Compiler, timelines: &Arc<Timelines>) -> Self {
        let modules = ResourceCache::new(timelines.clone(), MAX_MODULES);
        Self { context: context.clone(), compiler, modules }
    }

    /// A kernel of a source, by its name in the code.
    pub fn kernel(&self, source: &Source, name: &str) -> Result<Arc<Kernel>> {
        let module = self.modules.get_or_try_insert(source, || {
            Module::load(&self.context, &source.name, &self.compiler.code(source)?)
        })?;
        Kernel::new(&self.context, module, name).map(Arc::new)
    }

    /// Lets go of all modules that no kernel holds.
    pub fn unload(&self) {
        self.modules.clear();
    }
}

/// A function on a device, with what it may ask for.
pub struct Kernel {
    function: CUfunction,
    module: Arc<Resource<Module>>,
    name: Box<str>,
    /// The most threads that a group of it can have.
    max_threads: u32,
    /// Shared memory in bytes that a launch may ask for, besides what the code declares.
    max_shared_bytes: u32,
    pub(crate) context: Arc<Context>,
}

// SAFETY: a function belongs to its module, which any thread may use.
unsafe impl Send for Kernel {}
// SAFETY: as above.
unsafe impl Sync for Kernel {}

impl Kernel {
    pub(crate) fn new(context: &Arc<Context>, module: Arc<Resource<Module>>, name: &str) -> Result<Self> {
        let c_name = CString::new(name).map_err(|_| Error::argument("kernel", "a zero byte in the name"))?;
        let find = || {
            context.enter()?;
            let mut function = null_mut();
            // SAFETY: the module is loaded and the name ends with a zero.
            unsafe { call!(cuModuleGetFunction(&raw mut function, module.raw, c_name.as_ptr())) }?;
            let attribute = |which| {
                let mut value: c_int = 0;
                // SAFETY: the driver stores a number.
                unsafe { call!(cuFuncGetAttribute(&raw mut value, which, function)) }.map(|()| value as u32)
            };
            let max_threads = attribute(Attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?;
            let declared = attribute(Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?;
            let max_shared_bytes = context.properties.shared_bytes.saturating_sub(declared);
            let which = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function is loaded; without this, 48 KiB would be the limit.
            unsafe { call!(cuFuncSetAttribute(function, which, max_shared_bytes as c_int)) }?;
            Ok((function, max_threads, max_shared_bytes))
        };
        let (function, max_threads, max_shared_bytes) = find().map_err(|e| {
            let error = context.error("kernel", e);
            Error::new(ErrorKind::Kernel, "kernel", format!("the code has no usable kernel {name}"))
                .because(error)
        })?;
        Ok(Self {
            function,
            module,
            name: name.into(),
            max_threads,
            max_shared_bytes,
            context: context.clone(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The most threads that a group of it can have.
    pub fn max_threads(&self) -> u32 {
        self.max_threads
    }

    /// The most shared memory in bytes that a launch may ask for.
    pub fn max_shared_bytes(&self) -> u32 {
        self.max_shared_bytes
    }

    pub(crate) fn function(&self) -> CUfunction {
        self.function
    }

    pub(crate) fn bind(&self, queue: &mut Queue) {
        queue.bind_resource(&self.module);
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("name", &self.name).finish_non_exhaustive()
    }
}
