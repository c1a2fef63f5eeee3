"""The outbox on disk: ordered, private, crash-safe, and shared between clients."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from chatterbox.wire.frames import AttachedFile
from client.core.outbox_entry import OutboxEntry
from client.failures import Failure
from client.store.outbox import Outbox, count, every_entry, new_entry, outbox_path

ONE, TWO, THREE = (OutboxEntry(f"k{number}", "general", f"message {number}") for number in (1, 2, 3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return outbox_path(tmp_path, "http://127.0.0.1:8000", "alice")


class TestOutbox:
    def test_outbox_keeps_the_order_of_entries(self, path: Path) -> None:
        with Outbox(path) as outbox:
            outbox.add([ONE, TWO])
            outbox.add([THREE])
            assert outbox.entries() == (ONE, TWO, THREE)

    def test_removed_entry_is_gone_from_the_outbox(self, path: Path) -> None:
        with Outbox(path) as outbox:
            outbox.add([ONE, TWO])
            outbox.remove(ONE.key)
            outbox.remove(ONE.key)
            assert outbox.entries() == (TWO,)

    def test_outbox_stores_any_text_unchanged(self, path: Path) -> None:
        entry = new_entry("general", "line\nline\t'; DROP TABLE entries; -- 漢 🙂")
        with Outbox(path) as outbox:
            outbox.add([entry])
        with Outbox(path) as outbox:
            assert outbox.take_over() == (entry,)

    def test_outbox_keeps_the_files_of_an_entry(self, path: Path) -> None:
        plan = AttachedFile(id="4f0c", name="plan.pdf", type="", size=7)
        entry = new_entry("general", "", files=(plan,))
        with Outbox(path) as outbox:
            outbox.add([entry])
        with Outbox(path) as outbox:
            assert outbox.take_over() == (entry,)

    def test_outbox_files_are_private(self, path: Path) -> None:
        old = os.umask(0)
        try:
            with Outbox(path) as outbox:
                outbox.add([ONE])
                assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in path.parent.iterdir())
        finally:
            os.umask(old)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_outbox_adds_all_entries_or_none(self, path: Path) -> None:
        with Outbox(path) as outbox:
            outbox.add([ONE])
            with pytest.raises(Failure, match="No message can be queued"):
                outbox.add([TWO, ONE])
            assert outbox.entries() == (ONE,)

    def test_damaged_outbox_file_raises_a_failure(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"not a database" * 100)
        with pytest.raises(Failure, match="Can't use the outbox on disk"):
            Outbox(path)


class TestTwoClients:
    def test_running_clients_do_not_take_over_each_others_entries(self, path: Path) -> None:
        with Outbox(path) as one, Outbox(path) as two:
            one.add([ONE])
            two.add([TWO])
            assert one.take_over() == (ONE,)
            assert two.take_over() == (TWO,)

    def test_next_client_takes_over_the_entries_of_an_ended_one(self, path: Path) -> None:
        with Outbox(path) as one:
            one.add([ONE, TWO])
        with Outbox(path) as two:
            two.add([THREE])
            assert two.take_over() == (ONE, TWO, THREE)

    def test_total_counts_the_entries_of_all_clients(self, path: Path) -> None:
        assert count(path) == 0
        with Outbox(path) as outbox:
            outbox.add([ONE, TWO])
            assert count(path) == 2

    def test_entry_is_dropped_by_the_end_of_its_key(self, path: Path) -> None:
        one, two = new_entry("ops", "one"), new_entry("ops", "two")
        with Outbox(path) as outbox:
            outbox.add([one, two])
        with Outbox(path) as outbox:
            assert outbox.drop(one.short_id) == one
        assert every_entry(path) == [(two, False)]

    @pytest.mark.parametrize("short_id", ["", "k1", "zzzzzz"])
    def test_unknown_or_short_id_drops_nothing(self, path: Path, short_id: str) -> None:
        entry = OutboxEntry("01a0c4506c7b5eed00k1", "ops", "one")
        with Outbox(path) as outbox:
            outbox.add([entry])
            with pytest.raises(Failure, match="No unsent message"):
                outbox.drop(short_id)
            assert outbox.entries() == (entry,)

    def test_entry_that_a_running_client_will_send_is_not_dropped(self, path: Path) -> None:
        entry = new_entry("ops", "one")
        with Outbox(path) as running:
            running.add([entry])
            assert every_entry(path) == [(entry, True)]
            with Outbox(path) as other, pytest.raises(Failure, match="A running chat or send holds this message"):
                other.drop(entry.short_id)
            assert running.take_over() == (entry,)

    def test_closed_outbox_leaves_no_lock_files(self, path: Path) -> None:
        with Outbox(path) as outbox:
            outbox.add([ONE])
        with Outbox(path) as outbox:
            outbox.take_over()
        assert [file.name for file in path.parent.iterdir()] == [path.name]


class TestKilledClient:
    """A real process, killed with SIGKILL while it writes and forgets as fast as it can."""

    WRITER = """
        import sys
        from pathlib import Path
        from client.core.outbox_entry import OutboxEntry
        from client.store.outbox import Outbox
        outbox = Outbox(Path(sys.argv[1]))
        for number in range(100_000):
            outbox.add([OutboxEntry(f"{sys.argv[2]}-{number}", "general", str(number))])
            print("added", number, flush=True)
            if number % 2:
                outbox.remove(f"{sys.argv[2]}-{number}")
                print("removed", number, flush=True)
    """

    @pytest.mark.parametrize("lines", [1, 2, 7, 40])
    def test_killed_client_leaves_every_entry_it_added(self, path: Path, lines: int) -> None:
        command = [sys.executable, "-c", textwrap.dedent(self.WRITER), str(path), f"run{lines}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [writer.stdout.readline().split() for _ in range(lines)]
            writer.send_signal(signal.SIGKILL)
            told += [line.split() for line in writer.stdout]
        added = {int(number) for what, number in told if what == "added"}
        removed = {int(number) for what, number in told if what == "removed"}
        with Outbox(path) as outbox:
            left = [int(entry.content) for entry in outbox.take_over()]
        assert left == sorted(left)
        assert not removed & set(left)
        last = max(added)
        assert added - removed <= {*left, last}
        assert set(left) <= added | {last + 1}


_OLD_SCHEMA = """
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    room TEXT NOT NULL,
    content TEXT NOT NULL,
    owner TEXT NOT NULL
)
"""


class TestEdits:
    def test_text_of_a_message_that_was_never_sent_is_replaced_on_disk(self, path: Path) -> None:
        with Outbox(path) as outbox:
            outbox.add([ONE, TWO])
            outbox.edit(ONE, "otherwise")
            assert [entry.content for entry in outbox.entries()] == ["otherwise", TWO.content]
        assert b"message 1" not in path.read_bytes()

    def test_first_text_of_a_message_that_was_sent_stays_beside_the_new_one(self, path: Path) -> None:
        with Outbox(path) as outbox:
            outbox.add([ONE])
            outbox.mark_tried()
            (tried,) = outbox.entries()
            outbox.edit(tried, "otherwise")
            (edited,) = outbox.entries()
        assert (edited.tried, edited.content, edited.text) == (True, ONE.content, "otherwise")

    def test_message_keeps_what_it_answers(self, path: Path) -> None:
        with Outbox(path) as outbox:
            outbox.add([new_entry("general", "yes", 7)])
        with Outbox(path) as outbox:
            assert outbox.take_over()[0].reply_to == 7

    def test_file_of_an_earlier_version_is_read_and_its_messages_count_as_tried(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        with closing(sqlite3.connect(path)) as db:
            db.execute(_OLD_SCHEMA)
            db.execute("INSERT INTO entries (key, room, content, owner) VALUES ('k1', 'general', 'message 1', 'gone')")
            db.commit()
        with Outbox(path) as outbox:
            (entry,) = outbox.take_over()
        assert (entry, entry.tried, entry.edited) == (ONE, True, None)
