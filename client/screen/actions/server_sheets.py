"""Sheets whose lines the server has to be asked for: who is in a room, and where one is logged in.

They open at once, so that no key goes astray when the answer comes; what goes wrong is said in them.
"""

import asyncio
from collections.abc import Callable, Sequence

from client.failures import Failure
from client.net import http_jobs
from client.net.http_api import SessionInfo
from client.screen.actions.screen_interface import ScreenInterface
from client.screen.input.picker_items import PickerItem, narrowed
from client.screen.widgets.picker import Picker
from client.screen.widgets.sheets import QuestionSheet
from client.store.session_file import OTHERS
from client.text.sanitize import inert, inert_name


def members(chat: ScreenInterface, room: str) -> None:
    """Who is in a room; who is chosen is written to."""
    performer = chat.shell.performer

    def ask() -> list[PickerItem]:
        heard = chat.model.rooms[room].heard if room in chat.model.rooms else {}
        names = http_jobs.members(performer.context, room, performer.cache)
        return [PickerItem(name, "heard here" if name in heard else "", name) for name in names]

    def chosen(name: str) -> None:
        chat.composer.type(f"@{name} ")

    _open(chat, f"Who is in #{inert_name(room)}", ask, chosen)


def sessions(chat: ScreenInterface) -> None:
    """Where one is logged in; what is chosen is logged out, after a question."""
    performer = chat.shell.performer
    sentences = {OTHERS: "This logs you out everywhere but here."}

    def ask() -> list[PickerItem]:
        lines = http_jobs.list_sessions(performer.context, performer.cache)
        sentences.update({line.id: _sentence(line) for line in lines})
        choices = [
            PickerItem(http_jobs.summary(line), "this one" if line.current else inert(line.id[:8]), line.id)
            for line in lines
        ]
        return [*choices, PickerItem("log out everywhere else", "", OTHERS)] if len(lines) > 1 else choices

    def chosen(session: str) -> None:
        question = QuestionSheet(sentences[session], "log out")
        chat.app.push_screen(question, lambda yes: performer.end_session(session) if yes else None)

    _open(chat, "Where you are logged in (Enter logs out there)", ask, chosen)


def _sentence(line: SessionInfo) -> str:
    if line.current:
        return "This logs you out here, and ends the program."
    return f"This ends the session of {http_jobs.summary(line)} ({inert(line.id)})."


def _open(
    chat: ScreenInterface, title: str, ask: Callable[[], list[PickerItem]], chosen: Callable[[str], None]
) -> None:
    def choose(value: str, _: str) -> None:
        if value:
            chosen(value)

    picker = Picker(title, lambda _: [], choose, edits=chat.edits, empty="Asking the server …")

    async def fill() -> None:
        choices, empty = await asyncio.to_thread(_answer, ask)
        picker.fill(lambda typed: narrowed(typed, choices, fuzzy=False), empty)

    chat.app.push_screen(picker)
    chat.run_worker(fill(), exclusive=True)


def _answer(ask: Callable[[], list[PickerItem]]) -> tuple[Sequence[PickerItem], str]:
    """What was found, and what to say where nothing is to be seen of it."""
    try:
        return ask(), "nothing fits"
    except Failure as failure:
        return [], inert(str(failure))
