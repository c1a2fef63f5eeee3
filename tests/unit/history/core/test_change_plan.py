"""Planning changes of messages, for any sequence of transactions; rights and limits are tested on the real database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.frames import Reaction
from chatterbox.wire.history_api import (
    AnyMessageChange,
    Append,
    ChangeStored,
    MessageDeletion,
    MessageEdit,
    MessagePin,
    MessageReaction,
)
from chatterbox.wire.limits import Limits
from services.history.core import stored_message
from services.history.core.append_plan import AppendPlan, MessageContext, plan
from services.history.core.change_plan import ChangeContext, ChangePlanner, ChangeRoom, PlannedChange
from services.history.core.stored_message import StoredMessage

USERS = {number: f"user{number}" for number in range(1, 13)}
EMOJI = (":a:", ":b:")
LIMITS = Limits(reactions_per_message=2, pins_per_room=1)


@dataclass
class Table:
    """An in-memory stand-in for SQLite: one room, whose tables are changed as the plans say."""

    rows: dict[int, StoredMessage] = field(default_factory=dict)
    """By offset."""
    reactions: dict[tuple[int, str, int], int] = field(default_factory=dict)
    rev: int = 0
    told: list[PlannedChange] = field(default_factory=list)
    """Every change that is published, in order."""
    outcomes: list[tuple[AnyMessageChange, object]] = field(default_factory=list)

    def commit(self, changes: Sequence[AnyMessageChange], messages: Sequence[Append]) -> AppendPlan:
        pins = sum(row.pinned_ms is not None for row in self.rows.values())
        room = ChangeRoom("general", "e", self.rev, len(USERS), 1, pins)
        planner = ChangePlanner(
            {1: room},
            {(1, offset): row for offset, row in self.rows.items()},
            now_ms=1000,
            limits=LIMITS,
            reactors=self._reactors,
        )
        for change in changes:
            self.outcomes.append((change, planner.decide(change, ChangeContext(True, self._has_reacted(change)))))
        context = MessageContext("general", "e", len(self.rows), 0, True, None, 0, 0, None, self.rev)
        planned = plan(
            messages, [context] * len(messages), now_ms=1000, last_id=len(self.rows), limits=LIMITS, changes=planner
        )
        self._apply(planned, planner)
        return planned

    def _reactors(self, message_id: int, emoji: str, limit: int) -> list[tuple[int, str]]:
        wanted = (message_id, emoji)
        found = sorted((place, of[2]) for of, place in self.reactions.items() if of[:2] == wanted)
        return [(user, USERS[user]) for _, user in found[:limit]]

    def _has_reacted(self, change: AnyMessageChange) -> bool:
        row = self.rows.get(change.offset)
        return (
            isinstance(change, MessageReaction)
            and row is not None
            and (row.message_id, change.emoji, change.user_id) in self.reactions
        )

    def _apply(self, planned: AppendPlan, planner: ChangePlanner) -> None:
        for insert in planned.inserts:
            relations = planned.relations.get(insert.message_id)
            row = StoredMessage(
                insert.offset, insert.message_id, insert.user_id, insert.username, insert.content, insert.timestamp_ms
            )
            self.rows[insert.offset] = row if relations is None else row._replace(**relations._asdict())
        changed = list(planner.plan.changed.get(1, {}).values())
        for change in changed:
            self.rows[change.message.offset] = change.message
        self.told += changed
        for message_id in planner.plan.erased:
            self.reactions = {place: at for place, at in self.reactions.items() if place[0] != message_id}
        for place, new in planner.plan.reactions.items():
            if new is None:
                self.reactions.pop(place, None)
            else:
                self.reactions[place] = new.place
        self.rev += len(changed)

    def counted(self, row: StoredMessage) -> dict[str, Reaction]:
        """The reactions to a message, counted in the table of reactions."""
        emoji = {of for message_id, of, _ in self.reactions if message_id == row.message_id}
        all_of = {each: self._reactors(row.message_id, each, 99) for each in emoji}
        return {
            each: Reaction(emoji=each, n=len(found), by=tuple(name for _, name in found[:8]))
            for each, found in all_of.items()
        }


def change_of(kind: type[AnyMessageChange], user: int, offset: int, **fields: Any) -> AnyMessageChange:
    return kind(room_id=1, user_id=user, username=USERS[user], offset=offset, **fields)


users, offsets = st.sampled_from(sorted(USERS)), st.integers(1, 4)
changes = st.one_of(
    st.builds(
        lambda user, offset, content, rev: change_of(MessageEdit, user, offset, content=content, rev=rev),
        st.just(1), offsets, st.sampled_from(("x", "y", "")), st.none() | st.integers(0, 9),
    ),
    st.builds(lambda user, offset: change_of(MessageDeletion, user, offset), users, offsets),
    *[
        st.builds(
            lambda user, offset, emoji, remove: change_of(MessageReaction, user, offset, emoji=emoji, remove=remove),
            users, st.just(1), st.sampled_from((*EMOJI, ":c:")), st.sampled_from((False, False, True)),
        )
    ] * 4,
    st.builds(
        lambda user, offset, remove: change_of(MessagePin, user, offset, remove=remove),
        st.just(1), offsets, st.booleans(),
    ),
)  # fmt: skip
messages = st.builds(
    lambda content, reply_to: Append(1, 1, "user1", content, "", reply_to), st.sampled_from("ab"), st.integers(0, 5)
)
transactions = st.lists(st.tuples(st.lists(changes, max_size=12), st.lists(messages, max_size=3)), max_size=10)


def filled(transactions: list[tuple[list[AnyMessageChange], list[Append]]]) -> Table:
    table = Table()
    table.commit([], [Append(1, 1, "user1", "first", "")])
    for changed, sent in transactions:
        table.commit(changed, sent)
    return table


@given(transactions)
def test_replacing_messages_by_their_changes_in_order_of_revs_gives_the_stored_rows(
    transactions: list[tuple[list[AnyMessageChange], list[Append]]],
) -> None:
    table = filled(transactions)
    held = {offset: row for offset, row in table.rows.items() if row.rev == 0}
    for change in table.told:
        held[change.message.offset] = change.message
    assert held == table.rows


@given(transactions)
def test_revs_of_a_room_have_no_gaps_and_each_acked_change_has_one_of_its_message(
    transactions: list[tuple[list[AnyMessageChange], list[Append]]],
) -> None:
    table = filled(transactions)
    assert [change.message.rev for change in table.told] == list(range(1, table.rev + 1))
    revs_of = {(change.message.offset, change.message.rev) for change in table.told}
    acked = [(change.offset, outcome.rev) for change, outcome in table.outcomes if isinstance(outcome, ChangeStored)]
    assert all(rev == 0 or (offset, rev) in revs_of for offset, rev in acked)


@given(transactions)
def test_the_reactions_of_a_message_are_those_in_the_table_of_reactions(
    transactions: list[tuple[list[AnyMessageChange], list[Append]]],
) -> None:
    table = filled(transactions)
    for row in table.rows.values():
        assert {each.emoji: each for each in stored_message.reactions(row.marks)} == table.counted(row)


@given(transactions)
def test_replies_are_counted_where_their_thread_begins_and_threads_do_not_nest(
    transactions: list[tuple[list[AnyMessageChange], list[Append]]],
) -> None:
    table = filled(transactions)
    for offset, row in table.rows.items():
        assert row.replies == sum(other.thread == offset for other in table.rows.values())
        assert row.thread is None or (table.rows[row.thread].thread is None and row.thread < offset)


@given(transactions)
def test_a_deleted_message_keeps_no_text_and_is_never_changed_but_for_its_replies(
    transactions: list[tuple[list[AnyMessageChange], list[Append]]],
) -> None:
    table = filled(transactions)
    for offset in table.rows:
        states = [change for change in table.told if change.message.offset == offset]
        for before, after in pairwise(states):
            if before.message.deleted_ms is not None:
                assert after.did == "reply"
        deleted = [change.message for change in states if change.message.deleted_ms is not None]
        assert all((row.content, row.marks, row.extra, row.pinned_ms) == ("", None, None, None) for row in deleted)


@given(st.lists(changes, max_size=20), st.lists(st.integers(0, 20), max_size=4))
def test_splitting_changes_over_transactions_gives_the_same_messages(
    made: list[AnyMessageChange], cuts: list[int]
) -> None:
    """But for revs, of which an edit may name one: these are left out."""
    made = [change for change in made if not (isinstance(change, MessageEdit) and change.rev is not None)]
    bounds = [0, *sorted(cut for cut in cuts if cut <= len(made)), len(made)]
    first = [Append(1, 1, "user1", "first", "")] * 3
    whole, parts = Table(), Table()
    for table in (whole, parts):
        table.commit([], first)
    whole.commit(made, [])
    for start, end in pairwise(bounds):
        parts.commit(made[start:end], [])
    assert [row._replace(rev=0) for row in whole.rows.values()] == [row._replace(rev=0) for row in parts.rows.values()]
