"""Holdall and llama.cpp side by side: one GGUF model on this machine's CPU, in one run.

    python3 bench/compare.py [--model smollm2] [--threads 2] [--repeat 5] [--json]

It installs llama-cpp-python 0.3.36 and NumPy into target/bench/llama. The package is built from source for this machine,
which needs a C++ compiler and takes some minutes the first time. Then three programs take turns, each in a process of
its own: llama.cpp on the file as it is; llama.cpp on the same weights requantised to Q4_0, which it runs fastest (repacked,
8-bit activations; the requantising loses quality); and `holdall bench`. Figures are medians over the turns: tokens per
second for a prompt of 512 tokens and for 128 tokens generated greedily, seconds to load, seconds until a first prompt of 32
tokens is answered (llama.cpp maps the file and Holdall reads it in the background, so a part of loading happens then), and the
most memory resident.
The Python that llama.cpp runs in has about 30 MB of that.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

import environment

LLAMA = "llama-cpp-python==0.3.36"
NUMPY = "numpy==2.4.6"
FIGURES = [
    ("prefill_tps", "prefill tok/s", True), ("decode_tps", "decode tok/s", True), ("load_s", "load s", False),
    ("first_token_s", "load + first token s", False), ("peak_rss_mb", "peak RSS MB", False),
]


def run_llama(path, threads, prompt_tokens, gen_tokens):
    """In the child: one prompt, one generation."""
    import llama_cpp

    start = time.perf_counter()
    model = llama_cpp.Llama(path, n_ctx=prompt_tokens + gen_tokens + 8, n_batch=prompt_tokens, n_ubatch=prompt_tokens, n_threads=threads,
                            n_threads_batch=threads, verbose=False)
    load = time.perf_counter() - start
    # The same for every program: numbers without a pattern, from within the vocabulary.
    tokens = [(i * 2654435761) % model.n_vocab() for i in range(prompt_tokens)]
    model.eval(tokens[:32])
    first = time.perf_counter() - start
    model.reset()
    start = time.perf_counter()
    model.eval(tokens)
    prefill = time.perf_counter() - start
    greedy = llama_cpp.llama_sampler_init_greedy()
    next_token = 1
    start = time.perf_counter()
    for _ in range(gen_tokens):
        model.eval([next_token])
        next_token = llama_cpp.llama_sampler_sample(greedy, model.ctx, -1)
    decode = time.perf_counter() - start
    print(json.dumps({"prefill_tps": prompt_tokens / prefill, "decode_tps": gen_tokens / decode, "load_s": load, "first_token_s": first}))


def requantise(source, target):
    """In the child: the same weights in Q4_0."""
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0
    params.allow_requantize = True
    partial = target + ".partial"
    if llama_cpp.llama_model_quantize(source.encode(), partial.encode(), params) != 0:
        sys.exit(f"llama.cpp cannot requantise {source}")
    os.replace(partial, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2", help="alias or GGUF file (default smollm2)")
    parser.add_argument("--threads", type=int, default=2, help="threads of each program (default 2)")
    parser.add_argument("--repeat", type=int, default=5, help="turns of each program (default 5)")
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--gen-tokens", type=int, default=128)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        action, path = arguments.child
        if action == "run":
            return run_llama(path, arguments.threads, arguments.prompt_tokens, arguments.gen_tokens)
        return requantise(action, path)
    python = environment.python_with("llama", [LLAMA, NUMPY], {"CMAKE_ARGS": "-DGGML_NATIVE=ON", **os.environ})
    environment.cargo("build", "--release", "-p", "holdall-cli")
    holdall = environment.binary("holdall")
    threads = ["--threads", str(arguments.threads), "--prompt-tokens", str(arguments.prompt_tokens), "--gen-tokens", str(arguments.gen_tokens)]
    env = environment.clean_environment(HOLDALL_CPU_THREADS=arguments.threads)
    path = environment.measured([holdall, "models", "path", arguments.model], env)[0].strip()
    q4_0 = environment.TARGET / "bench" / (pathlib.Path(path).stem + ".requantised-Q4_0.gguf")
    if not q4_0.exists():
        environment.measured([python, __file__, "--child", path, q4_0], env)
    programs = {
        "llama.cpp": [python, __file__, "--child", "run", path, *threads],
        "llama.cpp Q4_0": [python, __file__, "--child", "run", q4_0, *threads],
        # Each turn is one process; within it, bench runs once to warm up and once to measure.
        "holdall": [holdall, "bench", "--model", path, "--prompt-tokens", str(arguments.prompt_tokens), "--gen-tokens", str(arguments.gen_tokens),
                    "--batch", "1", "--repeat", "1", "--json"],
    }
    turns = {name: [] for name in programs}
    for turn in range(arguments.repeat):
        for name, command in programs.items():
            print(f"turn {turn + 1} of {arguments.repeat}: {name}", file=sys.stderr)
            output, rss = environment.measured(command, env)
            figures = json.loads(output.strip().splitlines()[-1] if name != "holdall" else output)
            turns[name].append({**figures, "peak_rss_mb": rss and rss / 1e6})
    medians = {
        name: {key: statistics.median(t[key] for t in found) if found[0].get(key) else None for key, _, _ in FIGURES}
        for name, found in turns.items()
    }
    if arguments.json:
        json.dump({"model": path, "threads": arguments.threads, "repeat": arguments.repeat, "medians": medians, "turns": turns},
                  sys.stdout, indent=1)
        print()
        return
    print(f"{path}, {arguments.threads} threads, prompt {arguments.prompt_tokens}, generated {arguments.gen_tokens}, medians of {arguments.repeat}")
    print(f"{'':20} {'Holdall':>9} {'llama.cpp':>10} {'ratio':>6} {'its Q4_0':>10} {'ratio':>6}   (ratio above 1: Holdall is better)")
    for key, label, more_is_better in FIGURES:
        ours = medians["holdall"][key]
        cells = []
        for name in ("llama.cpp", "llama.cpp Q4_0"):
            theirs = medians[name][key]
            ratio = (ours / theirs if more_is_better else theirs / ours) if ours and theirs else None
            cells.append(f"{'-' if theirs is None else format(theirs, '.3g' if theirs < 1 else '.1f'):>10} {'-' if ratio is None else format(ratio, '.2f'):>6}")
        print(f"{label:20} {'-' if ours is None else format(ours, '.3g' if ours < 1 else '.1f'):>9} {' '.join(cells)}")


if __name__ == "__main__":
    main()
