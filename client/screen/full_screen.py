"""Composes the full screen: model, connection, outbox, state file, notifications and Textual app."""

import os
import termios
from collections.abc import Callable
from contextlib import suppress

from client.commands import account
from client.config.builtin_themes import BUILT_IN, DEFAULT
from client.config.config_schema import Config, NotificationSettings
from client.config.live_config import LiveConfig
from client.context import ClientContext
from client.core.events import RoomRequested
from client.faces.pipe_faces import failure_of
from client.faces.slash.slash_commands import SlashCommands
from client.failures import ExitCode, UsageError
from client.net.chat_connection import ChatConnection
from client.net.encryption_support import encryption_support
from client.notifications.notifier import Notifier, notifier
from client.output import report_unsent
from client.screen import hangup_watch
from client.screen.actions.action_table import default_keys, with_keys
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, last_room, restore_state
from client.screen.reaction_lookup import ReactionLookup
from client.screen.runtime import ScreenRuntime
from client.screen.state_file import StateFile
from client.screen.widgets.chat_app import ChatApp
from client.store.name_cache import NameCache

SENT_S = 2.0
"""Wait for acks of unsent messages at the end (seconds)."""
STDIN = 0
ROWS, COLUMNS = 24, 80


def _ensure_size(terminal: int) -> None:
    """Set a size on a terminal that reports none (serial lines, new containers): Textual would assume two columns."""
    with suppress(termios.error):
        if 0 in termios.tcgetwinsize(terminal):
            termios.tcsetwinsize(terminal, (ROWS, COLUMNS))


async def chat(context: ClientContext, room: str | None) -> ExitCode:
    """Run the full screen until the user quits or the session ends; raises `Failure`, or the exception of a crash.

    `room` is opened first; None opens the room of the last run.
    """
    _ensure_size(STDIN)
    session = context.tokens.session()
    state_file = StateFile(context.home, context.server, session.username, context.text_cipher(session))
    saved = state_file.load()
    model = ChatModel(context.server, room or last_room(saved) or context.config.room)
    saved_theme = restore_state(model, saved)
    model.status.log_in(session.username)
    runtime = ScreenRuntime(model)
    live_config = LiveConfig(os.environ, context.overrides, default_keys())
    app = _app(runtime, state_file, live_config, saved_theme)
    notifications = _notifications(live_config.now.config, app, runtime.notice)

    def use_notices(settings: NotificationSettings) -> None:
        notifications.configure(settings)
        runtime.slash_commands.use_notices(settings)

    app.on_notification_settings(use_notices)

    def save_last() -> None:
        runtime.take_revs()
        state_file.save(encode_state(model, app.theme), last=True)

    with context.outbox(session) as outbox, NameCache(context.name_cache_path(session)) as names:
        runtime.observe_notes(
            before=names.learning(lambda _: model.set_known_people(names.names.people)),
            after=lambda note, related: notifications.on(
                note, model.looking_at(note), focused=app.app_focus, related=related
            ),
        )
        runtime.on_encryption(state_file.encrypt)
        runtime.use_slash_commands(SlashCommands(runtime, context, names))
        runtime.on_reactions_wanted(ReactionLookup(context, runtime.receive_reactions).find)
        runtime.use_connection(
            ChatConnection(
                context.server,
                context.tokens,
                runtime.show,
                outbox=outbox,
                encryption=encryption_support(context, session, is_typed=True),
            )
        )
        runtime.connection.request(RoomRequested(model.room.name))
        hangup_watch.watch(STDIN, app.exit, save_last)
        try:
            await app.run_async(mouse=live_config.now.config.mouse)
        finally:
            crash = app.crash
            notifications.close()
            save_last()
            ended = await runtime.stop(SENT_S)
    if crash is not None:
        raise crash  # Textual has restored the terminal
    if runtime.logs_out:
        return account.logout(context)
    exit_code = report_unsent(model.status.unsent)
    if failure := failure_of(ended):
        raise failure
    return exit_code


def _app(runtime: ScreenRuntime, state_file: StateFile, live_config: LiveConfig, saved_theme: str) -> ChatApp:
    """The configured app. Raises `UsageError` for an error in the configuration."""
    if live_config.now.problems:
        raise UsageError(live_config.now.problems[0])
    app = ChatApp(
        runtime, actions=with_keys(live_config.now.config.keys), state_file=state_file, live_config=live_config
    )
    app.use_theme(
        live_config.now.theme if live_config.now.config.theme else BUILT_IN.get(saved_theme, BUILT_IN[DEFAULT])
    )
    return app


def _notifications(config: Config, app: ChatApp, report: Callable[[str], None]) -> Notifier:
    """Notifications of new messages. Escape sequences bypass Textual's drawing; they don't move the cursor."""

    def write(sequence: str) -> None:
        if (driver := app._driver) is not None:  # noqa: SLF001 - the only access to the terminal while Textual runs
            driver.write(sequence)
            driver.flush()

    return notifier(config.notices, report, os.environ, write)
