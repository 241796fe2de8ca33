//! Special tokens that are known by their text to end a generation.

/// Texts of tokens that end a turn, a message or a text, in the model families that use them.
pub(crate) const END_TOKENS: &[&str] = &[
    "<|endoftext|>",                                   // GPT-2, SmolLM, Qwen, Phi
    "<|im_end|>",                                      // ChatML: SmolLM2, Qwen
    "<|end_of_text|>",                                 // Llama 3, Granite
    "<|eot_id|>",                                      // Llama 3
    "<|eom_id|>",                                      // Llama 3.1, before a tool's answer
    "<|eot|>",                                         // Llama 4
    "<|end|>",                                         // Phi 3
    "<end_of_turn>",                                   // Gemma
    "<EOT>",                                           // CodeLlama
    "_<EOT>",                                          // Command R
    "<|END_OF_TURN_TOKEN|>",                           // Command R
    "<end_of_utterance>",                              // SmolVLM
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>", // DeepSeek
    "<|return|>",                                      // gpt-oss
    "<|call|>",                                        // gpt-oss, before a tool's answer
];
