"""What deploy/README.md says that Chatterbox says when it can't start or waits, Chatterbox says."""

import re

import pytest

from docs import tables
from docs.tracked import tracked

_SOURCES = "\n".join(
    re.sub(r'"\s*\n\s*f?"', "", path.read_text())  # a sentence over two lines of code is one
    for folder in ("chatterbox", "services")
    for path in tracked(tables.ROOT, folder, ".py")
)
_SECTION = re.search(
    r"## When it does not start\n(.*?)\n## ", (tables.ROOT / "deploy" / "README.md").read_text(), re.DOTALL
)


def _sentences() -> list[str]:
    """The first column, without what others say (`from Docker`, `Docker daemon`)."""
    rows = [line.split("|")[1] for line in (_SECTION[1] if _SECTION else "").splitlines() if line.startswith("| `")]
    return [said for row in rows if "Docker" not in row for said in re.findall(r"`([^`]+)`", row)]


def test_there_are_some() -> None:
    assert len(_sentences()) > 15


@pytest.mark.parametrize("sentence", _sentences())
def test_a_sentence_of_the_table_is_in_the_code(sentence: str) -> None:
    parts = [part.strip(" :") for part in re.split(r"…|URL$|\(.*\)", sentence)]
    assert [part for part in parts if part not in {"CHATTERBOX_", ""} and part not in _SOURCES] == []
