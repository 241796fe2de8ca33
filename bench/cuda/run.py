"""Checks the hand-written CUDA kernels and times them beside a read-only kernel over the same bytes.

python3 bench/cuda/run.py [SECTION ...]; sections: see SECTIONS, all when none is named. Needs torch and an NVIDIA GPU. `--compile` compiles only, on
any machine with NVRTC's wheel: for each of ARCHS (sm_90a; comma-separated) what can be compiled for it. Machine code is kept in $CUBINS.
CHECK_ONLY=1 leaves the timing out. Exit code 1 when a result is wrong.
"""

import importlib
import os
import sys
import time

import driver

SECTIONS = ["qmv", "rows", "decode", "qmm", "prefill", "argmax", "twins"]


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")] or SECTIONS
    modules = [importlib.import_module("bench_" + n) for n in names]
    if "--compile" in sys.argv:
        for arch in os.environ.get("ARCHS", "sm_90a").split(","):
            for module in modules:
                for names, defines in module.variants():
                    if arch == "sm_90a" or "wgmma.cuh" not in names:
                        driver.compile(driver.text(*names), defines, arch)
        return
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
