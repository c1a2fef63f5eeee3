"""Whatever the server leaves out, doubles or exchanges is noticed; what it shows honestly never is."""

from hypothesis import given
from hypothesis import strategies as st

from client.encryption.core.messages.message_payload import Place, TextContent
from client.encryption.core.messages.room_window import MAX_HELD, HeldMessage, RoomWindow, message_digest
from client.encryption.core.messages.sequence_checks import BLOCK, MAX_EPOCHS, SeenBlock, irregularity
from client.encryption.core.trust import Irregularity


class Reader:
    """Shows texts as the reader of a room does; `None` is a deleted message of the user in question."""

    def __init__(self) -> None:
        self.window = RoomWindow("e")
        self.seen: dict[Place, int] = {}

    def show(self, offset: int, text: tuple[str, TextContent, Place] | None) -> Irregularity | None:
        if text is None:
            self.window.put(offset, HeldMessage(message_digest(offset, "ada", ""), "ada", None, is_changed=True))
            return None
        username, content, place = text
        self.seen.setdefault(place, offset)
        found = irregularity(content, place, username, offset, self.seen.get, self.window)
        digest = message_digest(offset, username, f"{place}")
        self.window.put(offset, HeldMessage(digest, username, place, is_changed=False))
        return found


def sent(plan: list[tuple[str, bool]]) -> list[tuple[str, TextContent, Place]]:
    """Texts as honest devices send them: each entry is a user, and whether a new session begins."""
    session: dict[str, str] = {}
    number: dict[str, int] = {}
    last: dict[str, Place] = {}
    texts: list[tuple[str, TextContent, Place]] = []
    for username, begins in plan:
        if begins or username not in session:
            before = last.get(username)
            session[username], number[username] = f"s{len(texts)}", 0
        else:
            before = None
        number[username] += 1
        place = Place(username.upper(), session[username], number[username])
        last[username] = place
        texts.append((username, TextContent(text="x", n=place.n, before=before), place))
    return texts


plans = st.lists(st.tuples(st.sampled_from(["ada", "bob"]), st.booleans()), min_size=1, max_size=14)


@given(plans, st.data())
def test_honest_history_is_never_called_irregular(plan: list[tuple[str, bool]], data: st.DataObject) -> None:
    texts = sent(plan)
    first = data.draw(st.integers(0, len(texts)))
    deleted = data.draw(st.sets(st.integers(0, len(texts) - 1)))
    reader = Reader()
    pages = [range(first, len(texts)), range(first), range(len(texts))]
    for page in pages:
        for at in page:
            text = texts[at] if at not in deleted else None
            if text is None:
                username = texts[at][0]
                held = HeldMessage(message_digest(at + 1, username, ""), username, None, is_changed=True)
                reader.window.put(at + 1, held)
            else:
                assert reader.show(at + 1, text) is None


@given(plans, st.data())
def test_text_that_is_left_out_is_noticed_at_the_next_one_of_its_device(
    plan: list[tuple[str, bool]], data: st.DataObject
) -> None:
    texts = sent(plan)
    left_out = data.draw(st.integers(0, len(texts) - 1))
    shown = texts[:left_out] + texts[left_out + 1 :]
    reader = Reader()
    found = [reader.show(offset, text) for offset, text in enumerate(shown, 1)]
    device = texts[left_out][2].device
    later = [at for at, text in enumerate(shown) if at >= left_out and text[2].device == device]
    expected = [None] * len(shown)
    if later:
        expected[later[0]] = Irregularity.MISSING_BEFORE  # type: ignore[call-overload]
    assert found == expected


@given(plans, st.data())
def test_exchanged_texts_of_a_device_are_noticed(plan: list[tuple[str, bool]], data: st.DataObject) -> None:
    texts = sent(plan)
    one, other = data.draw(st.integers(0, len(texts) - 1)), data.draw(st.integers(0, len(texts) - 1))
    if texts[one][2].device != texts[other][2].device or one == other:
        return
    texts[one], texts[other] = texts[other], texts[one]
    reader = Reader()
    assert any(reader.show(offset, text) for offset, text in enumerate(texts, 1))


def test_message_is_at_one_offset_in_each_epoch() -> None:
    block = SeenBlock()
    assert block.is_at(1, "e", 5)
    assert block.is_at(1, "e", 5)
    assert not block.is_at(1, "e", 6)
    assert block.is_at(1, "f", 6)
    assert not block.is_at(1, "f", 5)
    assert block.offset(1, "e") == 5
    assert block.offset(2, "e") is None


def test_memory_of_epochs_and_of_messages_is_bounded() -> None:
    block, window = SeenBlock(), RoomWindow("e")
    for number in range(2 * MAX_EPOCHS):
        block.is_at(1, f"e{number}", number)
    assert len(block.offsets) == MAX_EPOCHS
    for offset in range(1, MAX_HELD + 100):
        window.put(offset, HeldMessage(b"", "ada", Place("D", "s", offset), is_changed=False))
    assert window.place(1) is None
    assert window.place(MAX_HELD) is not None
    assert BLOCK > 0


def test_window_is_of_the_last_sixteen_messages_that_never_changed() -> None:
    window = RoomWindow("e")
    assert window.newest() is None
    for offset in range(1, 31):
        window.put(offset, HeldMessage(b"%d" % offset, "ada", None, is_changed=offset == 20))
    newest = window.newest()
    assert newest is not None
    assert (newest.first, newest.last) == (21, 30)


def test_windows_are_compared_only_where_both_know_the_messages() -> None:
    one, other = RoomWindow("e"), RoomWindow("e")
    for offset in range(1, 10):
        one.put(offset, HeldMessage(b"%d" % offset, "ada", None, is_changed=False))
        other.put(offset, HeldMessage(b"x" if offset == 3 else b"%d" % offset, "ada", None, is_changed=False))
    newest = one.newest()
    assert newest is not None
    assert other.contradicts(newest)
    assert not one.contradicts(newest)
    assert not RoomWindow("e").contradicts(newest)
    other.put(3, HeldMessage(b"3", "ada", None, is_changed=True))
    assert not other.contradicts(newest)
    assert not RoomWindow("f").contradicts(newest)
    assert not one.contradicts(newest._replace(first=0))
    assert not one.contradicts(newest._replace(first=2**53 - 1))
