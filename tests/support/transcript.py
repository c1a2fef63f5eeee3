"""Golden transcripts: conversations written down line by line, played against a server and read by a client.

    # a comment
    ada > {"type": "ping", "id": 1}
    ada < {"type": "pong", "id": 1}

`>` goes to the server, `<` comes from it; `ada ! 4501` is a close code, `ada ~` a broken line;
`ada $ PATCH /me {...}` is an HTTP request of hers, which is accepted; `+` is a file that Ada has uploaded: its room,
and its description in messages; `*` is what her program does with keys (`transcript_devices`). `<word>` in a string
stands for what differs from run to run: the first time it takes any value, after that it must be the same. In the name
of a field it stands for what is known by then.
`ada.phone` is a connection of Ada's, too.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "contract" / "transcripts"
_LINE = re.compile(r"([\w.]+) ([<>!~$+*]) ?(.*)")
_WORD = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Line:
    """One frame (or close code), and whose connection it is on."""

    who: str
    direction: str
    text: str
    number: int


def read(path: Path) -> Iterator[Line]:
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if text and not text.startswith("#"):
            found = _LINE.fullmatch(text)
            assert found, f"{path.name}:{number}: not a transcript line"
            yield Line(found[1], found[2], found[3], number)


class Words:
    """The values of a transcript's placeholders in this run. `at_least`: a frame may have more fields than written."""

    def __init__(self, *, at_least: bool = False) -> None:
        self.known: dict[str, Any] = {}
        self._at_least = at_least

    def fill(self, text: str) -> str:
        """A line to send, with its placeholders replaced by their values."""
        return _WORD.sub(lambda found: self.known[found[1]], text)

    def agree(self, expected: Any, actual: Any) -> bool:
        """Whether `actual` is what the transcript says, remembering new words."""
        if isinstance(expected, str) and (found := _WORD.fullmatch(expected)):
            return bool(self.known.setdefault(found[1], actual) == actual)
        if isinstance(expected, dict) and isinstance(actual, dict):
            expected = {self.fill(key): value for key, value in expected.items()}
            fits = expected.keys() <= actual.keys() if self._at_least else expected.keys() == actual.keys()
            return fits and all(self.agree(expected[key], actual[key]) for key in expected)
        if isinstance(expected, list) and isinstance(actual, list):
            return len(expected) == len(actual) and all(map(self.agree, expected, actual))
        return bool(expected == actual)


def frame(line: Line) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(line.text)
    return parsed
