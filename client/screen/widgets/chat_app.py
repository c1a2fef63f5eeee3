"""The Textual app: dispatches keys, follows the configuration, lists the command palette, saves the state."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from functools import partial

from rich.console import RenderableType
from textual import events
from textual.app import SystemCommand
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.screen import Screen

from client.config.config_schema import Config, NotificationSettings, PeopleSettings
from client.config.live_config import EffectiveConfig, LiveConfig
from client.screen.actions.action_table import ACTIONS, Action, with_keys
from client.screen.input.pasted_text import clean, removed
from client.screen.model.saved_state import encode_state
from client.screen.runtime import ScreenRuntime
from client.screen.state_file import StateFile
from client.screen.widgets import alt_keys
from client.screen.widgets.chat_screen import ChatScreen
from client.screen.widgets.picker import Picker
from client.screen.widgets.terminal_driver import TerminalDriver
from client.screen.widgets.themed_app import ThemedApp

SAVE_S = 2.0
"""Time between saves of the state (seconds)."""
PING_S = 15.0
"""Time between measurements of the round-trip time (seconds)."""
SMALLEST = Size(10, 4)
"""Textual's widgets fail in fewer columns. In a smaller terminal the screen is drawn at this size, and cut off."""


class ChatApp(ThemedApp):
    """The full screen. `zone` is the time zone of the timestamps; None: the local one."""

    TITLE = "Chatterbox"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "f20"
    """Textual's own key for the palette; the action table has another."""

    def __init__(
        self,
        runtime: ScreenRuntime,
        *,
        actions: Mapping[str, Action] = ACTIONS,
        state_file: StateFile | None = None,
        live_config: LiveConfig | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        super().__init__()
        alt_keys.register()
        config = live_config.now.config if live_config is not None else Config()
        self.chat = ChatScreen(runtime, dict(actions), zone, uses_mouse=config.mouse)
        self.chat.use_open_command(config.open_command)
        self._configured_mouse, self._people = config.mouse, config.people
        self._runtime, self._state_file, self._live_config = runtime, state_file, live_config
        self._configure_notifications: Callable[[NotificationSettings], None] = lambda _: None
        self._configured_theme = live_config.now.theme if live_config is not None else None
        runtime.on_local_command(self.chat.handlers.program.open_sheet)
        runtime.on_transfer(self.chat.show_transfer)
        runtime.on_quit(self.exit)

    def on_notification_settings(self, configure: Callable[[NotificationSettings], None]) -> None:
        """Call `configure` when the configuration of notifications changes."""
        self._configure_notifications = configure

    async def on_event(self, event: events.Event) -> None:
        """Handle keys and pastes for the chat, or for a picker over it, at once and in order.

        Textual posts a message to the widget, and perhaps one back, so a bound key can overtake the letters typed
        before it: a sent message would lack its end.
        """
        if isinstance(event, events.Paste):
            self._report_removed(event.text)
            event = events.Paste(clean(event.text))
        if isinstance(event, events.Resize):
            event = events.Resize(_at_least(event.size), _at_least(event.virtual_size), pixel_size=event.pixel_size)
        if isinstance(event, events.Key) and self.chat.is_key_of("suspend", event):
            self.chat.stop_job()
            return
        if isinstance(event, events.Key | events.Paste | events.MouseEvent):
            self._runtime.people.use()
        if isinstance(event, events.Key | events.Paste):
            if isinstance(self.screen, Picker):
                await self.screen.ready.wait()
                self._to_picker(self.screen, event)
                return
            if self._to_chat(event):
                return
        await super().on_event(event)

    def _report_removed(self, text: str) -> None:
        if self.chat.is_mounted and (sentence := removed(text)):
            self.chat.show_status(sentence)

    @staticmethod
    def _to_picker(picker: Picker, event: events.Key | events.Paste) -> None:
        if isinstance(event, events.Key):
            picker.press(event)
        else:
            picker.type(event.text)

    def _to_chat(self, event: events.Key | events.Paste) -> bool:
        """Let the chat handle an event; False if another screen is open, or the key has no meaning."""
        if not self.chat.is_mounted or self.screen is not self.chat:
            return False
        if isinstance(event, events.Key):
            return self.chat.press(event)
        self.chat.composer.paste(event.text, self._runtime.connection.state.limits.content_chars)
        self.chat.report_typing()
        return True

    @property
    def size(self) -> Size:
        """The size that is drawn; also before the terminal has reported one."""
        return _at_least(super().size)

    @property
    def crash(self) -> Exception | None:
        """The exception that ended the app, if one did."""
        return self._exception

    def panic(self, *renderables: RenderableType) -> None:
        """End because of a failure outside of the app's own tasks, such as in Textual's input thread."""
        self._exception = self._exception or RuntimeError("Textual can't read the terminal")
        super().panic(*renderables)

    def _fatal_error(self) -> None:
        """End without Textual's traceback: it shows the values of variables, and so messages and the token."""
        self._close_messages_no_wait()

    def get_driver_class(self) -> type[Driver]:
        driver = super().get_driver_class()
        return TerminalDriver if driver is LinuxDriver else driver

    def get_default_screen(self) -> Screen[None]:
        return self.chat

    def on_mount(self) -> None:
        self.set_interval(SAVE_S, self.save_state)
        self.set_interval(PING_S, self._runtime.ping)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):  # so that Textual restores the terminal
            asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self.app_resume_signal.subscribe(self, self._draw_again)
        if isinstance(self._driver, TerminalDriver):
            self._driver.on_not_stopped = partial(self.chat.show_status, "Can't suspend: no shell to return to.")
        self._configure_people(self._people)
        self._runtime.people.use()
        self._runtime.start(self.exit)
        if self._live_config is not None:
            self.run_worker(self._live_config.follow(self.apply_config), group="configuration")

    def _draw_again(self, _: object) -> None:
        """Draw everything: another program used the terminal."""
        for screen in self.screen_stack:
            screen.refresh(repaint=True, layout=True)

    def apply_config(self, now: EffectiveConfig) -> None:
        """Apply a changed configuration. A theme chosen by key stays until the configuration names another."""
        if now.config.theme and now.theme != self._configured_theme:
            self.use_theme(now.theme)
        self._configured_theme = now.theme
        self.chat.bind_keys(with_keys(now.config.keys))
        self.chat.use_open_command(now.config.open_command)
        if now.config.mouse != self._configured_mouse:  # a mouse given back by key stays so until then
            self.chat.mouse.use(self, uses=now.config.mouse)
            self._configured_mouse = now.config.mouse
        self._configure_notifications(now.config.notices)
        self._configure_people(now.config.people)
        for sentence in now.sentences:
            self._runtime.model.notice(sentence)
        self.chat.changed()

    def _configure_people(self, settings: PeopleSettings) -> None:
        self._runtime.model.people.configure(settings)
        self._runtime.people.configure(settings)

    async def save_state(self) -> None:
        """Save the state, in a thread: it waits for the disk."""
        if self._state_file is not None:
            self._runtime.take_revs()
            await asyncio.to_thread(self._state_file.save, encode_state(self._runtime.model, self.theme))

    def on_app_focus(self, _: events.AppFocus) -> None:
        self._set_focus(focused=True)

    def on_app_blur(self, _: events.AppBlur) -> None:
        self._set_focus(focused=False)

    def _set_focus(self, *, focused: bool) -> None:
        self._runtime.model.set_focus(focused=focused)
        if focused:
            self._runtime.people.use()
        self._runtime.settle()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002 - Textual's
        """The actions of the table, for the command palette."""
        for action in self.chat.actions.values():
            run = partial(self.chat.perform, action.name)
            yield SystemCommand(action.name.replace("-", " "), action.help, run)


def _at_least(size: Size) -> Size:
    return Size(max(size.width, SMALLEST.width), max(size.height, SMALLEST.height))
