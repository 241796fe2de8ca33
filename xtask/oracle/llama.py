"""A Llama in exact float32: the quantized weights of a GGUF file, dequantised, run by MLX without a cache."""

import mlx.core as mx

# MLX reads Q4_0, Q4_1 and Q8_0 as affine groups of 32: codes, scales, biases.
GROUP = 32


class Llama:
    def __init__(self, path):
        mx.set_default_device(mx.cpu)
        self.weights, metadata = mx.load(path, return_metadata=True)
        number = lambda name: metadata[f"llama.{name}"].item()
        self.layers = number("block_count")
        self.heads = number("attention.head_count")
        self.kv_heads = number("attention.head_count_kv")
        self.eps = number("attention.layer_norm_rms_epsilon")
        self.base = number("rope.freq_base")
        self.head_dim = number("embedding_length") // self.heads
        self.vocabulary = number("vocab_size")
        eos = metadata.get("tokenizer.ggml.eos_token_id")
        self.eos = None if eos is None else int(eos.item())
        # A model without a head of its own uses its embedding.
        self.head = "output" if "output.weight" in self.weights else "token_embd"

    def weight(self, name):
        """A matrix in float32. Codes times scales plus biases is rounded once there."""
        w = self.weights[f"{name}.weight"]
        if w.dtype != mx.uint32:
            return w.astype(mx.float32)
        scales, biases = [self.weights[f"{name}.{part}"].astype(mx.float32) for part in ("scales", "biases")]
        return mx.dequantize(w, scales, biases, group_size=GROUP, bits=32 * w.shape[-1] // (GROUP * scales.shape[-1]))

    def linear(self, x, name):
        return x @ self.weight(name).T

    def logits(self, tokens, first):
        """Logits after each token from number `first` on: [len(tokens) - first, vocabulary]."""
        x = self.weight("token_embd")[mx.array(tokens)][None]
        n = len(tokens)
        split = lambda y, heads: y.reshape(1, n, heads, self.head_dim).transpose(0, 2, 1, 3)
        # GGUF keeps q and k in the order in which neighbours rotate together.
        rope = lambda y: mx.fast.rope(y, self.head_dim, traditional=True, base=self.base, scale=1.0, offset=0)
        for layer in range(self.layers):
            block = f"blk.{layer}"
            h = mx.fast.rms_norm(x, self.weight(f"{block}.attn_norm"), self.eps)
            q = rope(split(self.linear(h, f"{block}.attn_q"), self.heads))
            k = rope(split(self.linear(h, f"{block}.attn_k"), self.kv_heads))
            v = split(self.linear(h, f"{block}.attn_v"), self.kv_heads)
            h = mx.fast.scaled_dot_product_attention(q, k, v, scale=self.head_dim**-0.5, mask="causal")
            x = x + self.linear(h.transpose(0, 2, 1, 3).reshape(1, n, -1), f"{block}.attn_output")
            h = mx.fast.rms_norm(x, self.weight(f"{block}.ffn_norm"), self.eps)
            gate = self.linear(h, f"{block}.ffn_gate")
            x = x + self.linear(gate * mx.sigmoid(gate) * self.linear(h, f"{block}.ffn_up"), f"{block}.ffn_down")
            # One layer's float32 weights at a time.
            mx.eval(x)
        x = mx.fast.rms_norm(x[0, first:], self.weight("output_norm"), self.eps)
        return self.linear(x, self.head)
