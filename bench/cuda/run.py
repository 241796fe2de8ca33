"""Checks the hand-written CUDA kernels and times them beside a read-only kernel over the same bytes.

python3 bench/cuda/run.py [SECTION ...]; sections: see SECTIONS, all when none is named. Needs torch and an NVIDIA GPU. `--compile` compiles only, on
any machine with NVRTC's wheel: for each of ARCHS (sm_90a; comma-separated) what can be compiled for it. Machine code is kept in $CUBINS.
CHECK_ONLY=1 leaves the timing out. Exit code 1 when a result is wrong or a kernel does not compile.
"""

import importlib
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import driver

SECTIONS = ["qmv", "rows", "decode", "qmm", "prefill", "argmax", "twins"]


def compiled(job):
    """What is wrong, in words, or None."""
    names, defines, arch = job
    try:
        driver.compile(driver.text(*names), defines, arch)
    except RuntimeError as error:
        return str(error)
    return None


def compile_all(modules):
    """Compiles every variant for every architecture; gives the exit code."""
    jobs = []
    for arch in os.environ.get("ARCHS", "sm_90a").split(","):
        for names, defines in (variant for module in modules for variant in module.variants()):
            job = (names, defines, arch)
            # Instructions for whole warp groups are of sm_90a alone.
            if job not in jobs and (arch == "sm_90a" or "wgmma.cuh" not in names):
                jobs.append(job)
    failed = 0
    with ProcessPoolExecutor() as pool:
        for (names, _, arch), wrong in zip(jobs, pool.map(compiled, jobs)):
            if wrong:
                failed += 1
                print(f"FAILED {names[-1]} for {arch}: {wrong[:3000]}", flush=True)
    print(f"{len(jobs) - failed} of {len(jobs)} hand-written kernels compiled")
    return 1 if failed else 0


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")] or SECTIONS
    modules = [importlib.import_module("bench_" + n) for n in names]
    if "--compile" in sys.argv:
        sys.exit(compile_all(modules))
    import torch

    torch.manual_seed(int(os.environ.get("SEED", "1")))
    print(torch.cuda.get_device_name(), torch.__version__)
    wrong = []
    for name, module in zip(names, modules):
        began = time.time()
        wrong += module.run()
        print(f"-- {name}: {time.time() - began:.1f} s", flush=True)
    print("wrong:", wrong if wrong else "none")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
