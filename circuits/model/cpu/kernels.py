"""Compile the files in `c/` on this machine and load the library, once per processor, compiler and
dtype.

A block has dozens of small elementwise operations between its matrix products. As PyTorch calls
they took half of a training step. No library fuses them for a few tokens on a CPU, and Inductor,
which could, takes two minutes to compile them; a C compiler takes a second. Without a compiler, or
without PyTorch's OpenMP threads, PyTorch's operations give the same numbers.

The library must share PyTorch's OpenMP: with its own copy, two thread pools would spin for the same
cores. So it is linked with the file that PyTorch has loaded.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from ctypes import c_float, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path

import torch

SOURCES = Path(__file__).with_name("c")
MAPS = Path("/proc/self/maps")
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fPIC", "-fno-math-errno", "-fno-trapping-math")
WIDE = ("-mprefer-vector-width=512",)
"""For x86 only; other processors have one vector width."""
DTYPES = {torch.bfloat16: (), torch.float32: ("-DFP32",)}
MOST_SEEN = 256
"""The most positions a query can attend to; `c/attention.c` has room for that many scores."""
MOST_WIDE = 4096
"""Width of all heads together; `c/attention.c` has room for it on a thread's stack."""
SWITCH = "HOPSCOPE_KERNELS"
"""Environment variable; "off" disables the compiled kernels."""

_SIZES, _POINTER = (c_int, c_int64, c_int64), c_void_p
_SIGNATURES = {
    "add_norm": (*_SIZES, *[_POINTER] * 5, c_float, *[_POINTER] * 4),
    "norm_backward": (*_SIZES, *[_POINTER] * 2, c_int64, *[_POINTER] * 10),
    "cast_and_sum": (*_SIZES, *[_POINTER] * 4),
    "relu_backward": (*_SIZES, *[_POINTER] * 4),
    "attend": (c_int, *[c_int64] * 4, *[_POINTER] * 5),
    "attend_backward": (c_int, *[c_int64] * 4, c_float, *[_POINTER] * 7),
    "attend_strided": (c_int, *[c_int64] * 6, c_float, *[_POINTER] * 7),
    "cast_pieces": (c_int, c_int64, *[_POINTER] * 3),
    "widen_pieces": (c_int, c_int64, *[_POINTER] * 3),
    "distinct": (c_int64, c_int64, *[_POINTER] * 4),
}


@cache
def kernels(dtype: torch.dtype) -> ctypes.CDLL | None:
    """The compiled functions for products in a dtype; None if they are off or unavailable.

    Warns if there is a compiler but compiling fails.
    """
    if os.environ.get(SWITCH) == "off" or sys.platform != "linux" or dtype not in DTYPES:
        return None
    try:
        compiler, openmp = shlex.split(os.environ.get("CC", "cc")), _loaded_openmp()
        program = shutil.which(compiler[0]) if compiler else None
        if openmp is None or program is None:
            return None
        compiler[0] = str(Path(program).absolute())  # it is run in another folder
        return _declared(ctypes.CDLL(str(_compiled(compiler, openmp, DTYPES[dtype]))))
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        warnings.warn(
            f"Training on the CPU does without its compiled kernels and is slower: {error}. "
            f'Set {SWITCH}="off" to be silent about it.',
            stacklevel=2,
        )
        return None


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, with the types of its functions declared."""
    for name, argtypes in _SIGNATURES.items():
        if not hasattr(library, name):
            raise OSError(
                f"{library._name} has no function {name}, so the compiler is not one for C"
            )
        function = getattr(library, name)
        function.argtypes = argtypes
        function.restype = c_int64 if name == "distinct" else None
    return library


def _loaded_openmp() -> Path | None:
    """The GNU OpenMP library that PyTorch uses: its own copy, or the system's if it has none."""
    lines = os.fsdecode(MAPS.read_bytes()).splitlines()
    paths = sorted({Path(path) for line in lines for path in line.split(maxsplit=5)[5:]})
    found = [path for path in paths if path.name.startswith(("libgomp", "libiomp", "libomp"))]
    site = Path(torch.__file__).resolve().parents[1]
    own = [path for path in found if {site / "torch", site / "torch.libs"} & set(path.parents)]
    candidates = own or found
    only = candidates[0] if len(candidates) == 1 else None
    # a file that was replaced since PyTorch loaded it is listed as "... (deleted)"
    return only if only and only.name.startswith("libgomp") and only.exists() else None


def _compiled(compiler: list[str], openmp: Path, of_dtype: tuple[str, ...]) -> Path:
    """Path of the library, compiled if it is not there yet."""
    flags = FLAGS + of_dtype + (WIDE if platform.machine() == "x86_64" else ())
    folder = _folder()
    key = _key(compiler, flags, openmp)
    for found in folder.glob(f"kernels-{key}-*.so"):
        if found.name == _named(key, found):
            return found
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        whole = Path(scratch) / "kernels.so"
        files = [str(file) for file in sorted(SOURCES.glob("*.c"))]
        _run(*compiler, *flags, "-c", *files, folder=scratch)
        parts = [Path(file).with_suffix(".o").name for file in files]
        linked = ("-shared", *parts, str(openmp), "-lm", "-o", whole.name)
        _run(*compiler, *linked, folder=scratch)
        target = folder / _named(key, whole)
        whole.replace(target)  # renamed when complete: other processes may be looking for it
    return target


def _named(key: str, library: Path) -> str:
    """Its name in the cache, which contains its hash: loading a truncated library would crash."""
    return f"kernels-{key}-{hashlib.sha256(library.read_bytes()).hexdigest()[:16]}.so"


def _run(*command: str, folder: str | None = None) -> bytes:
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        told = next((line for line in said if "error" in line), said[-1] if said else "nothing")
        raise OSError(f"`{shlex.join(command)}` failed and said: {told}")
    return done.stdout


def _folder() -> Path:
    """The user's own cache folder; a library that another user could have written is not loaded."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "hopscope"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    state = folder.stat()
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise PermissionError(f"others may write to {folder}")
    return folder


def _key(compiler: list[str], flags: tuple[str, ...], openmp: Path) -> str:
    """Everything the library depends on; a home folder may be shared by different machines."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    processor = [line for line in first if line.startswith(("model name", "flags", "Features"))]
    settings = repr((compiler, flags, processor, platform.machine(), str(openmp))).encode()
    sources = [file.read_bytes() for file in sorted(SOURCES.iterdir()) if file.is_file()]
    parts = (*sources, _run(*compiler, "--version"), settings)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
