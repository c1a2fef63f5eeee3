"""A line that is written on in a list to choose from: every key is done at once, and in its order. Pure."""

from dataclasses import dataclass


@dataclass
class InputField:
    """Some text, and the place in it where the cursor is."""

    text: str = ""
    at: int = 0

    def type(self, text: str) -> None:
        """Put text where the cursor is."""
        self._put(self.at, text, self.at)

    def act(self, name: str) -> bool:
        """Do an action of the table; False if it is none that edits a line."""
        match name:
            case "left":
                self.at = max(0, self.at - 1)
            case "right":
                self.at = min(len(self.text), self.at + 1)
            case "line-start":
                self.at = 0
            case "line-end":
                self.at = len(self.text)
            case "delete-left":
                self._put(max(0, self.at - 1), "", self.at)
            case "delete-right":
                self._put(self.at, "", self.at + 1)
            case "kill-word-left":
                self._put(self._word(), "", self.at)
            case "kill-to-start":
                self._put(0, "", self.at)
            case _:
                return False
        return True

    def _put(self, start: int, text: str, end: int) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self.at = start + len(text)

    def _word(self) -> int:
        """Where the word before the cursor begins."""
        return self.text[: self.at].rstrip().rfind(" ") + 1
