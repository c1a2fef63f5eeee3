"""Composer: Textual's text area with readline-style editing and the keys of the action table."""

from collections.abc import Callable, Mapping

from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import Location

from client.screen.input.tab_completion import Completion, CompletionSources, complete

PASTE_LINES = 6
"""Line feeds in a paste from which the user is asked first."""


class Composer(TextArea):
    """The input. It handles editing actions itself; the screen handles all others."""

    DEFAULT_CSS = """
    Composer { height: auto; min-height: 1; max-height: 6; padding: 0 1; scrollbar-size-vertical: 1; }
    Composer .text-area--placeholder { color: $dim; }
    """

    class Pasted(Message):
        """Many lines, or too many characters, were pasted; they are not in the text yet."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(compact=True, show_line_numbers=False, soft_wrap=True, highlight_cursor_line=False)
        self._killed = ""
        self._completing: tuple[Completion, int, str] | None = None
        kills: dict[str, Callable[[], None]] = {
            "kill-word-left": self.action_delete_word_left,
            "kill-word-right": self.action_delete_word_right,
            "kill-to-start": self.action_delete_to_start_of_line,
            "kill-to-end": self.action_delete_to_end_of_line,
        }
        self.editing: Mapping[str, Callable[[], None]] = {
            "left": self.action_cursor_left,
            "right": self.action_cursor_right,
            "word-left": self.action_cursor_word_left,
            "word-right": self.action_cursor_word_right,
            "line-start": self.action_cursor_line_start,
            "line-end": self.action_cursor_line_end,
            "delete-left": self.action_delete_left,
            "delete-right": self.action_delete_right,
            **{name: self._killing(delete) for name, delete in kills.items()},
            "yank": self._yank,
            "swap": self._swap,
            "undo": self.action_undo,
            "redo": self.action_redo,
            "select-all": self.action_select_all,
        }
        """Maps each editing action to its handler."""

    def run_editing(self, action: str) -> bool:
        """Run an action if it edits the text, or moves the cursor in it; False if the screen must handle it."""
        if action != "complete":
            self._completing = None
        if action in self.editing:
            self.editing[action]()
        elif action == "older-text" and not self.cursor_at_first_line:
            self.action_cursor_up()
        elif action == "newer-text" and not self.cursor_at_last_line:
            self.action_cursor_down()
        else:
            return False
        return True

    def type(self, text: str) -> None:
        """Insert text at the cursor, in place of a selection."""
        self.replace(text, *self.selection, maintain_selection_offset=False)

    def show(self, text: str) -> None:
        """Replace the text, with the cursor at its end; undo restores the old one."""
        self.replace(text, (0, 0), self.document.end, maintain_selection_offset=False)
        self.move_cursor(self.document.end)

    def load_draft(self, text: str, placeholder: str) -> None:
        """Show the draft of another room; undo does not go back to this one's."""
        self.placeholder = placeholder
        self.load_text(text)
        self.move_cursor(self.document.end)

    def forget(self) -> None:
        """Forget earlier texts: those that undo would restore, and the one that was cut."""
        self.history.clear()
        self._killed, self._completing = "", None

    def complete(self, sources: CompletionSources) -> None:
        """Complete the word before the cursor; called again, insert the next choice."""
        current = self._completing
        if current is None or current[2] != self.text:
            found = complete(self._before_cursor(), sources)
            current = (found, -1, "") if found else None
        if current is not None:
            self._insert_choice(current[0], current[1] + 1)

    def with_pasted(self, text: str) -> str:
        """What the text would be with `text` inserted."""
        start, end = sorted(self.selection)
        return self.get_text_range((0, 0), start) + text + self.get_text_range(end, self.document.end)

    def paste(self, text: str, limit: int) -> None:
        """Insert clean text; if it has many lines, or makes more than `limit` characters, ask the screen to confirm."""
        if text.count("\n") >= PASTE_LINES or len(self.with_pasted(text)) > limit:
            self.post_message(self.Pasted(text))
        else:
            self.type(text)

    def _insert_choice(self, completion: Completion, number: int) -> None:
        before = self._before_cursor()
        start = self._location(completion.start)
        self.replace(completion.choice(number), start, self._location(len(before)), maintain_selection_offset=False)
        self._completing = (completion, number, self.text)

    def _before_cursor(self) -> str:
        return self.get_text_range((0, 0), self.cursor_location)

    def _location(self, at: int) -> Location:
        lines = self.text[:at].split("\n")
        return len(lines) - 1, len(lines[-1])

    def _killing(self, delete: Callable[[], None]) -> Callable[[], None]:
        """Keep what `delete` removes, for `yank`."""

        def kill() -> None:
            before = self.text
            delete()
            removed = len(before) - len(self.text)
            at = len(self._before_cursor())
            self._killed = before[at : at + removed] or self._killed

        return kill

    def _yank(self) -> None:
        self.type(self._killed)

    def _swap(self) -> None:
        """Swap the two characters before the cursor."""
        before = self._before_cursor()
        if len(before) >= 2 and "\n" not in before[-2:]:
            row, column = self.cursor_location
            self.replace(before[-1] + before[-2], (row, column - 2), (row, column), maintain_selection_offset=False)
