"""Encrypted rooms in history: the member log that members sign, and what it takes to create, invite and remove."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import msgspec
import pytest

from chatterbox.wire import history_api
from chatterbox.wire.encryption.key_api import MemberLogPage
from chatterbox.wire.encryption.member_log import MemberEntryKind
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from services.history.schema import SCHEMA
from tests.support.device_rows import envelope, session_id
from tests.support.encryption.member_log_site import ROOM, MemberLogSite
from tests.support.encryption.signed_entries import EntrySigner, SignedLog
from tests.support.history import Clock, Start, code, until
from tests.support.inbox_site import SESSION


@pytest.fixture
async def site(start: Start, clock: Clock) -> AsyncIterator[MemberLogSite]:
    async with start() as history:
        site = MemberLogSite(history, history.app.context.device_messages._store, clock)
        await site.begin()
        yield site


async def refusal(call: Any) -> tuple[Code, str]:
    with pytest.raises(ChatError) as refused:
        await call
    return refused.value.code, refused.value.detail


class TestCreating:
    async def test_an_encrypted_room_begins_with_the_entry_of_its_creator(self, site: MemberLogSite) -> None:
        room = await site.create()
        assert (room.room, room.private, room.encrypted, room.uid) == (ROOM, True, True, site.log.uid)
        found = await site.recipients()
        assert (found.entries, found.log, found.recipients) == (site.log.entries, 1, 2)

    async def test_the_same_entry_again_is_the_same_room(self, site: MemberLogSite) -> None:
        room = await site.create()
        assert await site.try_to_create(site.log.entries[0]) == room
        assert (await refusal(site.try_to_create(SignedLog(ROOM).create(site.signer("ada")))))[0] is Code.ROOM_EXISTS
        assert (await refusal(site.try_to_create(site.log.entries[0], "bob")))[0] is Code.ROOM_EXISTS

    async def test_it_takes_an_entry_that_is_right(self, site: MemberLogSite) -> None:
        ada, bob = site.signer("ada"), site.signer("bob")
        log = SignedLog(ROOM)
        assert (await refusal(site.try_to_create(None)))[0] is Code.MEMBER_ENTRY_MISSING
        for entry in (
            SignedLog(ROOM).create(bob),
            SignedLog("others~").create(ada),
            SignedLog(ROOM).create(ada.reset()),
            log.next(ada, kind=MemberEntryKind.INVITE, member=bob.member),
            log.next(ada, kind=MemberEntryKind.CREATE, nonce="short"),
            msgspec.structs.replace(SignedLog(ROOM).create(ada), nonce="x" * 22),
        ):
            assert (await refusal(site.try_to_create(entry)))[0] is Code.MEMBER_ENTRY_INVALID
        assert not site.stored()
        assert not site.rows("SELECT 1 FROM rooms WHERE name = ?", ROOM)


class TestInviting:
    async def test_an_invitation_is_an_entry_and_joining_is_none(self, site: MemberLogSite) -> None:
        await site.create()
        await site.invite("bob")
        assert (await site.history.get("/invitations", "bob")).json()[0]["room"] == ROOM
        before = (await site.recipients()).recipients
        await site.join("bob")
        found = await site.recipients("bob", after=1)
        assert (found.entries, found.log) == (site.log.entries[1:], 2)
        assert found.recipients == before + 1
        assert {device.username for device in found.devices} == {"ada", "bob"}

    async def test_an_entry_must_follow_the_last_one(self, site: MemberLogSite) -> None:
        await site.create()
        stale = site.log.copy().invite(site.signer("ada"), site.signer("eve"))
        await site.enter("bob")
        assert (await refusal(site.try_to_invite("eve", stale)))[0] is Code.MEMBER_LOG_STALE
        await site.invite("eve", by="bob")
        assert site.stored() == site.log.entries

    async def test_the_same_invitation_again_changes_nothing(self, site: MemberLogSite) -> None:
        await site.create()
        await site.invite("bob")
        await site.try_to_invite("bob", site.log.entries[-1])
        assert len(site.stored()) == 2
        await site.join("bob")
        await site.remove("bob", site.log.remove(site.signer("ada"), site.signer("bob")))
        assert (await refusal(site.try_to_invite("bob", site.log.entries[1])))[0] is Code.MEMBER_LOG_STALE

    async def test_it_takes_an_entry_of_the_caller_with_the_keys_that_are_stored(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("bob")
        ada, bob, eve, zoe = (site.signer(name) for name in ("ada", "bob", "eve", "zoe"))
        assert (await refusal(site.try_to_invite("eve", None)))[0] is Code.MEMBER_ENTRY_MISSING
        kind = MemberEntryKind.INVITE
        for entry in (
            site.log.next(bob, kind=kind, member=eve.member),
            site.log.next(ada, kind=kind, member=zoe.member),
            site.log.next(ada, kind=kind, member=eve.reset().member),
            site.log.next(ada, kind=kind, member=eve.member, room="others~"),
            site.log.next(ada, kind=MemberEntryKind.REMOVE, member=bob.member),
            bob.signed(site.log.next(ada, kind=kind, member=eve.member)),
            bob.signed(site.log.next(ada, kind=kind, member=eve.member, self_signing=bob.self_signing)),
            msgspec.structs.replace(site.log.next(ada, kind=kind, member=zoe.member), member=eve.member),
            msgspec.structs.replace(
                site.log.next(ada, kind=kind, member=eve.member), signatures={"x": {"y": "z" * 2048}}
            ),
        ):
            assert (await refusal(site.try_to_invite("eve", entry)))[0] is Code.MEMBER_ENTRY_INVALID, entry
        assert site.stored() == site.log.entries
        assert (await site.history.get("/invitations", "eve")).json() == []

    async def test_a_user_without_keys_can_not_be_invited_whether_there_is_one_or_not(
        self, site: MemberLogSite
    ) -> None:
        await site.create()
        await site.history.greet("yan")
        ids = site.history.auth.names
        texts = set()
        for name in ("yan", "nobody"):
            stranger = EntrySigner(ids.get(name, 77), name)
            entry = site.log.next(site.signer("ada"), kind=MemberEntryKind.INVITE, member=stranger.member)
            refused, detail = await refusal(site.try_to_invite(name, entry))
            assert refused is Code.MEMBER_ENTRY_INVALID
            texts.add(detail.replace(name, "NAME"))
        assert len(texts) == 1

    async def test_a_user_who_blocked_the_inviter_is_in_the_log_and_not_invited(self, site: MemberLogSite) -> None:
        await site.create()
        await site.history.do("PUT", "/blocks/ada", "bob")
        await site.invite("bob")
        assert site.stored() == site.log.entries
        assert (await site.history.get("/invitations", "bob")).json() == []

    async def test_a_member_with_new_keys_is_invited_again_and_stays_a_member(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("bob")
        await site.upload(site.signer("bob").reset())
        refused, detail = await refusal(
            site.try_to_invite("eve", site.log.copy().invite(site.signer("bob"), site.signer("eve")), by="bob")
        )
        assert (refused, "other keys" in detail) == (Code.MEMBER_ENTRY_INVALID, True)
        before = (await site.recipients()).recipients
        await site.invite("bob")
        assert (await site.recipients()).recipients == before + 1
        assert await site.members() == ["ada", "bob"]
        assert (await site.history.get("/invitations", "bob")).json() == []
        await site.invite("eve", by="bob")

    async def test_who_left_comes_back_only_with_a_new_entry(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("bob")
        await site.leave("bob", site.log.leave(site.signer("bob")))
        assert (await refusal(site.join("bob")))[0] is Code.ROOM_UNKNOWN
        await site.enter("bob")
        assert site.stored() == site.log.entries


class TestRemoving:
    async def test_the_creator_signs_that_a_member_is_removed(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("bob")
        await site.enter("eve")
        before = await site.recipients()
        assert (await refusal(site.remove("bob", None)))[0] is Code.MEMBER_ENTRY_MISSING
        ada, bob, eve = (site.signer(name) for name in ("ada", "bob", "eve"))
        for entry in (
            site.log.next(ada, kind=MemberEntryKind.REMOVE, member=eve.member),
            site.log.next(ada, kind=MemberEntryKind.REMOVE, member=bob.reset().member),
            site.log.next(ada, kind=MemberEntryKind.INVITE, member=bob.member),
        ):
            assert (await refusal(site.remove("bob", entry)))[0] is Code.MEMBER_ENTRY_INVALID
        await site.remove("bob", site.log.remove(ada, bob))
        after = await site.recipients(after=3)
        assert (after.entries, after.closed_at) == (site.log.entries[3:], before.recipients + 1)
        assert await site.members() == ["ada", "eve"]
        await site.remove("bob", site.log.entries[-1])  # the answer was lost
        assert len(site.stored()) == 4

    async def test_a_member_with_new_keys_is_removed_under_those_of_the_log(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("bob")
        entry = site.log.remove(site.signer("ada"), site.signer("bob"))
        await site.upload(site.signer("bob").reset())
        await site.remove("bob", entry)
        assert await site.members() == ["ada"]

    async def test_who_was_invited_and_has_not_joined_is_removed_from_the_log(self, site: MemberLogSite) -> None:
        await site.create()
        await site.invite("bob")
        before = (await site.recipients()).recipients
        await site.remove("bob", site.log.remove(site.signer("ada"), site.signer("bob")))
        assert (await site.recipients()).closed_at == before + 1
        assert (await site.history.get("/invitations", "bob")).json() == []
        assert (await refusal(site.join("bob")))[0] is Code.ROOM_UNKNOWN
        assert site.stored() == site.log.entries

    async def test_a_member_whom_the_log_does_not_name_needs_no_entry(self, site: MemberLogSite) -> None:
        await site.create()
        await site.write(
            "INSERT INTO memberships VALUES ((SELECT id FROM rooms WHERE name = ?), ?, 'eve', 1, 2)",
            ROOM,
            site.eve.user_id,
        )
        await site.remove("eve", None)
        assert await site.members() == ["ada"]
        assert (await refusal(site.remove("eve", None)))[0] is Code.USER_UNKNOWN

    async def test_others_can_not_remove_anybody(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("bob")
        await site.enter("eve")
        entry = site.log.next(site.signer("bob"), kind=MemberEntryKind.REMOVE, member=site.signer("eve").member)
        assert (await refusal(site.remove("eve", entry, by="bob")))[0] is Code.NOT_THE_CREATOR

    async def test_leaving_may_be_signed_and_need_not(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("bob")
        await site.enter("eve")
        stale = site.log.copy()
        await site.leave("bob", site.log.leave(site.signer("bob")))
        assert (await refusal(site.leave("eve", stale.leave(site.signer("eve")))))[0] is Code.MEMBER_LOG_STALE
        await site.leave("eve")
        assert await site.members() == ["ada"]
        assert site.stored() == site.log.entries


class TestRules:
    async def test_a_public_room_is_never_encrypted(self, site: MemberLogSite) -> None:
        entry = SignedLog(ROOM).create(site.signer("ada"))
        refused, detail = await refusal(site.try_to_create(entry, private=False))
        assert refused is Code.ROOM_NAME_INVALID
        assert detail.startswith("A public room can't be encrypted.")

    async def test_a_room_that_is_not_encrypted_takes_no_entries(self, site: MemberLogSite) -> None:
        entry = SignedLog("plans").create(site.signer("ada"))
        refused, detail = await refusal(site.try_to_create(entry, room="plans"))
        assert (refused, "end in ~" in detail) == (Code.MEMBER_ENTRY_INVALID, True)

    async def test_the_policy_private_refuses_plain_private_rooms(self, start: Start, clock: Clock) -> None:
        async with start(encryption=EncryptionPolicy.PRIVATE) as history:
            site = MemberLogSite(history, history.app.context.device_messages._store, clock)
            await site.begin()
            refused, detail = await refusal(site.try_to_create(None, room="Plans"))
            assert refused is Code.ENCRYPTION_REQUIRED
            assert detail == "New private rooms are encrypted on this server. Create plans~ instead."
            await site.try_to_create(None, room="plans", private=False)
            await site.create()

    async def test_without_encryption_no_encrypted_room_is_created(self, start: Start, clock: Clock) -> None:
        async with start(encryption=EncryptionPolicy.ALLOWED) as history:
            site = MemberLogSite(history, history.app.context.device_messages._store, clock)
            await site.begin()
            await site.create()
        async with start(encryption=EncryptionPolicy.OFF) as history:
            site.history = history
            entry = SignedLog("more~").create(site.signer("ada"))
            assert (await refusal(site.try_to_create(entry, room="more~")))[0] is Code.ENCRYPTION_OFF
            assert await site.members() == ["ada"]

    async def test_a_room_has_a_maximum_number_of_devices(self, start: Start, clock: Clock) -> None:
        async with start(limits=Limits(recipients_per_room=3)) as history:
            site = MemberLogSite(history, history.app.context.device_messages._store, clock)
            await site.begin()
            await site.create()
            await site.device(site.eve, "EEEEEEEEE2")
            await site.enter("bob")
            entry = site.log.next(site.signer("ada"), kind=MemberEntryKind.INVITE, member=site.signer("eve").member)
            refused, detail = await refusal(site.try_to_invite("eve", entry))
            assert refused is Code.TOO_MANY_RECIPIENTS
            assert detail == "With eve, 4 devices would read #plans~; the limit of an encrypted room is 3."
            await site.invite("zoe")
            await site.device(site.zoe, "ZZZZZZZZZ2")
            assert (await refusal(site.join("zoe")))[0] is Code.TOO_MANY_RECIPIENTS
            assert await site.members() == ["ada", "bob"]
            await site.try_to_invite("bob", site.log.invite(site.signer("ada"), site.signer("bob")))

    async def test_a_member_without_devices_does_not_block_the_room(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("eve")
        room = await site.history.ask("find", history_api.FindRoomCall(ROOM, site.ada.user_id, "ada"), RoomInfo)
        found = await site.recipients()
        assert (found.without, [device.username for device in found.devices]) == (["eve"], ["ada"])
        site.room = room
        assert await site.share() == 0
        assert await site.send(recipients=found.recipients) == "stored"


class TestTopic:
    async def test_the_topic_is_an_envelope_for_all_who_can_read_the_room(self, site: MemberLogSite) -> None:
        site.room = await site.create()
        await site.share()
        topic = envelope(site.a1.device, SESSION)
        assert await site.set_topic(topic, site.version) == topic
        assert (await site.history.get(f"/rooms/{ROOM}", "ada")).json()["topic"] == topic
        await site.enter("bob")
        other = envelope(site.a1.device, SESSION, "YmFy")
        for content, recipients, refused in (
            ("engines", 0, Code.ROOM_ENCRYPTED),
            ("engines", site.version, Code.ENVELOPE_INVALID),
            (other, site.version - 1, Code.RECIPIENTS_STALE),
            (other, site.version, Code.RECIPIENTS_STALE),
            (envelope(site.a1.device, session_id(2)), site.version, Code.RECIPIENTS_STALE),
            (envelope(site.a1.device, SESSION, "x" * 2048), site.version, Code.ENVELOPE_INVALID),
        ):
            assert (await refusal(site.set_topic(content, recipients)))[0] is refused, content
        assert (await refusal(site.set_topic(other, site.version, room="general")))[0] is Code.ROOM_NOT_ENCRYPTED
        assert await site.set_topic("", 0) == ""
        assert (await site.history.get(f"/rooms/{ROOM}", "ada")).json()["topic"] == ""


class TestRoutes:
    async def test_a_room_is_created_and_a_user_invited_over_http(self, site: MemberLogSite) -> None:
        entry = msgspec.to_builtins(site.log.create(site.signer("ada")))
        created = await site.history.do("POST", "/rooms", "ada", {"room": ROOM, "private": True, "entry": entry})
        assert (created.status_code, created.json()["uid"]) == (201, site.log.uid)
        invitation = {
            "username": "bob",
            "entry": msgspec.to_builtins(site.log.invite(site.signer("ada"), site.signer("bob"))),
        }
        assert (await site.history.do("POST", f"/rooms/{ROOM}/members", "ada", invitation)).status_code == 200
        for method, path, body, refused in (
            ("POST", "/rooms", {"room": "more~", "private": True}, (409, Code.MEMBER_ENTRY_MISSING)),
            ("POST", "/rooms", {"room": "more~", "private": True, "entry": {}}, (422, Code.MEMBER_ENTRY_INVALID)),
            ("POST", f"/rooms/{ROOM}/members", {"username": "eve"}, (409, Code.MEMBER_ENTRY_MISSING)),
            ("DELETE", f"/rooms/{ROOM}/members/bob", None, (409, Code.MEMBER_ENTRY_MISSING)),
            ("PUT", f"/rooms/{ROOM}/topic", {"topic": "engines"}, (409, Code.ROOM_ENCRYPTED)),
        ):
            assert code(await site.history.do(method, path, "ada", body)) == refused

    async def test_members_read_the_log_in_pages(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("bob")
        await site.invite("eve")
        page = await site.history.get(f"/rooms/{ROOM}/member-log?after=1&limit=1", "bob")
        assert msgspec.json.decode(page.content, type=MemberLogPage) == MemberLogPage([site.log.entries[1]], 3)
        rest = await site.history.get(f"/rooms/{ROOM}/member-log?after=3", "bob")
        assert rest.json() == {"entries": [], "log": 3}
        assert code(await site.history.get(f"/rooms/{ROOM}/member-log", "eve")) == (404, Code.ROOM_UNKNOWN)
        assert (await site.history.get("/rooms/general/member-log", "eve")).json() == {"entries": [], "log": 0}


class TestDeletedRooms:
    async def test_the_log_is_deleted_with_its_room(self, site: MemberLogSite) -> None:
        await site.create()
        await site.enter("bob")
        await site.history.do("DELETE", f"/rooms/{ROOM}", "ada")
        await until(lambda: not site.rows("SELECT 1 FROM rooms WHERE deleted_ms IS NOT NULL"))
        assert not site.rows("SELECT 1 FROM member_log")
        site.log = SignedLog(ROOM)
        await site.create()


class TestImpossibleStates:
    @pytest.mark.parametrize(
        ("damage", "is_cheap"),
        [
            ("DELETE FROM member_log", True),
            ("DELETE FROM member_log WHERE seq = 1", True),
            ("UPDATE member_log SET hash = 'x' WHERE seq = 1", True),
            ("UPDATE rooms SET uid = 'x' WHERE name = 'plans~'", True),
            ("DELETE FROM member_log WHERE seq = 2", False),
            ("INSERT INTO member_log VALUES (1, 1, 1, 'x', '{}')", False),
            ("INSERT INTO member_log VALUES (99, 1, 1, 'x', '{}')", False),
            ("INSERT INTO member_log SELECT room_id, 1, 1, 'x', '{}' FROM directs", False),
        ],
    )
    async def test_a_log_that_contradicts_its_room_is_found_at_the_start(
        self, site: MemberLogSite, damage: str, *, is_cheap: bool
    ) -> None:
        await site.create()
        await site.enter("bob")
        await site.invite("eve")
        assert violations(site) == ([], [])
        cheap, thorough = violations(site, damage)
        assert (bool(cheap), bool(thorough)) == (is_cheap, True)


def violations(site: MemberLogSite, damage: str = "") -> tuple[list[Any], list[Any]]:
    """What the quick and the thorough check of a copy of the database find after this damage."""
    with closing(sqlite3.connect(":memory:")) as db:
        with closing(sqlite3.connect(site.history.settings.database)) as source:
            source.backup(db)
        db.executescript(damage)
        return db.execute(SCHEMA.end_violations).fetchall(), db.execute(SCHEMA.violations).fetchall()
