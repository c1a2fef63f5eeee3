"""The command `decrypt`: decrypts messages as `GET /messages` returns them, with the key store of this computer.

It works without a connection. What can't be decrypted is passed on with the reason; the exit code tells it.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from chatterbox.wire import room_names
from chatterbox.wire.encryption.envelope import parse
from chatterbox.wire.errors import ChatError
from chatterbox.wire.frames import Message
from chatterbox.wire.limits import Limits
from client.commands.keys.key_output import ask_passphrase
from client.context import ClientContext
from client.encryption.core.messages.room_window import RoomWindow
from client.encryption.core.trust import DecryptedMessage
from client.encryption.message_encryption import EncryptedRoom
from client.encryption.sessions.room_reader import RoomReader
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction, Table
from client.failures import ExitCode, UsageError
from client.net.keys.key_workspace import KeyWorkspace, key_workspace
from client.output import print_result, print_status
from client.text.encryption.encryption_text import irregularity_line, unreadable_line
from client.text.encryption.shell_words import for_shell

PAGE = 200
"""Messages that are decrypted in one transaction."""

Fields: TypeAlias = dict[str, Any]


def decrypt(context: ClientContext) -> ExitCode:
    """Read JSON objects, or arrays of them, from the lines of standard input; print a JSON line for each message."""
    is_complete = True
    with key_workspace(context, ask_passphrase=ask_passphrase) as workspace:
        decrypter = PageDecrypter(workspace)
        for page in _pages():
            for fields, problem in decrypter.decrypted(page):
                print_result(json.dumps(fields))
                if problem:
                    print_status(for_shell(problem))
                is_complete = is_complete and "unreadable" not in fields
    return ExitCode.OK if is_complete else ExitCode.UNREADABLE


def _pages() -> Iterator[list[Fields]]:
    page: list[Fields] = []
    for number, line in enumerate(sys.stdin.buffer, 1):
        page += _objects(line, number)
        while len(page) >= PAGE:
            yield page[:PAGE]
            page = page[PAGE:]
    if page:
        yield page


def _objects(line: bytes, number: int) -> list[Fields]:
    if not line.strip():
        return []
    try:
        found = msgspec.json.decode(line)
        messages = found if isinstance(found, list) else [found]
        for each in messages:
            as_message(each)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        raise UsageError(f"Line {number} of the input is not a message, or a list of messages, in JSON.") from None
    return messages


def as_message(fields: Fields) -> Message:
    """The message of an object as `GET /messages` has it (`id`, `epoch`, `offset`), or as frames have it.

    Raises `KeyError`, `TypeError` or `msgspec.ValidationError`.
    """
    at = fields["at"] if "at" in fields else {"epoch": fields["epoch"], "offset": fields["offset"]}
    number = fields["message_id"] if "message_id" in fields else fields["id"]
    known = {name: value for name, value in fields.items() if name in Message.__struct_fields__ and value is not None}
    return msgspec.convert({**known, "type": "message", "at": at, "message_id": number}, Message)


class PageDecrypter:
    """Decrypts messages of several rooms, page by page."""

    def __init__(self, workspace: KeyWorkspace) -> None:
        self._workspace = workspace
        self._users = UserDirectory(workspace.users)
        self._windows: dict[tuple[str, str], RoomWindow] = {}
        self._limits = Limits()
        self._uids: dict[str, str] = {}
        """The uids of rooms, by session."""

    def decrypted(self, page: list[Fields]) -> list[tuple[Fields, str]]:
        """Each message with its text, and a sentence if something is wrong with it."""
        read = self._read_page(page)
        return [_shown(fields, read.get(index)) for index, fields in enumerate(page)]

    def read(self, page: list[Fields]) -> list[DecryptedMessage]:
        """The messages of encrypted rooms in a page."""
        return list(self._read_page(page).values())

    def _read_page(self, page: list[Fields]) -> dict[int, DecryptedMessage]:
        """By their index in the page."""
        with self._workspace.store.transaction() as transaction:
            self._uids |= {row.split("/")[1]: row.split("/")[0] for row in transaction.names(Table.INBOUND)}
            read: dict[int, DecryptedMessage] = {}
            order = sorted(range(len(page)), key=lambda index: as_message(page[index]).at.offset)
            for index in order:
                message = as_message(page[index])
                if room_names.is_encrypted(message.room):
                    read[index] = self._read(transaction, message)
        return read

    def _read(self, transaction: StoreTransaction, message: Message) -> DecryptedMessage:
        room = EncryptedRoom(message.room, self._uid(message))
        window = self._windows.setdefault((message.room, message.at.epoch), RoomWindow(message.at.epoch))
        reader = RoomReader(transaction, room, self._users, window, self._limits, {})
        read = reader.read(message)
        reader.save()
        return read

    def _uid(self, message: Message) -> str:
        try:
            return self._uids.get(parse(message.content, self._limits.envelope_bytes).session, "")
        except ChatError:
            return ""


def _shown(fields: Fields, read: DecryptedMessage | None) -> tuple[Fields, str]:
    if read is None:
        return fields, ""
    facts: Fields = {"encrypted": True}
    problem = ""
    if read.unreadable is not None:
        facts["unreadable"] = read.unreadable
        problem = unreadable_line(read.unreadable, read.username)
    else:
        facts |= {"content": read.content, "trust": read.trust, "reply_to": read.reply_to}
    if read.irregularity is not None:
        facts["irregularity"] = read.irregularity
        problem = irregularity_line(read.irregularity, read.username)
    if read.reactions:
        facts["reactions"] = msgspec.to_builtins(read.reactions)
    return {**fields, **facts}, problem
