//! What backends say of the libraries and machines that they depend on.

use std::path::PathBuf;

use crate::device::BackendEntry;

/// What a backend found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// The backend: `cuda`, …
    pub backend: &'static str,
    /// The libraries that it looked for.
    pub libraries: Vec<Library>,
    /// The devices that it can see, usable or not.
    pub devices: Vec<Found>,
    /// Why there is no device, or why those there are cannot be used.
    pub problem: Option<String>,
}

/// A library that is loaded at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// Its usual name.
    pub name: &'static str,
    /// What the backend needs it for.
    pub purpose: &'static str,
    /// Where it is: a path, or the bare name if the loader found it.
    pub path: Option<PathBuf>,
    /// Its version.
    pub version: Option<String>,
    /// What is wrong with it, and how to get it.
    pub problem: Option<String>,
}

/// A device that a backend can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `cuda:0`, …
    pub name: String,
    /// The maker's name of it.
    pub description: String,
    /// All of its memory in bytes.
    pub memory_bytes: Option<usize>,
    /// What can be executed, in the maker's terms: compute capability 9.0.
    pub capability: Option<String>,
}

/// What each linked backend found. Works without devices, and makes none.
pub fn diagnose() -> Vec<Diagnosis> {
    let mut entries: Vec<&BackendEntry> = inventory::iter::<BackendEntry>.into_iter().collect();
    entries.sort_by_key(|entry| -entry.rank);
    entries.into_iter().filter_map(|entry| (entry.backend)().diagnose()).collect()
}
