//! Several safetensors files as one set of tensors.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::SafeTensors;
use crate::error::{Error, Quoted, Result};
use crate::source::Source;
use crate::tensor::TensorView;

/// The file that says which shard holds which tensor.
pub(super) const INDEX_FILE: &str = "model.safetensors.index.json";
/// The largest index in use takes a few MB.
const MAX_INDEX_BYTES: u64 = 100_000_000;

/// All tensors of a checkpoint, whether in one safetensors file or in shards.
///
/// ```no_run
/// use holdall_formats::safetensors::Checkpoint;
///
/// let checkpoint = Checkpoint::open("models/Llama-3.2-1B")?;
/// for view in checkpoint.tensors() {
///     println!("{} {:?} {}", view.name(), view.shape(), view.element());
/// }
/// # Ok::<(), holdall_formats::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoint {
    name: String,
    files: Vec<SafeTensors>,
    tensors: Vec<TensorView>,
    index: HashMap<Arc<str>, usize>,
}

#[derive(Deserialize)]
struct IndexFile {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens a checkpoint and reads all headers. `path` is
    ///
    /// * a folder: its `model.safetensors.index.json` decides if there is one, else all its `model*.safetensors` count,
    ///   else, if that is the only one, its single `*.safetensors`;
    /// * an index file (`*.json`), whose shards lie beside it;
    /// * a single safetensors file.
    ///
    /// With an index, only the tensors that it names are there.
    ///
    /// # Errors
    /// If there is no such file, a shard is missing or damaged, the index names a tensor that its shard lacks or a shard
    /// outside the folder, or two shards hold tensors of one name.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            let index = path.join(INDEX_FILE);
            return if index.is_file() {
                Self::from_index(&index)
            } else {
                Self::from_files(path, &list(path)?)
            };
        }
        match path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            true => Self::from_index(path),
            false => Self::from_files(path, &[path.to_owned()]),
        }
    }

    /// The files, in the order of their names.
    #[must_use]
    pub fn files(&self) -> &[SafeTensors] {
        &self.files
    }

    /// All tensors.
    #[must_use]
    pub fn tensors(&self) -> &[TensorView] {
        &self.tensors
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn tensor(&self, name: &str) -> Result<&TensorView> {
        self.get_tensor(name)
            .ok_or_else(|| Error::not_found(format!("no tensor {}", Quoted(name))).in_file(&self.name))
    }

    /// The tensor of a name, if there is one.
    #[must_use]
    pub fn get_tensor(&self, name: &str) -> Option<&TensorView> {
        self.index.get(name).map(|&i| &self.tensors[i])
    }

    fn from_files(path: &Path, files: &[PathBuf]) -> Result<Self> {
        let mut this = Self::empty(path);
        for file in files {
            let file = SafeTensors::open(file)?;
            for view in file.tensors() {
                this.add(view).map_err(|e| e.in_file(file.source().name()))?;
            }
            this.files.push(file);
        }
        Ok(this)
    }

    fn from_index(path: &Path) -> Result<Self> {
        let mut this = Self::empty(path);
        let weight_map = read_index(path).map_err(|e| e.in_file(&this.name))?;
        let mut shards = BTreeMap::new();
        for shard in weight_map.values() {
            if !shards.contains_key(shard.as_str()) {
                let file =
                    shard_path(path, shard).and_then(SafeTensors::open).map_err(|e| e.in_file(&this.name))?;
                shards.insert(shard.as_str(), file);
            }
        }
        for (name, shard) in &weight_map {
            let view = shards[shard.as_str()].get_tensor(name).ok_or_else(|| {
                Error::malformed(format!("the index places it in {}, which lacks it", Quoted(shard)))
                    .in_file(&this.name)
                    .in_tensor(name)
            })?;
            this.add(view)?;
        }
        this.files = shards.into_values().collect();
        Ok(this)
    }

    fn empty(path: &Path) -> Self {
        Self {
            name: path.display().to_string(),
            files: Vec::new(),
            tensors: Vec::new(),
            index: HashMap::new(),
        }
    }

    fn add(&mut self, view: &TensorView) -> Result<()> {
        let at = self.tensors.len();
        if self.index.insert(view.name().into(), at).is_some() {
            return Err(Error::malformed("another file holds this name too").in_tensor(view.name()));
        }
        self.tensors.push(view.clone());
        Ok(())
    }
}

fn read_index(path: &Path) -> Result<BTreeMap<String, String>> {
    let source = Source::open(path)?;
    if source.len() > MAX_INDEX_BYTES {
        return Err(Error::limit(format!(
            "wanted an index of at most {MAX_INDEX_BYTES} bytes, got {}",
            source.len()
        )));
    }
    let mut json = vec![0; source.len() as usize];
    source.read_exact_at(0, &mut json)?;
    parse_index(&json)
}

/// The `weight_map` of an index file: shard by tensor.
pub(super) fn parse_index(json: &[u8]) -> Result<BTreeMap<String, String>> {
    let index: IndexFile = serde_json::from_slice(json)
        .map_err(|e| Error::malformed(format!("cannot read the JSON: {e}")).in_field("weight_map"))?;
    Ok(index.weight_map)
}

/// The path of a shard, which must be a plain file name: an index from elsewhere opens nothing outside its folder.
fn shard_path(index: &Path, shard: &str) -> Result<PathBuf> {
    let mut components = Path::new(shard).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(name)), None) if name == shard => Ok(index.with_file_name(shard)),
        _ => Err(Error::malformed(format!(
            "wanted the name of a file beside the index, got {}",
            Quoted(shard)
        ))
        .in_field("weight_map")),
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let fault = |e| Error::io("cannot list", e).in_file(folder.display().to_string());
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_some_and(|e| e == "safetensors") && path.is_file() {
            all.push(path);
        }
    }
    let is_model = |p: &PathBuf| p.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"model"));
    if all.iter().any(is_model) {
        all.retain(is_model);
    } else if all.len() > 1 {
        return Err(Error::not_found(format!(
            "found no model.safetensors but {} other safetensors files: name one",
            all.len()
        ))
        .in_file(folder.display().to_string()));
    }
    if all.is_empty() {
        return Err(Error::not_found("found no safetensors file").in_file(folder.display().to_string()));
    }
    all.sort();
    Ok(all)
}
