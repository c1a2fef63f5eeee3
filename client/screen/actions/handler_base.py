"""What everything needs that does an action: the chat, and two ways to say something about it."""

from client.screen.actions.screen_interface import ScreenInterface
from client.screen.widgets.picker import Chosen, Narrow, Picker


class HandlerBase:
    """Does something with a chat."""

    def __init__(self, chat: ScreenInterface) -> None:
        self._chat = chat
        self.model = chat.model

    def say(self, sentence: str) -> None:
        """A word that goes by itself."""
        self._chat.app.notify(sentence, timeout=3, markup=False)

    def _pick(self, title: str, narrow: Narrow, chosen: Chosen, typed: str = "", empty: str = "nothing fits") -> None:
        """Let somebody choose from a list; `empty` is the word for where it has nothing."""
        self._chat.app.push_screen(Picker(title, narrow, chosen, edits=self._chat.edits, typed=typed, empty=empty))
