"""The first `make` command reports what it installs."""

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
INFO = "tiny-1.0.dist-info"


def tiny_wheel(folder: Path) -> str:
    """Create a wheel without any module; returns its hash."""
    file = folder / "tiny-1.0-py3-none-any.whl"
    with ZipFile(file, "w") as wheel:
        wheel.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    return sha256(file.read_bytes()).hexdigest()


def test_the_first_start_announces_the_installation_and_names_each_package(tmp_path: Path) -> None:
    """With the real Makefile, venv and pip, but one requirement, from this folder."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "allinone.txt").write_text(f"tiny==1.0 --hash=sha256:{tiny_wheel(tmp_path)}\n")
    command = ["make", "up", f"PYTHON={sys.executable}"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    creating, installing, *lines = done.stdout.splitlines()
    assert creating == "Creating .venv ..."
    assert installing == "Installing requirements/allinone.txt into .venv; the first time takes about a minute ..."
    assert any(line.startswith(("Collecting tiny", "Processing ./tiny")) for line in lines)
