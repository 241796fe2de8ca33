"""Checks the hand-written CUDA kernels and times them beside a read-only kernel over the same bytes.

python3 run.py [SECTION ...]; sections: qmv rows decode ... (all when none is named). `run.py --compile` only compiles, on any
machine with NVRTC, and keeps the machine code in $CUBINS. Exit code 1 when a result is wrong.
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
        for module in modules:
            for names, defines in module.variants():
                driver.compile(driver.text(*names), defines)
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
