//! What a model's files say about its architecture.

use holdall_formats::gguf::Metadata;
use serde::Deserialize;

use crate::{Error, ErrorKind, Result};

/// How rotary frequencies are stretched beyond the training length.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Positions are divided by a factor.
    Linear(f64),
    /// Llama 3's: low frequencies divided by `factor`, high ones kept, those between interpolated.
    Llama3 {
        /// The divisor.
        factor: f64,
        /// Wavelengths above `original / low` are low frequencies.
        low: f64,
        /// Wavelengths below `original / high` are high frequencies.
        high: f64,
        /// The training length.
        original: f64,
    },
}

/// The parameters of a Llama-family model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Features of the residual stream.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Features of a head.
    pub head_dim: usize,
    /// Epsilon of the norms.
    pub norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Features of a head that rotate.
    pub rope_dims: usize,
    /// Pairs of neighbours rotate, instead of halves.
    pub rope_traditional: bool,
    /// Stretching of the rotary frequencies.
    pub rope_scaling: RopeScaling,
    /// The longest context that the model was made for, if known.
    pub max_positions: Option<usize>,
    /// Codes of quantized weights in a folder.
    pub quantization: Option<Quantization>,
    /// Tokens that end a generation, as far as the configuration names them.
    pub end_tokens: Vec<u32>,
}

/// MLX's `quantization` entry of a config.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Quantization {
    /// Elements that share a scale.
    pub group_size: usize,
    /// Bits of a code.
    pub bits: usize,
}

#[derive(Deserialize)]
struct Json {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rms_norm_eps: f32,
    rope_theta: Option<f64>,
    #[serde(default)]
    rope_traditional: bool,
    rope_scaling: Option<serde_json::Value>,
    max_position_embeddings: Option<usize>,
    quantization: Option<Quantization>,
}

fn broken(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ModelFiles, message)
}

impl Config {
    /// From the contents of a `config.json`. End tokens are left out: other files name them too.
    ///
    /// # Errors
    /// When an entry is missing or of another type, or the model is of another family.
    pub fn from_json(json: &serde_json::Value) -> Result<Self> {
        let json = Json::deserialize(json).map_err(|e| broken(format!("config.json: {e}")))?;
        if json.model_type != "llama" {
            return Err(Error::unsupported(format!(
                "config.json: model type {:?} is not supported yet; supported: \"llama\"",
                json.model_type
            )));
        }
        let heads = json.num_attention_heads;
        let head_dim = match json.head_dim {
            Some(dim) => dim,
            None if heads > 0 => json.hidden_size / heads,
            None => 0,
        };
        Self {
            hidden: json.hidden_size,
            layers: json.num_hidden_layers,
            heads,
            kv_heads: json.num_key_value_heads.unwrap_or(heads),
            head_dim,
            norm_eps: json.rms_norm_eps,
            rope_base: json.rope_theta.unwrap_or(10_000.0),
            rope_dims: head_dim,
            rope_traditional: json.rope_traditional,
            rope_scaling: scaling(json.rope_scaling.as_ref())?,
            max_positions: json.max_position_embeddings,
            quantization: json.quantization,
            end_tokens: vec![],
        }
        .checked()
    }

