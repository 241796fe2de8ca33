"""Compares Holdall's greedy tokens with those of exact float32 arithmetic on the same weights (llama.py).

Holdall's tokens are given to the model as if they were the prompt's, so that every position is checked, also after one
that differs: the token has to be the likeliest one there, or the two logits have to be closer than 1e-3.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import mlx.core as mx
import numpy as np

from llama import Llama

MARGIN = 1e-3
RAW = [
    "The sky is blue because",
    "Once upon a time, in a small village by the sea,",
    "def fibonacci(n):\n    ",
    "The three laws of thermodynamics are:\n1.",
    "Die Hauptstadt von Frankreich ist",
    "<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n",
]
CHAT = [
    "Why is the sky blue?",
    "Write a haiku about the winter.",
    "What is 17 + 25? Answer with a number.",
    "Explain recursion to a child, in two sentences.",
]


def call(holdall, *arguments, stdin=None):
    result = subprocess.run([holdall, *arguments], input=stdin, capture_output=True, text=True, encoding="utf-8")
    if result.returncode != 0:
        sys.exit(f"holdall {' '.join(arguments)} failed with {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def check(model, report, max_tokens):
    """What is wrong with a generation (None if nothing), and positions that a close call decided otherwise."""
    prompt, tokens = report["prompt_tokens"], report["tokens"]
    if not prompt or (not tokens and max_tokens > 0) or len(tokens) > max_tokens:
        return f"{len(prompt)} prompt tokens, {len(tokens)} tokens", []
    logits = np.array(model.logits([*prompt, *tokens], len(prompt) - 1))
    chosen = list(tokens)
    if len(tokens) < max_tokens:
        # It stopped, so an end token came next.
        chosen.append(model.eos)
    close = []
    for position, (token, row) in enumerate(zip(chosen, logits)):
        best = int(row.argmax())
        if token == best:
            continue
        gap = float(row[best] - row[token])
        if gap >= MARGIN:
            return f"token {position} is {token}, the likeliest is {best}, by {gap:.5f}", close
        close.append((position, token, best, gap))
    return None, close


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("holdall", help="the holdall binary")
    parser.add_argument("--model", default="smollm2", help="alias or GGUF file of a Llama")
    parser.add_argument("--max-tokens", type=int, default=64)
    arguments = parser.parse_args()
    holdall = arguments.holdall
    path = call(holdall, "models", "path", arguments.model).strip()
    if os.path.isdir(path):
        sys.exit(f"{path} is a folder: give a GGUF file")
    model = Llama(path)
    failures = 0
    for kind, prompts in [("raw", RAW), ("chat", CHAT)]:
        for prompt in prompts:
            options = ["--raw"] if kind == "raw" else []
            start = time.time()
            # From standard input, which keeps line ends and leading dashes.
            report = json.loads(call(holdall, "generate", "-", *options, "--model", path, "--temperature", "0", "--max-tokens",
                                     str(arguments.max_tokens), "--json", stdin=prompt))
            missing = {"model", "device", "prompt_tokens", "tokens", "text", "prefill_tps", "decode_tps", "load_s",
                       "peak_memory_bytes"} - set(report)
            problem, close = (f"no {sorted(missing)} in --json", []) if missing else check(model, report, arguments.max_tokens)
            failures += problem is not None
            verdict = "ok" if problem is None else f"FAILED: {problem}"
            shown = "".join(f"; token {p} is {t} where {b} leads by {g:.2e}" for p, t, b, g in close)
            print(f"{kind:4} {prompt[:40]!r:45} {len(report.get('tokens', [])):3} tokens {time.time() - start:5.1f} s  {verdict}{shown}",
                  flush=True)
    print(f"tokens: {len(RAW) + len(CHAT)} prompts, {failures} failed, MLX {mx.__version__}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
