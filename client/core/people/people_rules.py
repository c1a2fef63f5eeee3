"""Reducer for what the server tells of other users: presence, profiles, typing, receipts. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from chatterbox.wire.frames import (
    Message,
    PresenceUpdate,
    ProfileUpdate,
    Seen,
    TypingUpdate,
    Watched,
)
from chatterbox.wire.people import Presence, PresenceState
from chatterbox.wire.text_rules import folded
from client.core.client_state import ReducerStep
from client.core.events import StartTimer, TypingOver
from client.core.notes import PresenceTold, ProfileTold, ReceiptsTold, TypingTold
from client.core.people.people_state import KnownPerson, PeopleState, TypingUsers
from client.core.people.screen_rules import watched_names

MOST_NAMED = 5
"""Typing users who are named, whatever the server sends."""
MOST_READERS = 1000
"""Members whose receipts are kept, whatever the server sends."""
_UNKNOWN = KnownPerson()


def take_watched(step: ReducerStep, reply: Watched) -> None:
    """Take presence and profile of each user of a reply; those who are not on the screen are passed over."""
    known = _known_of(step, reply.people)
    for told in reply.people:
        if (name := folded(told.username)) in known:
            known[name] = KnownPerson(told.state, told.seen, told.profile, told.version)
    _keep(step, known)


def take_presence(step: ReducerStep, update: PresenceUpdate) -> None:
    """Take changes of presence."""
    known = _known_of(step, update.people)
    for told in update.people:
        if (name := folded(told.username)) in known:
            known[name] = replace(known[name], presence=told.state, seen=told.seen)
    _keep(step, known)


def take_profile(step: ReducerStep, update: ProfileUpdate) -> None:
    """Take a changed profile, of a user on the screen or of this user."""
    name = folded(update.username)
    if name in watched_names(step) or name == folded(step.state.username):
        before = step.state.people.person(name)
        _keep(step, {name: replace(before, profile=update.profile, version=update.version)})


def take_typing(step: ReducerStep, update: TypingUpdate) -> None:
    """Take who is typing; it ends by itself unless it is told again."""
    people = step.state.people
    if update.room != people.room or not update.room:
        return
    number = people.typing_update + 1
    who, others = update.who[:MOST_NAMED], len(update.who[MOST_NAMED:])
    _set_typing(step, replace(people, typing=TypingUsers(who, update.more + others), typing_update=number))
    if update.who or update.more:
        step.emit(StartTimer(step.state.limits.typing_for_s, TypingOver(number)))


def end_typing(step: ReducerStep, update: int) -> None:
    """The time of an update is over."""
    if step.state.people.typing_update == update:
        _set_typing(step, replace(step.state.people, typing=TypingUsers()))


def take_message(step: ReducerStep, message: Message) -> None:
    """A user whose message came is not typing any more."""
    people = step.state.people
    if message.username in people.typing.who and message.room == people.room:
        others = tuple(name for name in people.typing.who if name != message.username)
        _set_typing(step, replace(people, typing=TypingUsers(others, people.typing.more)))


def take_seen(step: ReducerStep, seen: Seen) -> None:
    """Take how far others have read; what a user has read stays read."""
    people = step.state.people
    if seen.room != people.room or not seen.room:
        return
    read_by = dict(people.read_by)
    for receipt in seen.readers:
        if receipt.username in read_by or len(read_by) < MOST_READERS:
            read_by[receipt.username] = max(receipt.offset, read_by.get(receipt.username, 0))
    if read_by != people.read_by:
        step.set_state(replace(step.state, people=replace(people, read_by=read_by)))
        step.show(ReceiptsTold(people.room, read_by))


def forget_room(step: ReducerStep, room: str) -> None:
    """The history of a room was replaced, so that offsets mean nothing."""
    people = step.state.people
    if room == people.room and people.read_by:
        step.set_state(replace(step.state, people=replace(people, read_by={})))
        step.show(ReceiptsTold(room, {}))


def disconnect(step: ReducerStep) -> None:
    """While offline, presence is unknown, and no typing is told. Profiles and receipts stay as they were told."""
    people = step.state.people
    known = {
        name: replace(person, presence=PresenceState.UNKNOWN, seen="")
        for name, person in people.people.items()
        if person.presence is not PresenceState.UNKNOWN
    }
    _keep(step, known)
    _set_typing(step, replace(step.state.people, typing=TypingUsers(), typing_update=people.typing_update + 1))


def _known_of(step: ReducerStep, told: Iterable[Presence]) -> dict[str, KnownPerson]:
    """What was known of those of these users who are on the screen, or are this user."""
    names = watched_names(step) | {folded(step.state.username)}
    return {name: step.state.people.person(name) for one in told if (name := folded(one.username)) in names}


def _keep(step: ReducerStep, known: Mapping[str, KnownPerson]) -> None:
    """Keep these users, and show what changed of them."""
    before = step.state.people
    changed = {name: person for name, person in known.items() if before.people.get(name) != person}
    if not changed:
        return
    step.set_state(replace(step.state, people=replace(before, people={**before.people, **changed})))
    presences = [(name, person) for name, person in changed.items() if _has_news(before, name, person)]
    if presences:
        told = (Presence(username=name, state=person.presence, seen=person.seen) for name, person in presences)
        step.show(PresenceTold(tuple(told)))
    for name, person in changed.items():
        if before.person(name).profile != person.profile:
            step.show(ProfileTold(name, person.profile))


def _has_news(before: PeopleState, name: str, person: KnownPerson) -> bool:
    known = before.people.get(name, _UNKNOWN)
    return (known.presence, known.seen) != (person.presence, person.seen)


def _set_typing(step: ReducerStep, people: PeopleState) -> None:
    """Replace the state, and show who is typing if that changed."""
    changed = people.typing != step.state.people.typing
    step.set_state(replace(step.state, people=people))
    if changed:
        step.show(TypingTold(people.room, people.typing.who, people.typing.more))
