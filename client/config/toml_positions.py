"""Parses TOML and finds the line of each key, which `tomllib` does not report. Pure; never raises, for any text."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from client.config.config_problems import ConfigProblem

Path: TypeAlias = tuple[str, ...]
"""The keys that lead to a value."""
Document: TypeAlias = Mapping[str, object]

_STATEMENT_LINES = 200
"""Keys after a longer statement have no line: the search takes quadratic time in the length of a statement."""
_AT = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_END = re.compile(r" \(at end of document\)$")


def parse_document(text: str) -> Document | ConfigProblem:
    """Parse the text; a syntax error is returned as a problem."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        message = str(problem)
        found = _AT.search(message)
        line = int(found[1]) if found else text.rstrip("\n").count("\n") + 1 if _AT_END.search(message) else None
        message = _AT_END.sub("", _AT.sub("", message))
        return ConfigProblem(f"invalid TOML: {message[:1].lower()}{message[1:]}", line=line)
    except (ValueError, RecursionError):  # a number with thousands of digits, deeply nested brackets
        return ConfigProblem("invalid TOML")


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1, on which each key and table of valid TOML starts. Keys that are not found are omitted."""
    found: dict[Path, int] = {}
    table: Path = ()
    for line, statement, is_header in _statements(text):
        paths = list(_paths(statement))
        if is_header:
            table = paths[-1] if paths else ()
            found.setdefault(table, line)
        else:
            for path in paths:
                found.setdefault(table + path, line)
    return found


def _statements(text: str) -> Iterator[tuple[int, Document, bool]]:
    """Parse statement by statement: the first line of each, its keys and values, and whether it is a table header."""
    pending: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        pending.append(line.removesuffix("\r"))
        try:
            statement = tomllib.loads("\n".join(pending))
        except (ValueError, RecursionError):
            if len(pending) > _STATEMENT_LINES:
                return
            continue
        if statement:
            yield number - len(pending) + 1, statement, pending[0].lstrip().startswith("[")
        pending.clear()


def _paths(document: Document) -> Iterator[Path]:
    """The path of every key, parents first."""
    for name, value in document.items():
        yield (name,)
        if isinstance(value, Mapping):
            yield from ((name, *path) for path in _paths(value))
