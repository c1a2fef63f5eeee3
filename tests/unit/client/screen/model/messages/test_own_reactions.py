"""The user's own reactions, where the server does not name everybody."""

from collections.abc import Sequence

import msgspec

from chatterbox.wire import frames
from client.core import notes
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.side_lists import plain
from client.screen.layout.viewport import TimelineView
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.messages.own_reactions import OwnReactionsWanted
from tests.unit.client.world import ME, ROOM, message, room_state

EIGHT = tuple(f"user{number}" for number in range(8))


def reacted(offset: int, n: int = 9, by: Sequence[str] = EIGHT) -> frames.Message:
    return msgspec.structs.replace(message(offset), reactions=(frames.Reaction(emoji="🎉", n=n, by=tuple(by)),))


def opened(*messages: frames.Message) -> ChatModel:
    model = ChatModel("http://x", ROOM)
    update.apply(model, notes.WelcomeReceived(ME, (room_state(3),), 0, again=False))
    update.apply(model, notes.RoomEntered(ROOM, messages))
    return model


def draw(model: ChatModel) -> list[str]:
    return plain(row.row for row in TimelineView(model).draw(RowStyle(80, ME), 10))


def wanted(model: ChatModel) -> list[OwnReactionsWanted]:
    draw(model)
    return [request for request in model.take_requests() if isinstance(request, OwnReactionsWanted)]


def marks(model: ChatModel) -> list[str]:
    return [row.partition("└ ")[2] for row in draw(model) if "└" in row]


def test_messages_whose_reactions_have_more_users_than_are_named_are_asked_for_once() -> None:
    model = opened(reacted(1), message(2), reacted(3), reacted(4, 8))
    assert wanted(model) == [OwnReactionsWanted(ROOM, 1, 3)]
    assert wanted(model) == []
    model.receive_own_reactions(OwnReactionsWanted(ROOM, 1, 3), [(3, "🎉")])
    assert wanted(model) == []
    assert marks(model) == ["🎉 9", "*🎉 9", "🎉 8"]


def test_nothing_is_asked_for_while_everybody_is_named() -> None:
    assert wanted(opened(reacted(1, 2, ("bob", ME)))) == []


def test_next_question_waits_for_the_answer_to_the_last_one() -> None:
    model = opened(reacted(1))
    (first,) = wanted(model)
    update.apply(model, notes.MessageShown(reacted(2), mine=False))
    assert wanted(model) == []
    model.receive_own_reactions(first, None)
    assert wanted(model) == [OwnReactionsWanted(ROOM, 2, 2)]


def test_reactions_are_asked_for_again_after_reconnecting() -> None:
    model = opened(reacted(1))
    (first,) = wanted(model)
    model.receive_own_reactions(first, [])
    update.apply(model, notes.WelcomeReceived(ME, (room_state(1),), 0, again=True))
    assert wanted(model) == [first]


def test_reaction_from_another_device_is_known_at_once() -> None:
    model = opened(message(1))
    now = msgspec.structs.replace(reacted(1), rev=1)
    update.apply(model, notes.MessageChanged(now, mine=False, by=ME, did="react", what="🎉"))
    assert marks(model) == ["*🎉 9"]
    later = msgspec.structs.replace(reacted(1, 10), rev=3)
    update.apply(model, notes.MessageChanged(later, mine=False, by=ME, did="unreact", what="🎉"))
    assert marks(model) == ["🎉 10"]


def test_answer_that_is_older_than_a_reaction_changes_nothing() -> None:
    model = opened(reacted(1))
    (asked,) = wanted(model)
    command = frames.React(id=1, room=ROOM, offset=1, emoji="🎉")
    update.apply(model, notes.CommandAnswered(command, frames.Changed(id=1, room=ROOM, offset=1, rev=1)))
    model.receive_own_reactions(asked, [])
    assert marks(model) == ["*🎉 9"]


def test_reactions_to_old_replies_are_marked_in_their_thread() -> None:
    root = msgspec.structs.replace(message(1), replies=1)
    reply = msgspec.structs.replace(reacted(2), reply_to=1, thread=1)
    model = opened(root, reply)
    model.open_thread(1)
    (asked,) = wanted(model)
    model.receive_own_reactions(asked, [(2, "🎉")])
    assert marks(model)[-1] == "*🎉 9"
