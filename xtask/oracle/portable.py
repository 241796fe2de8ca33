"""Compiles portable GPU kernels with NVRTC, which needs no GPU.

`python3 portable.py FOLDER METAL`: FOLDER has the NAME.TYPES.HASH.cu that the tests' device `simt` writes to $HOLDALL_SIMT_KERNELS, METAL the
.metal files that they are from. For sm_90a a text for each kernel and types of its memory, for sm_80 and sm_100 one for each kernel. A
kernel without a text is a failure, too.
"""

import collections
import glob
import os
import re
import sys

from cuda import compile_all

# Elementwise programs are all called so: each is an op's own text, so there are more of these.
POINTWISE = "pointwise"
POINTWISE_TEXTS = 2


def kernels(folder):
    """The names of all kernels in the files."""
    names = {POINTWISE}
    for path in glob.glob(os.path.join(folder, "*.metal")):
        with open(path, encoding="utf-8") as file:
            names.update(re.findall(r"\[\[kernel\]\]\s+void\s+(\w+)", file.read()))
    return names


def sample(paths):
    """What to compile, for which architecture."""
    by_types = collections.defaultdict(list)
    for path in paths:
        name, types, _, _ = os.path.basename(path).split(".")
        by_types[name, types].append(path)
    jobs, seen = [], set()
    for (name, _), texts in by_types.items():
        jobs += [(path, "sm_90a") for path in texts[: POINTWISE_TEXTS if name == POINTWISE else 1]]
        if name not in seen:
            seen.add(name)
            jobs += [(texts[0], arch) for arch in ("sm_80", "sm_100")]
    return jobs, seen


def main():
    folder, metal = sys.argv[1:]
    # Hashes make the order, so that the sample is the same each time.
    paths = sorted(glob.glob(os.path.join(folder, "*.cu")))
    jobs, seen = sample(paths)
    failed = 0
    for (path, arch), (cubin, log) in compile_all(jobs):
        if cubin is None:
            failed += 1
            print(f"FAILED {os.path.basename(path)} for {arch}:\n{log[:3000]}", flush=True)
    print(f"{len(jobs) - failed} of {len(jobs)} portable kernels compiled: {len(seen)} kernels, from {len(paths)} texts")
    missing = sorted(kernels(metal) - seen)
    if missing:
        sys.exit(f"no test on simt has a text of {', '.join(missing)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
