"""Reducer for the room list: reads on page by page, and shows it as one reply. Pure."""

from tests.contract.of_0_1.frames import ErrorFrame, ListRooms, RoomList
from tests.contract.of_0_1.client_state import PendingCommand, ReducerStep
from tests.contract.of_0_1.events import PageDue, StartTimer
from tests.contract.of_0_1.notes import CommandAnswered, CommandRefused

MAX_ROOMS = 10_000
"""The list ends with the page that reaches this many rooms."""
PATIENCE_S = 10.0
"""A page that the server refuses for longer than this is not asked for again (seconds)."""


def take_page(step: ReducerStep, pending: PendingCommand, page: RoomList) -> None:
    """Ask for the next page, or show all of them."""
    rooms = (*pending.rooms, *page.rooms)
    if page.next is None or len(rooms) >= MAX_ROOMS:
        step.show(CommandAnswered(ListRooms(id=page.id), RoomList(id=page.id, rooms=list(rooms))))
    else:
        step.send_command(ListRooms(id=0, after=page.next), by_person=pending.by_person, rooms=rooms)


def refuse_page(step: ReducerStep, pending: PendingCommand, command: ListRooms, error: ErrorFrame) -> None:
    """Ask again later for a page in the middle of the list that came too soon; otherwise show the refusal."""
    wait_s = error.retry_after_s
    if pending.rooms and wait_s is not None and wait_s <= PATIENCE_S:
        step.put_back(command.id, pending)
        step.emit(StartTimer(wait_s, PageDue(command.id)))
    else:
        step.show(CommandRefused(ListRooms(id=command.id), error.code, error.detail))


def retry(step: ReducerStep, command_id: int) -> None:
    """Ask for a refused page again; a timer of an earlier connection changes nothing."""
    pending = step.take_pending(command_id)
    if pending is not None:
        step.send_command(pending.command, by_person=pending.by_person, rooms=pending.rooms)
