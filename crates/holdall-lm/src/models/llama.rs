//! The Llama family: Llama 2 and 3, SmolLM2.
//!
//! ```text
//! h = E[ids]
//! for each layer:  h += attention(norm(h));  h += W_down (silu(W_gate h') ⊙ W_up h'),  h' = norm(h)
//! logits = norm(h) · head
//! ```

use holdall::ops::{AttentionMask, RopeOptions};
use holdall::{Array, Dtype};
use holdall_nn::{Embedding, Linear, RmsNorm};

use crate::cache::{KvCache, position};
use crate::config::{Config, RopeScaling};
use crate::weights::Checkpoint;
use crate::{Error, ErrorKind, Result};

/// A model of the Llama family.
#[derive(Debug)]
pub struct Llama {
    config: Config,
    embedding: Embedding,
    layers: Vec<Layer>,
    norm: RmsNorm,
    head: Linear,
    /// Periods of the rotated pairs, where they are no plain power of the base.
    rope_periods: Option<Array>,
}

#[derive(Debug)]
struct Layer {
    attention_norm: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    mlp_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Llama {
    /// The model of a checkpoint. Weights are read when they are first used, or by [`Llama::start_loading`].
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn new(config: Config, checkpoint: &Checkpoint) -> Result<Self> {
        let linear = |name: &str| -> Result<Linear> {
            let bias = format!("{name}.bias");
            let bias = checkpoint.contains(&bias).then(|| checkpoint.array(&bias)).transpose()?;
            Ok(Linear::new(checkpoint.weights(name)?, bias))
        };
        let norm = |name: &str| -> Result<RmsNorm> {
            Ok(RmsNorm::new(checkpoint.array(&format!("{name}.weight"))?, config.norm_eps))
        };
        let layer = |i: usize| -> Result<Layer> {
            let at = |part: &str| format!("model.layers.{i}.{part}");
            Ok(Layer {
                attention_norm: norm(&at("input_layernorm"))?,
                query: linear(&at("self_attn.q_proj"))?,
                key: linear(&at("self_attn.k_proj"))?,
                value: linear(&at("self_attn.v_proj"))?,
                output: linear(&at("self_attn.o_proj"))?,
                mlp_norm: norm(&at("post_attention_layernorm"))?,
                gate: linear(&at("mlp.gate_proj"))?,
                up: linear(&at("mlp.up_proj"))?,
                down: linear(&at("mlp.down_proj"))?,
            })
        };
        let embedding = checkpoint.weights("model.embed_tokens")?;
        // Quantized weights with half-precision scales are computed in float32; half-precision models in their type.
        let dtype = match (&embedding, checkpoint) {
            (holdall::io::Weights::Plain(w), _) => w.dtype(),
            (holdall::io::Weights::Quantized { .. }, Checkpoint::Gguf(_)) => Dtype::Float32,
            (holdall::io::Weights::Quantized { scales, .. }, _) => scales.dtype(),
        };
        let head = if checkpoint.contains("lm_head.weight") {
            linear("lm_head")?
        } else {
            Linear::new(embedding.clone(), None)
        };
        let factors = match checkpoint.contains("rope_freqs.weight") {
            true => Some(checkpoint.array("rope_freqs.weight")?.to_vec::<f32>()?),
            false => None,
        };
        if factors.as_ref().is_some_and(|f| f.len() != config.rope_dims / 2) {
            return Err(Error::new(
                ErrorKind::ModelFiles,
                "rope_freqs.weight: wanted one factor for each rotated pair",
            ));
        }
        let rope_periods = config
            .rope_periods(factors.as_deref())
            .map(|periods| Array::from_slice(&periods, &[periods.len()]))
            .transpose()?;
        Ok(Self {
            embedding: Embedding::new(embedding, dtype),
            layers: (0..config.layers).map(layer).collect::<Result<_>>()?,
            norm: norm("model.norm")?,
            head,
            rope_periods,
            config,
        })
    }

    /// The model's parameters.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Has the device read all weights, in the order in which a prompt needs them, without waiting.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn start_loading(&self) -> Result<()> {
        Ok(holdall::async_eval(&self.arrays().collect::<Vec<_>>())?)
    }

    /// Reads all weights.
    ///
    /// # Errors
    /// When a file cannot be read or memory runs out.
    pub fn load(&self) -> Result<()> {
        Ok(holdall::eval(&self.arrays().collect::<Vec<_>>())?)
    }

