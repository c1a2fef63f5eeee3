"""`python -m tests`: every test. What other work would disturb comes first and alone, the rest in two halves at a time.

Most tests wait, for processes to start and to end, so two at a time take little more than half as long.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ALONE = ("tests/chaos", "tests/integration/containers")
HALVES = (
    ("tests/e2e", "tests/simulation"),
    (
        "tests/contract",
        "tests/docs",
        "tests/fuzz",
        "tests/integration",
        "tests/unit",
        "--ignore=tests/integration/containers",
    ),
)
_NOTHING_TO_DO = 5
"""Pytest's exit status where no test was chosen."""


def main() -> int:
    """Run them; the exit status is that of the first part that failed."""
    more = sys.argv[1:]
    found = [_run(ALONE, more)]
    first, second = HALVES
    with tempfile.TemporaryFile("w+") as said:
        beside = subprocess.Popen(_command(second, more), stdout=said, stderr=subprocess.STDOUT)
        try:
            found.append(_run(first, more))
            found.append(beside.wait())
        finally:
            beside.kill()
        said.seek(0)
        sys.stdout.write(said.read())
    return next((status for status in found if status not in {0, _NOTHING_TO_DO}), 0)


def _run(part: tuple[str, ...], more: list[str]) -> int:
    return subprocess.run(_command(part, more), check=False).returncode


def _command(part: tuple[str, ...], more: list[str]) -> list[str]:
    return [str(Path(sys.executable).with_name("pytest")), *part, *more]


if __name__ == "__main__":
    sys.exit(main())
