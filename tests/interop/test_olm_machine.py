"""Keys and messages of ours against the OlmMachine of the Matrix Rust SDK, in both directions."""

import random

import msgspec
import pytest
import vodozemac

from chatterbox.wire.encryption import signatures
from chatterbox.wire.encryption.device_keys import MEGOLM
from tests.interop import olm_machine
from tests.interop.meeting import OURS, ROOM, THEIRS, UID, UNSIGNED, Meeting
from tests.interop.short_strings import SasPartner
from tests.support.encryption.model_device import OutboundSession

MESSAGES = 1000
LONGEST = 4000
_PLANES = ((0x20, 0x7E), (0xA0, 0x24F), (0x400, 0x4FF), (0x4E00, 0x9FFF), (0x1F300, 0x1F64F), (0x20000, 0x2A6DF))


def random_texts(seed: int) -> list[str]:
    """Texts of all lengths and of several scripts, with line breaks and quotes."""
    rng = random.Random(seed)

    def text() -> str:
        low, high = rng.choice(_PLANES)
        length = min(LONGEST, int(rng.expovariate(1 / 150)) + 1)
        return "".join(
            chr(rng.randint(low, high)) if rng.random() > 0.03 else rng.choice('\n"\\') for _ in range(length)
        )

    return [text() for _ in range(MESSAGES)]


class TestKeys:
    def test_device_and_cross_signing_keys_of_the_machine_are_signed_as_we_check_it(self, meeting: Meeting) -> None:
        signatures.verify_device(meeting.their_device, meeting.bob_name, THEIRS)
        master, self_signing = meeting.their_master.public_key, meeting.their_self_signing.public_key
        signatures.verify(meeting.their_self_signing, meeting.bob_name, master, master, "the self-signing key")
        signatures.verify(meeting.their_device, meeting.bob_name, self_signing, self_signing, "the device")

    def test_one_time_and_fallback_keys_of_the_machine_are_signed_by_its_device(self, meeting: Meeting) -> None:
        signing = meeting.identity["ed25519"]
        for key in (*meeting.their_one_time_keys.values(), *meeting.their_fallback_keys.values()):
            signatures.verify(key, meeting.bob_name, THEIRS, signing, "a one-time key")
        assert all(key.fallback for key in meeting.their_fallback_keys.values())
        assert meeting.their_fallback_keys

    def test_a_changed_key_of_the_machine_is_refused(self, meeting: Meeting) -> None:
        key = next(iter(meeting.their_one_time_keys.values()))
        other = msgspec.structs.replace(key, key=meeting.device.curve)
        with pytest.raises(signatures.SignatureError):
            signatures.verify(other, meeting.bob_name, THEIRS, meeting.identity["ed25519"], "a one-time key")

    def test_the_machine_accepts_our_signed_device_and_no_unsigned_one(self, meeting: Meeting) -> None:
        assert meeting.machine.ask("device", meeting.ada.name, OURS)["signed_by_owner"]
        assert not meeting.machine.ask("device", meeting.ada.name, UNSIGNED)["signed_by_owner"]


class TestRoomKeys:
    def test_the_machine_gives_keys_to_our_signed_device_only(self, meeting: Meeting) -> None:
        sent = meeting.let_them_share()
        payload = meeting.olm_payload(sent[OURS]["content"])
        assert payload["type"] == "m.room_key"
        assert payload["recipient_keys"] == {"ed25519": meeting.device.signing}
        assert payload["sender"] == meeting.bob_name
        assert payload["keys"] == {"ed25519": meeting.identity["ed25519"]}
        assert sent[UNSIGNED]["type"] == "m.room_key.withheld"

    def test_the_machine_takes_keys_that_our_device_gives(self, meeting: Meeting) -> None:
        session = OutboundSession(meeting.device, UID)
        [received] = meeting.share_with_them(session)
        assert received["type"] == "m.room_key"
        assert received["content"]["session_id"] == session.session_id


