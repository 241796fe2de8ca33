//! Launches of custom kernels as files for `holdall kernel check`.
//!
//! `HOLDALL_KERNEL_DUMP` names the folder. Each launch is a JSON file named after the kernel and its content; each of its inputs an
//! .npy file named by its content, which launches share. Files that are there already are what would be written, so that none is ever
//! overwritten, by whatever process; a JSON file comes after its inputs, and each file is there as a whole or not at all.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use holdall_core::op::Spec;
use holdall_core::ops::{CustomKernel, KernelObserver, KernelObserverEntry, TemplateValue};
use holdall_core::settings::{self, DumpLimit};
use holdall_core::{Error, ErrorKind, Result, inventory};
use holdall_formats::{npy, save_new};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::io::element_type;

inventory::submit!(KernelObserverEntry { observer });

fn observer() -> Result<Option<Box<dyn KernelObserver>>> {
    let Some(folder) = settings::kernel_dump() else { return Ok(None) };
    let limit = settings::kernel_dump_limit()?;
    std::fs::create_dir_all(&folder).map_err(|e| {
        let message = format!("HOLDALL_KERNEL_DUMP: cannot make the folder {}", folder.display());
        Error::new(ErrorKind::Io, "device", message).because(e)
    })?;
    Ok(Some(Box::new(Dump { folder, limit, written: Mutex::default() })))
}

#[derive(Debug)]
struct Dump {
    folder: PathBuf,
    limit: DumpLimit,
    /// What distinguishes the launches that were written.
    written: Mutex<HashSet<String>>,
}

impl KernelObserver for Dump {
    fn wants(&self, call: &CustomKernel, inputs: &[&Spec]) -> bool {
        let DumpLimit::Distinct(limit) = self.limit else { return true };
        let written = self.written.lock();
        written.len() < limit && !written.contains(&describe(call, inputs, &[]).to_string())
    }

    fn launched(&self, call: &CustomKernel, inputs: &[(&Spec, Vec<u8>)]) -> Result<()> {
        let specs: Vec<&Spec> = inputs.iter().map(|(spec, _)| *spec).collect();
        let failed = |e: holdall_formats::Error| {
            Error::new(ErrorKind::Io, "metal_kernel", "HOLDALL_KERNEL_DUMP: cannot write a launch").because(e)
        };
        let mut files = Vec::new();
        for (spec, data) in inputs {
            let bytes = npy::to_bytes(&spec.shape, element_type(spec.dtype), data).map_err(failed)?;
            let name = format!("{:016x}{:016x}.npy", hash(0, &bytes), hash(1, &bytes));
            save_new(self.folder.join(&name), &bytes).map_err(failed)?;
            files.push(name);
        }
        let launch = describe(call, &specs, &files);
        let text = serde_json::to_string_pretty(&launch).unwrap_or_else(|_| launch.to_string()) + "\n";
        let name = call.kernel.text().name.chars().take(80);
        let name: String = name.map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let path = self.folder.join(format!("{name}-{:016x}.json", hash(0, text.as_bytes())));
        save_new(path, text.as_bytes()).map_err(failed)?;
        if let DumpLimit::Distinct(limit) = self.limit {
            let mut written = self.written.lock();
            written.insert(describe(call, &specs, &[]).to_string());
            if written.len() == limit {
                eprintln!(
                    "holdall: HOLDALL_KERNEL_DUMP has {limit} different launches and writes no more; \
                     HOLDALL_KERNEL_DUMP_LIMIT allows others"
                );
            }
        }
        Ok(())
    }
}

fn hash(seed: u8, bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, bytes).hash(&mut hasher);
    hasher.finish()
}

/// A launch as `holdall kernel check --help` describes it.
fn describe(call: &CustomKernel, inputs: &[&Spec], files: &[String]) -> Value {
    let text = call.kernel.text();
    let array = |(i, spec): (usize, &Spec)| {
        let mut array = json!({"shape": &spec.shape[..], "dtype": spec.dtype.name()});
        if let Some(file) = files.get(i) {
            array["file"] = json!(file);
        }
        array
    };
    let output = |spec: &Spec| json!({"shape": &spec.shape[..], "dtype": spec.dtype.name()});
    let template = |(name, value): &(String, TemplateValue)| match value {
        TemplateValue::Dtype(dtype) => json!([name, dtype.name()]),
        TemplateValue::Bool(value) => json!([name, value]),
        TemplateValue::Int(value) => json!([name, value]),
    };
    let mut launch = json!({
        "name": text.name,
        "source": text.source,
        "header": text.header,
        "input_names": text.inputs,
        "output_names": text.outputs,
        "read_write": text.read_write,
        "ensure_row_contiguous": text.ensure_row_contiguous,
        "atomic_outputs": text.atomic_outputs,
        "inputs": inputs.iter().copied().enumerate().map(array).collect::<Vec<_>>(),
        "outputs": call.outputs[..call.n_named()].iter().map(output).collect::<Vec<_>>(),
        "template": call.template.iter().map(template).collect::<Vec<_>>(),
        "grid": call.grid,
        "threadgroup": call.threadgroup,
    });
    if let Some(value) = call.init_value {
        let value = value.to_f64();
        // JSON has no other numbers.
        launch["init_value"] = if value.is_finite() { json!(value) } else { json!(value.to_string()) };
    }
    launch
}
