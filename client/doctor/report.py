"""Prints check results: line by line while the checks run, or as one JSON object at the end."""

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import asdict, replace

from client.config.config_parser import CliOverrides
from client.config.profile_choice import choose_profile
from client.config.xdg_folders import state_folder
from client.context import ClientContext
from client.doctor import machine_checks
from client.doctor.check_sequence import run_checks
from client.doctor.machine_checks import Terminal
from client.doctor.verdict import CheckName, CheckResult, CheckStatus
from client.failures import ExitCode, UsageError
from client.output import print_result
from client.store.session_file import SavedSession
from client.text.sanitize import inert

_CHECK_WIDTH = max(map(len, CheckName))
_STATUS_WIDTH = max(map(len, CheckStatus))


async def doctor(overrides: CliOverrides, environ: Mapping[str, str], idle_s: float, *, as_json: bool) -> ExitCode:
    """Check the chosen server. Nothing is stored there, and nothing is changed here."""
    address = overrides.server or choose_profile(overrides, environ).server
    machine = machine_checks.problems(environ, state_folder(environ), _terminal())
    results = [result async for result in _run(address, machine, overrides, environ, idle_s, as_json=as_json)]
    print_result(json_report(address, results) if as_json else summary(results))
    return exit_code(results)


async def _run(
    address: str,
    machine: Iterable[CheckResult],
    overrides: CliOverrides,
    environ: Mapping[str, str],
    idle_s: float,
    *,
    as_json: bool,
) -> AsyncIterator[CheckResult]:
    session = _session(replace(overrides, server=address), environ)
    async for result in chained(machine, run_checks(address, session, idle_s)):
        if not as_json and not _is_not_checked(result):
            for line in lines(result):
                print_result(line)
        yield result


async def chained(first: Iterable[CheckResult], then: AsyncIterator[CheckResult]) -> AsyncIterator[CheckResult]:
    for result in first:
        yield result
    async for result in then:
        yield result


def _terminal() -> Terminal | None:
    """The terminal that this command prints to; None if there is none."""
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return None
    return Terminal(columns, rows, sys.stdout.encoding)


def _session(overrides: CliOverrides, environ: Mapping[str, str]) -> SavedSession | None:
    """The session for that server, unless it has expired."""
    try:
        session = ClientContext.find(overrides, environ).session_file.load()
    except UsageError:
        return None
    return session if session and session.expires_at > time.time() else None


def _is_not_checked(result: CheckResult) -> bool:
    return result.status is CheckStatus.SKIPPED and result.seen.startswith("not checked")


def lines(result: CheckResult) -> Iterator[str]:
    """A result as text, with the advice on a line of its own."""
    left = f"{result.status:<{_STATUS_WIDTH}}  {result.check:<{_CHECK_WIDTH}}"
    yield inert(f"{left}  {result.seen}")
    if result.advice:
        yield inert(f"{'':<{len(left)}}  -> {result.advice}")


def summary(results: list[CheckResult]) -> str:
    """The last line."""
    failed = ", ".join(result.check for result in results if result.status is CheckStatus.FAILED)
    if failed:
        not_checked = ", ".join(result.check for result in results if _is_not_checked(result))
        return f"Problem found: {failed}.{f' Not checked: {not_checked}.' if not_checked else ''}"
    warnings = sum(result.status is CheckStatus.WARNING for result in results)
    if warnings:
        return f"The connection works, with {warnings} warning{'s' * (warnings > 1)}."
    return "No problems found."


def json_report(address: str, results: list[CheckResult]) -> str:
    """All results as one JSON object, on one line of ASCII."""
    is_ok = all(result.status is not CheckStatus.FAILED for result in results)
    checks = [asdict(result) for result in results]
    return json.dumps({"server": inert(address), "ok": is_ok, "checks": checks})


def exit_code(results: list[CheckResult]) -> ExitCode:
    """0 if nothing failed, 2 for an invalid address, else 4."""
    failed = [result.check for result in results if result.status is CheckStatus.FAILED]
    if CheckName.ADDRESS in failed:
        return ExitCode.USAGE
    return ExitCode.UNREACHABLE if failed else ExitCode.OK
