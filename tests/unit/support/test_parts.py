"""`python -m tests` leaves out no test."""

from pathlib import Path

from tests.__main__ import ALONE, HALVES

ROOT = Path(__file__).parents[3]


def test_every_test_is_in_one_part() -> None:
    parts = [ROOT / each for part in (ALONE, *HALVES) for each in part if not each.startswith("--")]
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if ".cache" not in path.parts]
    assert [path for path in tests if not any(part in path.parents for part in parts)] == []
