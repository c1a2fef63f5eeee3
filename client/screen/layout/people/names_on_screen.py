"""Whose presence is wanted: the users who are named on the screen. Pure."""

from chatterbox.wire.text_rules import folded
from client.core.direct_rooms import is_direct, peer_of
from client.screen.layout.side_lists import people_shown, rooms_shown
from client.screen.model.chat_model import ChatModel


def names_on_screen(model: ChatModel, *, rooms_height: int, people_height: int) -> tuple[str, ...]:
    """The usernames, those that matter most first. A pane of height 0 is hidden."""
    people = model.people
    names = [people.profile_of] if people.profile_of else []
    if people.shows.presence:
        shown = [model.room, *rooms_shown(model, rooms_height)]
        names += [peer_of(room.name) for room in shown if is_direct(room.name)]
        names += [*people_shown(model, people_height), *people.listed]
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(folded(name), name)
    return tuple(first.values())
