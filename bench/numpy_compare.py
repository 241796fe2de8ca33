"""Holdall and NumPy side by side: float32 micro-benchmarks on this machine, in one run.

    python3 bench/numpy_compare.py [--threads 2] [--rounds 3] [--repeat 5] [--json]

It installs NumPy into target/bench/numpy, builds Holdall's example `micro`, and runs both in turn. Each figure is the median
over the rounds of the median over the repeats. OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are taken out of NumPy's environment:
where they are set, they make its OpenBLAS slower. Rows that NumPy has no counterpart of are shown for Holdall alone.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import environment

NUMPY = "numpy==2.4.6"


def numpy_rows():
    """What the child measures: name, operations, how to make the work."""
    import numpy as np

    random = np.random.default_rng(0)

    def floats(*shape):
        return random.uniform(-1, 1, shape).astype(np.float32)

    def softmax(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def matmul(n):
        a, b = floats(n, n), floats(n, n)
        return lambda: a @ b

    def matvec():
        a, x = floats(4096, 4096), floats(4096)
        return lambda: a @ x

    def add():
        x, y = floats(1 << 24), floats(1 << 24)
        return lambda: x + y

    def exp():
        x = floats(1 << 24)
        return lambda: np.exp(x)

    def arithmetic():
        x, y = floats(1 << 24), floats(1 << 24)

        def run():
            a = x * y
            e = (a + x) * np.float32(0.5) - y
            return (e * e + np.float32(1)) * x - a

        return run

    def transcendental():
        x, y = floats(1 << 24), floats(1 << 24)

        def run():
            a = np.exp(x) * np.sin(y) + x
            return np.sqrt(np.log1p(np.abs(np.tanh(a) * y)))

        return run

    def total():
        x = floats(1 << 24)
        return lambda: x.sum()

    def rows_softmax():
        x = floats(4096, 4096)
        return lambda: softmax(x)

    def attention():
        q, k, v = floats(1, 32, 1024, 64), floats(1, 32, 1024, 64), floats(1, 32, 1024, 64)
        return lambda: softmax((q @ k.transpose(0, 1, 3, 2)) * np.float32(0.125)) @ v

    def rms_norm():
        x, w = floats(4096, 4096), floats(4096)
        return lambda: x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(1e-5)) * w

    return {
        "matmul_1024": lambda: matmul(1024), "matmul_4096": lambda: matmul(4096), "matvec_4096": matvec, "add_16m": add,
        "exp_16m": exp, "arithmetic_8_16m": arithmetic, "transcendental_9_16m": transcendental, "sum_16m": total,
        "softmax_4096": rows_softmax, "sdpa_h32_l1024_d64": attention, "rms_norm_4096": rms_norm,
    }


def child(repeat, names):
    rows = numpy_rows()
    for name in names or rows:
        if name not in rows:
            continue
        run = rows[name]()
        run()
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            result = run()
            times.append(time.perf_counter() - start)
            del result
        print(json.dumps({"name": name, "ms": statistics.median(times) * 1e3}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="threads of both sides (default 2)")
    parser.add_argument("--rounds", type=int, default=3, help="how often both run in turn (default 3)")
    parser.add_argument("--repeat", type=int, default=5, help="repeats within a run (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="rows to run (default: all)")
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.repeat, arguments.names)
    python = environment.python_with("numpy", [NUMPY])
    environment.cargo("build", "--release", "-p", "holdall", "--example", "micro")
    threads = arguments.threads
    sides = {
        "numpy": ([python, __file__, "--child", "--repeat", str(arguments.repeat), *arguments.names],
                  environment.clean_environment(OPENBLAS_NUM_THREADS=threads, OMP_NUM_THREADS=threads)),
        "holdall": ([environment.binary("examples", "micro"), str(arguments.repeat), *arguments.names],
                    environment.clean_environment(HOLDALL_CPU_THREADS=threads)),
    }
    times = {}
    for _ in range(arguments.rounds):
        for side, (command, env) in sides.items():
            output = subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, env=env, text=True).stdout
            for line in output.splitlines():
                row = json.loads(line)
                times.setdefault(row["name"], {}).setdefault(side, []).append(row["ms"])
    table = []
    for name, found in times.items():
        ours, theirs = [statistics.median(found[s]) if s in found else None for s in ("holdall", "numpy")]
        table.append({"name": name, "holdall_ms": ours, "numpy_ms": theirs, "ratio": theirs / ours if ours and theirs else None})
    if arguments.json:
        json.dump({"threads": threads, "numpy": NUMPY, "rows": table}, sys.stdout, indent=1)
        print()
        return
    print(f"{threads} threads, {NUMPY}, medians of {arguments.rounds} rounds; ratio above 1: Holdall is faster")
    print(f"{'':22} {'Holdall ms':>11} {'NumPy ms':>11} {'ratio':>7}")
    show = lambda value, digits: "-" if value is None else f"{value:.{digits}f}"
    for row in table:
        print(f"{row['name']:22} {show(row['holdall_ms'], 3):>11} {show(row['numpy_ms'], 3):>11} {show(row['ratio'], 2):>7}")


if __name__ == "__main__":
    main()
