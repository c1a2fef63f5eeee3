"""Frames of a server that is newer than the client: what can't be read is passed over, the rest is kept."""

import json

import msgspec
import pytest

from chatterbox.wire import codec, frames
from chatterbox.wire.encryption.device_keys import SignedKey
from client.core import frame_decoder
from client.core.frame_decoder import UNREADABLE, PartialPage
from tests.unit.client.world import message, room_state, told, welcome

POLL = {"type": "poll", "at": {"epoch": "e1", "offset": 2}, "question": "Lunch?"}
STRANGE = [POLL, 3, None, {}, {"type": "message"}, {"type": "message", "room": 7}]


def frame(fields: object) -> bytes:
    return json.dumps(fields).encode()


def plain(struct: msgspec.Struct) -> dict[str, object]:
    decoded: dict[str, object] = msgspec.json.decode(codec.encode(struct))
    return decoded


class TestLists:
    @pytest.mark.parametrize("item", STRANGE, ids=repr)
    def test_unreadable_item_of_a_page_is_left_out_and_counted(self, item: object) -> None:
        page = {"type": "page", "id": 1, "room": "general", "more": False, "rev": 4}
        page["messages"] = [plain(message(1)), item, plain(message(3))]
        decoded = frame_decoder.decode(frame(page))
        expected = PartialPage(id=1, room="general", messages=[message(1), message(3)], more=False, rev=4, unreadable=1)
        assert decoded == expected

    @pytest.mark.parametrize("item", STRANGE, ids=repr)
    def test_unreadable_item_of_a_join_is_left_out(self, item: object) -> None:
        joined = {"type": "joined", "id": 1, "room": "general", "at": {"epoch": "e1", "offset": 2}, "complete": True}
        decoded = frame_decoder.decode(frame({**joined, "messages": [plain(message(1)), item]}))
        assert isinstance(decoded, frames.Joined)
        assert decoded.messages == [message(1)]

    def test_unreadable_item_of_changes_is_left_out(self) -> None:
        changes = {"type": "changes", "id": 1, "room": "general", "through": 2, "more": False}
        readable = frames.Change(room="general", rev=1, after=0, message=message(1))
        decoded = frame_decoder.decode(frame({**changes, "changes": [plain(readable), {"type": "change", "rev": []}]}))
        assert decoded == frames.ChangesPage(id=1, room="general", changes=[readable], through=2, more=False)

    def test_unreadable_room_of_a_welcome_is_left_out(self) -> None:
        greeting = plain(welcome(room_state(4)))
        greeting["rooms"] = [*msgspec.to_builtins(greeting["rooms"]), {"room": "strange", "at": "nowhere"}]
        assert frame_decoder.decode(frame(greeting)) == welcome(room_state(4))


class TestEncryption:
    def test_unreadable_device_or_list_of_recipients_is_left_out(self) -> None:
        reply: dict[str, object] = {"type": "recipients", "id": 1, "room": "@ada~bob", "recipients": 3, "without": []}
        reply |= {"devices": [["ada", "DEVICEADA2"], ["bob"], {"device": 1}], "lists": [{"username": "bob"}]}
        decoded = frame_decoder.decode(frame(reply))
        expected = frames.DeviceAddress("ada", "DEVICEADA2")
        assert decoded == frames.Recipients(id=1, room="@ada~bob", recipients=3, devices=[expected], lists=[])

    def test_unreadable_key_of_a_claim_is_left_out(self) -> None:
        key = frames.ClaimedKey(
            username="bob", device="DEVICEBOB2", key_id="AAAAAQ", key=SignedKey(key="k", signatures={})
        )
        reply: dict[str, object] = {
            "type": "claimed",
            "id": 1,
            "keys": [plain(key), {"username": "eve"}],
            "missing": [["eve"]],
        }
        assert frame_decoder.decode(frame(reply)) == frames.Claimed(id=1, keys=[key])

    def test_to_device_message_of_an_unknown_kind_is_taken_as_an_empty_one_in_clear(self) -> None:
        came: dict[str, object] = {
            "type": "to_device",
            "device": "DEVICEADA2",
            "at": {"epoch": "e", "offset": 3},
            "username": "bob",
        }
        came |= {"sender": "DEVICEBOB2", "n": 7, "kind": "hpke", "body": "AAAA"}
        decoded = frame_decoder.decode(frame(came))
        assert isinstance(decoded, frames.ToDevice)
        assert (decoded.at.offset, decoded.n, decoded.kind, decoded.body) == (3, 7, frames.ToDeviceKind.CLEAR, "")

    def test_welcome_of_a_server_with_an_unknown_policy_is_read(self) -> None:
        greeting = {**plain(welcome(room_state(4))), "encryption": "private"}
        decoded = frame_decoder.decode(frame(greeting))
        assert isinstance(decoded, frames.Welcome)
        assert decoded.encryption == "private"


class TestUnknownLevels:
    @pytest.mark.parametrize("level", ["urgent", 3, [], None, {}], ids=repr)
    def test_room_with_an_unknown_level_of_notification_is_kept(self, level: object) -> None:
        greeting = plain(welcome(told(4, 3, unread=1)))
        (room,) = msgspec.to_builtins(greeting["rooms"])
        assert frame_decoder.decode(frame({**greeting, "rooms": [{**room, "notify": level}]})) == welcome(
            told(4, 3, unread=1)
        )

    def test_read_position_with_an_unknown_level_of_notification_is_taken(self) -> None:
        own = frames.Own(room="general", read=3, counted=4)
        assert frame_decoder.decode(frame({**plain(own), "notify": "urgent"})) == own


class TestUnknownFields:
    def test_unknown_fields_of_a_message_are_ignored(self) -> None:
        newer = {**plain(message(1)), "poll": [{"id": "p"}], "mood": 3}
        assert frame_decoder.decode(frame(newer)) == message(1)


class TestUnknownTypes:
    def test_unknown_push_is_passed_over(self) -> None:
        assert frame_decoder.decode(frame({"type": "poll", "room": "general", "who": ["bob"]})) is None

    @pytest.mark.parametrize("data", [b"", b"hello", b"[1]", b"\xff", b"[" * 100_000, b'{"id":' * 100_000])
    def test_what_is_no_frame_is_passed_over(self, data: bytes) -> None:
        assert frame_decoder.decode(data) is None

    @pytest.mark.parametrize("reply", [{"type": "found", "id": 7}, {"type": "page", "id": 7, "messages": 1}], ids=repr)
    def test_unreadable_reply_refuses_its_command(self, reply: object) -> None:
        decoded = frame_decoder.decode(frame(reply))
        assert isinstance(decoded, frames.ErrorFrame)
        assert (decoded.id, decoded.code) == (7, UNREADABLE)

    @pytest.mark.parametrize("command_id", ["7", -1, 2**60, None, 1.5], ids=repr)
    def test_unknown_frame_whose_id_is_no_command_is_passed_over(self, command_id: object) -> None:
        assert frame_decoder.decode(frame({"type": "found", "id": command_id})) is None
