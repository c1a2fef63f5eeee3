"""The commands about other users and about oneself: whois, me."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from chatterbox.wire import frames
from client.commands.chat_commands import reply_to
from client.context import ClientContext
from client.core import notes
from client.faces.people.self_settings import SettingMistake, audience_change
from client.failures import ExitCode, ServerRefused, UsageError
from client.net import http_jobs, people_jobs
from client.output import print_result
from client.store.name_cache import NameCache
from client.text.local_time import duration_s, next_at, rfc3339
from client.text.people_text import unknown_person, whois_lines
from client.text.suggestions import unknown_user

PROFILE = {"display_name", "bio", "picture", "status", "visible"}
"""Settings that are printed with the profile."""
PRIVACY = {"presence", "typing", "receipts"}


async def whois(context: ClientContext, username: str, *, as_json: bool) -> ExitCode:
    """Print the presence and the profile of a user, as far as the user may see them."""
    answer = await reply_to(context, frames.Watch(id=0, usernames=(username,)))
    match answer:
        case notes.CommandAnswered(_, frames.Watched(people=[person])):
            lines = [json.dumps(msgspec.to_builtins(person))] if as_json else whois_lines(person, datetime.now(UTC))
        case _:
            people = NameCache(context.name_cache_path(context.tokens.session())).names.people
            raise ServerRefused(unknown_user(unknown_person(username), username, people))
    for line in lines:
        print_result(line)
    return ExitCode.OK


def me(context: ClientContext, changes: dict[str, Any], writes: str, *, as_json: bool) -> ExitCode:
    """Change settings of the user, then print those that changed; without changes, all of them."""
    wanted = changes | ({"writes": writes} if writes else {})
    settings = people_jobs.changed(context, wanted) if changes else people_jobs.current(context, wanted)
    if as_json:
        print_result(json.dumps(msgspec.to_builtins(settings)))
        return ExitCode.OK
    shown = wanted.keys() or ({"writes", *PROFILE, *PRIVACY} if settings.has_profile else {"writes"})
    lines = people_jobs.profile(settings) if shown & PROFILE else []
    lines += people_jobs.privacy(settings) if shown & PRIVACY else []
    lines += [http_jobs.writers_line(settings.writes)] if "writes" in shown else []
    for line in lines:
        print_result(line)
    return ExitCode.OK


def settings_of(
    texts: dict[str, str | None], switches: dict[str, str | None], visible: list[str], ends: tuple[str, str]
) -> dict[str, Any]:
    """The changes that the options of `me` ask for; raises `UsageError`.

    `ends`: after which time the status ends, and at which time of day; each may be empty.
    """
    changes: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
    for name, switch in switches.items():
        if switch is not None:
            on = switch == "on"
            changes[name] = ("everyone" if on else "nobody") if name == "presence" else on
    for each in visible:
        change = audience_change(*each.split("="))
        if isinstance(change, SettingMistake):
            raise UsageError(f"Not FIELD=WHO: {each!r}. {change.sentence.replace('bio rooms', '--show bio=rooms')}")
        changes["visible"] = changes.get("visible", {}) | change["visible"]
    if any(ends):
        if not changes.get("status"):
            raise UsageError("--for and --until are for --status TEXT only.")
        changes["status_until"] = _end(*ends)
    return changes


def _end(duration: str, clock: str) -> str:
    now = datetime.now(UTC).astimezone()
    if duration and clock:
        raise UsageError("Use --for or --until, not both.")
    if duration and (seconds := duration_s(duration)) is not None:
        return rfc3339(now + timedelta(seconds=seconds))
    if clock and (at := next_at(clock, now)) is not None:
        return rfc3339(at)
    what = "--for takes a time such as 30m, 2h or 1d" if duration else "--until takes a time of day such as 15:00"
    raise UsageError(f"{what}, not {duration or clock!r}.")
