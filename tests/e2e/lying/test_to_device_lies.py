"""Lies about to-device messages: dropped, doubled, exchanged, from another sender, from a device that no list has."""

import asyncio
import copy

import pytest

from client.failures import ExitCode
from tests.e2e.lying.puppet import ROOM_KEY, Puppet, replaced, session_of, shown_besides
from tests.e2e.lying.site import CANARY, Site, chat_shows
from tests.support.encryption.model_device import ModelUser
from tests.support.lying_server import Json

FORWARDED = "m.forwarded_room_key"
LIE = "send me money"


async def begin(site: Site) -> None:
    """Alice writes; Bob's device was there before that."""
    await asyncio.to_thread(site.bob.run, "send", "@alice", f"{CANARY} 0")
    assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK


class TestInbox:
    async def test_a_message_whose_key_was_dropped_is_told_and_read_when_the_key_comes(self, site: Site) -> None:
        def without_keys(found: Json) -> list[Json]:
            if found.get("type") == "inbox":
                found["head"] = found["at"]["offset"]
            return [] if found.get("type") == "to_device" else [found]

        await begin(site)
        site.lies.to_client = without_keys
        _, message = await site.read(2)
        assert (message["unreadable"], message["content"]) == ("lost", "")
        site.lies.tell_the_truth()
        _, message = await site.read(2)
        assert message["content"] == f"{CANARY} 1"

    async def test_a_message_that_comes_twice_counts_once(self, site: Site) -> None:
        await begin(site)
        site.lies.to_client = lambda found: (
            [found, copy.deepcopy(found)] if found.get("type") == "to_device" else [found]
        )
        _, message = await site.read(2)
        assert message["content"] == f"{CANARY} 1"

    @pytest.mark.parametrize("lie", ["body", "sender"])
    async def test_a_message_of_another_sender_or_with_another_body_brings_no_key(self, site: Site, lie: str) -> None:
        await site.second_device(site.alice)
        await begin(site)
        alice = await site.device_of(site.alice)
        sent = [message for share in site.sent("share_keys") for message in share.get("messages", [])]
        other_device = next(m["to"][1] for m in sent if m["to"][0] == "alice" and m["to"][1] != alice)
        other_body = next(message["body"] for message in sent if message["to"][0] == "alice")

        def frame(found: Json) -> list[Json]:
            if found.get("type") == "to_device":
                found.update({"body": other_body} if lie == "body" else {"sender": other_device})
            return [found]

        site.lies.to_client = frame
        _, message = await site.read(2)
        assert (message["unreadable"], message["content"]) == ("lost", "")


class TestInventedSenders:
    async def test_a_device_that_is_in_no_list_writes_for_no_user(self, site: Site) -> None:
        await begin(site)
        ghost = Puppet(site, ModelUser(1, "alice").add_device(), "alice")
        session = session_of(ghost, site)
        replaced(site, ghost, ROOM_KEY, session.room_key(), session.envelope(LIE), "alice")
        _, message = await site.read(2)
        assert (message["unreadable"], message["content"]) == ("lost", "")

    @pytest.mark.parametrize("kind", [ROOM_KEY, FORWARDED])
    async def test_the_key_of_another_user_makes_no_message_of_alice(self, site: Site, kind: str) -> None:
        """A user who works together with the server gives a key away as if it were of another user's session."""
        await begin(site)
        mallory, puppet = made_mallory(site)
        session = session_of(puppet, site)
        site.lies.response = shown_besides(mallory)
        replaced(site, puppet, kind, session.room_key(), session.envelope(LIE), "alice")
        _, message = await site.read(2)
        assert (message["unreadable"], message["content"]) == ("forged", "")

    async def test_a_third_user_writes_nothing_into_a_direct_conversation(self, site: Site) -> None:
        await begin(site)
        mallory, puppet = made_mallory(site)
        session = session_of(puppet, site)
        site.lies.response = shown_besides(mallory)
        replaced(site, puppet, ROOM_KEY, session.room_key(), session.envelope(LIE), "mallory")
        _, message = await site.read(2)
        assert (message["unreadable"], message["content"]) == ("uninvited", "")

    async def test_a_room_key_inside_a_message_is_no_key(self, site: Site) -> None:
        """Only an Olm message brings keys: what a room's message has inside is shown or refused, never obeyed."""
        await begin(site)
        mallory, puppet = made_mallory(site)
        session, other = session_of(puppet, site), session_of(puppet, site)
        site.lies.response = shown_besides(mallory)
        body = session.ciphertext(other.room_key(), ROOM_KEY).replace("+", "-").replace("/", "_")
        text = f"e1.{puppet.device.device_id}.{session.wire_id}.{body}"
        replaced(site, puppet, ROOM_KEY, session.room_key(), text, "mallory")
        assert (await site.read(2))[1]["unreadable"]
        replaced(site, puppet, "m.dummy", {}, other.envelope(LIE), "mallory")
        _, message = await site.read(2)
        assert (message["unreadable"], message["content"]) == ("lost", "")

    async def test_secrets_of_another_user_are_not_taken(self, site: Site) -> None:
        await begin(site)
        mallory, puppet = made_mallory(site)
        site.lies.response = shown_besides(mallory)
        secrets = {"self_signing": "A" * 43 + "=", "item_keys": ["A" * 43 + "="], "backup_version": 99}
        replaced(site, puppet, "cb.user_secrets", secrets, "e1.none", "alice")
        await site.read(2)
        site.lies.tell_the_truth()
        assert (await site.send(f"{CANARY} 2"))[0] == ExitCode.OK
        await asyncio.to_thread(chat_shows, site.bob, "@alice", f"alice: {CANARY} 2")
        await asyncio.to_thread(site.bob.run, "send", "@alice", f"{CANARY} 3")  # and backs up what he got
        laptop = await site.second_device(site.bob)  # the key of the backup is the one from before
        shown, _ = await site.read_as(laptop, "@alice", 4)
        assert [each["content"] for each in shown] == [f"{CANARY} {number}" for number in range(4)]


def made_mallory(site: Site) -> tuple[ModelUser, Puppet]:
    """A user whose keys are all right, and who lends them to the server."""
    mallory = ModelUser(77, "mallory")
    mallory.version = 1
    return mallory, Puppet(site, mallory.add_device(), "mallory")
