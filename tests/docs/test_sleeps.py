"""No test sleeps for a fixed time: it waits for a condition, or proves an absence by `tests.support.waiting`."""

import ast
from collections.abc import Iterator

import pytest

from docs.tables import ROOT
from docs.tracked import tracked

REASON = "# fixed: "
"""Begins a comment behind a sleep for a fixed time that is meant, and says why."""


def fixed_sleeps(source: str) -> Iterator[int]:
    """The lines where something sleeps for a constant other than 0, which only lets other tasks run.

    What depends on a variable or a call is not constant: load by the clock, a random moment of a fault.
    """
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _name(node.func) == "sleep" and node.args:
            (seconds, *_) = node.args
            if _is_constant(seconds) and ast.unparse(seconds) != "0" and REASON not in lines[node.lineno - 1]:
                yield node.lineno


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _is_constant(seconds: ast.expr) -> bool:
    """Whether it has no call, and no name but those of constants and their fields."""
    parts = list(ast.walk(seconds))
    return all(
        not isinstance(part, ast.Call) and (not isinstance(part, ast.Name) or part.id.isupper()) for part in parts
    )


def test_no_test_sleeps_for_a_fixed_time() -> None:
    paths = tracked(ROOT, "tests", ".py")
    assert len(paths) > 100
    found = [f"{path.relative_to(ROOT)}:{line}" for path in paths for line in fixed_sleeps(path.read_text())]
    assert found == [], f"use until, wait_until or proves_absence, or say why not: {REASON}…"


@pytest.mark.parametrize("seconds", ["0.2", "8", "6 * PING_S", "QUICK.retry_max_s", "LOOK_S"])
def test_a_constant_is_found(seconds: str) -> None:
    assert list(fixed_sleeps(f"async def test() -> None:\n    await asyncio.sleep({seconds})\n")) == [2]


@pytest.mark.parametrize("seconds", ["0", "random.uniform(0, 1)", "number * 0.01", "self.delay_s"])
def test_a_pause_that_varies_or_only_yields_is_not(seconds: str) -> None:
    assert list(fixed_sleeps(f"async def test() -> None:\n    await asyncio.sleep({seconds})\n")) == []


def test_a_reason_allows_it() -> None:
    assert list(fixed_sleeps(f"time.sleep(0.2)  {REASON}it blocks the event loop\n")) == []
