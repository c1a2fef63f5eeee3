"""From what was typed to what is done: each command's work is imported by it only, so that the others are quick."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chatterbox.wire import frames
from client.cli.parser import parser
from client.config.config_parser import CliOverrides
from client.failures import ExitCode, NotLoggedIn

if TYPE_CHECKING:
    from client.context import ClientContext


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> ExitCode:
    """Do what was typed; raises `Failure`."""
    if arguments.command in {"man", "completion"}:
        return _printed(arguments)
    named = CliOverrides(getattr(arguments, "server", None), getattr(arguments, "profile", None))
    if arguments.command == "config":
        return _configured(arguments.what, environ, named)
    import asyncio

    if arguments.command == "doctor":
        return asyncio.run(_examined(arguments, environ, named))
    from client.context import ClientContext

    place = ClientContext.find(named, environ)
    try:
        return _done(place, arguments)
    except NotLoggedIn as failure:
        raise NotLoggedIn(f"{failure} {place.login_hint()}") from None


def _done(place: "ClientContext", arguments: argparse.Namespace) -> ExitCode:
    """Do what is about one server."""
    import asyncio

    if arguments.command in {"register", "login", "logout", "sessions"}:
        return _over_http(place, arguments)
    from client.commands import account

    account.log_in_if_configured(place)
    if arguments.command is None:
        return asyncio.run(_opened(place))
    if arguments.command == "members":
        return _over_http(place, arguments)
    return asyncio.run(_connected(place, arguments))


def _printed(arguments: argparse.Namespace) -> ExitCode:
    from client.cli import manual, shells

    print(manual.page(parser()) if arguments.command == "man" else shells.script(arguments.shell), end="")
    return ExitCode.OK


def _over_http(place: "ClientContext", arguments: argparse.Namespace) -> ExitCode:
    from client.commands import account
    from client.text.room_names import room_name

    match arguments.command:
        case "register":
            return account.register(place, arguments.username)
        case "login":
            return account.login(place, arguments.username)
        case "logout":
            return account.logout(place, arguments.session)
        case "members":
            return account.members(place, room_name(arguments.room))
    return account.end_session(place, arguments.session) if arguments.session else account.sessions(place)


def _configured(what: str, environ: Mapping[str, str], named: CliOverrides) -> ExitCode:
    from client.commands.config_command import config
    from client.screen.actions.action_table import default_keys

    return config(what, environ, named, default_keys())


async def _examined(arguments: argparse.Namespace, environ: Mapping[str, str], named: CliOverrides) -> ExitCode:
    from client.doctor.report import doctor

    named = CliOverrides(arguments.server_url or named.server, named.profile)
    return await doctor(named, environ, arguments.idle, as_json=arguments.json)


async def _opened(place: "ClientContext") -> ExitCode:
    """No command: the screen in the room where one was last, or the lines."""
    from client.commands import chat_commands

    if not chat_commands.on_terminal():
        parser().error("what to do is missing; on a terminal it would be: chat")
    return await chat_commands.chat(place, None)


async def _connected(place: "ClientContext", arguments: argparse.Namespace) -> ExitCode:
    """The commands that need a connection."""
    from client.commands import chat_commands
    from client.text.room_names import room_name

    match arguments.command:
        case "rooms":
            return await chat_commands.rooms(place)
        case "chat":
            room = room_name(arguments.room) if arguments.room else None
            return await chat_commands.chat(place, room, arguments.face)
        case "send":
            return await chat_commands.send(place, room_name(arguments.room), arguments.content, arguments.timeout)
        case "tail":
            names = ("since", "recent", "count", "resume")
            begin = {name: getattr(arguments, name) for name in names}
            rooms = list(dict.fromkeys(map(room_name, arguments.rooms)))
            return await chat_commands.tail(place, rooms, as_json=arguments.json, **begin)
        case "topic":
            return await chat_commands.topic(place, room_name(arguments.room), arguments.topic)
        case "create":
            room = room_name(arguments.new_room)
            return await chat_commands.ask(place, frames.CreateRoom(id=0, room=room, private=arguments.private))
    return await chat_commands.ask(place, _about_a_room(arguments, room_name(arguments.room)))


def _about_a_room(arguments: argparse.Namespace, room: str) -> frames.Command:
    match arguments.command:
        case "join":
            return frames.Join(id=0, room=room)
        case "leave":
            return frames.Leave(id=0, room=room)
    return frames.Invite(id=0, room=room, username=arguments.person.removeprefix("@"))
