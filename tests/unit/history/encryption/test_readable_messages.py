"""The property of the recipient check: whoever can read a room can read its messages, and no other device can.

Careless devices, with views of the room that are out of date, share keys and send, while devices come and go. The real
transactions decide what is stored. A stored message has broken the promise if a device that could read the room was
given neither the key nor a reason, or one that could not had the key.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import aiosqlite
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.sqlite.database import run_on_connection
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError
from chatterbox.wire.frames.encryption import DeviceAddress, OutgoingToDevice, ToDeviceKind, Withheld, WithheldReason
from chatterbox.wire.history_api import Append, Appended, InboxPageCall, RecipientsCall, ShareKeysCall, TakeCall
from chatterbox.wire.limits import Limits
from services.history.core.outcomes import unlimited
from services.history.encryption import recipient_versions
from services.history.encryption.core.recipient_check import RecipientCheck
from services.history.encryption.delivery import device_inboxes, room_recipients, session_shares
from services.history.messages.write_transaction import WriteTransaction, store
from services.history.rooms import direct_conversations, membership_changes
from services.history.schema import SCHEMA
from tests.support.device_rows import envelope, session_id
from tests.support.sabotage.history import SHARE_INCOMPLETE, TO_DEVICE_FORGET_EARLY, Unchecked

T = TypeVar("T")

LIMITS = Limits(inbox_messages=6, inbox_messages_of_device=4)
"""So small that inboxes fill and devices fall asleep."""
USERS = (UserInfo(1, "ada"), UserInfo(2, "bob"))
NOW_MS = 1_790_000_000_000
_ADD = """
    INSERT INTO devices (user_id, username, device_id, sid, keys, state, generation, inbox_epoch, created_ms, seen_ms)
    VALUES (?, ?, ?, ?, '{}', 'listed', 1, 'e', 0, 0) RETURNING id
"""
_READERS = """
    SELECT devices.id FROM memberships JOIN devices ON devices.user_id = memberships.user_id AND state = 'listed'
    WHERE room_id = ?
