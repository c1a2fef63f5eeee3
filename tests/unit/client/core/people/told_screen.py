"""A client whose server knows its screen, for tests of what is told of people."""

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.people import PresenceState
from client.core import events
from tests.unit.client.world import ROOM, Core, room_state, transmitted


def confirmed(command: frames.Command) -> frames.ServerFrame:
    """The reply of a server that takes a command."""
    assert command.id is not None
    match command:
        case frames.Watch(usernames=usernames):
            online = [frames.WatchedPerson(username=name, state=PresenceState.ONLINE) for name in usernames]
            return frames.Watched(id=command.id, people=online)
        case _:
            return frames.Noted(id=command.id)


def refused(command: frames.Command, code: Code, retry_after_s: float | None = None) -> frames.ErrorFrame:
    return frames.ErrorFrame(id=command.id, code=code, detail="No.", retry_after_s=retry_after_s)


def timers(effects: list[events.Effect], kind: type[events.Timer]) -> list[events.StartTimer]:
    return [one for one in effects if isinstance(one, events.StartTimer) and isinstance(one.timer, kind)]


def run_down(core: Core, effects: list[events.Effect], kind: type[events.Timer]) -> list[events.Effect]:
    """The timers that were started run down."""
    return core.feed(*(one.timer for one in timers(effects, kind)))


def answered(core: Core, *requests: events.Event) -> list[frames.Command]:
    """Feed requests, answer every command, and let pauses pass, until nothing is sent; return the commands."""
    effects, commands = core.feed(*requests), []
    while effects:
        sent = [one for one in transmitted(effects) if one.id is not None]
        commands += transmitted(effects)
        effects = core.came(*map(confirmed, sent)) + run_down(core, effects, events.TellDue)
    return commands


def looking(*names: str) -> Core:
    """A client with a room and names on the screen, which the server knows."""
    core = Core()
    core.live(room_state(0))
    answered(core, events.RoomLooked(ROOM), events.PeopleShown(names))
    return core
