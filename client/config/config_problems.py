"""What is wrong with a file of the person's, as a sentence that says where. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from client.text.sanitize import inert
from client.text.suggestions import closest


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """`where`: a key or a variable, if it is about one; `line`: of the file, counted from 1, if it is known."""

    what: str
    where: str = ""
    line: int | None = None
    in_file: bool = True

    def sentence(self, file: str) -> str:
        """One inert line, with a full stop at its end.

        >>> ConfigProblem("must be true or false, not 3", "keyring", 4).sentence("config.toml")
        'config.toml, line 4: keyring must be true or false, not 3.'
        """
        place = f"{file}, line {self.line}: " if self.line else f"{file}: "
        subject = f"{self.where} " if self.where else ""
        end = "" if self.what.endswith((".", "?")) else "."
        return inert(f"{place if self.in_file else ''}{subject}{self.what}{end}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Go on with a guess after a sentence about a name that there is not, if there is a guess."""
    guess = closest(name, list(known))
    return f". Did you mean {guess}?" if guess else ""
