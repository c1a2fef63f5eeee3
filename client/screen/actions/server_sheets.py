"""Pickers filled over HTTP: the members of a room, and the user's login sessions.

They open before the server answers, so that the keys typed meanwhile go to them; errors are shown in them.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from chatterbox.wire.limits import DEFAULT_ROOM
from chatterbox.wire.text_rules import folded
from client.core.direct_rooms import is_direct
from client.failures import Failure
from client.net import http_jobs
from client.net.http_api import SessionInfo
from client.screen.actions.room_handlers import show_profile
from client.screen.actions.screen_interface import ScreenInterface
from client.screen.layout.picker_items import PickerItem, filtered, member_item
from client.store.session_file import OTHERS
from client.text.room_text import shown_room
from client.text.sanitize import inert

T = TypeVar("T")
ROOMS_ASKED = 10
"""Rooms that are looked through for the user of a profile: each costs a request."""


def members(screen: ScreenInterface, room: str) -> None:
    """List the members of a room, and whether they are here; Enter shows the profile of the chosen one."""
    commands, people = screen.runtime.slash_commands, screen.model.people
    active = screen.model.rooms[room].active if room in screen.model.rooms else {}
    names: list[str] = []

    def matching(typed: str) -> list[PickerItem]:
        return filtered(typed, [member_item(people, name, is_active=name in active) for name in names], fuzzy=False)

    def choose(name: str, _: str) -> None:
        if name:
            show_profile(screen, name)

    title = f"Members of {shown_room(room)} (Enter shows the profile)"
    picker = screen.pick(title, matching, choose, empty=lambda _: "Loading …")

    async def fill() -> None:
        found, empty = await asyncio.to_thread(
            _fetched, lambda: http_jobs.members(commands.context, room, commands.cache)
        )
        names.extend(found)
        people.list_names(names)
        screen.runtime.settle()
        picker.fill(matching, lambda _: empty)

    screen.run_in_background(fill())


def find_shared_rooms(screen: ScreenInterface, username: str) -> None:
    """Find in which of the user's first rooms the other one is, for their profile while it is open."""
    commands, people = screen.runtime.slash_commands, screen.model.people
    members_of = (room.name for room in screen.model.in_order() if room.member and not is_direct(room.name))
    rooms = [name for name in members_of if name != DEFAULT_ROOM][:ROOMS_ASKED]  # everyone is in that one

    async def find() -> None:
        for room in rooms:
            fetch = partial(http_jobs.members, commands.context, room, commands.cache)
            names, _ = await asyncio.to_thread(_fetched, fetch)
            if people.profile_of != username:
                return
            if folded(username) in map(folded, names):
                people.add_shared_room(room)
                screen.runtime.settle()

    screen.run_in_background(find())


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


def _fetched(fetch: Callable[[], list[T]]) -> tuple[Sequence[T], str]:
    """Return what was fetched, and what to show if that is nothing."""
    try:
        return fetch(), "No match."
    except Failure as failure:
        return [], inert(str(failure))
