"""Error messages for configuration and theme files, with file, line and setting. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from client.text.sanitize import inert
from client.text.suggestions import closest


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """`where`: the setting or variable, if the problem has one; `line`: the line in the file, from 1, if known."""

    what: str
    where: str = ""
    line: int | None = None
    in_file: bool = True

    def sentence(self, file: str) -> str:
        """The message: one line, safe for a terminal, with a full stop.

        >>> ConfigProblem("must be true or false, not 3", "keyring", 4).sentence("config.toml")
        'config.toml, line 4: keyring: must be true or false, not 3.'
        """
        file_and_line = f"{file}, line {self.line}: " if self.line else f"{file}: "
        subject = f"{self.where}: " if self.where else ""
        end = "" if self.what.endswith((".", "?")) else "."
        return inert(f"{file_and_line if self.in_file else ''}{subject}{self.what}{end}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion to append to a message about an unknown name; empty if nothing is similar."""
    guess = closest(name, list(known))
    return f". Did you mean {guess}?" if guess else ""
