"""Runs the parsed command. Each command imports only the modules that it needs, so that the others start fast."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from client.cli.parser import create_parser
from client.config.config_parser import CliOverrides
from client.failures import ExitCode, NotLoggedIn, UsageError

if TYPE_CHECKING:
    from chatterbox.wire import frames
    from client.context import ClientContext


_WITHOUT_KEYS = {"block", "decline", "invitations", "me", "members", "rooms", "unblock", "unread", "whois"}
"""Commands that neither encrypt nor decrypt: they don't ask for the passphrase of the key store."""


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> ExitCode:
    """Run the command; raises `Failure`."""
    overrides = CliOverrides(getattr(arguments, "server", None), getattr(arguments, "profile", None))
    match arguments.command:
        case "man":
            return _print_manual()
        case "completion":
            return _print_completion(arguments.shell)
        case "config":
            return _run_config(arguments.what, environ, overrides)
        case "doctor":
            return _run_doctor(arguments, environ, overrides)
    from client.context import ClientContext

    context = ClientContext.find(overrides, environ)
    try:
        return _run_for_server(context, arguments, environ)
    except NotLoggedIn as failure:
        raise NotLoggedIn(f"{failure} {context.login_hint()}") from None


def _print_manual() -> ExitCode:
    from client.cli import manual

    print(manual.page(create_parser()), end="")
    return ExitCode.OK


def _print_completion(shell: str) -> ExitCode:
    from client.cli import completion

    print(completion.script(shell), end="")
    return ExitCode.OK


def _run_config(what: str, environ: Mapping[str, str], overrides: CliOverrides) -> ExitCode:
    from client.commands.config_command import config
    from client.screen.actions.action_table import default_keys

    return config(what, environ, overrides, default_keys())


def _run_doctor(arguments: argparse.Namespace, environ: Mapping[str, str], overrides: CliOverrides) -> ExitCode:
    import asyncio

    from client.doctor.report import doctor

    overrides = CliOverrides(arguments.server_url or overrides.server, overrides.profile)
    return asyncio.run(doctor(overrides, environ, arguments.idle, as_json=arguments.json))


def _run_for_server(context: "ClientContext", arguments: argparse.Namespace, environ: Mapping[str, str]) -> ExitCode:
    """Run a command that concerns one server."""
    import asyncio

    from client.commands import account, room_commands
    from client.text.room_text import room_name

    if arguments.command in {"logout", "outbox"}:
        _open_key_store(context, environ)
    match arguments.command:
        case "register":
            return account.register(context, arguments.username, arguments.code)
        case "login":
            return account.login(context, arguments.username)
        case "passwd":
            return _change_password(context, arguments.username, with_code=arguments.code)
        case "logout":
            return account.logout(context, arguments.session)
        case "sessions" if arguments.session:
            return account.end_session(context, arguments.session)
        case "sessions":
            return account.sessions(context, as_json=arguments.json)
        case "outbox":
            from client.commands import outbox_command

            return outbox_command.outbox(context, arguments.what, arguments.entry, as_json=arguments.json)
    account.log_in_if_configured(context)
    if arguments.command not in _WITHOUT_KEYS:
        _open_key_store(context, environ)
    match arguments.command:
        case "members":
            return account.members(context, room_name(arguments.room), as_json=arguments.json)
        case "download":
            from client.commands import file_commands

            return file_commands.download(
                context, arguments.file_id, arguments.output, arguments.room and room_name(arguments.room)
            )
        case "keys":
            return _run_keys(context, arguments)
        case "decrypt":
            from client.commands.keys import decrypt_command

            return decrypt_command.decrypt(context)
        case "send" if arguments.accept_keys:
            _accept_keys(context, arguments.room, arguments.accept_keys)
        case "search":
            from client.commands import search_command

            room = "" if arguments.all else room_name(arguments.searched)
            words = [arguments.searched, *arguments.words] if arguments.all else arguments.words
            return search_command.search(context, room, words, limit=arguments.limit, as_json=arguments.json)
        case "unread":
            from client.commands import unread_command

            return unread_command.unread(context, as_json=arguments.json)
        case "invitations":
            return account.invitations(context)
        case "decline":
            return account.decline(context, room_name(arguments.invited_room))
        case "block" if arguments.person is None:
            return account.blocks(context)
        case "block":
            return account.block(context, arguments.person.removeprefix("@"))
        case "me":
            return _run_me(context, arguments)
        case "unblock":
            return account.unblock(context, arguments.person.removeprefix("@"))
        case "leave":
            return room_commands.leave(context, room_name(arguments.room), confirmed=arguments.yes)
        case "delete-room":
            return room_commands.delete_room(context, room_name(arguments.room), confirmed=arguments.yes)
    return asyncio.run(_run_connected(context, arguments))


