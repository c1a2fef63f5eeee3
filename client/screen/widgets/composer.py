"""What one writes in: Textual's text area with the keys of the table, and readline's manners."""

from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import Location

from client.screen.input.tab_completion import Completion, CompletionSources, complete
from client.text.sanitize import is_dangerous

PASTE_LINES = 6
"""Who pastes more lines than these is asked first."""

EDITS = {
    "left": "cursor_left",
    "right": "cursor_right",
    "word-left": "cursor_word_left",
    "word-right": "cursor_word_right",
    "line-start": "cursor_line_start",
    "line-end": "cursor_line_end",
    "delete-left": "delete_left",
    "delete-right": "delete_right",
    "kill-word-left": "delete_word_left",
    "kill-word-right": "delete_word_right",
    "kill-to-start": "delete_to_start_of_line",
    "kill-to-end": "delete_to_end_of_line",
    "undo": "undo",
    "redo": "redo",
    "select-all": "select_all",
}
"""What Textual has for an action."""


class Composer(TextArea):
    """Holds what is being written. Everything but editing it hands on to the screen."""

    DEFAULT_CSS = """
    Composer { height: auto; min-height: 1; max-height: 6; padding: 0 1; scrollbar-size-vertical: 1; }
    Composer .text-area--placeholder { color: $dim; }
    """

    class Pasted(Message):
        """Somebody pasted many lines; they are not in the text yet."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(compact=True, show_line_numbers=False, soft_wrap=True, highlight_cursor_line=False)
        self._killed = ""
        self._completing: tuple[Completion, int, str] | None = None

    def act(self, name: str) -> bool:
        """Do an action of the table, if it is one that edits the text."""
        if name != "complete":
            self._completing = None
        if name.startswith("kill-"):
            self._kill(EDITS[name])
        elif name in EDITS:
            getattr(self, f"action_{EDITS[name]}")()
        elif name == "yank":
            self.type(self._killed)
        elif name == "swap":
            self._swap()
        elif name == "older-text" and not self.cursor_at_first_line:
            self.action_cursor_up()
        elif name == "newer-text" and not self.cursor_at_last_line:
            self.action_cursor_down()
        else:
            return False
        return True

    def type(self, text: str) -> None:
        """Put text where the cursor is."""
        self.replace(text, *self.selection, maintain_selection_offset=False)

    def show(self, text: str) -> None:
        """Hold another text, with the cursor at its end; undo brings back the one before."""
        self.replace(text, (0, 0), self.document.end, maintain_selection_offset=False)
        self.move_cursor(self.document.end)

    def begin(self, text: str) -> None:
        """Hold the text of another room, that undo must not mix with this one's."""
        self.load_text(text)
        self.move_cursor(self.document.end)

    def complete(self, known: CompletionSources) -> None:
        """Complete the word before the cursor; again, to the next choice."""
        begun = self._completing
        if begun is None or begun[2] != self.text:
            found = complete(self._before_cursor(), known)
            begun = (found, -1, "") if found else None
        if begun is not None:
            self._choose(begun[0], begun[1] + 1)

    def _choose(self, completion: Completion, number: int) -> None:
        before = self._before_cursor()
        start = self._location(completion.start)
        self.replace(completion.choice(number), start, self._location(len(before)), maintain_selection_offset=False)
        self._completing = (completion, number, self.text)

    def _before_cursor(self) -> str:
        return self.get_text_range((0, 0), self.cursor_location)

    def _location(self, at: int) -> Location:
        lines = self.text[:at].split("\n")
        return len(lines) - 1, len(lines[-1])

    def _kill(self, action: str) -> None:
        before = self.text
        getattr(self, f"action_{action}")()
        gone = len(before) - len(self.text)
        at = len(self._before_cursor())
        self._killed = before[at : at + gone] or self._killed

    def _swap(self) -> None:
        before = self._before_cursor()
        if len(before) >= 2 and "\n" not in before[-2:]:
            row, column = self.cursor_location
            self.replace(before[-1] + before[-2], (row, column - 2), (row, column), maintain_selection_offset=False)

    def paste(self, pasted: str) -> None:
        """Take what was pasted, and is clean; many lines are asked about."""
        if pasted.count("\n") >= PASTE_LINES:
            self.post_message(self.Pasted(pasted))
        else:
            self.type(pasted)


def clean(text: str) -> str:
    """Pasted text without what a terminal obeys; line ends as they are written here."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return "".join(character for character in text if character == "\n" or not is_dangerous(character))
