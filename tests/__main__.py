"""`python -m tests`: every test, in stages, so that what other work would disturb has nothing beside it.

Faults under load come first, then containers, then tests of promises in seconds (marked `timing`), each alone; then
the rest in several workers, as most of those wait for processes to start and to end. Tests that failed run once more,
alone; one that passes then is reported as flaky, and does not fail the run.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from docs.tracked import tracked
from tests.support.outcome import Outcome, slowest

ROOT = Path(__file__).parents[1]
Run: TypeAlias = tuple[int, Outcome]
"""Exit status of pytest, and what it found."""
ALONE = ("tests/chaos", "tests/integration/containers")
OTHERS = (
    "tests/e2e",
    "tests/contract",
    "tests/integration",
    "tests/simulation",
    "tests/interop",
    "tests/fuzz",
    "tests/docs",
    "tests/unit",
)
"""What takes longest comes first, so that no worker has much to do when the others have nothing left."""
WORKERS = 4
_MARK = "pytest.mark.timing"
MOST_RERUN = 10
"""With more failures than these the run is red without a rerun: it is not chance."""
_NOTHING_CHOSEN = 5
_MAY_BE_FORGIVEN = {0, 1, _NOTHING_CHOSEN}
"""Pytest's exit statuses where nothing but tests failed."""


def main() -> int:
    """Run every stage; the exit status is 0 where every test passed, if need be on its rerun."""
    return run(stages(), sys.argv[1:], ROOT)


def stages() -> list[list[str]]:
    """Arguments for pytest; one stage after the other."""
    workers = ["-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder"]
    elsewhere = [f"--ignore={path}" for path in ALONE]
    return [
        *([path] for path in ALONE),
        [*timed_files(), "-m", "timing"],
        [*OTHERS, *elsewhere, "-m", "not timing", *workers],
    ]


def timed_files() -> list[str]:
    """The files with tests that are marked `timing`: to import all others takes longer than many of these tests."""
    tests = [path for path in tracked(ROOT, "tests", ".py") if path.name.startswith("test_")]
    names = [str(path.relative_to(ROOT)) for path in tests if _MARK in path.read_text()]
    return [name for name in names if not name.startswith(tuple(f"{folder}/" for folder in ALONE))]


def run(stages: Iterable[Sequence[str]], more: Sequence[str], root: Path) -> int:
    """Run pytest in `root` for each stage with `more` arguments, then the failed tests again; returns the status."""
    found = [_pytest([*stage, *more], root) for stage in stages]
    again = to_rerun(found)
    rerun = _rerun(again, root) if again else (0, Outcome())
    outcomes = [*(outcome for _, outcome in found), rerun[1]]
    _report(outcomes, flaky=[name for name in again if name in passed(rerun[1])])
    return verdict(found, rerun)


def to_rerun(found: Sequence[Run]) -> list[str]:
    """The tests that failed; none where they are too many to be chance, or where the run is red in any case."""
    failed = [name for _, outcome in found for name in outcome.failed]
    return failed if len(failed) <= MOST_RERUN and not any(map(is_broken, found)) else []


def is_broken(run: Run) -> bool:
    """Whether something failed that is not a test, which no rerun forgives."""
    status, outcome = run
    return status not in _MAY_BE_FORGIVEN or bool(outcome.broken) or (status == 1 and not outcome.failed)


def verdict(found: Sequence[Run], rerun: Run) -> int:
    """The exit status: 0 only where nothing failed but tests, and each of these has passed on its rerun."""
    if broken := [run for run in (*found, rerun) if is_broken(run)]:
        return broken[0][0] or 1
    failed = {name for _, outcome in found for name in outcome.failed}
    return 0 if failed <= passed(rerun[1]) else 1


def passed(outcome: Outcome) -> set[str]:
    """The tests that passed in every stage."""
    return {*outcome.passed} - {*outcome.failed}


def _rerun(names: Sequence[str], root: Path) -> Run:
    print(f"\nfailed, and run once more alone: {len(names)}", flush=True)
    return _pytest(names, root)


def _pytest(arguments: Sequence[str], root: Path) -> Run:
    """Run it; a run that wrote no outcome is broken."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcome.json"
        plugin = ["-p", "tests.support.outcome", "--outcome", str(path)]
        command = [sys.executable, "-m", "pytest", *plugin, *arguments]
        done = subprocess.run(command, cwd=root, env=with_bytecode(os.environ), check=False)
        try:
            return done.returncode, Outcome.load(path)
        except (OSError, ValueError):
            return done.returncode or 1, Outcome(broken=[" ".join(arguments)])


def with_bytecode(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, except that Python may cache bytecode.

    Otherwise each worker rewrites the assertions of all tests again, and each server that a test starts compiles its
    modules again: a minute of CPU time in all.
    """
    return {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _report(outcomes: Sequence[Outcome], flaky: Sequence[str]) -> None:
    print(f"\nslowest tests of {len(outcomes)} runs:")
    for seconds, stage, name in slowest([each for outcome in outcomes for each in outcome.slowest]):
        print(f"{seconds:.2f}s {stage:<8} {name}")
    print()
    for name in flaky:
        print(f"flaky: {name}")
    for outcome in outcomes:
        if outcome.broken:
            print(f"broken: {', '.join(outcome.broken)}")
    for outcome in outcomes:
        if outcome.closing:
            print(outcome.closing)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
