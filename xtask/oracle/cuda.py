"""Compiles translated kernels with NVRTC, and with --run launches them and compares with what the CPU's engine gave.

`python3 cuda.py FOLDER [--emit HOLDALL] [--expect HOLDALL] [--run] [--arch sm_80 ...]`: FOLDER has NAME.json and the arrays of `kernels.py`, NAME.cu of `holdall kernel emit
--target cuda`, and for --run NAME.out/OUTPUT.npy of `holdall kernel run`. --emit HOLDALL makes the first of these, --expect HOLDALL
the second. Compiling needs no GPU.
"""

import argparse
import ctypes
import glob
import json
import multiprocessing
import os
import site
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np


def load(stem, folders):
    """A library of CUDA: from the packages of Python, then as the loader finds it."""
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(folder, stem + ".so*")), reverse=True):
            if ".alt." not in path:
                return ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    for name in (stem + ".so", stem + ".so.13", stem + ".so.12", stem + ".so.1"):
        try:
            return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            pass
    return None


def folders():
    found = []
    for root in site.getsitepackages() + [site.getusersitepackages()] + sys.path:
        found += glob.glob(os.path.join(root, "nvidia", "*", "lib"))
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return found + [os.path.join(home, "lib64"), os.path.join(home, "lib")]


class Nvrtc:
    def __init__(self):
        load("libnvrtc-builtins", folders())
        self.lib = load("libnvrtc", folders())
        if self.lib is None:
            sys.exit("no libnvrtc: pip install nvidia-cuda-nvrtc")

    def compile(self, source, options):
        """The cubin, or None, and the log."""
        lib, program = self.lib, ctypes.c_void_p()
        if lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None):
            sys.exit("nvrtcCreateProgram failed")
        options = [o.encode() for o in options]
        status = lib.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))

        def get(what):
            size = ctypes.c_size_t()
            getattr(lib, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
            buffer = ctypes.create_string_buffer(size.value)
            getattr(lib, f"nvrtcGet{what}")(program, buffer)
            return buffer.raw

        log = get("ProgramLog").rstrip(b"\0").decode(errors="replace")
        cubin = get("CUBIN") if status == 0 else None
        lib.nvrtcDestroyProgram(ctypes.byref(program))
        return cubin, log


NVRTC = None


def compiled(job):
    global NVRTC
    NVRTC = NVRTC or Nvrtc()
    path, arch = job
    with open(path, encoding="utf-8") as file:
        source = file.read()
    options = source.split("\n", 1)[0].removeprefix("// nvrtc: ").split()
    return NVRTC.compile(source, [*options, f"--gpu-architecture={arch}"])


def compile_all(jobs):
    """Compiles (path, architecture) after (path, architecture); gives each with its cubin, or None, and log, in order."""
    # Processes that are made by a fork must not have a context of the driver: spawned ones have none.
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from zip(jobs, pool.map(compiled, jobs, chunksize=8))


def read(path, dtype):
    """Elements as they are in memory, whatever NumPy knows of their type."""
    array = np.load(path)
    return array.view(np.uint16) if dtype == "bfloat16" else array


class Gpu:
    def __init__(self):
        self.lib = load("libcuda", [])
        if self.lib is None:
            sys.exit("no libcuda: there is no driver")
        self.call("cuInit", 0)
        device, self.context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), device)
        self.call("cuCtxSetCurrent", self.context)
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(major), 75, device)
        self.call("cuDeviceGetAttribute", ctypes.byref(minor), 76, device)
        self.arch = f"sm_{major.value}{minor.value}" + ("a" if major.value == 9 else "")

    def call(self, name, *arguments):
        status = getattr(self.lib, name)(*arguments)
        if status:
            raise RuntimeError(f"{name}: error {status}")

    def buffer(self, array):
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(array.nbytes, 16)))
        if array.nbytes:
            self.call("cuMemcpyHtoD_v2", address, array.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(array.nbytes))
        return address

    def run(self, cubin, entry, arguments, blocks, threads):
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuModuleLoadData", ctypes.byref(module), cubin)
        self.call("cuModuleGetFunction", ctypes.byref(function), module, entry.encode())
        pointers = (ctypes.c_void_p * len(arguments))(*[ctypes.cast(ctypes.byref(a), ctypes.c_void_p) for a in arguments])
        self.call("cuLaunchKernel", function, blocks, 1, 1, threads, 1, 1, 0, None, pointers, None)
        self.call("cuCtxSynchronize")
        self.call("cuModuleUnload", module)


