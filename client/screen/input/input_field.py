"""Single-line input field of a picker. Pure."""

from dataclasses import dataclass


@dataclass
class InputField:
    """Text, and the position of the cursor in it. While `selected`, typing or deleting replaces the whole text."""

    text: str = ""
    at: int = 0
    selected: bool = False

    def type(self, text: str) -> None:
        """Insert text at the cursor, in place of a selected one."""
        if self.selected:
            self._replace(0, "", len(self.text))
        self._replace(self.at, text, self.at)

    def run(self, action: str) -> bool:
        """Run an editing action by its name in the action table; False if it is none."""
        if self.selected and action in {"delete-left", "delete-right", "kill-word-left"}:
            action, self.at = "kill-to-start", len(self.text)
        match action:
            case "left":
                self.at = max(0, self.at - 1)
            case "right":
                self.at = min(len(self.text), self.at + 1)
            case "line-start":
                self.at = 0
            case "line-end":
                self.at = len(self.text)
            case "delete-left":
                self._replace(max(0, self.at - 1), "", self.at)
            case "delete-right":
                self._replace(self.at, "", self.at + 1)
            case "kill-word-left":
                self._replace(self._word_start(), "", self.at)
            case "kill-to-start":
                self._replace(0, "", self.at)
            case _:
                return False
        self.selected = False
        return True

    def _replace(self, start: int, text: str, end: int) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self.at, self.selected = start + len(text), False

    def _word_start(self) -> int:
        """Where the word before the cursor starts."""
        return self.text[: self.at].rstrip().rfind(" ") + 1
