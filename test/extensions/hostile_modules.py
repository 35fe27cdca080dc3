"""WebAssembly modules that fail: hostile_wasm.cc, built."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rig import Rig

HERE = Path(__file__).resolve().parent


def path_of_module_that_traps(rig: Rig, where: str) -> Path:
    """`where`: START, CONFIGURE or REQUEST."""
    module = rig.path(f"{where.lower()}.wasm")
    if not module.exists():
        subprocess.run(["clang++-19", "--target=wasm32-wasi", "-mexec-model=reactor", "-O1", "-fno-exceptions",
                        f"-DTRAP_IN={where}", "-o", module, HERE / "hostile_wasm.cc"], check=True)
    return module


def module_that_traps(rig: Rig, where: str) -> bytes:
    return path_of_module_that_traps(rig, where).read_bytes()
