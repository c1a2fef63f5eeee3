"""The outbox keeps texts for encrypted rooms encrypted."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from chatterbox.wire.frames import AttachedFile
from client.core.direct_rooms import EncryptedDirects
from client.core.outbox_entry import OutboxEntry
from client.encryption import attachments
from client.store import outbox as outbox_store
from client.store.outbox import Outbox, new_entry
from client.store.text_cipher import TextCipher

CANARY = "the quick canary"
KEY = os.urandom(32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox" / "alice.sqlite3"


def opened(path: Path, key: bytes = KEY) -> Outbox:
    return Outbox(path, TextCipher(lambda: key))


def on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_text_and_file_names_of_encrypted_rooms_are_never_on_disk_in_clear(path: Path) -> None:
    uploaded = AttachedFile(id="f1", name="encrypted", type="", size=3)
    file = attachments.described(uploaded, attachments.new_secret(), f"{CANARY}.pdf", "")
    entry = replace(new_entry("@bob", CANARY, 7, (file,)), tried=True)
    with opened(path) as outbox:
        outbox.add([entry], encrypted=True)
        outbox.edit(entry, f"{CANARY} again", encrypted=True)
        assert outbox.entries() == (replace(entry, edited=f"{CANARY} again"),)
        assert CANARY.encode() not in on_disk(path)
        outbox.remove(entry.key)
    assert CANARY.encode() not in on_disk(path)


def test_message_is_decrypted_by_the_next_client(path: Path) -> None:
    entry = new_entry("@bob", CANARY)
    with opened(path) as outbox:
        outbox.add([entry], encrypted=True)
    with opened(path) as outbox:
        assert outbox.take_over() == (entry,)
        assert [stored.entry for stored in outbox_store.every_entry(path, TextCipher(lambda: KEY))] == [entry]


def test_message_of_another_key_is_listed_and_can_be_dropped_but_is_not_sent(path: Path) -> None:
    entry = new_entry("@bob", CANARY)
    with opened(path) as outbox:
        outbox.add([entry], encrypted=True)
    with opened(path, os.urandom(32)) as outbox:
        assert outbox.take_over() == ()
        [stored] = outbox.every_entry()
        assert (stored.entry.room, stored.entry.content) == ("@bob", "(encrypted with another key)")
        outbox.drop(entry.short_id)
        assert outbox.total() == 0


def test_texts_can_not_be_exchanged_between_messages(path: Path) -> None:
    first, second = new_entry("@bob", "yes"), new_entry("@bob", "no")
    with opened(path) as outbox:
        outbox.add([first, second], encrypted=True)
        outbox._db.execute(
            "UPDATE entries SET content = (SELECT content FROM entries WHERE key = ?) WHERE key = ?",
            (first.key, second.key),
        )
        assert outbox.entries() == (first,)


class TestWhenAConversationBecomesEncrypted:
    def test_what_was_never_sent_is_encrypted_on_disk(self, path: Path) -> None:
        entry = new_entry("@bob", CANARY)
        with opened(path) as outbox:
            outbox.add([entry])
            assert CANARY.encode() in on_disk(path)
            assert outbox.take_over(EncryptedDirects(always=True)) == (entry,)
            assert CANARY.encode() not in on_disk(path)

    def test_what_may_be_stored_in_clear_stays_with_the_earlier_conversation(self, path: Path) -> None:
        entry: OutboxEntry = replace(new_entry("@bob", "before"), tried=True)
        with opened(path) as outbox:
            outbox.add([entry])
            assert outbox.take_over(EncryptedDirects(peers=frozenset({"bob"}))) == (replace(entry, room="@bob+"),)
            assert outbox.take_over(EncryptedDirects(always=True)) == (replace(entry, room="@bob+"),)

    def test_other_conversations_and_rooms_stay_as_they_are(self, path: Path) -> None:
        entries = (new_entry("@carol", "one"), new_entry("general", "two"))
        with opened(path) as outbox:
            outbox.add(entries)
            assert outbox.take_over(EncryptedDirects(peers=frozenset({"bob"}))) == entries


def test_file_of_an_earlier_version_is_opened(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.add([new_entry("@bob", "one")])
        outbox._db.execute("ALTER TABLE entries DROP COLUMN encrypted")
    with opened(path) as outbox:
        assert [entry.content for entry in outbox.take_over()] == ["one"]
