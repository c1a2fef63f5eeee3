"""Whom a stored message mentions, for the counts of mentions. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from services.history.core.mention_rules import EVERYONE


class MessageMentions(NamedTuple):
    """A new message, or one whose text was replaced, with the mentions that it has now."""

    room_id: int
    offset: int
    user_id: int
    """Its author, for whom it never counts."""
    usernames: tuple[str, ...]

    @property
    def is_call(self) -> bool:
        """Whether it mentions all members of the room: they are not counted one by one."""
        return EVERYONE in self.usernames

    def named(self, user_ids: Mapping[str, int]) -> list[int]:
        """The members who are named; `user_ids` of the room by username."""
        found = (user_ids.get(username) for username in self.usernames)
        return [user_id for user_id in found if user_id not in {None, self.user_id}]
