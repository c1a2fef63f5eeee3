"""The faults of a simulated world: what happens, how it ends, and how long it lasts."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos import operations

if TYPE_CHECKING:
    from tests.simulation.world import World

Undo = Callable[[], None]


def history_down(world: "World", rng: Random) -> Undo | None:
    history = world.history
    if history.is_down:
        return None
    history.is_down = True
    return history.restart


def backup_restored(world: "World", rng: Random) -> Undo | None:
    """History restarts from a backup: messages stored since are gone, and every room gets a new epoch."""
    history = world.history
    if history.is_down:
        return None
    history.is_down = True
    copied_s, backup = rng.choice(world.backups)

    def restored() -> None:
        for reader in world.readers:  # an ack of a message that is gone now must not be read after the restore
            connection = reader.connection
            if connection is not None and connection.socket is not None and connection.socket.has_unread:
                reader.cut()
        history.restore(backup)
        history.restart()
        world.note(operations.Restored(at_s=world.loop.time(), copied_s=copied_s))

    return restored


def auth_down(world: "World", rng: Random) -> Undo | None:
    auth = world.auth
    auth.is_down = True
    return auth.restart


def broker_connection_lost(world: "World", rng: Random) -> Undo | None:
    """One gateway loses its connection to the broker and can't reconnect for a while."""
    connection = rng.choice(world.gateways).broker
    connection.is_held_down = True
    connection.cut()

    def reconnect() -> None:
        connection.is_held_down = False
        connection.reopen()

    return reconnect


def broker_down(world: "World", rng: Random) -> Undo | None:
    connections = [gateway.broker for gateway in world.gateways]
    for connection in connections:
        connection.is_held_down = True
        connection.cut()

    def reconnect() -> None:
        for connection in connections:
            connection.is_held_down = False
            connection.reopen()

    return reconnect


def broker_connection_deaf(world: "World", rng: Random) -> Undo | None:
    """One gateway's subscriptions are dropped silently: it has to detect that by itself."""
    rng.choice(world.gateways).broker.is_deaf = True
    return None


def gateway_drained(world: "World", rng: Random) -> Undo | None:
    rng.choice(world.gateways).drain()
    return None


def gateway_killed(world: "World", rng: Random) -> Undo | None:
    rng.choice(world.gateways).kill()
    return None


def reader_stalled(world: "World", rng: Random) -> Undo | None:
    """A reader reads nothing for a while, then continues."""
    connection = rng.choice(world.readers).connection
    if connection is not None and connection.socket is not None:
        connection.socket.stalled_until_s = world.loop.time() + rng.uniform(0.2, 3)
    return None


class Fault(NamedTuple):
    """One kind of fault. `strike` returns how to undo it, unless it ends by itself."""

    strike: Callable[["World", Random], Undo | None]
    hold_s: tuple[float, float] = (0.1, 2.0)


FAULTS = {
    fault.strike.__name__: fault
    for fault in (
        Fault(history_down),
        Fault(backup_restored, (0.3, 1.0)),
        Fault(auth_down),
        Fault(broker_connection_lost),
        Fault(broker_down),
        Fault(broker_connection_deaf),
        Fault(gateway_drained),
        Fault(gateway_killed),
        Fault(reader_stalled),
    )
}
