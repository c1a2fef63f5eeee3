"""What gateways are told of a commit, and what happens when they can't be."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.broker import BrokerError, MemoryBroker
from chatterbox.wire.broker_events import CONTROL, MembershipChanged, decode_batch, decode_control, room_channel
from chatterbox.wire.codec import decode_server_frame
from chatterbox.wire.frames import Message
from chatterbox.wire.history_api import Append
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from services.history.core.append_plan import MessageContext, plan
from services.history.messages.append_server import MAX_BATCH_BYTES
from services.history.messages.commit_publisher import MAX_PAYLOAD_BYTES, CommitPublisher, CommittedChanges, payloads
from tests.support.history import until

EVENT = MembershipChanged(
    revision=1, room_id=1, room="general", private=False, user_id=1, username="alice", member=True, by="alice"
)


def news(*room_ids: int, events: Sequence[MembershipChanged] = (), content: str = "") -> CommittedChanges:
    batch = [Append(room_id, 1, "alice", content or f"message {number}", "") for number, room_id in enumerate(room_ids)]
    known = [MessageContext(f"room{room_id}", f"e{room_id}", 10, 0, True, None, 0, 0, "") for room_id in room_ids]
    return CommittedChanges(list(events), plan(batch, known, now_ms=0, last_id=0, limits=Limits()))


class PickyBroker(MemoryBroker):
    """Keeps what is published; fails, or waits, while told to."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[Sequence[tuple[str, bytes]]] = []
        self.failing = False
        self.open = asyncio.Event()
        self.open.set()

    async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
        await self.open.wait()
        if self.failing:
            raise BrokerError("gone")
        self.published.append(items)


class TestPayloads:
    def test_each_room_gets_one_batch_of_finished_frames_that_say_where_they_stand(self) -> None:
        (first_channel, first), (second_channel, second) = payloads(news(1, 2, 1))
        assert (first_channel, second_channel) == (room_channel(1), room_channel(2))
        batch = decode_batch(first)
        assert (batch.epoch, batch.first) == ("e1", 11)
        assert [decode_server_frame(frame) for frame in batch.frames] == [
            Message(
                room="room1",
                at=Position("e1", offset),
                message_id=message_id,
                username="alice",
                content=content,
                timestamp="1970-01-01T00:00:00.000Z",
            )
            for offset, message_id, content in ((11, 1, "message 0"), (12, 3, "message 2"))
        ]
        assert len(decode_batch(second).frames) == 1

    def test_memberships_come_before_the_messages_of_the_same_transaction(self) -> None:
        (control, event), (messages, _) = payloads(news(1, events=[EVENT]))
        assert (control, messages) == (CONTROL, room_channel(1))
        assert decode_control(event) == EVENT

    def test_a_payload_is_no_larger_than_its_bound(self) -> None:
        """The worst that a gateway sends at once: 500 messages of 4000 characters, four bytes each."""
        large = news(*[1] * 500, content="\N{GRINNING FACE}" * 4000)
        assert max(len(payload) for _, payload in payloads(large)) < MAX_PAYLOAD_BYTES + 100
        assert sum(len(payload) for _, payload in payloads(large)) < MAX_BATCH_BYTES

    @given(st.integers(1, 2000), st.lists(st.integers(1, 3), min_size=1, max_size=20))
    def test_however_small_payloads_are_they_are_the_same_messages_in_order(self, bound: int, rooms: list[int]) -> None:
        whole, parts = payloads(news(*rooms)), payloads(news(*rooms), bound)
        for channel, payload in whole:
            batch = decode_batch(payload)
            pieces = [decode_batch(part) for where, part in parts if where == channel]
            assert [frame for piece in pieces for frame in piece.frames] == list(batch.frames)
            assert [piece.first for piece in pieces] == [
                batch.first + sum(len(earlier.frames) for earlier in pieces[:number]) for number in range(len(pieces))
            ]
            assert {piece.epoch for piece in pieces} == {batch.epoch}


class TestAnnouncer:
    async def test_each_transaction_is_one_publish_and_the_last_is_out_before_it_closes(self) -> None:
        broker = PickyBroker()
        async with CommitPublisher(broker).running() as announcer:
            announcer.offer(news(1, 1, 2))
            announcer.offer(news(1))
        assert [len(items) for items in broker.published] == [2, 1]

    async def test_when_too_much_waits_whole_transactions_are_dropped_and_logged_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker = PickyBroker()
        broker.open.clear()
        async with CommitPublisher(broker, waiting_messages=10).running() as announcer:
            with caplog.at_level(logging.WARNING):
                for _ in range(100):
                    announcer.offer(news(1, 1, 1))
            broker.open.set()
        assert len(broker.published) == 3
        assert [record.message for record in caplog.records] == ["publisher.dropped", "publisher.recovered"]

    async def test_what_is_published_makes_room_for_more(self) -> None:
        broker = PickyBroker()
        async with CommitPublisher(broker, waiting_messages=3).running() as announcer:
            for number in range(1, 20):
                announcer.offer(news(1, 1))
                announcer.offer(news(1))
                await until(lambda published=2 * number: len(broker.published) == published)  # type: ignore[misc]

    async def test_a_broker_that_is_away_is_logged_once_and_again_when_it_is_back(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker = PickyBroker()
        broker.failing = True
        async with CommitPublisher(broker).running() as announcer:
            for _ in range(3):
                announcer.offer(news(1))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            broker.failing = False
            announcer.offer(news(1))
        assert len(broker.published) == 1
        assert [record.message for record in caplog.records] == ["publisher.dropped", "publisher.recovered"]
