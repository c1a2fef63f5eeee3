"""`python -m tests`: every test. What other work would disturb comes first and alone, the rest beside each other.

What is disturbed are faults under load, containers, and promises that leave a second between what is and what may be.

Most tests wait, for processes to start and to end, so that four parts at a time just keep two cores busy.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ALONE = (
    "tests/integration/processes/test_deaf_gateway.py",
    "tests/integration/processes/test_replicas.py",
    "tests/chaos",
    "tests/integration/containers",
)
PARTS = (
    ("tests/integration", *(f"--ignore={path}" for path in ALONE)),
    ("tests/contract", "tests/e2e", "--ignore=tests/e2e/client"),
    ("tests/e2e/client",),
    ("tests/docs", "tests/fuzz", "tests/simulation", "tests/unit"),
)
_NOTHING_TO_DO = 5
"""Pytest's exit status where no test was chosen."""


def main() -> int:
    """Run them; the exit status is that of the first part that failed."""
    more = sys.argv[1:]
    found = [subprocess.run(_command(ALONE, more), check=False).returncode]
    first, *others = PARTS
    with ExitStack() as stack:
        ended = [stack.enter_context(_beside(_command(part, more))) for part in others]
        found.append(subprocess.run(_command(first, more), check=False).returncode)
        found += [each() for each in ended]
    return next((status for status in found if status not in {0, _NOTHING_TO_DO}), 0)


@contextmanager
def _beside(command: list[str]) -> Iterator[Callable[[], int]]:
    """Run a part while others run; what is yielded waits for its end, shows its output in one piece, returns how."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)

        def ended() -> int:
            status = process.wait()
            said.seek(0)
            sys.stdout.write(said.read())
            return status

        try:
            yield ended
        finally:
            process.kill()


def _command(part: tuple[str, ...], more: list[str]) -> list[str]:
    return [str(Path(sys.executable).with_name("pytest")), *part, *more]


if __name__ == "__main__":
    sys.exit(main())
