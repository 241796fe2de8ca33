//! A checkpoint's tensors under one set of names: those of Hugging Face.

use std::collections::HashMap;
use std::path::Path;

use holdall::io::{Gguf, Weights, load_safetensors};
use holdall::ops::Packing;
use holdall::{Array, Dtype};

use crate::config::Quantization;
use crate::{Error, ErrorKind, Result};

/// Where tensors come from.
#[derive(Debug)]
pub enum Checkpoint {
    /// A GGUF file.
    Gguf(Gguf),
    /// Safetensors of a folder, and how they are quantized, if they are.
    Safetensors(HashMap<String, Array>, Option<Quantization>),
}

impl Checkpoint {
    /// Opens the safetensors of a folder.
    ///
    /// # Errors
    /// When there are none, or a header is broken.
    pub fn open_folder(folder: &Path, quantization: Option<Quantization>) -> Result<Self> {
        Ok(Self::Safetensors(load_safetensors(folder)?, quantization))
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Gguf(file) => file.contains(&gguf_name(name)),
            Self::Safetensors(tensors, _) => tensors.contains_key(name),
        }
    }

    /// Weights of a matrix, quantized or not, given the name without `.weight`.
    ///
    /// # Errors
    /// When there are none.
    pub fn weights(&self, name: &str) -> Result<Weights> {
        let full = format!("{name}.weight");
        match self {
            Self::Gguf(file) => Ok(file.tensor(&gguf_name(&full))?),
            Self::Safetensors(tensors, quantization) => {
                let (scales, biases) =
                    (tensors.get(&format!("{name}.scales")), tensors.get(&format!("{name}.biases")));
                match (scales, biases, quantization) {
                    (Some(scales), Some(biases), Some(q)) => Ok(Weights::Quantized {
                        codes: self.array(&full)?,
                        scales: scales.clone(),
                        biases: biases.clone(),
                        packing: Packing { group_size: q.group_size, bits: q.bits },
                    }),
                    (None, None, _) => Ok(Weights::Plain(self.array(&full)?)),
                    _ => Err(missing(&format!("{name}.scales, {name}.biases or the config's quantization"))),
                }
            }
        }
    }

    /// A plain tensor by its full name.
    ///
    /// # Errors
    /// When there is none, or it is quantized.
    pub fn array(&self, name: &str) -> Result<Array> {
        match self {
            Self::Gguf(file) => match file.tensor(&gguf_name(name))? {
                Weights::Plain(x) => Ok(x),
                Weights::Quantized { codes, scales, biases, packing } => {
                    // Norms and biases are never quantized by converters, but nothing forbids it.
                    let wide = |x: &Array| x.astype(Dtype::Float32);
                    Ok(Array::dequantize(&codes, &wide(&scales), &wide(&biases), packing)?)
                }
            },
            Self::Safetensors(tensors, _) => tensors.get(name).cloned().ok_or_else(|| missing(name)),
        }
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::ModelFiles, format!("the checkpoint has no tensor {name}"))
}

/// GGUF's name of a tensor of the Llama family.
fn gguf_name(name: &str) -> String {
    const PARTS: [(&str, &str); 13] = [
        ("model.embed_tokens.", "token_embd."),
        ("model.norm.", "output_norm."),
        ("lm_head.", "output."),
        ("self_attn.q_proj.", "attn_q."),
        ("self_attn.k_proj.", "attn_k."),
        ("self_attn.v_proj.", "attn_v."),
        ("self_attn.o_proj.", "attn_output."),
        ("mlp.gate_proj.", "ffn_gate."),
        ("mlp.up_proj.", "ffn_up."),
        ("mlp.down_proj.", "ffn_down."),
        ("input_layernorm.", "attn_norm."),
        ("post_attention_layernorm.", "ffn_norm."),
        ("model.layers.", "blk."),
    ];
    PARTS.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::gguf_name;

    #[test]
    fn names_of_both_formats_meet() {
        assert_eq!(gguf_name("model.layers.12.self_attn.q_proj.weight"), "blk.12.attn_q.weight");
        assert_eq!(gguf_name("model.layers.0.post_attention_layernorm.weight"), "blk.0.ffn_norm.weight");
        assert_eq!(gguf_name("model.embed_tokens.weight"), "token_embd.weight");
        assert_eq!(gguf_name("lm_head.weight"), "output.weight");
        assert_eq!(gguf_name("rope_freqs.weight"), "rope_freqs.weight");
    }
}
