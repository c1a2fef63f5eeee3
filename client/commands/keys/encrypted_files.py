"""Finds a file of an encrypted room: what decrypts it is in its message, which only this user's devices can read."""

from collections.abc import Iterator

import msgspec

from chatterbox.wire.frames import AttachedFile
from client.commands.keys.decrypt_command import Fields, PageDecrypter
from client.commands.keys.key_output import ask_passphrase
from client.context import ClientContext
from client.failures import Failure
from client.net.http_api import HttpApi
from client.net.keys.key_workspace import KeyWorkspace, key_workspace
from client.text.sanitize import inert

PAGE = 200
"""Messages that are read at once."""


def find_file(context: ClientContext, room: str, file_id: str) -> AttachedFile:
    """The file with this id as its message describes it; raises `Failure`. The newest messages are read first."""
    with key_workspace(context, ask_passphrase=ask_passphrase) as workspace:
        decrypter = PageDecrypter(workspace)
        for page in _pages(workspace, context.wire_name(room)):
            for message in decrypter.read(page):
                for file in message.files:
                    if file.id == file_id:
                        return file
    raise Failure(
        f"No message of {inert(room)} that this computer can read has the file {inert(file_id)}. "
        f"To read what is new: chatterbox tail {inert(room)}"
    )


def _pages(workspace: KeyWorkspace, room: str) -> Iterator[list[Fields]]:
    """The messages of a room, page by page, the newest page first."""
    before = 0
    with HttpApi(workspace.context.server, workspace.session.token) as api:
        while page := api.messages(room, PAGE, before):
            yield page
            before = min(int(msgspec.convert(message["offset"], int)) for message in page)
            if before <= 1:
                return
