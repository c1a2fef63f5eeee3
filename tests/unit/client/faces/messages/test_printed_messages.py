"""The messages that a line-based face holds: bounded, and replaced by later versions only."""

import msgspec

from client.core.message_changes import HeldMessages
from client.faces.messages.printed_messages import KEPT, PrintedMessages
from tests.unit.client.world import message


def test_newest_messages_are_held_oldest_first() -> None:
    recent = PrintedMessages()
    recent.add(message(offset) for offset in range(1, KEPT + 4))
    assert [held.at.offset for held in recent.of("general")] == list(range(4, KEPT + 4))
    assert recent.held() == {"general": HeldMessages(4)}


def test_later_version_replaces_a_message_and_returns_the_earlier_one() -> None:
    recent = PrintedMessages()
    recent.add([message(1)])
    later = msgspec.structs.replace(message(1), content="otherwise", rev=2)
    assert recent.replace(later) == message(1)
    assert recent.get("general", 1) == later


def test_earlier_version_and_unknown_message_change_nothing() -> None:
    recent = PrintedMessages()
    later = msgspec.structs.replace(message(1), rev=2)
    recent.add([later, message(1)])
    assert recent.replace(msgspec.structs.replace(message(1), rev=1)) is None
    assert recent.replace(msgspec.structs.replace(message(7), rev=3)) is None
    assert recent.replace(msgspec.structs.replace(message(1, epoch="e2"), rev=3)) is None
    assert recent.of("general") == [later]


def test_message_of_another_epoch_replaces_the_room() -> None:
    recent = PrintedMessages()
    recent.add([message(1), message(2), message(1, epoch="e2")])
    assert recent.of("general") == [message(1, epoch="e2")]


def test_forgotten_room_holds_nothing() -> None:
    recent = PrintedMessages()
    recent.add([message(1)])
    recent.forget("general")
    assert recent.held() == {}
