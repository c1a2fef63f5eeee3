"""TOML with the lines on which its keys stand, which `tomllib` does not tell. Pure, total: any text, no traceback."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from client.config.config_problems import ConfigProblem

Path: TypeAlias = tuple[str, ...]
Document: TypeAlias = Mapping[str, object]

_STATEMENT_LINES = 200
"""Of a statement with more lines the place is not looked for: that would take a time that grows with its square."""
_AT = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_END = re.compile(r" \(at end of document\)$")


def document(text: str) -> Document | ConfigProblem:
    """What the text says, or what is wrong with it."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        what = str(problem)
        found = _AT.search(what)
        line = int(found[1]) if found else text.rstrip("\n").count("\n") + 1 if _AT_END.search(what) else None
        what = _AT_END.sub("", _AT.sub("", what))
        return ConfigProblem(f"This is not TOML: {what[:1].lower()}{what[1:]}", line=line)
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets within brackets
        return ConfigProblem("This is not TOML that can be read")


def lines_of(text: str) -> dict[Path, int]:
    """The line, counted from 1, on which each key and table begins; `text` is TOML. What is not found is left out."""
    found: dict[Path, int] = {}
    table: Path = ()
    for line, said, is_header in _statements(text):
        paths = list(_paths(said))
        if is_header:
            table = paths[-1] if paths else ()
            found.setdefault(table, line)
        else:
            for path in paths:
                found.setdefault(table + path, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, Document, bool]]:
    """Each statement's first line, what it says, and whether it is the header of a table."""
    pending: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        pending.append(line.removesuffix("\r"))
        try:
            said = tomllib.loads("\n".join(pending))
        except (ValueError, RecursionError):
            if len(pending) > _STATEMENT_LINES:
                return
            continue
        if said:
            yield number - len(pending) + 1, said, pending[0].lstrip().startswith("[")
        pending.clear()


def _paths(said: Document) -> Iterator[Path]:
    """The path of every key, those that lead to it first."""
    for name, value in said.items():
        yield (name,)
        if isinstance(value, Mapping):
            yield from ((name, *path) for path in _paths(value))
