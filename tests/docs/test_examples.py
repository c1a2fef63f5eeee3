"""Examples in docstrings do what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

from docs.tables import ROOT

FOLDERS = ("bench", "chatterbox", "client", "services")


def _with_examples() -> list[str]:
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return sorted(_module(path) for path in files if "\n    >>> " in path.read_text())


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_there_are_some() -> None:
    assert len(_with_examples()) > 20


@pytest.mark.parametrize("name", _with_examples())
def test_examples_do_what_they_say(name: str) -> None:
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted
    assert not done.failed
