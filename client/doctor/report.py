"""Prints verdicts: as lines while they come, or as one JSON object at the end."""

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, replace

from client.doctor.examine import examine
from client.doctor.verdict import Check, Status, Verdict
from client.failures import Exit, Usage
from client.home.choice import choice
from client.home.reading import Named
from client.inert import inert
from client.place import Place, out
from client.session import Session

_CHECK_WIDTH = max(map(len, Check))
_STATUS_WIDTH = max(map(len, Status))


async def doctor(named: Named, environ: Mapping[str, str], idle_s: float, *, as_json: bool) -> Exit:
    """Examine the server that is meant. Nothing is stored there, and nothing is changed here."""
    address = named.server or choice(named, environ).server
    verdicts = [verdict async for verdict in _told(address, named, environ, idle_s, as_json=as_json)]
    if as_json:
        out(as_object(address, verdicts))
    else:
        out(summary(verdicts))
    return exit_of(verdicts)


async def _told(
    address: str, named: Named, environ: Mapping[str, str], idle_s: float, *, as_json: bool
) -> AsyncIterator[Verdict]:
    async for verdict in examine(address, _session(replace(named, server=address), environ), idle_s):
        if not as_json and not _is_left_out(verdict):
            for line in lines(verdict):
                out(line)
        yield verdict


def _session(named: Named, environ: Mapping[str, str]) -> Session | None:
    """The session for that server, if there is one that has not expired."""
    try:
        session = Place.find(named, environ).file.load()
    except Usage:
        return None
    return session if session and session.expires_at > time.time() else None


def _is_left_out(verdict: Verdict) -> bool:
    return verdict.status is Status.SKIPPED and verdict.seen.startswith("not checked")


def lines(verdict: Verdict) -> Iterator[str]:
    """A verdict as a person reads it; the advice stands below what was seen."""
    left = f"{verdict.status:<{_STATUS_WIDTH}}  {verdict.check:<{_CHECK_WIDTH}}"
    yield inert(f"{left}  {verdict.seen}")
    if verdict.advice:
        yield inert(f"{'':<{len(left)}}  -> {verdict.advice}")


def summary(verdicts: list[Verdict]) -> str:
    """The last line."""
    failed, warned = (
        sum(verdict.status is status for verdict in verdicts) for status in (Status.FAILED, Status.WARNING)
    )
    if failed:
        rest = ", ".join(verdict.check for verdict in verdicts if _is_left_out(verdict))
        return f"Something is in the way.{f' Not checked: {rest}.' if rest else ''}"
    return f"It works, with {warned} to look at." if warned else "All is well."


def as_object(address: str, verdicts: list[Verdict]) -> str:
    """All of it as one line of ASCII."""
    is_ok = all(verdict.status is not Status.FAILED for verdict in verdicts)
    checks = [asdict(verdict) for verdict in verdicts]
    return json.dumps({"server": inert(address), "ok": is_ok, "checks": checks})


def exit_of(verdicts: list[Verdict]) -> Exit:
    """0 if nothing failed; 2 for an address that is none; else 4."""
    failed = [verdict.check for verdict in verdicts if verdict.status is Status.FAILED]
    if Check.ADDRESS in failed:
        return Exit.USAGE
    return Exit.UNREACHABLE if failed else Exit.OK
