"""Planning an append: offsets, keys, retries and refusals, for any sequence of batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.errors import Code
from chatterbox.wire.history_api import Append, Appended, AppendRefused
from chatterbox.wire.limits import Limits
from services.history.core.append_plan import AppendPlan, MessageContext, MessageRow, Outcome, RoomTail, plan

ROOMS, USERS = (1, 2), (1, 2, 3)
MEMBERS = {(1, 1), (1, 2), (2, 1)}


@dataclass
class Table:
    """An in-memory stand-in for SQLite: returns contexts as the writer's query does, and applies plans."""

    tails: dict[int, RoomTail] = field(
        default_factory=lambda: {room_id: RoomTail(f"room{room_id}", f"epoch{room_id}", 0, 0) for room_id in ROOMS}
    )
    rows: list[MessageRow] = field(default_factory=list)

    def context(self, message: Append) -> MessageContext:
        tail = self.tails.get(message.room_id)
        if tail is None:
            return MessageContext(None, "", 0, 0, False, None, 0, 0, "")
        member = (message.room_id, message.user_id) in MEMBERS
        earlier = self._earlier(message)
        found = (earlier.message_id, earlier.offset, earlier.timestamp_ms, earlier.content) if earlier else None
        return MessageContext(tail.room, tail.epoch, tail.head, tail.last_ms, member, *(found or (None, 0, 0, "")))

    def _earlier(self, message: Append) -> MessageRow | None:
        wanted = (message.user_id, message.room_id, message.key)
        return next((row for row in self.rows if (row.user_id, row.room_id, row.key) == wanted), None)

    def append(self, batch: Sequence[Append], now_ms: int) -> list[Outcome]:
        last_id = self.rows[-1].message_id if self.rows else 0
        contexts = [self.context(message) for message in batch]
        planned = plan(batch, contexts, now_ms=now_ms, last_id=last_id, limits=Limits())
        self.rows += planned.inserts
        self.tails |= planned.tails
        return planned.outcomes


messages = st.builds(
    Append,
    room_id=st.sampled_from((*ROOMS, 9)),
    user_id=st.sampled_from(USERS),
    username=st.just("somebody"),
    content=st.sampled_from(("hello", "bye", " ", "\x1b[2J")),
    key=st.sampled_from(("a", "b", "c", "d", "e", "", "not a key")),
)
batches = st.lists(st.tuples(st.lists(messages, max_size=8), st.integers(0, 5)), max_size=8)


def appended(outcomes: Sequence[Outcome]) -> list[Appended]:
    return [outcome for outcome in outcomes if isinstance(outcome, Appended)]


def plan_one(message: Append, context: MessageContext, *, now_ms: int = 1000) -> AppendPlan:
    return plan([message], [context], now_ms=now_ms, last_id=0, limits=Limits())


MESSAGE = Append(1, 1, "alice", "hello", "k")
FRESH = MessageContext("general", "e", 0, 0, True, None, 0, 0, "")


class TestAnyBatches:
    @given(batches)
    def test_offsets_of_a_room_are_dense_and_in_the_order_of_arrival(
        self, batches: list[tuple[list[Append], int]]
    ) -> None:
        table = Table()
        for batch, now_ms in batches:
            table.append(batch, now_ms)
        for room_id in ROOMS:
            offsets = [row.offset for row in table.rows if row.room_id == room_id]
            assert offsets == list(range(1, table.tails[room_id].head + 1))

    @given(batches)
    def test_ids_increase_and_timestamps_of_a_room_never_decrease(
        self, batches: list[tuple[list[Append], int]]
    ) -> None:
        table = Table()
        for batch, now_ms in batches:
            table.append(batch, now_ms)
        assert [row.message_id for row in table.rows] == list(range(1, len(table.rows) + 1))
        for room_id in ROOMS:
            times = [row.timestamp_ms for row in table.rows if row.room_id == room_id]
            assert times == sorted(times)

    @given(batches)
    def test_a_key_is_stored_once_and_every_retry_gets_the_same_ack(
        self, batches: list[tuple[list[Append], int]]
    ) -> None:
        table = Table()
        acks: dict[tuple[int, int, str], set[tuple[str, Appended]]] = {}
        for batch, now_ms in batches:
            for message, outcome in zip(batch, table.append(batch, now_ms), strict=True):
                if message.key and isinstance(outcome, Appended):
                    acks.setdefault((message.user_id, message.room_id, message.key), set()).add(
                        (message.content, outcome)
                    )
        assert all(len(answers) == 1 for answers in acks.values())
        keyed = [(row.user_id, row.room_id, row.key) for row in table.rows if row.key is not None]
        assert len(keyed) == len(set(keyed))

    @given(batches)
    def test_acked_messages_are_stored_and_refused_ones_are_not(self, batches: list[tuple[list[Append], int]]) -> None:
        table = Table()
        for batch, now_ms in batches:
            before = len(table.rows)
            outcomes = table.append(batch, now_ms)
            stored = {(row.message_id, row.offset) for row in table.rows}
            assert len(outcomes) == len(batch)
            assert all((ack.message_id, ack.offset) in stored for ack in appended(outcomes))
            new_acks = {ack.message_id for ack in appended(outcomes) if ack.message_id > before}
            assert new_acks == {row.message_id for row in table.rows[before:]}

    @given(st.lists(messages, max_size=20), st.lists(st.integers(0, 20), max_size=5))
    def test_splitting_a_batch_does_not_change_the_result(self, sent: list[Append], cuts: list[int]) -> None:
        whole, parts = Table(), Table()
        at_once = whole.append(sent, 1)
        bounds = [0, *sorted(cut for cut in cuts if cut <= len(sent)), len(sent)]
        in_parts = [outcome for start, end in pairwise(bounds) for outcome in parts.append(sent[start:end], 1)]
        assert in_parts == at_once
        assert parts.rows == whole.rows


