"""Coverage-guided fuzzing: `python -m tests.fuzz TARGET SECONDS` searches for rule violations and extends the corpus.

Only this needs `pip install atheris`. An input that breaks a rule is written to `crash-...`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

with atheris.instrument_imports(include=["chatterbox", "client", "services"]):
    from tests.fuzz import corpus_store
    from tests.fuzz.targets import TARGETS

MAX_INPUT_BYTES = 2048
TIMEOUT_S = 5
MAX_KEPT = 150
MAX_KEPT_BYTES = 300


def fuzz(target: str, options: list[str]) -> None:
    """Run libFuzzer with `options`; never returns."""
    atheris.Setup([sys.argv[0], *options], TARGETS[target])
    atheris.Fuzz()


def search(target: str, seconds: int) -> int:
    """Fuzz in a separate process, then keep the smallest inputs that reached new code."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(corpus_store.load(target)):
            (Path(folder) / str(number)).write_bytes(data)
        bounds = [
            f"-max_total_time={seconds}",
            f"-max_len={MAX_INPUT_BYTES}",
            f"-timeout={TIMEOUT_S}",
            "-rss_limit_mb=1024",
        ]
        outcome = _run(target, folder, *bounds, "-print_final_stats=1")
        inputs = sorted((path.read_bytes() for path in Path(folder).iterdir()), key=len)
    if outcome == 0:
        corpus_store.save(target, [data for data in inputs if len(data) <= MAX_KEPT_BYTES][:MAX_KEPT])
    return outcome


def _run(target: str, *options: str) -> int:
    return subprocess.run([sys.executable, "-m", "tests.fuzz", "--fuzz", target, *options], check=False).returncode


if __name__ == "__main__":
    if sys.argv[1] == "--fuzz":
        fuzz(sys.argv[2], sys.argv[3:])
    sys.exit(search(sys.argv[1], int(sys.argv[2])))
