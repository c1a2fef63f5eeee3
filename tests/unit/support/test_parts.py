"""`python -m tests` leaves out no test, and runs none twice."""

from pathlib import Path

from docs.tracked import tracked
from tests.__main__ import STAGES

ROOT = Path(__file__).parents[3]
IGNORED = "--ignore="


def has(part: tuple[str, ...], test: Path) -> bool:
    """Whether pytest would find it there."""
    around = {test, *test.parents}
    ignored = {ROOT / each.removeprefix(IGNORED) for each in part if each.startswith(IGNORED)}
    looked_into = {ROOT / each for each in part if not each.startswith("-")}
    return not around.isdisjoint(looked_into) and around.isdisjoint(ignored)


def test_every_test_is_in_one_part() -> None:
    tests = [path for path in tracked(ROOT, "tests", ".py") if path.name.startswith("test_")]
    assert len(tests) > 100
    assert dict.fromkeys(tests, 1) == {
        path: sum(has(part, path) for stage in STAGES for part in stage) for path in tests
    }
