//! `holdall doctor`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use holdall::diagnosis::{self, Found, diagnose};
use serde::Serialize;

use crate::args::DoctorArgs;
use crate::context::Context;
use crate::engine::{Device, Engine};
use crate::env::TokenSource;
use crate::error::Result;
use crate::hub::alias::{self, DEFAULT_MODEL};
use crate::hub::layout::disk_size;
use crate::machine::Machine;
use crate::ui::{human_bytes, print};

/// Everything that is looked at.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    #[serde(flatten)]
    machine: Machine,
    devices: Vec<Device>,
    /// Why there are none.
    device_error: Option<String>,
    /// What GPU backends found, and what they miss.
    backends: Vec<Backend>,
    caches: Vec<Cache>,
    default_model: DefaultModel,
    network: Network,
    variables: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Backend {
    name: &'static str,
    libraries: Vec<Library>,
    gpus: Vec<Gpu>,
    /// Why there is no device of it, or why those there are cannot be used.
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct Library {
    name: &'static str,
    purpose: &'static str,
    path: Option<PathBuf>,
    version: Option<String>,
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct Gpu {
    name: String,
    description: String,
    memory_bytes: Option<usize>,
    capability: Option<String>,
}

impl Backend {
    fn look() -> Vec<Self> {
        let library = |found: diagnosis::Library| {
            let diagnosis::Library { name, purpose, path, version, problem } = found;
            Library { name, purpose, path, version, problem }
        };
        let gpu = |found: Found| {
            let Found { name, description, memory_bytes, capability } = found;
            Gpu { name, description, memory_bytes, capability }
        };
        diagnose()
            .into_iter()
            .map(|found| Self {
                name: found.backend,
                libraries: found.libraries.into_iter().map(library).collect(),
                gpus: found.devices.into_iter().map(gpu).collect(),
                problem: found.problem,
            })
            .collect()
    }
}

#[derive(Debug, Serialize)]
struct Cache {
    name: &'static str,
    path: PathBuf,
    exists: bool,
    size_bytes: u64,
}

#[derive(Debug, Serialize)]
struct DefaultModel {
    name: &'static str,
    cached: bool,
    size_bytes: u64,
    path: PathBuf,
}

#[derive(Debug, Serialize)]
struct Network {
    endpoint: String,
    offline: bool,
    /// Where the access token is, never what it is.
    token: Option<String>,
    /// How pip can be called, if it can.
    pip: Option<PathBuf>,
    variables: BTreeMap<String, String>,
}

/// Looks at the machine and says what is there.
///
/// # Errors
/// Those of writing to standard output.
pub fn run(args: &DoctorArgs, engine: &dyn Engine, cx: &Context) -> Result<()> {
    let report = look(engine, cx);
    if args.json { print(&super::json(&report)?) } else { print(&text(&report)) }
}

fn look(engine: &dyn Engine, cx: &Context) -> Report {
    let env = &cx.env;
    // Whatever is missing is what the report is for.
    let (devices, device_error) = match engine.devices() {
        Ok(devices) => (devices, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let cache =
        |name, path: PathBuf| Cache { name, exists: path.is_dir(), size_bytes: disk_size(&path), path };
    let default = alias::find(DEFAULT_MODEL).unwrap_or(&alias::ALIASES[0]);
    let found = crate::hub::cached_alias(default, cx);
    let token = env.hf_token().map(|(_, source)| match source {
        TokenSource::Variable => "HF_TOKEN".to_owned(),
        TokenSource::File(path) => path.display().to_string(),
    });
    Report {
        version: env!("CARGO_PKG_VERSION"),
        machine: Machine::look(),
        devices,
        device_error,
        backends: Backend::look(),
        caches: vec![cache("holdall", env.cache()), cache("huggingface", env.hf_hub_cache())],
        default_model: DefaultModel {
            name: default.name,
            cached: found.is_some(),
            size_bytes: default.size,
            path: found.unwrap_or_else(|| default.path(env)),
        },
        network: Network {
            endpoint: crate::env::redact_urls(&env.hf_endpoint()),
            offline: env.hf_offline(),
            token,
            pip: ["python3", "pip", "python"].iter().find_map(|name| program(name, cx)),
            variables: env.network_variables().into_iter().collect(),
        },
        variables: env.holdall_variables().into_iter().collect(),
    }
}

/// Where a program of this name is.
fn program(name: &str, cx: &Context) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(cx.env.search_path()?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let colon = if name.is_empty() { ' ' } else { ':' };
        text.push_str(&format!("{:<16}{value}\n", format!("{name}{colon}")));
    };
    let unknown = || "unknown".to_owned();
    let Report { machine, network, default_model: model, .. } = report;
    line("holdall", report.version.to_owned());
    line("system", format!("{}, {}", machine.os, machine.arch));
    line("processor", machine.cpu.model.clone().unwrap_or_else(unknown));
    let count = |count: Option<usize>| count.map_or_else(unknown, |count| count.to_string());
    line(
        "cores",
        format!("{} usable of {}", count(machine.cpu.usable_cores), count(machine.cpu.logical_cores)),
    );
    let simd = if machine.cpu.simd.is_empty() { "none known".to_owned() } else { machine.cpu.simd.join(" ") };
    line("simd", simd);
    let bytes = |bytes: Option<u64>| bytes.map_or_else(unknown, human_bytes);
    let memory = &machine.memory;
    let limit =
        memory.limit_bytes.map_or(String::new(), |limit| format!(", limited to {}", human_bytes(limit)));
    line(
        "memory",
        format!("{} available of {}{limit}", bytes(memory.available_bytes), bytes(memory.total_bytes)),
    );
    for (i, device) in report.devices.iter().enumerate() {
        let memory = device.memory_bytes.map_or(String::new(), |n| format!(", {}", human_bytes(n)));
        line(
            if i == 0 { "devices" } else { "" },
            format!("{} ({}{memory})", device.name, device.description),
        );
    }
    if let Some(error) = &report.device_error {
        line("devices", format!("none: {error}"));
    }
    for backend in &report.backends {
        line(backend.name, backend.problem.clone().unwrap_or_else(|| "ready".to_owned()));
        for gpu in &backend.gpus {
            let capability = gpu.capability.as_ref().map_or(String::new(), |text| format!(", {text}"));
            let memory = gpu.memory_bytes.map_or(String::new(), |n| format!(", {}", human_bytes(n as u64)));
            line("", format!("{} ({}{capability}{memory})", gpu.name, gpu.description));
        }
        for library in &backend.libraries {
            let version = library.version.as_ref().map_or(String::new(), |text| format!(" {text}"));
            let state = match (&library.path, &library.problem) {
                (Some(path), None) => format!("{}{version} ({})", library.name, shown(path)),
                (_, problem) => format!(
                    "{}, for {}: {}",
                    library.name,
                    library.purpose,
                    problem.as_deref().unwrap_or("missing")
                ),
            };
            line("", state);
        }
    }
    for cache in &report.caches {
        line(&format!("{} cache", short(cache.name)), format!("{} ({})", shown(&cache.path), size(cache)));
    }
    let state = if model.cached {
        format!("at {}", shown(&model.path))
    } else {
        format!("not fetched; holdall models fetch gets it ({})", human_bytes(model.size_bytes))
    };
    line("default model", format!("{}, {state}", model.name));
    line(
        "models from",
        format!("{}{}", network.endpoint, if network.offline { ", but offline" } else { "" }),
    );
    line("access token", network.token.as_ref().map_or("none".to_owned(), |place| format!("from {place}")));
    let pip = network.pip.as_deref().map_or("no Python or pip found".to_owned(), shown);
    line("python", pip);
    let mut name = "environment";
    for (variable, value) in report.variables.iter().chain(&network.variables) {
        line(name, format!("{variable}={value}"));
        name = "";
    }
    text
}

fn short(name: &'static str) -> &'static str {
    if name == "huggingface" { "hf" } else { name }
}

fn size(cache: &Cache) -> String {
    if cache.exists { human_bytes(cache.size_bytes) } else { "not there yet".to_owned() }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
