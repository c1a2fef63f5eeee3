"""What the client itself makes and reads, against the OlmMachine of the Matrix Rust SDK."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chatterbox.wire.encryption.device_keys import OLM
from client.encryption.core.backup_items import BackupSession
from client.encryption.core.messages import message_payload, olm_payload
from client.encryption.core.messages.message_payload import TextContent
from client.encryption.core.messages.olm_payload import OlmParty
from client.encryption.core.verification import sas_crypto
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.sessions import room_sessions
from client.encryption.sessions.base64_text import from_url, to_base64, to_url
from client.encryption.store.key_store import KEY_BYTES, KeyStore, Table
from tests.interop import recorded_exchange
from tests.interop.meeting import OURS, ROOM, THEIRS, UID, Meeting
from tests.interop.verification_partner import VerificationPartner


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    store = KeyStore(tmp_path / "keys.sqlite3", bytes(KEY_BYTES))
    yield store
    store.close()


def own_identity(meeting: Meeting) -> DeviceIdentity:
    return DeviceIdentity(1, "ada", OURS, meeting.device.signing, meeting.device.curve)


def parties(meeting: Meeting) -> tuple[OlmParty, OlmParty]:
    """Ada's device and Bob's."""
    ours = OlmParty(meeting.ada.name, meeting.device.signing)
    return ours, OlmParty(meeting.bob_name, meeting.identity["ed25519"])


def share(meeting: Meeting, content: dict[str, str]) -> None:
    """Give the machine a room key in a payload that the client built."""
    ours, theirs = parties(meeting)
    payload = olm_payload.build(
        "m.room_key", content, sender=ours, recipient=theirs, n=1, list_version=3,
        sender_device_keys=meeting.ada.signed_device(meeting.device),
    )  # fmt: skip
    key = next(iter(meeting.their_one_time_keys.values()))
    meeting.device.begin_olm(meeting.identity["curve25519"], key.key)
    kind, body = meeting.device.olm[meeting.identity["curve25519"]].encrypt(payload).to_parts()
    ciphertext = {meeting.identity["curve25519"]: {"type": kind, "body": to_base64(body)}}
    event = {"algorithm": OLM, "sender_key": meeting.device.curve, "ciphertext": ciphertext}
    [received] = meeting.machine.ask(
        "receive", [{"type": "m.room.encrypted", "sender": meeting.ada.name, "content": event}]
    )
    assert received["type"] == "m.room_key"


def test_the_machine_reads_what_the_client_encrypted(meeting: Meeting, store: KeyStore) -> None:
    texts = ["plain", "Grüße, 漢字, 🦀", "two\nlines", "x" * 4000]
    with store.transaction() as transaction:
        record = room_sessions.begin_outbound(transaction, UID, own_identity(meeting), "", 0)
        share(meeting, room_sessions.room_key(record, UID))
        envelopes = [
            room_sessions.encrypt(
                transaction, UID, record, OURS, message_payload.build(ROOM, TextContent(text=text, n=n))
            )
            for n, text in enumerate(texts, 1)
        ]
    session = from_url(record.session)
    events = [meeting.room_event(session, from_url(each.body), number) for number, each in enumerate(envelopes)]
    opened = meeting.machine.ask("decrypt", ROOM, events, "CrossSigned")
    assert [(each["event"]["content"]["b"], each["event"]["content"]["n"]) for each in opened] == [
        (text, n) for n, text in enumerate(texts, 1)
    ]


def test_the_client_checks_and_reads_what_the_machine_sent(meeting: Meeting, store: KeyStore) -> None:
    sent = meeting.let_them_share()[OURS]["content"]
    ours, theirs = parties(meeting)
    decrypted = msgspec.json.encode(meeting.olm_payload(sent))
    payload = olm_payload.parse(decrypted, sender=theirs, recipient=ours)
    assert payload.type == room_sessions.ROOM_KEY
    for sender, recipient in ((ours, ours), (theirs, theirs)):
        with pytest.raises(olm_payload.OlmPayloadError):
            olm_payload.parse(decrypted, sender=sender, recipient=recipient)
    [event] = meeting.machine.ask("encrypt", ROOM, "cb.text", [{"b": "from the machine", "n": 1, "l": 1}])
    session = meeting.device.accept_room_key(msgspec.to_builtins(payload))
    plaintext = msgspec.json.encode(meeting.device.decrypt(session, event["ciphertext"]))
    assert message_payload.parse(plaintext, ROOM) == TextContent(text="from the machine", n=1, list_version=1)


def test_a_session_that_the_client_exported_is_imported_by_the_machine(meeting: Meeting, store: KeyStore) -> None:
    with store.transaction() as transaction:
        record = room_sessions.begin_outbound(transaction, UID, own_identity(meeting), "", 0)
        row = room_sessions.inbound_row(UID, record.session, OURS)
        exported = room_sessions.export_session(transaction, row)
        plaintext = message_payload.build(ROOM, TextContent(text="before", n=1))
        envelope = room_sessions.encrypt(transaction, UID, record, OURS, plaintext)
    assert meeting.machine.ask("import_sessions", [msgspec.to_builtins(exported)]) == 1
    event = meeting.room_event(from_url(record.session), from_url(envelope.body), 1)
    [opened] = meeting.machine.ask("decrypt", ROOM, [event], "Untrusted")
    assert opened["event"]["content"]["b"] == "before"


def test_a_session_that_the_machine_exported_is_imported_by_the_client(meeting: Meeting, store: KeyStore) -> None:
    meeting.let_them_share()
    meeting.machine.ask("encrypt", ROOM, "cb.text", [{"b": "kept"}])
    [item] = meeting.machine.ask("export_sessions")
    of_ours = {"user_id": 2, "username": "bob", "device": THEIRS, "master": meeting.their_master.public_key}
    session = msgspec.convert({**item, **of_ours}, BackupSession)
    with store.transaction() as transaction:
        uid, name = room_sessions.import_session(transaction, session, backed_up=True) or ("", "")
        assert (uid, name) == (UID, to_url(item["session_id"]))
        assert transaction.names(Table.INBOUND) == [room_sessions.inbound_row(UID, name, THEIRS)]


def test_the_clients_verification_and_the_machines_show_the_same_and_verify(meeting: Meeting) -> None:
    partner = VerificationPartner(meeting)
    shown, ours = partner.exchange_keys()
    assert tuple(shown["numbers"]) == ours.numbers
    assert [name.lower() for name in shown["names"]] == [name.lower() for name in ours.emoji]
    assert partner.confirm().name == "VERIFIED"
    assert meeting.machine.ask("device", meeting.ada.name, OURS)["verified"]


def test_the_clients_verification_ends_when_the_machines_key_is_replaced(meeting: Meeting) -> None:
    partner = VerificationPartner(meeting, their_device_key=meeting.unsigned.signing)
    partner.exchange_keys()
    assert partner.confirm().name == "FORGED"


def test_emoji_have_the_names_that_the_machine_showed() -> None:
    recorded = [name.lower() for _, name in recorded_exchange.load()["emoji"].values()]
    assert [name.lower() for name in sas_crypto.EMOJI_NAMES] == recorded
