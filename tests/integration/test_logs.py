"""Logs: at debug a message can be traced by its id, and no log contains its text."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.observability.logs import fields_of
from services.gateway.upstream import append_batcher
from services.history.messages import writer
from tests.support.server import running
from tests.support.talker import offsets


def _lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [fields_of(record) for record in caplog.records if record.getMessage() == event]


async def test_at_debug_each_batch_is_logged_with_its_messages_connections_and_positions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "chatterbox")
    async with running(tmp_path) as server:
        token = await server.newcomer("alice")
        async with server.talker(token) as alice:
            ids = [(await alice.send(f"hush {number}"))["message_id"] for number in range(3)]
            connection = _lines(caplog, "connection.opened")[0]["connection"]
    batches, stored = _lines(caplog, "batch.stored"), _lines(caplog, "messages.stored")
    assert [(line["first_id"], line["last_id"], line["connections"]) for line in batches] == [
        (each, each, connection) for each in ids
    ]
    assert [(line["first_id"], line["rooms"].split(":")[1]) for line in stored] == list(
        zip(ids, ["1-1", "2-2", "3-3"], strict=True)
    )
    written = " ".join(f"{record.getMessage()} {fields_of(record)}" for record in caplog.records)
    assert "hush" not in written
    assert token not in written


async def test_at_info_nothing_is_logged_or_computed_per_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("computed for nobody")

    monkeypatch.setattr(append_batcher, "_log_fields", fail)
    monkeypatch.setattr(writer, "_log_fields", fail)
    caplog.set_level(logging.INFO, "chatterbox")
    async with running(tmp_path) as server:
        async with server.talker(await server.newcomer("alice")) as alice:
            before = len(caplog.records)
            for number in range(10):
                assert (await alice.send(str(number)))["type"] == "sent"
            lines = [record for record in caplog.records[before:] if record.name.startswith("chatterbox")]
            assert lines == []


async def test_a_filled_gap_is_logged_with_its_first_and_last_offset(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class LosesTheSecondAndThird(MemoryBroker):
        rooms = 0

        async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
            for item in items:
                self.rooms += ":room:" in item[0]
                if ":room:" not in item[0] or self.rooms not in (2, 3):
                    await super().publish([item])

    caplog.set_level(logging.INFO, "chatterbox.room_feed")
    async with running(tmp_path, broker=LosesTheSecondAndThird(), heads_interval_s=60) as server:
        async with server.talker(await server.newcomer("alice")) as alice:
            for number in range(4):
                await alice.send(f"m{number}")
            assert offsets(await alice.messages(4)) == [1, 2, 3, 4]
    assert [(line["first"], line["last"]) for line in _lines(caplog, "gap.filled")] == [(2, 4)]
