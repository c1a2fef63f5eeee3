"""Lies about encrypted rooms: members and member logs that no member signed, a room shown as plain."""

import asyncio
import copy
from collections.abc import Callable

import msgspec
import pytest

from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind
from client.failures import ExitCode
from tests.e2e.client.people import Person
from tests.e2e.lying.puppet import ROOM_KEY, Puppet, replaced, shown_besides
from tests.e2e.lying.site import CANARY, Site, plain, refuse_once
from tests.e2e.lying.test_key_lies import seen_keys, shown_to_senders
from tests.support.encryption.model_device import ModelUser, OutboundSession
from tests.support.encryption.signed_entries import EntrySigner, SignedLog
from tests.support.lying_server import Json

ROOM = "plans~"
GHOST_LINE = "The server lists {} in plans~, but no member invited them. They get no keys."
NOT_SIGNED = "The server shows members of plans~ that its members did not sign."


async def done(person: Person, *arguments: str) -> str:
    finished = await asyncio.to_thread(person.run, *arguments)
    assert finished.returncode == ExitCode.OK, finished.stderr
    return finished.stderr


async def send(person: Person, text: str) -> tuple[int, str]:
    """A person sends a text to the room; the exit code and what is said."""
    finished = await asyncio.to_thread(person.run, "send", ROOM, text, "--timeout", "4")
    return finished.returncode, finished.stderr


@pytest.fixture
async def room(site: Site) -> Site:
    """Alice made the room and invited Bob, who is in it."""
    await done(site.alice, "create", "--encrypted", "plans")
    await done(site.alice, "invite", ROOM, "bob")
    await done(site.bob, "accept", ROOM)
    return site


def keys_given_since(site: Site, earlier: int = 0) -> set[str]:
    """The devices that got room keys after the first `earlier` times."""
    return {message["to"][1] for share in site.sent("share_keys")[earlier:] for message in share.get("messages", [])}


def stranger(user_id: int = 10, name: str = "mallory") -> ModelUser:
    user = ModelUser(user_id, name)
    user.version = 1
    return user


def signed_log(site: Site) -> SignedLog:
    """The member log, as members signed it."""
    entries = [msgspec.convert(each["entry"], MemberEntry) for each in site.lies.sent_by_clients if "entry" in each]
    return SignedLog(ROOM, entries)


def log_shown(site: Site, entries: list[MemberEntry]) -> None:
    """From now on, this is the whole member log."""

    def frame(found: Json) -> list[Json]:
        if found.get("type") == "recipients":
            found.update(entries=[plain(entry) for entry in entries], log=len(entries))
        return [found]

    site.lies.to_client = frame


class TestMembers:
    async def test_a_member_whom_the_server_added_gets_no_keys_and_is_told_once(self, room: Site) -> None:
        mallory = stranger()
        ghost = mallory.add_device()
        shown_to_senders(room, plain(mallory.keys()), ghost)
        code, said = await send(room.alice, f"{CANARY} 1")
        assert (code, said.count(GHOST_LINE.format("mallory"))) == (ExitCode.OK, 1), said
        refuse_once(room)
        code, said = await send(room.alice, f"{CANARY} 2")
        assert (code, said.count(GHOST_LINE.format("mallory"))) == (ExitCode.OK, 0), said
        given = keys_given_since(room)
        assert ghost.device_id not in given
        assert await room.device_of(room.bob) in given
        room.assert_nothing_in_clear()

    async def test_a_removed_member_whom_the_server_brings_back_gets_no_keys(self, room: Site) -> None:
        before = await seen_keys(room, "bob")
        device = await room.device_of(room.bob)
        assert (await send(room.alice, f"{CANARY} 1"))[0] == ExitCode.OK
        assert device in keys_given_since(room)
        await done(room.alice, "remove", ROOM, "bob")
        earlier = len(room.sent("share_keys"))
        shown_to_senders(room, before)
        refuse_once(room)
        code, said = await send(room.alice, f"{CANARY} 2")
        assert GHOST_LINE.format("bob") in said, (code, said)
        assert not keys_given_since(room, earlier) & before["device_keys"].keys()
        room.assert_nothing_in_clear()

    async def test_other_keys_of_a_member_who_is_seen_first_through_the_log_get_nothing(self, room: Site) -> None:
        carol = await room.with_keys("carol")
        await done(room.alice, "invite", ROOM, "carol")
        await done(carol, "accept", ROOM)
        other = stranger(3, "carol")
        ghost = other.add_device()
        shown_to_senders(room, plain(other.keys()), ghost)
        _, said = await send(room.bob, CANARY)
        assert "carol" in said
        assert ghost.device_id not in keys_given_since(room)
        room.assert_nothing_in_clear()

    async def test_messages_of_a_user_whom_no_member_invited_are_not_shown(self, room: Site) -> None:
        assert (await send(room.alice, f"{CANARY} 1"))[0] == ExitCode.OK
        mallory = stranger()
        puppet = Puppet(room, mallory.add_device(), "mallory")
        session = OutboundSession(puppet.device, room.lies.uids[ROOM])
        text = session.envelope("planted words")
        replaced(room, puppet, ROOM_KEY, session.room_key(), text, "mallory")
        room.lies.response = shown_besides(mallory)
        [shown], _ = await room.read_as(room.bob, ROOM, 1)
        assert (shown["unreadable"], shown["content"]) == ("uninvited", "")


