"""A table of GROWTH.md. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """`made` describes how the rows were measured; each row has a cell for each head."""

    title: str
    made: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_markdown(self) -> str:
        lines = [self.heads, ["---:"] * len(self.heads), *self.rows]
        return "\n\n".join((f"## {self.title}", self.made, "\n".join(f"| {' | '.join(line)} |" for line in lines)))
