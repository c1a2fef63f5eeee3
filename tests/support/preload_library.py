"""Builds C libraries that intercept system calls (LD_PRELOAD), with this machine's compiler."""

import shutil
import subprocess
import sys
from pathlib import Path


def built(source: Path, folder: Path) -> Path | None:
    """The library built from `source`, in `folder`; None without Linux or a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        return None
    library = folder / f"{source.stem}.so"
    options = ["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread"]
    subprocess.run([compiler, *options, "-o", library, source, "-ldl"], check=True)
    return library
