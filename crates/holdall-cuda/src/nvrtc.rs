//! NVRTC: from CUDA C++ to machine code.

use std::ffi::{CStr, CString, c_char, c_int};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use cudarc::nvrtc::sys::{nvrtcProgram, nvrtcResult};
use holdall_core::{Error, ErrorKind, Result};

use crate::libraries::{self, Loaded};

/// The compiler, through the functions of the library that was found: not through `cudarc`'s own, which look for it
/// again and may find another.
#[derive(Debug)]
pub struct Nvrtc {
    loaded: &'static Loaded,
    version: (u32, u32),
    functions: Functions,
}

#[derive(Debug)]
struct Functions {
    create: unsafe extern "C" fn(
        *mut nvrtcProgram,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> nvrtcResult,
    destroy: unsafe extern "C" fn(*mut nvrtcProgram) -> nvrtcResult,
    compile: unsafe extern "C" fn(nvrtcProgram, c_int, *const *const c_char) -> nvrtcResult,
    code_size: unsafe extern "C" fn(nvrtcProgram, *mut usize) -> nvrtcResult,
    code: unsafe extern "C" fn(nvrtcProgram, *mut c_char) -> nvrtcResult,
    log_size: unsafe extern "C" fn(nvrtcProgram, *mut usize) -> nvrtcResult,
    log: unsafe extern "C" fn(nvrtcProgram, *mut c_char) -> nvrtcResult,
}

/// Machine code, with what the compiler had to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// A CUBIN.
    pub code: Vec<u8>,
    /// Warnings and remarks; empty as a rule.
    pub log: String,
}

impl Nvrtc {
    /// The compiler, if it is there.
    ///
    /// # Errors
    /// When it is not; the message says how to get it.
    pub fn get() -> Result<&'static Self> {
        static NVRTC: OnceLock<Result<Nvrtc, String>> = OnceLock::new();
        NVRTC
            .get_or_init(|| Self::new(libraries::nvrtc()?))
            .as_ref()
            .map_err(|why| Error::new(ErrorKind::Kernel, "compile", why.clone()))
    }

    fn new(loaded: &'static Loaded) -> Result<Self, String> {
        let missing = |e: libloading::Error| format!("{}: {e}", loaded.path.display());
        let library = &loaded.library;
        // SAFETY: each symbol has the type that NVRTC's documentation gives it, and the library is never unloaded.
        let (functions, ask_version) = unsafe {
            let functions = Functions {
                create: *library.get(b"nvrtcCreateProgram\0").map_err(missing)?,
                destroy: *library.get(b"nvrtcDestroyProgram\0").map_err(missing)?,
                compile: *library.get(b"nvrtcCompileProgram\0").map_err(missing)?,
                code_size: *library.get(b"nvrtcGetCUBINSize\0").map_err(missing)?,
                code: *library.get(b"nvrtcGetCUBIN\0").map_err(missing)?,
                log_size: *library.get(b"nvrtcGetProgramLogSize\0").map_err(missing)?,
                log: *library.get(b"nvrtcGetProgramLog\0").map_err(missing)?,
            };
            let version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> nvrtcResult =
                *library.get(b"nvrtcVersion\0").map_err(missing)?;
            (functions, version)
        };
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the function stores two numbers.
        let code = unsafe { ask_version(&raw mut major, &raw mut minor) };
        if code != nvrtcResult::NVRTC_SUCCESS {
            return Err(format!("{}: does not tell its version", loaded.path.display()));
        }
        Ok(Self { loaded, version: (major as u32, minor as u32), functions })
    }

    /// Major and minor version.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// Where the library is.
    pub fn path(&self) -> &Path {
        &self.loaded.path
    }

    /// Compiles a program for an architecture: `options` has a `--gpu-architecture=sm_…`.
    ///
    /// # Errors
    /// What the compiler says; `name` stands for the file there.
    pub fn compile(&self, name: &str, text: &str, options: &[String]) -> Result<Compiled> {
        let error = |message: String| Error::new(ErrorKind::Kernel, "compile", message);
        let c_string = |text: &str| {
            CString::new(text).map_err(|_| error(format!("{name}: a zero byte in the source or an option")))
        };
        let (c_text, c_name) = (c_string(text)?, c_string(name)?);
        let c_options = options.iter().map(|option| c_string(option)).collect::<Result<Vec<_>>>()?;
        let pointers: Vec<*const c_char> = c_options.iter().map(|option| option.as_ptr()).collect();
        let mut program = Program { raw: null_mut(), functions: &self.functions };
        // SAFETY: the strings end with zeros and live until the call returns; there are no headers.
        let made = unsafe {
            (self.functions.create)(&raw mut program.raw, c_text.as_ptr(), c_name.as_ptr(), 0, null(), null())
        };
        if made != nvrtcResult::NVRTC_SUCCESS {
            return Err(error(format!("{name}: NVRTC made no program ({made:?})")));
        }
        // SAFETY: the program was made, and there are so many options.
        let outcome =
            unsafe { (self.functions.compile)(program.raw, pointers.len() as c_int, pointers.as_ptr()) };
        let log = program.fetch(self.functions.log_size, self.functions.log).unwrap_or_default();
        let log = CStr::from_bytes_until_nul(&log).map(|log| log.to_string_lossy().trim_end().to_owned());
        let log = log.unwrap_or_default();
        if outcome != nvrtcResult::NVRTC_SUCCESS {
            let told = if log.is_empty() { format!("{outcome:?}") } else { log };
            return Err(error(format!("{name} did not compile:\n{told}")));
        }
        let code = program
            .fetch(self.functions.code_size, self.functions.code)
            .filter(|code| !code.is_empty())
            .ok_or_else(|| error(format!("{name}: NVRTC gave no code; options: {}", options.join(" "))))?;
        Ok(Compiled { code, log })
    }
}

/// A program of NVRTC's.
struct Program<'a> {
    raw: nvrtcProgram,
    functions: &'a Functions,
}

impl Program<'_> {
    /// A text or code, whose size another function tells.
    fn fetch(
        &self,
        size: unsafe extern "C" fn(nvrtcProgram, *mut usize) -> nvrtcResult,
        get: unsafe extern "C" fn(nvrtcProgram, *mut c_char) -> nvrtcResult,
    ) -> Option<Vec<u8>> {
        let mut bytes = 0;
        // SAFETY: the program is alive, and the function stores a number.
        if unsafe { size(self.raw, &raw mut bytes) } != nvrtcResult::NVRTC_SUCCESS {
            return None;
        }
        let mut data = vec![0; bytes];
        // SAFETY: the function stores just as many bytes as the other said.
        let got = unsafe { get(self.raw, data.as_mut_ptr().cast()) };
        (got == nvrtcResult::NVRTC_SUCCESS).then_some(data)
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: the program is this value's own.
            let _ = unsafe { (self.functions.destroy)(&raw mut self.raw) };
        }
    }
}
