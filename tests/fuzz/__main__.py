"""Fuzzing by coverage: `python -m tests.fuzz TARGET SECONDS` looks for what breaks a rule, and keeps what it learns.

Needs `pip install atheris`, which nothing else here does. An input that breaks a rule is written to `crash-...`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

with atheris.instrument_imports(include=["chatterbox", "client", "services"]):
    from tests.fuzz import kept
    from tests.fuzz.targets import TARGETS

LARGEST_BYTES = 2048
SLOW_S = 5
KEPT = 150
KEPT_BYTES = 300


def fuzz(target: str, options: list[str]) -> None:
    """Run as libFuzzer does; never returns."""
    atheris.Setup([sys.argv[0], *options], TARGETS[target])
    atheris.Fuzz()


def search(target: str, seconds: int) -> int:
    """Fuzz in a process of its own, then keep the smallest of the inputs that reached something new."""
    with tempfile.TemporaryDirectory() as found:
        for number, data in enumerate(kept.load(target)):
            (Path(found) / str(number)).write_bytes(data)
        bounds = [f"-max_total_time={seconds}", f"-max_len={LARGEST_BYTES}", f"-timeout={SLOW_S}", "-rss_limit_mb=1024"]
        outcome = _run(target, found, *bounds, "-print_final_stats=1")
        inputs = sorted((path.read_bytes() for path in Path(found).iterdir()), key=len)
    if outcome == 0:
        kept.save(target, [data for data in inputs if len(data) <= KEPT_BYTES][:KEPT])
    return outcome


def _run(target: str, *options: str) -> int:
    return subprocess.run([sys.executable, "-m", "tests.fuzz", "--fuzz", target, *options], check=False).returncode


if __name__ == "__main__":
    if sys.argv[1] == "--fuzz":
        fuzz(sys.argv[2], sys.argv[3:])
    sys.exit(search(sys.argv[1], int(sys.argv[2])))