    /// From the metadata of a GGUF file.
    ///
    /// # Errors
    /// When an entry is missing, or the architecture is another.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        let file = |e: holdall_formats::Error| broken(e.to_string()).with_source(e);
        let architecture = metadata.str("general.architecture").map_err(file)?;
        if architecture != "llama" {
            return Err(Error::unsupported(format!(
                "general.architecture: {architecture:?} is not supported yet; supported: \"llama\""
            )));
        }
        let value = |key: &str| metadata.get(&format!("llama.{key}"));
        let number = |key: &str| {
            value(key)
                .and_then(holdall_formats::gguf::Value::as_u64)
                .map(|n| n as usize)
                .ok_or_else(|| broken(format!("llama.{key}: wanted a number, there is none")))
        };
        let heads = number("attention.head_count")?;
        let hidden = number("embedding_length")?;
        let head_dim =
            number("attention.key_length").or(Ok::<_, Error>(hidden.checked_div(heads).unwrap_or(0)))?;
        let eps = value("attention.layer_norm_rms_epsilon").and_then(holdall_formats::gguf::Value::as_f64);
        let scaling =
            match (value("rope.scaling.type").and_then(|v| v.as_str()), value("rope.scaling.factor")) {
                (None | Some("none"), _) => RopeScaling::None,
                (Some("linear"), Some(factor)) => RopeScaling::Linear(factor.as_f64().unwrap_or(1.0)),
                (Some(other), _) => {
                    return Err(Error::unsupported(format!(
                        "llama.rope.scaling.type: {other:?} is not supported"
                    )));
                }
            };
        Self {
            hidden,
            layers: number("block_count")?,
            heads,
            kv_heads: number("attention.head_count_kv").unwrap_or(heads),
            head_dim,
            norm_eps: eps.ok_or_else(|| broken("llama.attention.layer_norm_rms_epsilon: there is none"))?
                as f32,
            rope_base: value("rope.freq_base")
                .and_then(holdall_formats::gguf::Value::as_f64)
                .unwrap_or(10_000.0),
            rope_dims: number("rope.dimension_count").unwrap_or(head_dim),
            // Converters to GGUF reorder the rows of q and k so that neighbours are the pairs.
            rope_traditional: true,
            rope_scaling: scaling,
            max_positions: number("context_length").ok(),
            quantization: None,
            end_tokens: vec![],
        }
        .checked()
    }

    /// Refuses what would make shapes meaningless or enormous.
    fn checked(self) -> Result<Self> {
        const MOST: usize = 1 << 20;
        let sizes = [self.hidden, self.layers, self.heads, self.kv_heads, self.head_dim];
        if sizes.iter().any(|n| *n == 0 || *n > MOST)
            || !self.heads.is_multiple_of(self.kv_heads)
            || self.rope_dims > self.head_dim
        {
            return Err(broken(format!(
                "sizes do not make a model: hidden {}, layers {}, heads {}, key heads {}, head features {}, rotated {}",
                self.hidden, self.layers, self.heads, self.kv_heads, self.head_dim, self.rope_dims
            )));
        }
        Ok(self)
    }

    /// Periods of the rotated pairs where they are no plain power of the base; `factors` are GGUF's divisors.
    ///
    /// # Source
    /// Llama 3.1's interpolation, by wavelength λ = 2π · period: periods grow by `factor` where λ > original / low,
    /// stay where λ < original / high, and are interpolated smoothly between.
    pub fn rope_periods(&self, factors: Option<&[f32]>) -> Option<Vec<f32>> {
        let n = self.rope_dims / 2;
        let period = |i: usize| self.rope_base.powf(2.0 * i as f64 / self.rope_dims as f64);
        if let Some(factors) = factors {
            return Some((0..n).map(|i| (period(i) * f64::from(factors[i])) as f32).collect());
        }
        let RopeScaling::Llama3 { factor, low, high, original } = self.rope_scaling else { return None };
        let stretched = |i: usize| {
            let period = period(i);
            let wavelength = std::f64::consts::TAU * period;
            if wavelength > original / low {
                period * factor
            } else if wavelength > original / high {
                let s = (original / wavelength - low) / (high - low);
                period / ((1.0 - s) / factor + s)
            } else {
                period
            }
        };
        Some((0..n).map(|i| stretched(i) as f32).collect())
    }
}

fn scaling(value: Option<&serde_json::Value>) -> Result<RopeScaling> {
    let Some(value) = value.filter(|v| !v.is_null()) else { return Ok(RopeScaling::None) };
    let kind =
        value.get("rope_type").or_else(|| value.get("type")).and_then(|v| v.as_str()).unwrap_or("default");
    let number = |key: &str| {
        value
            .get(key)
            .and_then(serde_json::Value::as_f64)
            .ok_or_else(|| broken(format!("config.json: rope_scaling.{key}: wanted a number")))
    };
    match kind {
        "default" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear(number("factor")?)),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: number("factor")?,
            low: number("low_freq_factor")?,
            high: number("high_freq_factor")?,
            original: number("original_max_position_embeddings")?,
        }),
        other => {
            Err(Error::unsupported(format!("config.json: rope_scaling of type {other:?} is not supported")))
        }
    }
}