class TestMessages:
    def test_we_read_a_thousand_messages_of_the_machine(self, meeting: Meeting) -> None:
        session_id = meeting.device.accept_room_key(meeting.olm_payload(meeting.let_them_share()[OURS]["content"]))
        texts = random_texts(1)
        events = meeting.machine.ask("encrypt", ROOM, "cb.text", [{"b": text, "n": n} for n, text in enumerate(texts)])
        opened = [meeting.device.decrypt(session_id, event["ciphertext"]) for event in events]
        assert [event["content"] for event in opened] == [{"b": text, "n": n} for n, text in enumerate(texts)]
        assert {(event["type"], event["room_id"]) for event in opened} == {("cb.text", ROOM)}

    def test_the_machine_reads_a_thousand_messages_of_ours(self, meeting: Meeting) -> None:
        session = OutboundSession(meeting.device, UID)
        meeting.share_with_them(session)
        texts = random_texts(2)
        events = [
            meeting.room_event(session.session_id, session.ciphertext({"b": text}), number)
            for number, text in enumerate(texts)
        ]
        opened = meeting.machine.ask("decrypt", ROOM, events, "CrossSigned")
        assert [each["event"]["content"]["b"] for each in opened] == texts
        assert {(each["sender"], each["device"]) for each in opened} == {(meeting.ada.name, OURS)}

    def test_the_machine_refuses_a_message_of_ours_in_another_room(self, meeting: Meeting) -> None:
        session = OutboundSession(meeting.device, UID)
        meeting.share_with_them(session)
        event = {
            **meeting.room_event(session.session_id, session.ciphertext({"b": "x"}), 1),
            "room_id": "!other:chatterbox",
        }
        with pytest.raises(olm_machine.PeerError):
            meeting.machine.ask("decrypt", "!other:chatterbox", [event], "Untrusted")


class TestExportedSessions:
    def test_the_machine_reads_by_a_session_that_we_exported(self, meeting: Meeting) -> None:
        session = OutboundSession(meeting.device, UID)
        exported = meeting.device.room_sessions[session.session_id].export_at(0)
        assert exported is not None
        item = {
            "algorithm": MEGOLM, "room_id": ROOM, "sender_key": meeting.device.curve,
            "session_id": session.session_id, "session_key": exported.to_base64(),
            "sender_claimed_keys": {"ed25519": meeting.device.signing}, "forwarding_curve25519_key_chain": [],
        }  # fmt: skip
        assert meeting.machine.ask("import_sessions", [item]) == 1
        event = meeting.room_event(session.session_id, session.ciphertext({"b": "from before"}), 1)
        [opened] = meeting.machine.ask("decrypt", ROOM, [event], "Untrusted")
        assert opened["event"]["content"] == {"b": "from before"}

    def test_we_read_by_a_session_that_the_machine_exported(self, meeting: Meeting) -> None:
        meeting.let_them_share()
        [event] = meeting.machine.ask("encrypt", ROOM, "cb.text", [{"b": "kept"}])
        [item] = meeting.machine.ask("export_sessions")
        session = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(item["session_key"]))
        meeting.device.room_sessions[item["session_id"]] = session
        assert meeting.device.decrypt(event["session_id"], event["ciphertext"])["content"] == {"b": "kept"}


class TestVerification:
    def test_both_show_the_same_numbers_and_emoji_and_verify_each_other(self, meeting: Meeting) -> None:
        partner = SasPartner(meeting)
        shown, ours = partner.exchange_keys()
        assert shown["numbers"] == list(ours.decimals)
        assert shown["emoji"] == list(ours.emoji_indices)
        assert set(partner.confirm()) == {f"ed25519:{THEIRS}", f"ed25519:{meeting.their_master.public_key}"}
        assert meeting.machine.ask("shown")["done"]
        assert meeting.machine.ask("device", meeting.ada.name, OURS)["verified"]

    def test_a_key_that_was_exchanged_on_the_way_gives_other_numbers(self, meeting: Meeting) -> None:
        shown, ours = SasPartner(meeting, shows_another_key=True).exchange_keys()
        assert shown["numbers"] != list(ours.decimals)
