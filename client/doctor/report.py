"""Prints verdicts: as lines while they come, or as one JSON object at the end."""

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, replace

from client.config.config_parser import CliOverrides
from client.config.profile_choice import choose_profile
from client.context import ClientContext
from client.doctor.check_sequence import examine
from client.doctor.verdict import CheckName, CheckResult, CheckStatus
from client.failures import ExitCode, UsageError
from client.output import print_result
from client.store.session_file import SavedSession
from client.text.sanitize import inert

_CHECK_WIDTH = max(map(len, CheckName))
_STATUS_WIDTH = max(map(len, CheckStatus))


async def doctor(named: CliOverrides, environ: Mapping[str, str], idle_s: float, *, as_json: bool) -> ExitCode:
    """Examine the server that is meant. Nothing is stored there, and nothing is changed here."""
    address = named.server or choose_profile(named, environ).server
    verdicts = [verdict async for verdict in _told(address, named, environ, idle_s, as_json=as_json)]
    if as_json:
        print_result(as_object(address, verdicts))
    else:
        print_result(summary(verdicts))
    return exit_of(verdicts)


async def _told(
    address: str, named: CliOverrides, environ: Mapping[str, str], idle_s: float, *, as_json: bool
) -> AsyncIterator[CheckResult]:
    async for verdict in examine(address, _session(replace(named, server=address), environ), idle_s):
        if not as_json and not _is_left_out(verdict):
            for line in lines(verdict):
                print_result(line)
        yield verdict


def _session(named: CliOverrides, environ: Mapping[str, str]) -> SavedSession | None:
    """The session for that server, if there is one that has not expired."""
    try:
        session = ClientContext.find(named, environ).session_file.load()
    except UsageError:
        return None
    return session if session and session.expires_at > time.time() else None


def _is_left_out(verdict: CheckResult) -> bool:
    return verdict.status is CheckStatus.SKIPPED and verdict.seen.startswith("not checked")


def lines(verdict: CheckResult) -> Iterator[str]:
    """A verdict as a person reads it; the advice stands below what was seen."""
    left = f"{verdict.status:<{_STATUS_WIDTH}}  {verdict.check:<{_CHECK_WIDTH}}"
    yield inert(f"{left}  {verdict.seen}")
    if verdict.advice:
        yield inert(f"{'':<{len(left)}}  -> {verdict.advice}")


def summary(verdicts: list[CheckResult]) -> str:
    """The last line."""
    failed, warned = (
        sum(verdict.status is status for verdict in verdicts) for status in (CheckStatus.FAILED, CheckStatus.WARNING)
    )
    if failed:
        rest = ", ".join(verdict.check for verdict in verdicts if _is_left_out(verdict))
        return f"Something is in the way.{f' Not checked: {rest}.' if rest else ''}"
    return f"It works, with {warned} to look at." if warned else "All is well."


def as_object(address: str, verdicts: list[CheckResult]) -> str:
    """All of it as one line of ASCII."""
    is_ok = all(verdict.status is not CheckStatus.FAILED for verdict in verdicts)
    checks = [asdict(verdict) for verdict in verdicts]
    return json.dumps({"server": inert(address), "ok": is_ok, "checks": checks})


def exit_of(verdicts: list[CheckResult]) -> ExitCode:
    """0 if nothing failed; 2 for an address that is none; else 4."""
    failed = [verdict.check for verdict in verdicts if verdict.status is CheckStatus.FAILED]
    if CheckName.ADDRESS in failed:
        return ExitCode.USAGE
    return ExitCode.UNREACHABLE if failed else ExitCode.OK
