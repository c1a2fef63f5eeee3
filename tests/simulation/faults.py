"""What strikes a simulated world, how it is undone, and how long it holds."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos import operations

if TYPE_CHECKING:
    from tests.simulation.world import World

Undo = Callable[[], None]


def history_away(world: "World", chance: Random) -> Undo | None:
    history = world.history
    if history.is_away:
        return None
    history.is_away = True
    return history.restart


def backup_restored(world: "World", chance: Random) -> Undo | None:
    """What was stored since the backup is gone, openly: every room gets a new epoch."""
    history = world.history
    if history.is_away:
        return None
    history.is_away = True
    copied_s, backup = chance.choice(world.backups)

    def restored() -> None:
        for reader in world.readers:  # an ack of what is gone now must not be read only later
            if reader.line is not None and reader.line.socket is not None and reader.line.socket.has_unread:
                reader.cut()
        history.restore(backup)
        history.restart()
        world.note(operations.Restored(at_s=world.loop.time(), copied_s=copied_s))

    return restored


def auth_away(world: "World", chance: Random) -> Undo | None:
    auth = world.auth
    auth.is_away = True
    return auth.restart


def line_cut(world: "World", chance: Random) -> Undo | None:
    """One gateway's connection to the broker is lost, and no other can be made for a while."""
    line = chance.choice(world.sites).line
    line.is_held_down = True
    line.cut()

    def mend() -> None:
        line.is_held_down = False
        line.mend()

    return mend


def broker_away(world: "World", chance: Random) -> Undo | None:
    lines = [site.line for site in world.sites]
    for line in lines:
        line.is_held_down = True
        line.cut()

    def mend() -> None:
        for line in lines:
            line.is_held_down = False
            line.mend()

    return mend


def line_deaf(world: "World", chance: Random) -> Undo | None:
    """Its subscriptions are taken away and it is not told: it has to find out by itself."""
    chance.choice(world.sites).line.is_deaf = True
    return None


def gateway_drained(world: "World", chance: Random) -> Undo | None:
    chance.choice(world.sites).drain()
    return None


def gateway_killed(world: "World", chance: Random) -> Undo | None:
    chance.choice(world.sites).kill()
    return None


def reader_stalled(world: "World", chance: Random) -> Undo | None:
    """It reads nothing for a while, and then goes on."""
    line = chance.choice(world.readers).line
    if line is not None and line.socket is not None:
        line.socket.stalled_until_s = world.loop.time() + chance.uniform(0.2, 3)
    return None


class Fault(NamedTuple):
    """One kind of trouble. `strike` says how it is undone, if it does not end by itself."""

    strike: Callable[["World", Random], Undo | None]
    hold_s: tuple[float, float] = (0.1, 2.0)


FAULTS = {
    fault.strike.__name__: fault
    for fault in (
        Fault(history_away),
        Fault(backup_restored, (0.3, 1.0)),
        Fault(auth_away),
        Fault(line_cut),
        Fault(broker_away),
        Fault(line_deaf),
        Fault(gateway_drained),
        Fault(gateway_killed),
        Fault(reader_stalled),
    )
}
