"""The program: themes, the palette of commands, and what is kept when it ends."""

import asyncio
import signal
from collections.abc import Iterable, Mapping
from functools import partial

from textual import events
from textual.app import App, SystemCommand
from textual.screen import Screen

from client.screen import alt_keys
from client.screen.actions import ACTIONS, Action
from client.screen.chat import Chat
from client.screen.colours import DEFAULT, PALETTES
from client.screen.composer import clean
from client.screen.keeping import Keeper
from client.screen.memory import remember
from client.screen.shell import Shell
from client.screen.styles import theme

KEEP_S = 2.0
LAG_S = 15.0


class ChatApp(App[None]):
    """The full screen. Now and then the keeper gets what should outlive it."""

    TITLE = "Chatterbox"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "f20"
    """Where Textual has its own key for the palette; ours is in the table."""

    def __init__(
        self,
        shell: Shell,
        *,
        actions: Mapping[str, Action] = ACTIONS,
        colours: str = DEFAULT,
        keeper: Keeper | None = None,
    ) -> None:
        super().__init__()
        alt_keys.teach()
        for palette in PALETTES.values():
            self.register_theme(theme(palette))
        self.theme = colours if colours in PALETTES else DEFAULT
        self.chat = Chat(shell, dict(actions))
        self._shell, self._keeper = shell, keeper
        shell.open, shell.quit = self.chat.doing.open, self.exit

    async def on_event(self, event: events.Event) -> None:
        """Do keys of the chat at once, one after the other.

        Textual's way is a message for the widget and perhaps one back, so a key that is bound can overtake the
        letters typed before it: what is sent would lack its end.
        """
        if isinstance(event, events.Paste):
            event = events.Paste(clean(event.text))
        if not (isinstance(event, events.Key | events.Paste) and self._is_for_chat(event)):
            await super().on_event(event)

    def _is_for_chat(self, event: events.Key | events.Paste) -> bool:
        """Give it to the chat, unless something lies over it; False if it means nothing there."""
        if not self.chat.is_mounted or self.screen is not self.chat:
            return False
        if isinstance(event, events.Key):
            return self.chat.press(event)
        self.chat.composer.paste(event.text)
        return True

    def get_default_screen(self) -> Screen[None]:
        return self.chat

    def on_mount(self) -> None:
        self.set_interval(KEEP_S, self.keep)
        self.set_interval(LAG_S, self._shell.ping)
        for number in (signal.SIGTERM, signal.SIGHUP):  # else the terminal would be left as it is now
            asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self._shell.begin(self.exit)

    async def keep(self) -> None:
        """Keep everything; the disk is waited for elsewhere."""
        if self._keeper is not None:
            await asyncio.to_thread(self._keeper.save, remember(self._shell.model, self.theme))

    def on_app_focus(self, _: events.AppFocus) -> None:
        self._attend(attentive=True)

    def on_app_blur(self, _: events.AppBlur) -> None:
        self._attend(attentive=False)

    def _attend(self, *, attentive: bool) -> None:
        self._shell.model.attend(attentive=attentive)
        self._shell.settle()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002 - Textual's
        """The table again, by name."""
        for action in self.chat.actions.values():
            yield SystemCommand(action.name.replace("-", " "), action.help, partial(self.chat.do, action.name))