def _open_key_store(context: "ClientContext", environ: Mapping[str, str]) -> None:
    """Open the key store with its passphrase, if it has one."""
    from client.store.key_store_files import needs_passphrase

    session = context.session_file.load()
    if session is not None and needs_passphrase(context.home, context.server, session.username):
        from client.commands.keys.store_passphrase import open_with_passphrase  # late: it imports cryptography

        open_with_passphrase(context, environ)


def _accept_keys(context: "ClientContext", room: str, digits: str) -> None:
    """Take new keys of the recipient, if they have the safety number that was given."""
    from client.commands.keys.contact_keys import accept_by_number
    from client.commands.keys.key_output import ask_passphrase
    from client.net.keys.key_workspace import key_workspace

    if not room.startswith("@"):
        raise UsageError("--accept-keys is for messages to a user: chatterbox send @USERNAME TEXT")
    with key_workspace(context, creates=True, ask_passphrase=ask_passphrase) as workspace:
        workspace.own.set_up()
        accept_by_number(workspace, room.removeprefix("@"), digits)


def _run_keys(context: "ClientContext", arguments: argparse.Namespace) -> ExitCode:
    from client.commands.keys.keys_command import KeyOptions, keys

    options = KeyOptions(
        target=arguments.key_target or "",
        is_stolen=arguments.stolen,
        by_number=arguments.number,
        recovery_to=Path(arguments.recovery_to) if arguments.recovery_to else None,
        passphrase_file=Path(arguments.passphrase_file) if arguments.passphrase_file else None,
        confirmed=arguments.yes,
        as_json=arguments.json,
    )
    return keys(context, arguments.what, options)


def _run_me(context: "ClientContext", arguments: argparse.Namespace) -> ExitCode:
    from client.commands import profile_commands

    texts = {name: getattr(arguments, name) for name in ("display_name", "bio", "picture", "status")}
    switches = {name: getattr(arguments, name) for name in ("presence", "typing", "receipts")}
    ends = (arguments.status_for or "", arguments.status_until or "")
    changes = profile_commands.settings_of(texts, switches, arguments.show or [], ends)
    return profile_commands.me(context, changes, arguments.writes or "", as_json=arguments.json)


def _change_password(context: "ClientContext", username: str | None, *, with_code: bool) -> ExitCode:
    from client.commands import password_change

    if with_code:
        return password_change.reset_password(context, username)
    if username is not None:
        raise UsageError("USERNAME is for --code only. Without it, the password of your own login is changed.")
    return password_change.change_password(context)


