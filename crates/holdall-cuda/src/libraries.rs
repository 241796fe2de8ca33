//! Finding and loading NVIDIA's libraries.
//!
//! They are looked for in the active Python's site-packages (the wheels `nvidia-cuda-nvrtc`, `nvidia-cublas`), in
//! `CUDA_HOME`, and wherever the system's loader looks. What is found stays loaded for as long as the process.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

use crate::api::FUNCTIONS;

/// A library that was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub library: Library,
    /// The file, or the bare name if the loader knew where to look.
    pub path: PathBuf,
}

/// The driver. Installed with the kernel module, so only the loader knows where it is.
///
/// # Errors
/// What is missing, in words.
pub(crate) fn driver() -> Result<&'static Loaded, &'static str> {
    static DRIVER: OnceLock<Result<Loaded, String>> = OnceLock::new();
    let load = || {
        let names = if cfg!(windows) { vec!["nvcuda.dll"] } else { vec!["libcuda.so.1", "libcuda.so"] };
        let found = open(names.into_iter().map(PathBuf::from)).map_err(|why| {
            format!(
                "the NVIDIA driver is not installed ({why}); it comes with the system's GPU driver packages"
            )
        })?;
        if let Some(missing) = missing(&found.library, FUNCTIONS) {
            return Err(format!(
                "the NVIDIA driver is too old: it has no {missing}; CUDA 12.0 or newer is needed"
            ));
        }
        Ok(found)
    };
    DRIVER.get_or_init(load).as_ref().map_err(String::as_str)
}

/// NVRTC, the run-time compiler.
///
/// # Errors
/// What is missing, in words.
pub(crate) fn nvrtc() -> Result<&'static Loaded, &'static str> {
    static NVRTC: OnceLock<Result<Loaded, String>> = OnceLock::new();
    let load = || {
        let wanted = Wanted { stem: "nvrtc", wheels: &["cu13", "cuda_nvrtc"], package: "nvidia-cuda-nvrtc" };
        let found = wanted.load()?;
        load_builtins(&found.path);
        Ok(found)
    };
    NVRTC.get_or_init(load).as_ref().map_err(String::as_str)
}

/// Loads what NVRTC asks the loader for by its bare name when it compiles, from NVRTC's own folder: the loader does not look
/// there.
fn load_builtins(nvrtc: &Path) {
    let Some(folder) = nvrtc.parent().filter(|folder| folder.is_absolute()) else { return };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("libnvrtc-builtins.so")
            && let Ok(library) = load(&entry.path())
        {
            // It stays, as NVRTC does.
            std::mem::forget(library);
        }
    }
}

/// cuBLASLt, for products of dense matrices. Loading it here is what lets `cudarc` find it.
///
/// # Errors
/// What is missing, in words.
pub(crate) fn cublaslt() -> Result<&'static Loaded, &'static str> {
    static CUBLASLT: OnceLock<Result<Loaded, String>> = OnceLock::new();
    let load = || {
        // It needs libcublas of the same folder for nothing, but is linked to the run-time library's soname.
        let wanted = Wanted { stem: "cublasLt", wheels: &["cu13", "cublas"], package: "nvidia-cublas" };
        wanted.load()
    };
    CUBLASLT.get_or_init(load).as_ref().map_err(String::as_str)
}

/// A library of the toolkit.
struct Wanted {
    /// `nvrtc` of `libnvrtc.so`.
    stem: &'static str,
    /// Its folders below `nvidia` in site-packages, by the toolkit's version.
    wheels: &'static [&'static str],
    /// The wheel that has it.
    package: &'static str,
}

/// Versions of the toolkit, the preferred first.
const MAJORS: [u32; 2] = [13, 12];

impl Wanted {
    fn load(&self) -> Result<Loaded, String> {
        open(self.candidates()).map_err(|why| {
            let (stem, package) = (self.stem, self.package);
            let tried = if why.is_empty() { String::new() } else { format!(" ({why})") };
            format!(
                "lib{stem} was not found in Python's site-packages, in CUDA_HOME or by the loader{tried}; \
                 `pip install {package}` or NVIDIA's CUDA toolkit brings it"
            )
        })
    }

