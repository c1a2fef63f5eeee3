"""Pickers filled over HTTP: the members of a room, and the user's login sessions.

They open before the server answers, so that the keys typed meanwhile go to them; errors are shown in them.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from client.failures import Failure
from client.net import http_jobs
from client.net.http_api import SessionInfo
from client.screen.actions.room_handlers import show_profile
from client.screen.actions.screen_interface import ScreenInterface
from client.screen.layout.picker_items import PickerItem, filtered, member_item
from client.store.session_file import OTHERS
from client.text.room_names import shown_room
from client.text.sanitize import inert

T = TypeVar("T")


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
