"""Pickers filled over HTTP: the members of a room, and the user's login sessions.

They open before the server answers, so that the keys typed meanwhile go to them; errors are shown in them.
"""

import asyncio
from collections.abc import Callable, Sequence

from client.core.direct_rooms import room_with
from client.failures import Failure
from client.net import http_jobs
from client.net.http_api import SessionInfo
from client.screen.actions.screen_interface import ScreenInterface
from client.screen.layout.picker_items import PickerItem, filtered
from client.screen.model import submit
from client.store.session_file import OTHERS
from client.text.room_names import shown_room
from client.text.sanitize import inert


def members(screen: ScreenInterface, room: str) -> None:
    """List the members of a room; Enter writes to the chosen one: it opens the direct conversation."""
    commands = screen.runtime.slash_commands

    def fetch() -> list[PickerItem]:
        active = screen.model.rooms[room].active if room in screen.model.rooms else {}
        names = http_jobs.members(commands.context, room, commands.cache)
        return [PickerItem(name, "active here" if name in active else "", name) for name in names]

    def choose(name: str) -> None:
        submit.join(screen.model, room_with(name))
        screen.runtime.settle()

    _open(screen, f"Members of {shown_room(room)} (Enter writes to them)", fetch, choose)


def sessions(screen: ScreenInterface) -> None:
    """List the user's sessions; the chosen one is logged out, after a question."""
    commands = screen.runtime.slash_commands
    questions = {OTHERS: "This ends all your other sessions."}

    def fetch() -> list[PickerItem]:
        found = http_jobs.list_sessions(commands.context, commands.cache)
        questions.update({session.id: _question(session) for session in found})
        items = [
            PickerItem(
                http_jobs.summary(session), "this session" if session.current else inert(session.id[:8]), session.id
            )
            for session in found
        ]
        return [*items, PickerItem("log out everywhere else", "", OTHERS)] if len(found) > 1 else items

    def choose(session: str) -> None:
        screen.confirm(questions[session], "log out", lambda: commands.end_session(session))

    _open(screen, "Your sessions (Enter logs out)", fetch, choose)


def _question(session: SessionInfo) -> str:
    if session.current:
        return "This logs you out and quits."
    return f"This ends the session of {http_jobs.summary(session)} ({inert(session.id)})."


def _open(
    screen: ScreenInterface, title: str, fetch: Callable[[], list[PickerItem]], choose: Callable[[str], None]
) -> None:
    def on_choice(value: str, _: str) -> None:
        if value:
            choose(value)

    picker = screen.pick(title, lambda _: [], on_choice, empty=lambda _: "Loading …")

    async def fill() -> None:
        items, empty = await asyncio.to_thread(_fetched, fetch)
        picker.fill(lambda typed: filtered(typed, items, fuzzy=False), lambda _: empty)

    screen.run_in_background(fill())


def _fetched(fetch: Callable[[], list[PickerItem]]) -> tuple[Sequence[PickerItem], str]:
    """Return the items, and what to show if there are none."""
    try:
        return fetch(), "No match."
    except Failure as failure:
        return [], inert(str(failure))
