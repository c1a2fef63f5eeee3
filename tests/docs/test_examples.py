"""Examples in docstrings do what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

from docs.tables import ROOT
from docs.tracked import tracked

FOLDERS = ("bench", "chatterbox", "client", "services")


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


FILES = [path for folder in FOLDERS for path in tracked(ROOT, folder, ".py")]
MODULES = sorted(_module(path) for path in FILES if "\n    >>> " in path.read_text())


def test_there_are_some() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("name", MODULES)
def test_examples_do_what_they_say(name: str) -> None:
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted
    assert not done.failed