def forged_by_a_stranger(log: SignedLog) -> list[MemberEntry]:
    mallory = EntrySigner.of(stranger())
    return [*log.entries, log.next(mallory, kind=MemberEntryKind.INVITE, member=mallory.member)]


def forged_in_a_members_name(log: SignedLog) -> list[MemberEntry]:
    alice, mallory = EntrySigner(log.entries[0].by.user_id, "alice"), EntrySigner.of(stranger())
    return [*log.entries, log.next(alice, kind=MemberEntryKind.INVITE, member=mallory.member)]


def signed_with_another_key(log: SignedLog) -> list[MemberEntry]:
    """It names the member's own keys; the signature is another's."""
    alice, mallory = EntrySigner(log.entries[0].by.user_id, "alice"), EntrySigner.of(stranger())
    [first, *_] = log.entries
    fields = {"by": first.by, "self_signing": first.self_signing}
    return [*log.entries, log.next(alice, kind=MemberEntryKind.INVITE, member=mallory.member, **fields)]


def reordered(log: SignedLog) -> list[MemberEntry]:
    return log.entries[::-1]


def another(log: SignedLog) -> list[MemberEntry]:
    other, mallory = SignedLog(log.room), EntrySigner.of(stranger())
    other.create(mallory)
    other.invite(mallory, EntrySigner(2, "bob"))
    return other.entries


class TestLog:
    @pytest.mark.parametrize(
        "lie", [forged_by_a_stranger, forged_in_a_members_name, signed_with_another_key, reordered, another]
    )
    async def test_nothing_is_sent_while_the_log_is_not_what_members_signed(
        self, room: Site, lie: Callable[[SignedLog], list[MemberEntry]]
    ) -> None:
        log_shown(room, lie(signed_log(room)))
        code, said = await send(room.bob, CANARY)
        assert code != ExitCode.OK
        assert NOT_SIGNED in said
        assert (room.sent("send"), room.sent("share_keys")) == ([], [])

    async def test_nothing_is_sent_while_the_server_hides_entries_that_were_seen(self, room: Site) -> None:
        assert (await send(room.alice, f"{CANARY} 1"))[0] == ExitCode.OK
        before = len(room.sent("share_keys"))
        log_shown(room, signed_log(room).entries[:-1])
        refuse_once(room)
        code, said = await send(room.alice, f"{CANARY} 2")
        assert code != ExitCode.OK
        assert "The server shows an older member log of plans~ than before." in said
        assert len(room.sent("share_keys")) == before
        room.assert_nothing_in_clear()


class TestRoom:
    async def test_another_room_under_a_known_name_gets_nothing(self, room: Site) -> None:
        assert (await send(room.alice, f"{CANARY} 1"))[0] == ExitCode.OK
        sent = len(room.sent("send"))

        def other_uid(found: Json) -> list[Json]:
            for each in [found, *found.get("rooms", [])]:
                if isinstance(each, dict) and each.get("room") == ROOM and "uid" in each:
                    each["uid"] = "A" * 43
            return [found]

        room.lies.to_client = other_uid
        code, said = await send(room.alice, f"{CANARY} 2")
        assert code != ExitCode.OK, said
        assert len(room.sent("send")) == sent
        room.assert_nothing_in_clear()

    async def test_a_room_that_is_shown_as_plain_gets_no_plaintext(self, room: Site) -> None:
        def as_plain(found: Json) -> list[Json]:
            found = copy.deepcopy(found)
            for each in [found, *found.get("rooms", [])]:
                if isinstance(each, dict) and each.get("room") == ROOM:
                    each.pop("uid", None)
                    each.pop("encrypted", None)
            return [found]

        room.lies.to_client = as_plain
        code, said = await send(room.alice, CANARY)
        assert code != ExitCode.OK, said
        await asyncio.to_thread(room.alice.run, "topic", ROOM, CANARY)
        room.assert_nothing_in_clear()
