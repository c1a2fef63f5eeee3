"""What was written before, to be called back: one list for each room, newest last. Pure."""

from dataclasses import dataclass, field

LIMIT = 500


@dataclass
class InputHistory:
    """Walks back and forth through `written`; what was being written meanwhile waits at its end."""

    written: list[str] = field(default_factory=list)
    _at: int | None = None
    _unfinished: str = ""

    def add(self, text: str) -> None:
        """Somebody wrote `text`; the same twice in a row is kept once."""
        if text.strip() and self.written[-1:] != [text]:
            self.written = [*self.written[1 - LIMIT :], text]
        self._at, self._unfinished = None, ""

    def previous(self, now: str) -> str | None:
        """The text before the one that is shown; None at the first. `now` is what stands in the composer."""
        if self._at is None:
            self._unfinished = now
        at = len(self.written) if self._at is None else self._at
        if at == 0:
            return None
        self._at = at - 1
        return self.written[self._at]

    def next(self) -> str | None:
        """The text after the one that is shown, in the end the unfinished one; None where there is no further."""
        if self._at is None:
            return None
        if self._at + 1 < len(self.written):
            self._at += 1
            return self.written[self._at]
        self._at = None
        return self._unfinished

    @property
    def unfinished(self) -> str | None:
        """What was being written before the walk began; None if there is no walk."""
        return None if self._at is None else self._unfinished