class TestOneMessage:
    def test_a_message_gets_the_next_offset_and_its_sender_the_position(self) -> None:
        planned = plan_one(MESSAGE, FRESH._replace(head=41))
        assert planned.outcomes == [Appended("e", 42, 1, "1970-01-01T00:00:01.000Z")]
        assert planned.inserts == [MessageRow(1, 1, 42, 1, "alice", "hello", 1000, "k")]
        assert planned.tails == {1: RoomTail("general", "e", 42, 1000)}

    def test_a_clock_set_back_does_not_make_a_message_older_than_the_previous_one(self) -> None:
        assert plan_one(MESSAGE, FRESH._replace(last_ms=5000), now_ms=1000).inserts[0].timestamp_ms == 5000

    def test_a_message_without_a_key_is_stored_each_time_it_is_sent(self) -> None:
        nameless = Append(1, 1, "alice", "hello", "")
        planned = plan([nameless] * 2, [FRESH] * 2, now_ms=0, last_id=0, limits=Limits())
        assert [insert.key for insert in planned.inserts] == [None, None]

    def test_a_retry_is_acked_even_when_its_sender_has_left_the_room(self) -> None:
        left = FRESH._replace(member=False, head=9, earlier_id=7, earlier_offset=3, earlier_content="hello")
        planned = plan_one(MESSAGE, left)
        assert planned.outcomes == [Appended("e", 3, 7, "1970-01-01T00:00:00.000Z")]
        assert not planned.inserts

    def test_each_refused_message_gets_its_error_code(self) -> None:
        taken = FRESH._replace(earlier_id=7, earlier_offset=3, earlier_content="other")
        assert refusal(MESSAGE, taken) == Code.KEY_REUSED
        assert refusal(MESSAGE, FRESH._replace(member=False)) == Code.NOT_A_MEMBER
        assert refusal(MESSAGE, FRESH._replace(room=None)) == Code.ROOM_UNKNOWN
        assert refusal(Append(1, 1, "alice", "", "k"), FRESH) == Code.CONTENT_EMPTY
        assert refusal(Append(1, 1, "alice", "x" * 4001, "k"), FRESH) == Code.CONTENT_TOO_LONG
        assert refusal(Append(1, 1, "alice", "\u202e", "k"), FRESH) == Code.CONTENT_FORBIDDEN
        assert refusal(Append(1, 1, "alice", "hello", "k k"), FRESH) == Code.KEY_INVALID


def refusal(message: Append, context: MessageContext) -> str:
    planned = plan_one(message, context)
    assert not planned.inserts
    assert not planned.tails
    [outcome] = planned.outcomes
    assert isinstance(outcome, AppendRefused)
    return outcome.code


class TestRateLimit:
    def test_a_message_over_the_rate_limit_is_refused_with_a_retry_time_and_takes_no_offset(self) -> None:
        batch = [Append(1, 1, "alice", f"m{number}", f"k{number}") for number in range(3)]
        waits = iter([0.0, 0.5, 0.0])
        planned = plan(batch, [FRESH] * 3, now_ms=1, last_id=0, limits=Limits(), spend=lambda _: next(waits))
        assert [insert.offset for insert in planned.inserts] == [1, 2]
        refused = planned.outcomes[1]
        assert isinstance(refused, AppendRefused)
        assert (refused.code, refused.retry_after_s) == (Code.RATE_LIMITED, 0.5)

    def test_a_retry_of_a_stored_message_does_not_count_towards_the_rate_limit(self) -> None:
        stored = MessageContext("general", "e", 1, 1000, True, 1, 1, 1000, "hello")
        planned = plan([MESSAGE], [stored], now_ms=1, last_id=1, limits=Limits(), spend=lambda _: 9.0)
        assert isinstance(planned.outcomes[0], Appended)
