"""Readers of inboxes: who has which inbox open, and what of a page each still needs."""

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.frames import ToDeviceKind
from chatterbox.wire.history_api import DeviceInbox, InboxPage, StoredToDevice
from chatterbox.wire.position import Position
from services.gateway.inboxes.core.inbox_subscriptions import InboxSubscription, InboxSubscriptions


def reader(connection: str, inbox: int = 7, at: int = 0, head: int = 0) -> InboxSubscription[str]:
    opened = DeviceInbox(inbox=inbox, at=Position("e", at), head=head)
    return InboxSubscription(connection, f"DEVICE{inbox:04}", opened)


def stored(offset: int) -> StoredToDevice:
    return StoredToDevice(offset=offset, username="bob", sender="D", n=offset, kind=ToDeviceKind.OLM, body="x")


def page(*offsets: int, head: int) -> InboxPage:
    return InboxPage("e", [stored(offset) for offset in offsets], head)


class TestInboxSubscription:
    def test_messages_that_were_pushed_already_are_left_out_of_a_page(self) -> None:
        one = reader("a", at=4, head=6)
        assert [message.offset for message in one.missing(page(3, 4, 5, 6, head=6))] == [5, 6]

    def test_a_late_hint_does_not_lower_the_head(self) -> None:
        one = reader("a", at=4, head=6)
        one.note_head(5)
        assert one.is_behind
        one.note_pushed(6)
        assert not one.is_behind

    def test_an_empty_page_ends_the_wait_for_messages_that_others_have_taken(self) -> None:
        one = reader("a", at=4, head=6)
        one.finish(page(head=6))
        assert (one.pushed, one.is_behind) == (6, False)

    def test_an_empty_page_ends_the_wait_for_messages_that_do_not_exist(self) -> None:
        one = reader("a", at=4, head=9)
        one.finish(page(head=2))
        assert (one.pushed, one.is_behind) == (4, False)


class TestInboxSubscriptions:
    def test_an_inbox_is_open_until_its_last_connection_is_closed(self) -> None:
        readers: InboxSubscriptions[str] = InboxSubscriptions()
        readers.add(reader("a"))
        readers.add(reader("b"))
        readers.forget("a")
        assert (len(readers), readers.inboxes, "a" in readers, "b" in readers) == (1, [7], False, True)
        readers.forget("b")
        readers.forget("b")
        assert (len(readers), readers.inboxes, "b" in readers) == (0, [], False)

    def test_opening_an_inbox_again_begins_at_the_new_position(self) -> None:
        readers: InboxSubscriptions[str] = InboxSubscriptions()
        readers.add(reader("a", at=9, head=9))
        readers.add(reader("a", at=4, head=9))
        assert [each.pushed for each in readers.of_inbox(7)] == [4]
        assert [each.pushed for each in readers.of_connection("a")] == [4]

    def test_an_inbox_that_does_not_exist_any_more_is_closed_and_others_stay(self) -> None:
        readers: InboxSubscriptions[str] = InboxSubscriptions()
        for each in (reader("a", 7), reader("a", 8), reader("b", 7)):
            readers.add(each)
        assert sorted(readers.close(7)) == ["a", "b"]
        assert (readers.inboxes, "a" in readers, "b" in readers) == ([8], True, False)

    def test_hints_name_the_inboxes_that_have_something_to_push(self) -> None:
        readers: InboxSubscriptions[str] = InboxSubscriptions()
        readers.add(reader("a", 7, at=3, head=3))
        readers.add(reader("b", 8, at=3, head=3))
        assert readers.note_heads([(7, 3), (8, 4), (9, 5)]) == [8]

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["open", "forget", "close"]), st.sampled_from("abc"), st.integers(1, 3)
            ),
            max_size=30,
        )
    )  # fmt: skip
    def test_both_indexes_always_agree(self, steps: list[tuple[str, str, int]]) -> None:
        readers: InboxSubscriptions[str] = InboxSubscriptions()
        expected: set[tuple[str, int]] = set()
        for step, connection, inbox in steps:
            if step == "open":
                readers.add(reader(connection, inbox))
                expected.add((connection, inbox))
            elif step == "forget":
                readers.forget(connection)
                expected = {pair for pair in expected if pair[0] != connection}
            else:
                readers.close(inbox)
                expected = {pair for pair in expected if pair[1] != inbox}
            by_inbox = [(each.connection, each.inbox) for one in readers.inboxes for each in readers.of_inbox(one)]
            by_connection = [(each.connection, each.inbox) for one in "abc" for each in readers.of_connection(one)]
            assert sorted(by_inbox) == sorted(by_connection) == sorted(expected)
            assert [one for one in "abc" if one in readers] == sorted({pair[0] for pair in expected})