def translate(folder, emit, expect):
    """Makes the translations and what is expected, with the command."""
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        stem = path.removesuffix(".json")
        if os.path.basename(stem) == "tolerance":
            continue
        if emit:
            done = subprocess.run([emit, "kernel", "emit", path, "--target", "cuda"], capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{path}: {done.stderr}")
            with open(stem + ".cu", "w", encoding="utf-8") as file:
                file.write(done.stdout)
        if expect:
            done = subprocess.run([expect, "kernel", "run", path, "--out", stem + ".out"], capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{path}: {done.stderr}")


def value_of(number, dtype, count):
    if dtype == "bfloat16":
        return np.full(count, np.float32(number).view(np.uint32) >> 16, np.uint16)
    return np.full(count, number, dtype)


def launch(gpu, folder, name, cubin):
    """Runs a kernel; gives the outputs by name."""
    with open(os.path.join(folder, name + ".json"), encoding="utf-8") as file:
        kernel = json.load(file)
    with open(os.path.join(folder, name + ".cu"), encoding="utf-8") as file:
        head = [line[3:].strip() for line in file.read(4000).split("\n") if line.startswith("// ")]
    entry = next(line.split()[1] for line in head if line.startswith("kernel: "))
    inputs = dict(zip(kernel["input_names"], kernel["inputs"]))
    outputs, addresses, arguments = {}, [], []
    grid = kernel["grid"]
    group = [min(g, t) for g, t in zip(grid, kernel["threadgroup"])]
    for line in head:
        if not line.startswith("argument: "):
            continue
        what, *rest = line.removeprefix("argument: ").split()
        shape = inputs[rest[0]]["shape"] if rest and rest[0] in inputs else None
        if what == "buffer":
            if rest[0] in inputs:
                array = read(os.path.join(folder, inputs[rest[0]]["file"]), inputs[rest[0]]["dtype"])
            else:
                spec = kernel["outputs"][kernel["output_names"].index(rest[0])]
                count = int(np.prod(spec["shape"]))
                array = value_of(kernel.get("init_value") or 0, spec["dtype"], count)
            address = gpu.buffer(np.ascontiguousarray(array))
            addresses.append(address)
            arguments.append(address)
            if rest[0] not in inputs:
                outputs[rest[0]] = (address, array)
        elif what == "shape":
            arguments.append((ctypes.c_int32 * 16)(*shape))
        elif what == "strides":
            arguments.append((ctypes.c_int64 * 16)(*[int(np.prod(shape[i + 1:])) for i in range(len(shape))]))
        elif what == "ndim":
            arguments.append(ctypes.c_int32(len(shape)))
        elif what == "launch":
            arguments.append((ctypes.c_uint32 * 6)(*grid, *group))
        else:
            raise RuntimeError(f"unknown argument {line}")
    blocks = int(np.prod([-(-n // by) for n, by in zip(grid, group)]))
    gpu.run(cubin, entry, arguments, blocks, int(np.prod(group)))
    for address, array in outputs.values():
        pointer = array.ctypes.data_as(ctypes.c_void_p)
        gpu.call("cuMemcpyDtoH_v2", pointer, address, ctypes.c_size_t(array.nbytes))
    for address in addresses:
        gpu.call("cuMemFree_v2", address)
    return {key: array for key, (_, array) in outputs.items()}


def apart(got, want, dtype):
    """How many units in the last place values differ by, NaN being equal to NaN; differences of integers count fully."""
    got, want = np.ravel(got), np.ravel(want)
    if dtype not in ("float32", "float16", "bfloat16"):
        return np.where(got == want, 0, 1 << 30)
    if dtype == "bfloat16":
        got, want = ((x.astype(np.uint32) << 16).view(np.float32) for x in (got, want))
    bits, n = (np.int16, 16) if dtype == "float16" else (np.int32, 32)

    def ordered(x):
        i = x.view(bits).astype(np.int64)
        return np.where(i < 0, -(i + (1 << (n - 1))), i)

    distance = np.abs(ordered(got) - ordered(want))
    distance = distance >> 16 if dtype == "bfloat16" else distance
    return np.where(np.isnan(got) & np.isnan(want), 0, np.where(np.isnan(got) != np.isnan(want), 1 << 30, distance))


def compare(folder, name, outputs, ulps):
    """What is wrong, in words, or None."""
    with open(os.path.join(folder, name + ".json"), encoding="utf-8") as file:
        kernel = json.load(file)
    for key, spec in zip(kernel["output_names"], kernel["outputs"]):
        want = read(os.path.join(folder, name + ".out", key + ".npy"), spec["dtype"])
        distance = apart(outputs[key], want, spec["dtype"])
        if (distance > ulps).any():
            at = np.argsort(-distance, kind="stable")[:4]
            got, wanted = np.ravel(outputs[key])[at], np.ravel(want)[at]
            return (f"{key}: {int((distance > ulps).sum())} of {distance.size} differ by up to {int(distance.max())} ulps; "
                    f"at {at.tolist()}: {got.tolist()}, wanted {wanted.tolist()}")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--arch", nargs="+", default=["sm_80", "sm_90a", "sm_100"])
    parser.add_argument("--only", help="kernels whose name contains this")
    parser.add_argument("--emit", metavar="HOLDALL", help="the command, to translate the kernels with")
    parser.add_argument("--expect", metavar="HOLDALL", help="the command, to run the kernels on the CPU with")
    arguments = parser.parse_args()
    folder = arguments.folder
    translate(folder, arguments.emit, arguments.expect)
    paths = sorted(glob.glob(os.path.join(folder, "*.cu")))
    paths = [p for p in paths if (arguments.only or "") in os.path.basename(p)]
    gpu = Gpu() if arguments.run else None
    archs = [gpu.arch] if gpu else arguments.arch
    jobs = [(path, arch) for path in paths for arch in archs]
    failed = []
    with open(os.path.join(folder, "tolerance.json"), encoding="utf-8") as file:
        tolerance = json.load(file)
    for (path, arch), (cubin, log) in compile_all(jobs):
        name = os.path.basename(path).removesuffix(".cu")
        wrong = None
        if cubin is None:
            wrong = f"does not compile for {arch}:\n{log[:3000]}"
        elif gpu:
            try:
                wrong = compare(folder, name, launch(gpu, folder, name, cubin), tolerance.get(name, 0))
            except RuntimeError as error:
                wrong = str(error)
        if wrong:
            failed.append(f"{name} {arch}")
            print(f"FAILED {name}: {wrong}", flush=True)
    what = "compiled and run" if gpu else "compiled"
    print(f"{len(jobs) - len(failed)} of {len(jobs)} {what} for {', '.join(archs)}")
    if not jobs:
        sys.exit("no kernels")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
