"""Reads and writes the fuzzing corpus: one file per target, one base64-encoded input per line."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def load(target: str) -> list[bytes]:
    path = FOLDER / f"{target}.txt"
    return [b64decode(line) for line in path.read_text().splitlines()] if path.exists() else []


def save(target: str, inputs: Iterable[bytes]) -> None:
    """Write the inputs without duplicates, shortest first."""
    lines = [b64encode(each).decode() for each in sorted(set(inputs), key=lambda each: (len(each), each))]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines))
