"""Which uid each encrypted room has, so that another room that gets its name is noticed: `Table.ENCRYPTED_ROOMS`."""

import msgspec

from client.encryption.store.key_store import StoreTransaction, Table

MAX_REPORTED = 64
"""News of a room of which it is remembered that they were told."""


class RoomPin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of the room that has a name."""

    uid: str
    is_offered: bool = False
    """This device made the room, and has not seen yet that the server has it."""
    reported: tuple[str, ...] = ()


def pin_of(transaction: StoreTransaction, room: str) -> RoomPin | None:
    row = transaction.get(Table.ENCRYPTED_ROOMS, room)
    return None if row is None else msgspec.msgpack.decode(row, type=RoomPin)


def put(transaction: StoreTransaction, room: str, pin: RoomPin) -> None:
    transaction.put(Table.ENCRYPTED_ROOMS, room, msgspec.msgpack.encode(pin))


def is_news(transaction: StoreTransaction, room: str, uid: str, report: str) -> bool:
    """Whether `report` was not told of this room yet; from now on it was."""
    pin = pin_of(transaction, room)
    if pin is None or pin.uid != uid:
        return True
    if report in pin.reported:
        return False
    reported = (*pin.reported[-MAX_REPORTED + 1 :], report)
    put(transaction, room, msgspec.structs.replace(pin, reported=reported))
    return True
