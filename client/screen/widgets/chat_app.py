"""The program: what it is configured to be, the palette of commands, and what is kept when it ends."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from textual import events
from textual.app import SystemCommand
from textual.screen import Screen

from client.config.config_schema import NotificationSettings
from client.config.live_config import EffectiveConfig, LiveConfig
from client.screen.actions.action_table import ACTIONS, Action, with_keys
from client.screen.model.saved_state import remember
from client.screen.runtime import ScreenRuntime
from client.screen.state_file import StateFile
from client.screen.widgets import alt_keys
from client.screen.widgets.chat_screen import ChatScreen
from client.screen.widgets.composer import clean
from client.screen.widgets.picker import Picker
from client.screen.widgets.themed_app import ThemedApp

KEEP_S = 2.0
LAG_S = 15.0


class ChatApp(ThemedApp):
    """The full screen. Now and then the keeper gets what should outlive it."""

    TITLE = "Chatterbox"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "f20"
    """Where Textual has its own key for the palette; ours is in the table."""

    def __init__(
        self,
        shell: ScreenRuntime,
        *,
        actions: Mapping[str, Action] = ACTIONS,
        keeper: StateFile | None = None,
        live: LiveConfig | None = None,
    ) -> None:
        super().__init__()
        alt_keys.teach()
        self.chat = ChatScreen(shell, dict(actions))
        self.configure_notices: Callable[[NotificationSettings], None] = lambda _: None
        self._shell, self._keeper, self._live = shell, keeper, live
        self._configured = live.now.theme if live is not None else None
        shell.open, shell.quit = self.chat.doing.open, self.exit

    async def on_event(self, event: events.Event) -> None:
        """Do keys of the chat, and of a list over it, at once, one after the other.

        Textual's way is a message for the widget and perhaps one back, so a key that is bound can overtake the
        letters typed before it: what is sent would lack its end.
        """
        if isinstance(event, events.Paste):
            event = events.Paste(clean(event.text))
        if isinstance(event, events.Key | events.Paste):
            if isinstance(self.screen, Picker):
                await self.screen.ready.wait()
                self._pick(self.screen, event)
                return
            if self._is_for_chat(event):
                return
        await super().on_event(event)

    @staticmethod
    def _pick(picker: Picker, event: events.Key | events.Paste) -> None:
        if isinstance(event, events.Key):
            picker.press(event)
        else:
            picker.type(event.text)

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
        if self._live is not None:
            self.run_worker(self._live.follow(self.take_up), group="configuration")

    def take_up(self, now: EffectiveConfig) -> None:
        """The configuration is another one now."""
        if now.config.theme and now.theme != self._configured:
            self.wear(now.theme)
        self._configured = now.theme
        self.chat.bind_keys(with_keys(now.config.keys))
        self.configure_notices(now.config.notices)
        for sentence in now.sentences:
            self._shell.model.notice(sentence)
        self.chat.changed()

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
