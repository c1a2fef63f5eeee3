"""`python -m tests`: every test, in three stages, so that what other work would disturb has little or none beside it.

Faults under load come first and alone; then containers, beside promises that leave a second between what is and what
may be; then the rest. Most of those wait, for processes to start and to end, so that four parts at a time just keep two
cores busy.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

CONTAINERS = ("tests/integration/containers",)
SECONDS = ("tests/integration/processes/test_deaf_gateway.py", "tests/integration/processes/test_replicas.py")
PIPES = ("tests/e2e/client/test_outages.py", "tests/e2e/client/test_pipes.py")
"""As many of the client's tests as make the last parts equally long."""
STAGES = (
    (("tests/chaos",),),
    (CONTAINERS, SECONDS),
    (
        ("tests/integration", *(f"--ignore={path}" for path in (*CONTAINERS, *SECONDS))),
        ("tests/contract", "tests/e2e", "--ignore=tests/e2e/client"),
        ("tests/e2e/client", *(f"--ignore={path}" for path in PIPES)),
        ("tests/docs", "tests/fuzz", "tests/simulation", "tests/unit", *PIPES),
    ),
)
"""One after the other; the parts of each at the same time."""
_NOTHING_TO_DO = 5
"""Pytest's exit status where no test was chosen."""


def main() -> int:
    """Run them; the exit status is that of the first part that failed."""
    found = [status for stage in STAGES for status in _statuses(stage, sys.argv[1:])]
    return next((status for status in found if status not in {0, _NOTHING_TO_DO}), 0)


def _statuses(stage: Sequence[tuple[str, ...]], more: list[str]) -> list[int]:
    first, *others = stage
    with ExitStack() as stack:
        ended = [stack.enter_context(_beside(_command(part, more))) for part in others]
        return [subprocess.run(_command(first, more), check=False).returncode, *(each() for each in ended)]


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