    fn arrays(&self) -> impl Iterator<Item = &Array> {
        let layers = self.layers.iter().flat_map(Layer::arrays);
        self.embedding
            .arrays()
            .chain(layers)
            .chain(self.norm.arrays())
            .chain(self.head.arrays())
            .chain(&self.rope_periods)
    }

    /// An empty cache.
    pub fn new_cache(&self) -> Vec<KvCache> {
        vec![KvCache::default(); self.config.layers]
    }

    /// Logits `[batch, vocabulary]` of the token after `ids` `[batch, n]`, which follow what the cache holds.
    ///
    /// # Errors
    /// When memory runs out or ids are not integers.
    pub fn forward(&self, ids: &Array, cache: &mut [KvCache]) -> Result<Array> {
        let x = self.hidden(ids, cache)?;
        let last = x.slice_axis(1, -1, i64::MAX)?;
        let logits = self.head.forward(&self.norm.forward(&last)?)?;
        Ok(logits.squeeze(Some(&[1]))?)
    }

    /// Appends `ids` `[batch, n]` to the cache without asking what comes next.
    ///
    /// # Errors
    /// When memory runs out or ids are not integers.
    pub fn read(&self, ids: &Array, cache: &mut [KvCache]) -> Result<()> {
        self.hidden(ids, cache).map(drop)
    }

    fn hidden(&self, ids: &Array, cache: &mut [KvCache]) -> Result<Array> {
        let mut x = self.embedding.forward(ids)?;
        let offset = position(cache.first().map_or(0, KvCache::offset))?;
        for (layer, cache) in self.layers.iter().zip(cache) {
            x = layer.forward(&x, cache, self, &offset)?;
        }
        Ok(x)
    }

    fn rope(&self, x: &Array, offset: &Array) -> Result<Array> {
        let scale =
            if let RopeScaling::Linear(factor) = self.config.rope_scaling { 1.0 / factor } else { 1.0 };
        let options = RopeOptions {
            dims: self.config.rope_dims,
            traditional: self.config.rope_traditional,
            base: self.rope_periods.is_none().then_some(self.config.rope_base),
            scale,
            periods: self.rope_periods.as_ref(),
        };
        Ok(x.rope(options, offset)?)
    }
}

impl Layer {
    fn forward(&self, x: &Array, cache: &mut KvCache, model: &Llama, offset: &Array) -> Result<Array> {
        let x = x.add(self.attention(&self.attention_norm.forward(x)?, cache, model, offset)?)?;
        let h = self.mlp_norm.forward(&x)?;
        let gate = self.gate.forward(&h)?;
        let h = gate.multiply(gate.sigmoid()?)?.multiply(self.up.forward(&h)?)?;
        Ok(x.add(self.down.forward(&h)?)?)
    }

    fn attention(&self, x: &Array, cache: &mut KvCache, model: &Llama, offset: &Array) -> Result<Array> {
        let config = &model.config;
        let (batch, n) = (x.dim(0), x.dim(1));
        let heads = |y: Array, heads: usize| -> Result<Array> {
            // One position lies the same way with heads before positions.
            if n == 1 {
                return Ok(y.reshape_to(&[batch, heads, 1, config.head_dim])?);
            }
            Ok(y.reshape_to(&[batch, n, heads, config.head_dim])?.swapaxes(1, 2)?)
        };
        let q = model.rope(&heads(self.query.forward(x)?, config.heads)?, offset)?;
        let k = model.rope(&heads(self.key.forward(x)?, config.kv_heads)?, offset)?;
        let v = heads(self.value.forward(x)?, config.kv_heads)?;
        let (k, v) = cache.update(&k, &v)?;
        let scale = (config.head_dim as f32).powf(-0.5);
        let mask = if n > 1 { AttentionMask::Causal } else { AttentionMask::None };
        let y = Array::scaled_dot_product_attention(&q, &k, &v, scale, mask, None)?;
        let y = if n == 1 { y } else { y.swapaxes(1, 2)? };
        Ok(self.output.forward(&y.reshape_to(&[batch, n, config.heads * config.head_dim])?)?)
    }

    fn arrays(&self) -> impl Iterator<Item = &Array> {
        let linears = [&self.query, &self.key, &self.value, &self.output, &self.gate, &self.up, &self.down];
        linears
            .into_iter()
            .flat_map(Linear::arrays)
            .chain(self.attention_norm.arrays())
            .chain(self.mlp_norm.arrays())
    }
}
