//! What the backend found, for `holdall doctor`.

use std::path::PathBuf;

use holdall_core::diagnosis::{Diagnosis, Found, Library};

use crate::context::{Properties, enumerate};
use crate::libraries::{self, Loaded};
use crate::nvrtc::Nvrtc;

/// The oldest GPUs that kernels are written for.
const OLDEST: (u32, u32) = (8, 0);

/// Why a GPU cannot be used.
pub(crate) fn problem(gpu: &Properties) -> Option<String> {
    let (major, minor) = gpu.capability;
    (gpu.capability < OLDEST).then(|| {
        let name = &gpu.description;
        format!("{name} has compute capability {major}.{minor}; 8.0 (Ampere) or newer is needed")
    })
}

/// Looks for the libraries and the GPUs.
pub(crate) fn diagnose() -> Diagnosis {
    let driver = libraries::driver();
    let found = driver.ok().map(|_| enumerate());
    let version = match &found {
        Some(Ok((_, (major, minor)))) => Some(format!("CUDA {major}.{minor}")),
        _ => None,
    };
    let compiler = Nvrtc::get();
    let mut problems = Vec::new();
    let gpus = match found {
        None => Vec::new(),
        Some(Ok((gpus, _))) => gpus,
        Some(Err(e)) => {
            problems.push(format!("the driver does not start: {e}"));
            Vec::new()
        }
    };
    problems.extend(gpus.iter().filter_map(problem));
    if driver.is_ok() && gpus.is_empty() && problems.is_empty() {
        problems.push("the driver sees no GPU".to_owned());
    }
    if !gpus.is_empty() && compiler.is_err() {
        problems.push("kernels cannot be compiled without NVRTC".to_owned());
    }
    let nvrtc_version = compiler.as_ref().ok().map(|nvrtc| {
        let (major, minor) = nvrtc.version();
        format!("{major}.{minor}")
    });
    let nvrtc = match (&compiler, libraries::nvrtc()) {
        (Ok(nvrtc), _) => Ok(nvrtc.path().to_path_buf()),
        (Err(_), Err(why)) => Err(why.to_owned()),
        (Err(e), Ok(_)) => Err(e.to_string()),
    };
    Diagnosis {
        backend: "cuda",
        libraries: vec![
            library("NVIDIA driver", "running anything on a GPU", path(driver), version),
            library("NVRTC", "compiling kernels", nvrtc, nvrtc_version),
            library("cuBLASLt", "products of dense matrices", path(libraries::cublaslt()), None),
        ],
        devices: gpus.iter().map(device).collect(),
        problem: (!problems.is_empty()).then(|| problems.join("; ")),
    }
}

fn path(loaded: Result<&Loaded, &str>) -> Result<PathBuf, String> {
    loaded.map(|loaded| loaded.path.clone()).map_err(str::to_owned)
}

fn library(
    name: &'static str,
    purpose: &'static str,
    found: Result<PathBuf, String>,
    version: Option<String>,
) -> Library {
    let (path, problem) = match found {
        Ok(path) => (Some(path), None),
        Err(why) => (None, Some(why)),
    };
    Library { name, purpose, path, version, problem }
}

fn device(gpu: &Properties) -> Found {
    let (major, minor) = gpu.capability;
    Found {
        name: format!("cuda:{}", gpu.ordinal),
        description: gpu.description.clone(),
        memory_bytes: Some(gpu.memory_bytes),
        capability: Some(format!("compute capability {major}.{minor}")),
    }
}
