"""Contract tests of history's inboxes: what every implementation of `InboxStore` does, directly and over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import InboxesGrew, RecipientsChanged
from chatterbox.wire.encryption.key_api import DeviceState
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import OutgoingToDevice, ToDeviceKind, Withheld, WithheldReason
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from services.history.encryption.device_store import LoginOfUser
from tests.support.device_rows import InsertedDevice, session_id
from tests.support.history import Clock, FakeAuth, Service, running, until
from tests.support.inbox_site import InboxSite, to

LIMITS = Limits(
    sends_per_s=1e9,
    sends_burst=10**9,
    inbox_messages=8,
    inbox_messages_of_device=3,
    to_device_bytes=100,
    inbox_bytes=1000,
)


class HttpInboxStore:
    """The same calls as gateways make them."""

    def __init__(self, history: Service) -> None:
        self._ask = history.ask

    async def recipients(self, call: history_api.RecipientsCall) -> history_api.RoomRecipients:
        return await self._ask("recipients", call, history_api.RoomRecipients)

    async def share_keys(self, call: history_api.ShareKeysCall) -> history_api.SharedKeys:
        return await self._ask("share_keys", call, history_api.SharedKeys)

    async def send_to_device(self, call: history_api.ToDeviceCall) -> None:
        await self._ask("to_device", call, type(None))

    async def open_inbox(self, call: history_api.InboxCall) -> history_api.DeviceInbox:
        return await self._ask("inbox", call, history_api.DeviceInbox)

    async def inbox_page(self, call: history_api.InboxPageCall) -> history_api.InboxPage:
        return await self._ask("inbox/page", call, history_api.InboxPage)

    async def inbox_heads(self, inboxes: list[int]) -> history_api.InboxHeads:
        return await self._ask("inbox/heads", history_api.InboxHeadsCall(inboxes), history_api.InboxHeads)

    async def take(self, call: history_api.TakeCall) -> None:
        await self._ask("taken", call, type(None))


@pytest.fixture(params=["sqlite", "http"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[InboxSite]:
    clock = Clock()
    async with running(tmp_path / "data", FakeAuth(clock), clock, limits=LIMITS) as history:
        direct = history.app.context.device_messages._store
        site = InboxSite(history, direct if request.param == "sqlite" else HttpInboxStore(history), clock)
        await site.begin()
        yield site


async def refusal(call: Any) -> Code:
    with pytest.raises(ChatError) as refused:
        await call
    return refused.value.code


async def withheld(site: InboxSite, user: UserInfo, device: InsertedDevice, *sessions: str) -> dict[str, str]:
    """What the server says about the keys that this device lacks."""
    login = LoginOfUser(user, device.sid)
    keys = await site.history.app.context.history.keys.withheld(login, site.room.room, sessions or (session_id(1),))
    assert keys.joined
    return keys.sessions


class TestRecipients:
    async def test_a_member_gets_the_listed_devices_and_who_has_none(self, site: InboxSite) -> None:
        await site.device(site.bob, "BBBBBBBBB4", state=DeviceState.PENDING)
        await site.device(site.bob, "BBBBBBBBB5", state=DeviceState.ASLEEP)
        call = history_api.RecipientsCall(room_id=site.room.room_id, user_id=site.ada.user_id)
        found = await site.store.recipients(call)
        assert found.devices == [("ada", "AAAAAAAAA2"), ("bob", "BBBBBBBBB2"), ("bob", "BBBBBBBBB3")]
        assert (found.recipients, found.closed_at, found.without) == (site.version, 0, [])
        await site.write("UPDATE devices SET state = 'ended' WHERE user_id = ?", site.bob.user_id)
        assert (await site.store.recipients(call)).without == ["bob"]

    async def test_others_and_plain_rooms_are_refused(self, site: InboxSite) -> None:
        call = history_api.RecipientsCall(room_id=site.room.room_id, user_id=site.eve.user_id)
        assert await refusal(site.store.recipients(call)) == Code.NOT_A_MEMBER
        call = history_api.RecipientsCall(room_id=1, user_id=site.ada.user_id)
        assert await refusal(site.store.recipients(call)) == Code.ROOM_NOT_ENCRYPTED
        call = history_api.RecipientsCall(room_id=99, user_id=site.ada.user_id)
        assert await refusal(site.store.recipients(call)) == Code.ROOM_UNKNOWN


class TestSharedKeys:
    async def test_messages_follow_when_each_device_has_the_key_or_a_reason(self, site: InboxSite) -> None:
        assert await site.say() == Code.RECIPIENTS_STALE
        assert await site.share(to(site.b1)) == 1
        assert await site.say() == Code.RECIPIENTS_STALE
        assert await site.share(withheld=(Withheld("bob", site.b2.device, WithheldReason.UNSIGNED),)) == 0
        assert await site.say() == "stored"
        assert [message.body for message in await site.page(site.b1)] == ["key"]
        assert await site.page(site.b2) == []

    async def test_the_same_share_again_changes_nothing(self, site: InboxSite) -> None:
        for _ in range(2):
            assert await site.share(to(site.b1), to(site.b2)) == 0
        assert [message.n for message in await site.page(site.b1)] == [1]
        assert await site.signals(1) == [InboxesGrew(heads=[(site.b1.number, 1), (site.b2.number, 1)])]

    async def test_keys_for_old_recipients_are_refused_and_not_stored(self, site: InboxSite) -> None:
        assert await refusal(site.share(to(site.b1), recipients=site.version + 1)) == Code.RECIPIENTS_STALE
        assert await site.page(site.b1) == []
        assert site.rows("SELECT * FROM room_sessions") == []

    async def test_a_key_for_a_device_that_cannot_read_the_room_is_refused(self, site: InboxSite) -> None:
        eves = await site.device(site.eve, "EEEEEEEEE2")
        asleep = await site.device(site.bob, "BBBBBBBBB4", state=DeviceState.ASLEEP)
        for device in (eves, asleep):
            assert await refusal(site.share(to(device))) == Code.RECIPIENTS_STALE
            assert await site.page(device) == []

    async def test_a_session_belongs_to_the_device_that_began_it(self, site: InboxSite) -> None:
        await site.share(to(site.b1), to(site.b2))
        assert await refusal(site.share(to(site.a1), by=site.b1)) == Code.DEVICE_UNBOUND

    async def test_only_a_listed_device_in_its_own_session_shares(self, site: InboxSite) -> None:
        pending = await site.device(site.ada, "AAAAAAAAA3", state=DeviceState.PENDING)
        assert await refusal(site.share(by=pending)) == Code.NOT_ALLOWED
        assert await refusal(site.share(by=site.a1._replace(sid="another"))) == Code.DEVICE_UNBOUND
        assert await refusal(site.share(by=site.a1._replace(device="AAAAAAAAA9"))) == Code.DEVICE_UNKNOWN
        removed = await site.device(site.ada, "AAAAAAAAA4", state=DeviceState.REMOVED)
        assert await refusal(site.share(by=removed)) == Code.DEVICE_REMOVED
        assert await refusal(site.share(session="short")) == Code.BAD_REQUEST

    async def test_a_new_device_gets_the_key_of_the_same_session(self, site: InboxSite) -> None:
        await site.share(to(site.b1), to(site.b2))
        b3 = await site.device(site.bob, "BBBBBBBBB4")
        await wake(site, b3)
        assert await site.say() == Code.RECIPIENTS_STALE
        assert await site.share() == 1
        assert await site.share(to(b3)) == 0
        assert await site.say() == "stored"

    async def test_after_a_loss_only_a_new_session_may_be_used(self, site: InboxSite) -> None:
        await site.share(to(site.b1), to(site.b2))
        await overflow(site, site.b2)
        assert await site.say() == Code.RECIPIENTS_STALE
        assert await refusal(site.share()) == Code.RECIPIENTS_STALE
        assert await site.share(to(site.b1, 2), session=session_id(2)) == 0
        assert await site.say(session_id(2)) == "stored"
        found = await site.store.recipients(
            history_api.RecipientsCall(room_id=site.room.room_id, user_id=site.ada.user_id)
        )
        assert found.closed_at == found.recipients == site.version

    async def test_a_pair_with_too_much_waiting_is_recorded_as_full(self, site: InboxSite) -> None:
        await site.send(*(to(site.b1, n) for n in (1, 2, 3)))
        assert await site.share(to(site.b1, 4), to(site.b2)) == 0
        assert len(await site.page(site.b1)) == 3
        how = "SELECT how FROM session_shares WHERE device = ?"
        assert site.rows(how, site.b1.number) == [("full",)]
        assert await site.share(to(site.b1, 4)) == 0  # a retry does not make it a key that was given
        assert site.rows(how, site.b1.number) == [("full",)]
        await site.take(site.b1, 3)
        assert await site.share(to(site.b1, 5)) == 0
        assert site.rows(how, site.b1.number) == [("",)]
        assert site.rows("SELECT state FROM devices WHERE id = ?", site.b1.number) == [(DeviceState.LISTED,)]

    async def test_a_device_is_told_why_it_lacks_a_key_and_no_other_is(self, site: InboxSite) -> None:
        await site.share(to(site.b1), withheld=(Withheld("bob", site.b2.device, WithheldReason.CHANGED),))
        assert await withheld(site, site.bob, site.b2) == {session_id(1): WithheldReason.CHANGED}
        assert await withheld(site, site.bob, site.b1) == {session_id(1): ""}
        assert await withheld(site, site.ada, site.a1) == {}
        assert await withheld(site, site.bob, site.b2._replace(sid="another")) == {}
        assert await withheld(site, site.bob, site.b2, session_id(2)) == {}

    async def test_why_a_key_is_missing_is_told_to_members_only(self, site: InboxSite) -> None:
        await site.share(to(site.b1), withheld=(Withheld("bob", site.b2.device, WithheldReason.CHANGED),))
        assert await refusal(withheld(site, site.eve, site.b2)) == Code.ROOM_UNKNOWN

    async def test_who_was_given_keys_is_forgotten_after_a_week_without_use(self, site: InboxSite) -> None:
        await site.share(to(site.b1), to(site.b2))
        site.clock.now += 8 * 24 * 3600 * 1000
        assert await site.say() == "stored"  # and with that it was used
        site.history.app.context.history._on_deleted()
        await until(lambda: site.rows("SELECT used_ms FROM room_sessions") == [(site.clock.now,)])
        assert len(site.rows("SELECT * FROM session_shares")) == 2
        site.clock.now += 8 * 24 * 3600 * 1000
        site.history.app.context.history._on_deleted()
        await until(lambda: site.rows("SELECT * FROM session_shares") == [])
        assert await site.say() == "stored"
        assert await site.share() == 2


async def overflow(site: InboxSite, device: InsertedDevice) -> None:
    """Fill an inbox by devices of two users, one message too many."""
    for user, name in ((site.eve, "EEEEEEEEE3"), (site.eve, "EEEEEEEEE4"), (site.zoe, "ZZZZZZZZZ3")):
        await site.send(*(to(device, n) for n in (1, 2, 3)), by=await site.device(user, name))


async def wake(site: InboxSite, device: InsertedDevice) -> None:
    """Let a device be listed, as if it had been asleep."""
    await site.write("UPDATE devices SET state = 'asleep' WHERE id = ?", device.number)
    await site.open(device)


class TestToDevice:
    async def test_messages_are_kept_in_order_until_they_are_taken(self, site: InboxSite) -> None:
        await site.send(to(site.b1, 1, "one"), to(site.b1, 2, "two"), to(site.b2, 1, "other"))
        first, second = await site.page(site.b1)
        assert (first.offset, first.username, first.sender, first.n, first.body) == (1, "ada", "AAAAAAAAA2", 1, "one")
        assert (second.offset, second.n, second.kind) == (2, 2, ToDeviceKind.OLM)
        assert await site.page(site.b1) == [first, second]
        await site.take(site.b1, 1)
        assert await site.page(site.b1) == [second]
        assert (await site.store.inbox_heads([site.b1.number, site.b2.number, 99])).heads == {
            site.b1.number: 2, site.b2.number: 1,
        }  # fmt: skip
        assert await site.signals(1) == [InboxesGrew(heads=[(site.b1.number, 2), (site.b2.number, 1)])]

    async def test_a_repeated_number_is_done_and_a_gap_is_refused(self, site: InboxSite) -> None:
        await site.send(to(site.b1))
        await site.send(to(site.b1), to(site.b1, 2))
        assert [message.n for message in await site.page(site.b1)] == [1, 2]
        with pytest.raises(ChatError, match="n = 3") as refused:
            await site.send(to(site.b2), to(site.b1, 4))
        assert refused.value.code == Code.TO_DEVICE_GAP
        assert await site.page(site.b2) == []
        assert await refusal(site.send(to(site.b1, 0))) == Code.TO_DEVICE_GAP

    async def test_numbers_go_on_after_messages_were_taken(self, site: InboxSite) -> None:
        await site.send(to(site.b1))
        await site.take(site.b1, 1)
        await site.send(to(site.b1))
        assert await site.page(site.b1) == []
        await site.send(to(site.b1, 2))
        assert [message.offset for message in await site.page(site.b1)] == [2]

    async def test_after_a_restored_backup_any_number_may_follow(self, site: InboxSite) -> None:
        await site.send(to(site.b1))
        await site.write("UPDATE to_device_counts SET last_n = -1")
        await site.write("INSERT INTO meta VALUES ('restored', 1)")
        await site.send(to(site.b1, 7), to(site.b2, 9))
        assert await refusal(site.send(to(site.b1, 9))) == Code.TO_DEVICE_GAP
        await site.send(to(site.b1, 8))

    async def test_unknown_removed_and_foreign_pending_devices_are_refused(self, site: InboxSite) -> None:
        removed = await site.device(site.bob, "BBBBBBBBB4", state=DeviceState.REMOVED)
        pending = await site.device(site.bob, "BBBBBBBBB5", state=DeviceState.PENDING)
        assert await refusal(site.send(to(site.b1._replace(device="BBBBBBBBB9")))) == Code.DEVICE_UNKNOWN
        assert await refusal(site.send(to(removed))) == Code.DEVICE_REMOVED
        assert await refusal(site.send(to(pending))) == Code.DEVICE_UNKNOWN

    async def test_a_pending_device_writes_with_its_owners_devices_only(self, site: InboxSite) -> None:
        pending = await site.device(site.bob, "BBBBBBBBB5", state=DeviceState.PENDING)
        await site.send(to(site.b1), by=pending)
        await site.send(to(pending), by=site.b1)
        assert len(await site.page(pending)) == len(await site.page(site.b1)) == 1
        assert await refusal(site.send(to(site.a1), by=pending)) == Code.NOT_ALLOWED

    async def test_ended_devices_keep_getting_messages(self, site: InboxSite) -> None:
        ended = await site.device(site.bob, "BBBBBBBBB4", state=DeviceState.ENDED)
        await site.send(to(ended))
        assert len(await site.page(ended)) == 1

    async def test_messages_that_are_too_long_or_clear_are_refused(self, site: InboxSite) -> None:
        assert await refusal(site.send(to(site.b1, body="x" * 101))) == Code.BAD_REQUEST
        for body in ("hello", "[]", '{"type": "m.room_key"}'):
            clear = OutgoingToDevice(to=to(site.b1).to, n=1, kind=ToDeviceKind.CLEAR, body=body)
            assert await refusal(site.send(clear)) == Code.BAD_REQUEST
        body = '{"type": "m.key.verification.start", "content": {}}'
        await site.send(OutgoingToDevice(to=to(site.b1).to, n=1, kind=ToDeviceKind.CLEAR, body=body))

    async def test_one_user_alone_fills_no_inbox(self, site: InboxSite) -> None:
        for number in range(2, 6):
            sender = await site.device(site.eve, f"EEEEEEEEE{number}")
            await site.send(*(to(site.b1, n) for n in (1, 2, 3)), by=sender)
        assert len(await site.page(site.b1)) == 6
        assert site.rows("SELECT state FROM devices WHERE id = ?", site.b1.number) == [(DeviceState.LISTED,)]
        await site.send(to(site.b1))
        assert len(await site.page(site.b1)) == 7

    async def test_a_full_inbox_puts_its_device_to_sleep_until_it_is_opened(self, site: InboxSite) -> None:
        version = site.version
        await overflow(site, site.b1)
        assert len(await site.page(site.b1)) == 8
        assert site.version == version + 1
        assert site.rows("SELECT state FROM devices WHERE id = ?", site.b1.number) == [(DeviceState.ASLEEP,)]
        assert (await site.signals(4))[-1] == RecipientsChanged(versions=[(site.room.room_id, version + 1)])
        opened = await site.open(site.b1)
        assert opened.reset
        assert (opened.at.offset, opened.head) == (0, 8)
        assert site.version == version + 2
        assert not (await site.open(site.b1)).reset
        await site.take(site.b1, 8)
        assert site.rows("SELECT inbox_bytes FROM devices WHERE id = ?", site.b1.number) == [(0,)]
        assert site.rows("SELECT sum(waiting) FROM to_device_counts") == [(0,)]


class TestInboxes:
    async def test_it_opens_where_the_device_is(self, site: InboxSite) -> None:
        await site.send(*(to(site.b1, n) for n in (1, 2, 3)))
        epoch = f"epoch-{site.b1.device}"
        opened = await site.open(site.b1)
        assert (opened.inbox, opened.at, opened.head) == (site.b1.number, Position(epoch, 0), 3)
        opened = await site.open(site.b1, Position(epoch, 2))
        assert (opened.at.offset, opened.reset) == (2, False)

    async def test_a_position_that_is_gone_or_of_another_epoch_resets_it(self, site: InboxSite) -> None:
        await site.send(*(to(site.b1, n) for n in (1, 2, 3)))
        await site.take(site.b1, 2)
        epoch = f"epoch-{site.b1.device}"
        for after in (Position(epoch, 1), Position(epoch, 4), Position("other", 2)):
            opened = await site.open(site.b1, after)
            assert (opened.at, opened.reset) == (Position(epoch, 2), True)

    async def test_it_tells_the_one_time_keys_in_their_order(self, site: InboxSite) -> None:
        for seq, key_id in ((2, "a"), (1, "b")):
            await site.write("INSERT INTO one_time_keys VALUES (?, ?, ?, '{}')", site.b1.number, seq, key_id)
        await site.write("INSERT INTO fallback_keys VALUES (?, 'f', '{}', 1)", site.b1.number)
        opened = await site.open(site.b1)
        assert (opened.one_time, opened.fallback_used) == (["b", "a"], True)

    async def test_only_its_own_session_opens_and_empties_it(self, site: InboxSite) -> None:
        await site.send(to(site.b1))
        assert await refusal(site.open(site.b1, by=site.b2)) == Code.DEVICE_UNBOUND
        assert await refusal(site.take(site.b1, 1, by=site.b2)) == Code.DEVICE_UNBOUND
        assert len(await site.page(site.b1)) == 1

    async def test_that_of_a_dehydrated_device_is_read_by_its_owners_devices(self, site: InboxSite) -> None:
        dehydrated = await site.device(site.bob, "BBBBBBBBB6", dehydrated=True)
        await site.send(to(dehydrated))
        assert (await site.open(dehydrated, by=site.b2)).head == 1
        await site.take(dehydrated, 1, by=site.b2)
        assert await site.page(dehydrated) == []
        foreign = dehydrated._replace(user_id=site.ada.user_id)
        assert await refusal(site.open(foreign, by=site.a1)) == Code.DEVICE_UNKNOWN

    async def test_opening_notes_that_the_device_was_there(self, site: InboxSite) -> None:
        site.clock.now += 2 * 3600 * 1000
        await site.open(site.b1)
        assert site.rows("SELECT seen_ms FROM devices WHERE id = ?", site.b1.number) == [(site.clock.now,)]

    async def test_pages_are_of_at_most_a_limit_and_unknown_inboxes_are_refused(self, site: InboxSite) -> None:
        await site.send(*(to(site.b1, n) for n in (1, 2, 3)))
        assert [message.offset for message in await site.page(site.b1, after=1, limit=1)] == [2]
        call = history_api.InboxPageCall(inbox=99, after=0)
        assert await refusal(site.store.inbox_page(call)) == Code.DEVICE_UNKNOWN

    async def test_taking_beyond_the_head_or_again_changes_nothing_more(self, site: InboxSite) -> None:
        await site.send(to(site.b1))
        await site.take(site.b1, 7)
        await site.take(site.b1, 1)
        await site.send(to(site.b1, 2))
        assert [message.offset for message in await site.page(site.b1)] == [2]
