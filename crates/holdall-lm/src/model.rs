//! A model with its tokenizer, from a GGUF file or a Hugging Face folder.

use std::path::Path;

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
}

impl Model {
    /// Opens a `.gguf` file or a folder with `config.json`, `tokenizer.json` and safetensors.
    ///
    /// The device goes on reading the weights when this returns: the first prompt waits for them, layer by layer.
    /// [`Llama::load`] waits for all.
    ///
    /// # Errors
    /// When files are missing or their headers broken, or the architecture is not supported. Weights that cannot be read
    /// are an error of whoever needs them first.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            let folder = ModelFolder::open(path)?;
            let mut config = Config::from_json(folder.config())?;
            config.end_tokens = folder.eos_ids()?;
            let checkpoint = Checkpoint::open_folder(path, config.quantization)?;
            Self::start(config, &checkpoint, || Tokenizer::from_folder(&folder))
        } else {
            let file = Gguf::open(path)?;
            let config = Config::from_gguf(file.metadata())?;
            Self::start(config, &Checkpoint::Gguf(file.clone()), || {
                Tokenizer::from_gguf(GgufTokenizer::from_metadata(file.metadata())?)
            })
        }
    }

    /// Makes the tokenizer while the device reads the weights.
    fn start(
        config: Config,
        checkpoint: &Checkpoint,
        tokenizer: impl FnOnce() -> Result<Tokenizer>,
    ) -> Result<Self> {
        let network = Llama::new(config, checkpoint)?;
        network.start_loading()?;
        Ok(Self { network, tokenizer: tokenizer()? })
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