async def _run_connected(context: "ClientContext", arguments: argparse.Namespace) -> ExitCode:
    """Run a command that opens a WebSocket."""
    from client.commands import chat_commands
    from client.text.room_text import room_name

    match arguments.command:
        case None:
            return await _open_chat(context)
        case "rooms":
            return await chat_commands.rooms(context, as_json=arguments.json)
        case "chat":
            room = room_name(arguments.room) if arguments.room else None
            return await chat_commands.chat(context, room, arguments.face)
        case "send":
            how = {"whole": arguments.whole, "strips_ansi": arguments.strip_ansi}
            room, content, reply_to = room_name(arguments.room), arguments.content, arguments.reply_to
            how["paths"] = [Path(path) for path in arguments.files]
            return await chat_commands.send(context, room, content, arguments.timeout, reply_to=reply_to, **how)
        case "tail":
            names = ("since", "recent", "count", "resume", "changes")
            begin = {name: getattr(arguments, name) for name in names}
            rooms = list(dict.fromkeys(map(room_name, arguments.rooms)))
            return await chat_commands.tail(context, rooms, as_json=arguments.json, **begin)
        case "whois":
            from client.commands import profile_commands

            return await profile_commands.whois(context, arguments.person.removeprefix("@"), as_json=arguments.json)
        case "edit":
            room, offset = room_name(arguments.room), arguments.offset
            return await chat_commands.edit(context, room, offset, arguments.content)
        case "topic":
            return await chat_commands.topic(context, room_name(arguments.room), arguments.topic)
    from chatterbox.wire.encryption.member_log import NewcomerHistory

    history = NewcomerHistory(chosen) if (chosen := getattr(arguments, "history", None)) else None
    return await chat_commands.ask(context, _wire_command(arguments), history)


async def _open_chat(context: "ClientContext") -> ExitCode:
    """Without a command: open the chat, in the last open room on the full screen. Wrong usage without a terminal."""
    from client.commands import chat_commands

    if not chat_commands.on_terminal():
        create_parser().error("No command given. Try `chatterbox chat` or `chatterbox --help`.")
    return await chat_commands.chat(context, None)


def _create_command(arguments: argparse.Namespace) -> "frames.CreateRoom":
    """A room is encrypted if its name says so, or an option."""
    from chatterbox.wire import frames, room_names
    from client.failures import UsageError
    from client.text.room_text import room_name

    room = room_name(arguments.new_room)
    if arguments.encrypted:
        room = room_names.encrypted_name(room)
    is_encrypted = room_names.is_encrypted(room)
    if arguments.history and not is_encrypted:
        raise UsageError("--history is for encrypted rooms only. Add --encrypted.")
    return frames.CreateRoom(id=0, room=room, private=arguments.private or is_encrypted)


def _wire_command(arguments: argparse.Namespace) -> "frames.Command":
    """The wire's command for a command that is answered with one reply."""
    from chatterbox.wire import frames
    from client.core.direct_rooms import is_direct, opening
    from client.faces.slash.slash_parser import are_swapped
    from client.text.room_text import room_name

    if arguments.command in {"invite", "remove"} and are_swapped(arguments.room, arguments.person):
        arguments.room, arguments.person = arguments.person, arguments.room
    match arguments.command:
        case "create":
            return _create_command(arguments)
        case "join":
            room = room_name(arguments.room)
            return opening(room) if is_direct(room) else frames.Join(id=0, room=room)
        case "delete":
            return frames.DeleteMessage(id=0, room=room_name(arguments.room), offset=arguments.offset)
        case "react":
            room, emoji, remove = room_name(arguments.room), arguments.emoji, arguments.remove
            return frames.React(id=0, room=room, offset=arguments.offset, emoji=emoji, remove=remove)
        case "pin":
            room, remove = room_name(arguments.room), arguments.remove
            return frames.Pin(id=0, room=room, offset=arguments.offset, remove=remove)
        case "accept":
            return frames.Join(id=0, room=room_name(arguments.invited_room))
        case "remove":
            username = arguments.person.removeprefix("@")
            return frames.Remove(id=0, room=room_name(arguments.room), username=username)
        case "invite":
            username = arguments.person.removeprefix("@")
            return frames.Invite(id=0, room=room_name(arguments.room), username=username)
    raise AssertionError(arguments.command)
