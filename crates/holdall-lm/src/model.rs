//! A model with its tokenizer, from a GGUF file or a Hugging Face folder.

use std::path::Path;
use std::time::{Duration, Instant};

use holdall::io::Gguf;

use crate::config::Config;
use crate::models::Llama;
use crate::tokenizer::GgufTokenizer;
use crate::weights::Checkpoint;
use crate::{ModelFolder, Result, Tokenizer};

/// A model ready to generate.
#[derive(Debug)]
pub struct Model {
    /// The network.
    pub network: Llama,
    /// Text to tokens and back.
    pub tokenizer: Tokenizer,
    /// How long loading took, weights included.
    pub load_time: Duration,
}

impl Model {
    /// Opens a `.gguf` file or a folder with `config.json`, `tokenizer.json` and safetensors, and reads all weights.
    ///
    /// # Errors
    /// When files are missing or broken, or the architecture is not supported.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let started = Instant::now();
        let (config, checkpoint, tokenizer) =
            if path.is_dir() { open_folder(path)? } else { open_gguf(path)? };
        let network = Llama::new(config, &checkpoint)?;
        network.load()?;
        Ok(Self { network, tokenizer, load_time: started.elapsed() })
    }

    /// Tokens that end a text: the tokenizer's and the configuration's.
    pub fn end_tokens(&self) -> Vec<u32> {
        let mut ids = self.tokenizer.eos_ids().to_vec();
        ids.extend(&self.network.config().end_tokens);
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

fn open_gguf(path: &Path) -> Result<(Config, Checkpoint, Tokenizer)> {
    let file = Gguf::open(path)?;
    let config = Config::from_gguf(file.metadata())?;
    let tokenizer = Tokenizer::from_gguf(GgufTokenizer::from_metadata(file.metadata())?)?;
    Ok((config, Checkpoint::Gguf(file), tokenizer))
}

fn open_folder(path: &Path) -> Result<(Config, Checkpoint, Tokenizer)> {
    let folder = ModelFolder::open(path)?;
    let mut config = Config::from_json(folder.config())?;
    config.end_tokens = folder.eos_ids()?;
    let checkpoint = Checkpoint::open_folder(path, config.quantization)?;
    Ok((config, checkpoint, Tokenizer::from_folder(&folder)?))
}