"""


class Step(NamedTuple):
    """One thing that happens: what, to which device, and a number that chooses the rest."""

    what: str
    device: int
    chance: int


class View(NamedTuple):
    """What a device knows of the room."""

    recipients: int
    devices: tuple[DeviceAddress, ...]


class CarelessDevice:
    """A device that shares and sends by what it knew last."""

    def __init__(self, number: int, user: UserInfo, device: str) -> None:
        self.number = number
        self.user = user
        self.device = device
        self.view = View(1, ())
        self.session = ""
        self.sent: Counter[DeviceAddress] = Counter()
        self.read: set[str] = set()
        """The keys that came from its inbox."""
        self.at = 0

    @property
    def address(self) -> DeviceAddress:
        return DeviceAddress(self.user.username, self.device)


class StoredMessage(NamedTuple):
    session: str
    sender: int
    entitled: frozenset[int]
    excused: frozenset[int]
    """Devices for which a reason is recorded."""
    holders: frozenset[int]
    """Devices that had been sent the key."""


class Room:
    """An encrypted conversation in a real database, and all devices that there ever were."""

    def __init__(self, db: aiosqlite.Connection, check: type[RecipientCheck]) -> None:
        self._db = db
        self._check = check
        self._sessions = 0
        self._given: dict[str, set[int]] = {}
        self.devices: list[CarelessDevice] = []
        self.stored: list[StoredMessage] = []
        self.room_id = 0

    async def begin(self) -> None:
        users = {user.user_id: user.username for user in USERS}
        await self._change(lambda transaction: membership_changes.enroll(transaction, users))
        info = await self._change(
            lambda transaction: direct_conversations.open_direct(transaction, *USERS, LIMITS, encrypted=True)
        )
        self.room_id = info.room_id
        for user in range(2):
            await self.take_step(Step("add", user, 0))

    async def _change(self, change: Callable[[WriteTransaction], Awaitable[T]]) -> T:
        await self._db.execute("BEGIN IMMEDIATE")
        try:
            result = await change(WriteTransaction(self._db, NOW_MS))
        except ChatError:
            await self._db.execute("ROLLBACK")
            raise
        await self._db.execute("COMMIT")
        return result

    async def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._db.execute_fetchall(sql, parameters)]

    async def take_step(self, step: Step) -> None:
        """Let one thing happen; refusals are as good as anything."""
        if step.what == "add":
            await self._add(USERS[step.device % 2])
            return
        device = self.devices[step.device % len(self.devices)]
        try:
            match step.what:
                case "end":
                    await self._set_state(device, "ended", lost=True)
                case "back":
                    await self._set_state(device, "listed", lost=False)
                case "look":
                    await self._look(device)
                case "session":
                    self._begin_session(device)
                case "share":
                    await self._share(device, step.chance)
                case "send":
                    await self._send(device)
                case "empty":
                    await self.empty(device, takes=step.chance % 2 == 0)
        except ChatError:
            return

    async def _add(self, user: UserInfo) -> None:
        name = f"D{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[len(self.devices) % 26]}".ljust(10, "2")
        if len(self.devices) >= 6:
            return

        async def add(transaction: WriteTransaction) -> int:
            [(number,)] = await transaction.rows(_ADD, (user.user_id, user.username, name, f"sid-{name}"))
            await recipient_versions.note_change(transaction, user.user_id, lost=False)
            return int(number)

        self.devices.append(CarelessDevice(await self._change(add), user, name))

    async def _set_state(self, device: CarelessDevice, state: str, *, lost: bool) -> None:
        async def change(transaction: WriteTransaction) -> None:
            sql = "UPDATE devices SET state = ? WHERE id = ? AND state <> ? RETURNING 1"
            if await transaction.rows(sql, (state, device.number, state)):
                await recipient_versions.note_change(transaction, device.user.user_id, lost=lost)

        await self._change(change)

    async def _look(self, device: CarelessDevice) -> None:
        source = WriteTransaction(self._db, NOW_MS)
        call = RecipientsCall(room_id=self.room_id, user_id=device.user.user_id)
        found = await room_recipients.read(source, call)
        device.view = View(found.recipients, tuple(found.devices))

    def _begin_session(self, device: CarelessDevice) -> None:
        self._sessions += 1
        device.session = session_id(self._sessions)
        self._given[device.session] = set()

    async def _share(self, device: CarelessDevice, chance: int) -> None:
        """Share with some of those that the device knows; it withholds the key from others."""
        if not device.session:
            self._begin_session(device)
        others = [address for address in device.view.devices if address != device.address]
        chosen = [address for place, address in enumerate(others) if chance >> place & 1 or chance % 3 == 0]
        withheld = [address for address in others if address not in chosen and chance % 5 == 0]
        messages = [
            OutgoingToDevice(to=address, n=device.sent[address] + 1, kind=ToDeviceKind.OLM, body=device.session)
            for address in chosen
        ]
        call = ShareKeysCall(
            room_id=self.room_id,
            user_id=device.user.user_id,
            username=device.user.username,
            sid=f"sid-{device.device}",
            device=device.device,
            session=device.session,
            recipients=device.view.recipients,
            messages=tuple(messages),
            withheld=tuple(Withheld(*address, WithheldReason.UNSIGNED) for address in withheld),
        )
        await self._change(lambda transaction: session_shares.share(transaction, call, LIMITS))
        device.sent.update(chosen)
        for number, body in await self._rows("SELECT device, body FROM to_device"):
            self._given[body].add(number)

    async def _send(self, device: CarelessDevice) -> None:
        content = envelope(device.device, device.session or session_id(0))
        user = device.user
        message = Append(self.room_id, user.user_id, user.username, content, "", recipients=device.view.recipients)
        last_id = len(self.stored)
        readers = frozenset(number for (number,) in await self._rows(_READERS, self.room_id))
        excused = await self._rows("SELECT device FROM session_shares WHERE session = ? AND how <> ''", device.session)
        holders = frozenset(self._given.get(device.session, ()))

        async def append(transaction: WriteTransaction) -> object:
            plan = await run_on_connection(
                transaction.db,
                lambda db: store(
                    db,
                    [message],
                    now_ms=NOW_MS,
                    last_id=last_id,
                    limits=LIMITS,
                    spend=unlimited,
                    check=self._check,
                ),
            )
            return plan.outcomes[0]

        if isinstance(await self._change(append), Appended):
            entitled = readers - {device.number}
            self.stored.append(
                StoredMessage(device.session, device.number, entitled, frozenset(n for (n,) in excused), holders)
            )

    async def empty(self, device: CarelessDevice, *, takes: bool) -> None:
        """Read the inbox, and sometimes say so."""
        source = WriteTransaction(self._db, NOW_MS)
        page = await device_inboxes.page(source, InboxPageCall(inbox=device.number, after=device.at))
        for message in page.messages:
            device.read.add(message.body)
            device.at = message.offset
        if takes and device.at:
            call = TakeCall(
                user_id=device.user.user_id, sid=f"sid-{device.device}", device=device.device, upto=device.at
            )
            await self._change(lambda transaction: device_inboxes.take(transaction, call))

    async def broken_promises(self) -> list[str]:
        """What went wrong, after each device has read its inbox."""
        for device in self.devices:
            await self.empty(device, takes=False)
        keys = {device.number: device.read for device in self.devices}
        broken = []
        for number, message in enumerate(self.stored, 1):
            unreadable = {each for each in message.entitled - message.excused if message.session not in keys[each]}
            readable = message.holders - message.entitled - {message.sender}
            broken += [f"message {number} is unreadable for device {each}" for each in unreadable]
            broken += [f"message {number} is readable for device {each}" for each in readable]
        broken += [str(row) for row in await self._rows(SCHEMA.violations)]
        return broken


async def judged(
    steps: list[Step], check: type[RecipientCheck] = RecipientCheck, damage: str = ""
) -> tuple[int, list[str]]:
    """How many messages were stored, and which promises were broken."""
    async with aiosqlite.connect(":memory:", isolation_level=None) as db:
        for script in SCHEMA.migrations:
            await db.executescript(script)
        await db.executescript(damage)
        room = Room(db, check)
        await room.begin()
        for step in steps:
            await room.take_step(step)
        return len(room.stored), await room.broken_promises()


WHATS = ("add", "end", "back", "look", "look", "session", "share", "share", "share", "send", "send", "send", "empty")
steps = st.builds(Step, st.sampled_from(WHATS), st.integers(0, 5), st.integers(0, 255))


@given(st.lists(steps, max_size=60))
def test_the_recipients_of_a_room_can_read_its_messages_and_no_other_device_can(happened: list[Step]) -> None:
    _, broken = asyncio.run(judged(happened))
    assert broken == []


WEIGHTS = (9, 4, 2, 2, 2, 2, 3, 1)


def chosen(seed: int) -> list[Step]:
    """Steps of devices that want to get somewhere: most shares follow a look, most messages a share."""
    chance = random.Random(seed)
    happened = []
    for _ in range(60):
        device, number = chance.randrange(6), chance.randrange(256)
        [what] = chance.choices(("send", "share", "look", "add", "end", "back", "empty", "session"), WEIGHTS)
        if what == "send" and chance.random() < 0.7:
            to_all = 3 * (number // 3)
            happened += [Step("look", device, 0), Step("share", device, chance.choice((to_all, to_all, number)))]
        happened.append(Step(what, device, number))
    return happened


def test_messages_are_stored_while_devices_come_and_go() -> None:
    stored = 0
    for seed in range(20):
        count, broken = asyncio.run(judged(chosen(seed)))
        assert broken == []
        stored += count
    assert stored > 50


@pytest.mark.parametrize(
    ("check", "damage"),
    [(Unchecked, ""), (RecipientCheck, SHARE_INCOMPLETE), (RecipientCheck, TO_DEVICE_FORGET_EARLY)],
    ids=["recipient_check_off", "share_incomplete", "to_device_forget_early"],
)
def test_the_property_is_broken_without_one_of_the_protections(check: type[RecipientCheck], damage: str) -> None:
    assert any(asyncio.run(judged(chosen(seed), check, damage))[1] for seed in range(20))