    fn candidates(&self) -> Vec<PathBuf> {
        let names: Vec<String> = if cfg!(windows) {
            MAJORS.iter().map(|major| format!("{}64_{major}0_0.dll", self.stem)).collect()
        } else {
            MAJORS.iter().map(|major| format!("lib{}.so.{major}", self.stem)).collect()
        };
        let mut folders = Vec::new();
        for site in site_packages() {
            folders.extend(self.wheels.iter().map(|wheel| site.join("nvidia").join(wheel).join("lib")));
        }
        for variable in ["CUDA_HOME", "CUDA_PATH"] {
            if let Some(root) = std::env::var_os(variable).filter(|value| !value.is_empty()) {
                let root = PathBuf::from(root);
                folders.extend([root.join("lib64"), root.join("targets/x86_64-linux/lib"), root.join("lib")]);
            }
        }
        let mut candidates: Vec<PathBuf> = folders
            .iter()
            .flat_map(|folder| names.iter().map(|name| folder.join(name)))
            .filter(|path| path.is_file())
            .collect();
        candidates.extend(names.iter().map(PathBuf::from));
        for name in &names {
            candidates.push(Path::new("/usr/local/cuda/lib64").join(name));
        }
        candidates
    }
}

/// The folders of packages of the Python that the shell would start, the likeliest first. No program is run.
fn site_packages() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let split = |name: &str| std::env::var_os(name).map(|v| std::env::split_paths(&v).collect::<Vec<_>>());
    found.extend(split("PYTHONPATH").unwrap_or_default());
    let mut prefixes: Vec<PathBuf> = Vec::new();
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        prefixes.extend(std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from));
    }
    for folder in split("PATH").unwrap_or_default() {
        let python = ["python3", "python"].iter().map(|name| folder.join(name)).find(|path| path.is_file());
        let Some(python) = python else { continue };
        let prefix = |path: &Path| path.parent().and_then(Path::parent).map(Path::to_path_buf);
        // Of a virtual environment, and then of what it was made from.
        prefixes.extend(prefix(&python));
        prefixes.extend(python.canonicalize().ok().as_deref().and_then(prefix));
    }
    prefixes.extend(std::env::home_dir().map(|home| home.join(".local")));
    prefixes.extend([PathBuf::from("/usr/local"), PathBuf::from("/usr")]);
    for prefix in prefixes {
        let mut versions: Vec<PathBuf> = std::fs::read_dir(prefix.join("lib"))
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3")))
            .collect();
        versions.sort();
        for version in versions.into_iter().rev() {
            found.extend([version.join("site-packages"), version.join("dist-packages")]);
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    found
}

/// Loads the first candidate that can be; the error says why those that exist could not.
fn open(candidates: impl IntoIterator<Item = PathBuf>) -> Result<Loaded, String> {
    let mut why = Vec::new();
    for path in candidates {
        match load(&path) {
            Ok(library) => return Ok(Loaded { library, path }),
            Err(e) if path.is_absolute() && path.exists() => why.push(e.to_string()),
            Err(e) if why.is_empty() && path.is_relative() => why.push(e.to_string()),
            Err(_) => {}
        }
    }
    why.dedup();
    Err(why.join("; "))
}

#[cfg(unix)]
fn load(path: &Path) -> Result<Library, libloading::Error> {
    use libloading::os::unix;
    // SAFETY: these are NVIDIA's libraries, whose initialisers set up their own state only. Names are shared, so that a
    // library which needs this one, by its soname, gets the same.
    unsafe { unix::Library::open(Some(path), unix::RTLD_NOW | unix::RTLD_GLOBAL) }.map(Library::from)
}

#[cfg(not(unix))]
fn load(path: &Path) -> Result<Library, libloading::Error> {
    // SAFETY: these are NVIDIA's libraries, whose initialisers set up their own state only.
    unsafe { Library::new(path) }
}

/// The first of these functions that the library does not have.
pub(crate) fn missing(library: &Library, functions: &[&'static CStr]) -> Option<&'static str> {
    let has = |name: &CStr| {
        // SAFETY: the symbol is looked up and not used.
        unsafe { library.get::<*const ()>(name.to_bytes_with_nul()) }.is_ok()
    };
    functions.iter().find(|name| !has(name)).map(|name| name.to_str().unwrap_or("a function"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_an_error_that_says_how_to_get_it() {
        let wanted = Wanted { stem: "holdall-no-such", wheels: &["cu13"], package: "nvidia-nothing" };
        let why = wanted.load().unwrap_err();
        assert!(why.contains("libholdall-no-such") && why.contains("pip install nvidia-nothing"), "{why}");
    }

    #[test]
    fn python_folders_are_absolute_and_distinct() {
        let folders = site_packages();
        let mut distinct = folders.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(folders.len(), distinct.len());
        assert!(folders.iter().any(|path| path.ends_with("site-packages")), "{folders:?}");
    }
}
