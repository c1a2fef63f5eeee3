"""Publishing commits to the gateways: payloads, a full queue, an unavailable broker."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.broker import BrokerError, MemoryBroker
from chatterbox.wire.broker_events import CONTROL, MembershipChanged, RoomDeleted, decode_control, room_channel
from chatterbox.wire.codec import decode_server_frame
from chatterbox.wire.frames import Message
from chatterbox.wire.history_api import Append
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from services.history.core.append_plan import AppendPlan, MessageContext, plan
from services.history.core.recent_senders import RecentSenders
from services.history.messages.append_server import MAX_BATCH_BYTES
from services.history.messages.commit_publisher import MAX_PAYLOAD_BYTES, CommitPublisher, CommittedChanges, payloads
from tests.support.history import until
from tests.support.message_batch import message_batch

EVENT = MembershipChanged(
    revision=1, room_id=1, room="general", private=False, user_id=1, username="alice", member=True, by="alice"
)


def changes(*room_ids: int, events: Sequence[MembershipChanged] = (), content: str = "") -> CommittedChanges:
    batch = [Append(room_id, 1, "alice", content or f"message {number}", "") for number, room_id in enumerate(room_ids)]
    known = [MessageContext(f"room{room_id}", f"e{room_id}", 10, 0, True, None, 0, 0, "") for room_id in room_ids]
    return CommittedChanges(list(events), plan(batch, known, now_ms=0, last_id=0, limits=Limits()))


class PickyBroker(MemoryBroker):
    """Records what is published; fails or blocks on request."""

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
    def test_each_room_gets_one_batch_of_encoded_frames_with_positions(self) -> None:
        (first_channel, first), (second_channel, second) = payloads(changes(1, 2, 1))
        assert (first_channel, second_channel) == (room_channel(1), room_channel(2))
        batch = message_batch(first)
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
        assert len(message_batch(second).frames) == 1

    def test_membership_events_precede_messages_of_the_same_transaction(self) -> None:
        (control, event), (messages, _) = payloads(changes(1, events=[EVENT]))
        assert (control, messages) == (CONTROL, room_channel(1))
        assert decode_control(event) == EVENT

    def test_payloads_do_not_exceed_the_size_limit(self) -> None:
        """The largest batch of a gateway: 500 messages of 4000 characters, four bytes each."""
        large = changes(*[1] * 500, content="\N{GRINNING FACE}" * 4000)
        assert max(len(payload) for _, payload in payloads(large)) < MAX_PAYLOAD_BYTES + 100
        assert sum(len(payload) for _, payload in payloads(large)) < MAX_BATCH_BYTES

    @given(st.integers(1, 2000), st.lists(st.integers(1, 3), min_size=1, max_size=20))
    def test_payloads_of_any_size_limit_contain_the_same_messages_in_order(self, bound: int, rooms: list[int]) -> None:
        whole, parts = payloads(changes(*rooms)), payloads(changes(*rooms), bound)
        for channel, payload in whole:
            batch = message_batch(payload)
            pieces = [message_batch(part) for where, part in parts if where == channel]
            assert [frame for piece in pieces for frame in piece.frames] == list(batch.frames)
            assert [piece.first for piece in pieces] == [
                batch.first + sum(len(earlier.frames) for earlier in pieces[:number]) for number in range(len(pieces))
            ]
            assert {piece.epoch for piece in pieces} == {batch.epoch}


class TestSenders:
    def test_recent_senders_follow_committed_messages_and_forget_deleted_rooms(self) -> None:
        senders = RecentSenders()
        changes(1, 2, 1).tell_senders(senders)
        assert [senders.count(room_id, 1, 10, head) for room_id, head in ((1, 12), (2, 11))] == [2, 1]
        deleted = RoomDeleted(revision=1, room_id=1, room="room1", by="alice")
        CommittedChanges([deleted], AppendPlan()).tell_senders(senders)
        assert [senders.count(room_id, 1, 10, 11) for room_id in (1, 2)] == [None, 1]


class TestCommitPublisher:
    async def test_each_transaction_is_one_publish_and_closing_waits_for_the_last(self) -> None:
        broker = PickyBroker()
        async with CommitPublisher(broker).running() as publisher:
            publisher.offer(changes(1, 1, 2))
            publisher.offer(changes(1))
        assert [len(items) for items in broker.published] == [2, 1]

    async def test_a_full_publish_queue_drops_whole_transactions_and_logs_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker = PickyBroker()
        broker.open.clear()
        async with CommitPublisher(broker, waiting_messages=10).running() as publisher:
            with caplog.at_level(logging.WARNING):
                for _ in range(100):
                    publisher.offer(changes(1, 1, 1))
            broker.open.set()
        assert len(broker.published) == 3
        assert [record.message for record in caplog.records] == ["publisher.dropped", "publisher.recovered"]

    async def test_published_transactions_free_the_queue(self) -> None:
        broker = PickyBroker()
        async with CommitPublisher(broker, waiting_messages=3).running() as publisher:
            for number in range(1, 20):
                publisher.offer(changes(1, 1))
                publisher.offer(changes(1))
                await until(lambda published=2 * number: len(broker.published) == published)  # type: ignore[misc]

    async def test_an_unavailable_broker_and_its_recovery_are_logged_once_each(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker = PickyBroker()
        broker.failing = True
        async with CommitPublisher(broker).running() as publisher:
            for _ in range(3):
                publisher.offer(changes(1))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            broker.failing = False
            publisher.offer(changes(1))
        assert len(broker.published) == 1
        assert [record.message for record in caplog.records] == ["publisher.dropped", "publisher.recovered"]
