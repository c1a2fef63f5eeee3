"""How the shells of encryption send commands over the connection that there is now."""

from typing import Protocol

from chatterbox.wire.frames import EncryptionCommand, EncryptionReply


class LinkBroken(Exception):  # noqa: N818 - an event, not a bug
    """The connection ended before the reply: whether the command had an effect is unknown."""


class CommandLink(Protocol):
    """Sends commands and returns their replies."""

    async def ask(self, command: EncryptionCommand) -> EncryptionReply:
        """Send a command, whose `id` is set, and return its reply.

        Raises `ChatError` if it is refused, and `LinkBroken`.
        """
