"""Input history of a room: texts that were sent or cleared, the newest last. Pure."""

from dataclasses import dataclass, field

LIMIT = 500


@dataclass
class InputHistory:
    """Steps back and forth through `texts`; the unfinished text is kept behind the newest."""

    texts: list[str] = field(default_factory=list)
    _at: int | None = None
    _unfinished: str = ""

    def add(self, text: str) -> None:
        """Add a text, unless it is blank or equal to the newest."""
        if text.strip() and self.texts[-1:] != [text]:
            self.texts = [*self.texts[1 - LIMIT :], text]
        self._at, self._unfinished = None, ""

    def leave(self) -> None:
        """The input is for another text now; the unfinished one becomes the newest."""
        self.add(self.unfinished or "")

    def forget(self, text: str) -> bool:
        """Remove a text: the message that it became was erased or changed. False if there is no such text."""
        if text not in self.texts:
            return False
        self.texts = [kept for kept in self.texts if kept != text]
        self._at = None if self._at is None else min(self._at, len(self.texts))
        return True

    def previous(self, current: str) -> str | None:
        """Return the text before the one that is shown, None at the oldest. `current` is the text in the input."""
        if self._at is None:
            self._unfinished = current
        at = len(self.texts) if self._at is None else self._at
        if at == 0:
            return None
        self._at = at - 1
        return self.texts[self._at]

    def next(self) -> str | None:
        """Return the text after the one that is shown, at the end the unfinished one; None if there is no further."""
        if self._at is None:
            return None
        if self._at + 1 < len(self.texts):
            self._at += 1
            return self.texts[self._at]
        self._at = None
        return self._unfinished

    @property
    def unfinished(self) -> str | None:
        """The text in the input before the first step back; None if the newest text is shown."""
        return None if self._at is None else self._unfinished
