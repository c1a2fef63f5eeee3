"""Reactions in encrypted rooms: one envelope for each user who reacted to a message. Pure."""

from collections.abc import Sequence

from chatterbox.wire.frames import Reaction


def of_user(reactions: Sequence[Reaction], username: str) -> Reaction | None:
    """The encrypted reactions of a user; None: they have not reacted."""
    return next((each for each in reactions if each.envelope and each.by == (username,)), None)


def replaced(reactions: Sequence[Reaction], username: str, envelope: str) -> tuple[Reaction, ...]:
    """The reactions with this envelope of a user, in the place of the one before; without any if it is empty.

    >>> first = replaced((), "ada", "e1.A")
    >>> replaced(replaced(first, "bob", "e1.B"), "ada", "e1.C")[0].envelope
    'e1.C'
    >>> replaced(first, "ada", "")
    ()
    """
    new = Reaction(emoji="", n=1, by=(username,), envelope=envelope)
    before = of_user(reactions, username)
    if before is None:
        return (*reactions, new) if envelope else tuple(reactions)
    return tuple(new if each is before else each for each in reactions if envelope or each is not before)
