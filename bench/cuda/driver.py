"""NVRTC and the CUDA driver through ctypes: compile a kernel, launch it on torch's current stream."""

import ctypes
import glob
import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KERNELS = os.environ.get("KERNELS", os.path.join(HERE, "../../crates/holdall-cuda/src/kernels"))
CACHE = os.environ.get("CUBINS", os.path.join(HERE, "cubins"))
CHECK_ONLY = bool(os.environ.get("CHECK_ONLY"))  # no timing: for compute-sanitizer
_nvrtc = None


def nvrtc():
    global _nvrtc
    if _nvrtc is None:
        names = ["libnvrtc.so.13"]
        for folder in sys.path:
            names += glob.glob(os.path.join(folder, "nvidia/cu13/lib/libnvrtc.so.13"))
        for name in names:
            try:
                if "/" in name:  # NVRTC looks for this by name
                    ctypes.CDLL(os.path.join(os.path.dirname(name), "libnvrtc-builtins.so.13.0"))
                _nvrtc = ctypes.CDLL(name)
                break
            except OSError:
                pass
        else:
            raise SystemExit("libnvrtc.so.13 not found")
    return _nvrtc


def text(*names):
    parts = []
    for name in names:
        path = os.path.join(KERNELS, name)
        with open(path if os.path.exists(path) else os.path.join(HERE, name)) as f:
            parts.append(f.read())
    return "\n".join(parts)


def compile(source, defines, arch="sm_90a"):
    """Machine code for a source with defines, from the cache when it is there."""
    options = [f"-arch={arch}", "--std=c++17", "-default-device", "-diag-suppress=177"] + [f"-D{k}={v}" for k, v in sorted(defines.items())]
    key = hashlib.sha256("\0".join([source] + options).encode()).hexdigest()[:24]
    path = os.path.join(CACHE, key + ".cubin")
    if os.path.exists(path):
        with open(path, "rb") as f:
            return f.read(), path
    lib = nvrtc()
    program = ctypes.c_void_p()
    lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    array = (ctypes.c_char_p * len(options))(*[o.encode() for o in options])
    code = lib.nvrtcCompileProgram(program, len(options), array)
    size = ctypes.c_size_t()
    lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    lib.nvrtcGetProgramLog(program, log)
    if code != 0:
        raise RuntimeError(f"does not compile with {defines}\n{log.value.decode()}")
    if log.value.strip():
        print(log.value.decode(), file=sys.stderr)
    lib.nvrtcGetCUBINSize(program, ctypes.byref(size))
    data = ctypes.create_string_buffer(size.value)
    lib.nvrtcGetCUBIN(program, data)
    lib.nvrtcDestroyProgram(ctypes.byref(program))
    os.makedirs(CACHE, exist_ok=True)
    with open(path, "wb") as f:
        f.write(data.raw)
    return data.raw, path


def check(code, what):
    if code != 0:
        raise RuntimeError(f"{what}: CUDA error {code}")


class LaunchConfig(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint) for n in ("gx", "gy", "gz", "bx", "by", "bz", "shared")] + [
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("count", ctypes.c_uint),
    ]


class Kernel:
    """A function of a compiled source. Arguments: tensors, ("i", int), ("l", 64-bit int), ("f", float) or None."""

    cuda = None

    def __init__(self, names, function, defines, shared=0):
        if Kernel.cuda is None:
            import torch

            torch.cuda.init()
            torch.zeros(1, device="cuda")
            Kernel.cuda = ctypes.CDLL("libcuda.so.1")
        image, _ = compile(text(*names), defines)
        module, self.function = ctypes.c_void_p(), ctypes.c_void_p()
        check(self.cuda.cuModuleLoadData(ctypes.byref(module), image), "load")
        check(self.cuda.cuModuleGetFunction(ctypes.byref(self.function), module, function.encode()), function)
        self.shared = shared
        if shared > 48 * 1024:
            check(self.cuda.cuFuncSetAttribute(self.function, 8, shared), "shared memory")

    def registers(self):
        value = ctypes.c_int()
        self.cuda.cuFuncGetAttribute(ctypes.byref(value), 4, self.function)
        local = ctypes.c_int()
        self.cuda.cuFuncGetAttribute(ctypes.byref(local), 3, self.function)
        return value.value, local.value

    def bind(self, grid, block, *arguments, early=False):
        """Something that launches with these arguments when called."""
        import torch

        values = []
        for a in arguments:
            if a is None:
                values.append(ctypes.c_void_p(0))
            elif isinstance(a, torch.Tensor):
                values.append(ctypes.c_void_p(a.data_ptr()))
            elif isinstance(a, bytes):
                values.append(ctypes.create_string_buffer(a, len(a)))
            else:
                values.append({"i": ctypes.c_int, "l": ctypes.c_uint64, "f": ctypes.c_float}[a[0]](a[1]))
        pointers = (ctypes.c_void_p * len(values))(*[ctypes.cast(ctypes.byref(v), ctypes.c_void_p) for v in values])
        grid = tuple(grid) + (1,) * (3 - len(grid))

        def launch():
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            if early:
                attribute = (ctypes.c_int * 18)(6, 0, 1)  # programmatic stream serialisation
                config = LaunchConfig(*grid, block, 1, 1, self.shared, stream, ctypes.addressof(attribute), 1)
                check(self.cuda.cuLaunchKernelEx(ctypes.byref(config), self.function, pointers, None), "launch")
                return
            check(
                self.cuda.cuLaunchKernel(self.function, *grid, block, 1, 1, self.shared, stream, pointers, None),
                "launch",
            )

        launch.keep = (values, arguments)
        return launch


def time_graph(launches, repeat=15):
    """Median seconds of one of the launches, replayed in order as one graph."""
    import torch

    launches[0]()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for launch in launches:
            launch()
    times = []
    for i in range(repeat + 2):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        if i >= 2:
            times.append(start.elapsed_time(end) * 1e-3 / len(launches))
    return sorted(times)[len(times) // 2]


def error(out, reference):
    import torch

    out, reference = out.double(), reference.double()
    if not torch.isfinite(out).all():
        return float("nan")
    return ((out - reference).norm() / reference.norm()).item()
