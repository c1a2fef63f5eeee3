"""Tab completion of the input line."""

import pytest

from client.faces.line_completion import completions
from client.faces.slash.slash_table import SLASHES
from client.store.name_cache import CachedNames

NAMES = CachedNames(
    rooms=("general", "ops"),
    other_rooms=("opera",),
    people=("Bob", "alice", "x\x1b[2J"),
    sessions=("5b1c", "77aa"),
)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("/", [f"/{name}" for name in SLASHES]),
        ("/me", ["/members"]),
        ("/join op", ["ops", "opera"]),
        ("/join #op", ["#ops", "#opera"]),
        ("/join  op", ["ops", "opera"]),
        ("/leave op", ["ops"]),
        ("/join ops x", []),
        ("/invite b", ["Bob"]),
        ("/invite @", ["@Bob", "@alice"]),
        ("/invite Bob g", ["general"]),
        ("/create o", []),
        ("/create o p", ["private"]),
        ("/logout 5", ["5b1c"]),
        ("/help me", ["members"]),
        ("/nosuch x", []),
        ("//sh", []),
        ("hello", []),
        ("hello @b", ["@Bob"]),
        ("", []),
    ],
)
def test_typed_word_is_completed(typed: str, found: list[str]) -> None:
    assert completions(typed, NAMES) == found


def test_name_that_is_not_inert_is_never_completed() -> None:
    assert completions("/invite x", NAMES) == []


@pytest.mark.parametrize(
    ("typed", "asked", "found"),
    [
        ("/upload my p", "my p", ["plan.pdf"]),
        ("/upload ", "", ["my plan.pdf"]),
        ("/save last my", "my", ["my plan.pdf"]),
        ("/save la", None, ["last"]),
    ],
)
def test_path_is_completed_across_its_spaces(typed: str, asked: str | None, found: list[str]) -> None:
    wanted: list[str] = []

    def paths(begun: str) -> list[str]:
        wanted.append(begun)
        return ["my plan.pdf"]

    assert completions(typed, NAMES, paths) == found
    assert wanted == ([] if asked is None else [asked])
