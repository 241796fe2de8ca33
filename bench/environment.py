"""Virtual environments and child processes for the comparisons."""

import os
import pathlib
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# Set, these two make OpenBLAS choose other kernels or blocks than it would for the machine.
UNWANTED = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]


def python_with(name, requirements, pip_environment=None):
    """The Python of the virtual environment target/bench/NAME, which has these packages."""
    folder = TARGET / "bench" / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "requirements.txt"
    wanted = "\n".join(requirements)
    if not (python.exists() and stamp.exists() and stamp.read_text() == wanted):
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        subprocess.run(command, check=True, env={**os.environ, **(pip_environment or {})}, stdout=sys.stderr)
        stamp.write_text(wanted)
    return python


def clean_environment(**more):
    kept = {k: v for k, v in os.environ.items() if k not in UNWANTED}
    return {**kept, **{k: str(v) for k, v in more.items()}}


def cargo(*arguments):
    subprocess.run(["cargo", *arguments], check=True, cwd=ROOT, stdout=sys.stderr)


def binary(*parts):
    path = TARGET.joinpath("release", *parts)
    return path.with_suffix(".exe") if os.name == "nt" else path


def measured(command, environment, stdin=None):
    """Runs a command: what it printed, and the most memory it had resident, in bytes."""
    process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                               stdout=subprocess.PIPE, env=environment, text=True)
    if stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
    output = process.stdout.read()
    if not hasattr(os, "wait4"):
        if process.wait() != 0:
            sys.exit(f"{command[0]} failed with {process.returncode}")
        return output, None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed with {process.returncode}")
    # Linux counts in KiB, macOS in bytes.
    return output, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
