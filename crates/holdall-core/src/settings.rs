//! The environment variables that the libraries read, all of them. `docs/environment.md` lists them for users.
//!
//! A backend asks for its own when its device is made; a value that means nothing is an error then.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// `HOLDALL_CPU_THREADS`: threads that work on one command buffer of the CPU; none said means as many as may run.
///
/// # Errors
/// When it is not a number from 1 to 1024.
pub fn cpu_threads() -> Result<Option<usize>> {
    read("HOLDALL_CPU_THREADS", "a number from 1 to 1024", |text| {
        text.parse().ok().filter(|n| (1..=1024).contains(n))
    })
}

/// `HOLDALL_ISA`: the index in `levels` of the best vector instructions that the CPU may use.
///
/// # Errors
/// When it is none of `levels`.
pub fn isa(levels: &[&str]) -> Result<Option<usize>> {
    read("HOLDALL_ISA", &levels.join(" or "), |text| levels.iter().position(|level| *level == text))
}

/// `HOLDALL_CHECK`: whether custom kernels are checked while they run, whatever their calls say.
///
/// # Errors
/// When it is neither 0 nor 1.
pub fn check() -> Result<bool> {
    switch("HOLDALL_CHECK")
}

/// `HOLDALL_VALIDATE`: whether the memory protocol is checked while programs run ([`crate::validation`]).
///
/// # Errors
/// When it is neither 0 nor 1.
pub fn validate() -> Result<bool> {
    switch("HOLDALL_VALIDATE")
}

/// `HOLDALL_DEVICE`: the name of the device that is the default one; none said means the best one.
///
/// # Errors
/// When it is no text.
pub fn device() -> Result<Option<String>> {
    read("HOLDALL_DEVICE", "the name of a device", |text| Some(text.to_owned()))
}

/// `HOLDALL_CUDA_GRAPHS`: whether command buffers that come again are launched as CUDA graphs; none said means yes.
///
/// # Errors
/// When it is neither 0 nor 1.
pub fn cuda_graphs() -> Result<bool> {
    let values = ["0", "1"];
    let value = read("HOLDALL_CUDA_GRAPHS", "0 or 1", |text| values.iter().position(|value| *value == text))?;
    Ok(value != Some(0))
}

/// `HOLDALL_CACHE`: the folder for what can be made again; without, `holdall` in the user's cache folder, which is that
/// of `XDG_CACHE_HOME`, else `.cache` in the home folder. None where there is no home.
pub fn cache() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = std::env::home_dir();
    if let Some(path) = folder("HOLDALL_CACHE") {
        return match (path.strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(path),
        };
    }
    let users = folder("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    Some(users.or_else(|| home.map(|home| home.join(".cache")))?.join("holdall"))
}

fn switch(name: &str) -> Result<bool> {
    let values = ["0", "1"];
    let value = read(name, "0 or 1", |text| values.iter().position(|value| *value == text))?;
    Ok(value == Some(1))
}

/// `HOLDALL_KERNEL_DUMP`: the folder that launches of custom kernels are written to, if they are to be.
pub fn kernel_dump() -> Option<PathBuf> {
    std::env::var_os("HOLDALL_KERNEL_DUMP").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// `HOLDALL_SIMT_KERNELS`: the folder that the tests' device `simt` writes portable kernels to, as CUDA C++.
pub fn simt_kernels() -> Option<PathBuf> {
    std::env::var_os("HOLDALL_SIMT_KERNELS").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// `HOLDALL_KERNEL_DUMP_LIMIT`: how many launches at most are written there, each different from the others, or `all`.
///
/// # Errors
/// When it is neither.
pub fn kernel_dump_limit() -> Result<DumpLimit> {
    let wanted = "a number, or all";
    let limit = read("HOLDALL_KERNEL_DUMP_LIMIT", wanted, |text| match text {
        "" => Some(DumpLimit::Distinct(DUMPS)),
        "all" => Some(DumpLimit::All),
        text => text.parse().ok().map(DumpLimit::Distinct),
    })?;
    Ok(limit.unwrap_or(DumpLimit::Distinct(DUMPS)))
}

/// Which launches are written to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpLimit {
    /// Those that differ from all before in kernel, arguments, shapes or types, up to so many.
    Distinct(usize),
    /// Every one.
    All,
}

/// Launches that are written unless said otherwise.
const DUMPS: usize = 100;

fn read<T>(name: &str, wanted: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
    match std::env::var_os(name) {
        None => Ok(None),
        Some(text) => {
            let value = text.to_str().and_then(parse);
            value
                .map(Some)
                .ok_or_else(|| Error::argument("device", format!("{name} is {text:?}; wanted {wanted}")))
        }
    }
}
