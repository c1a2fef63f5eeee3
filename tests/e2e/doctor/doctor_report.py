"""Runs `chatterbox doctor --json` and returns its results."""

import asyncio
import json
import shutil
from dataclasses import replace
from typing import NamedTuple

from client.doctor.verdict import CheckName
from client.failures import ExitCode
from client.store.session_file import SessionFile
from tests.e2e.client.people import Person, Server
from tests.e2e.client.proxies import Fault, proxy

NEVER = "http://127.0.0.1:9"
"""An address where nothing listens."""


class Result(NamedTuple):
    """The result of one check."""

    status: str
    seen: str
    advice: str


def at(person: Person, address: str) -> Person:
    """The same person with the same session, at another address of the server."""
    file = SessionFile(person.home / "chatterbox", person.server)
    copy = SessionFile(person.home / "chatterbox", address)
    shutil.copy(file.path, copy.path)
    return replace(person, server=address)


async def run_doctor(person: Person, *arguments: str, exits: ExitCode) -> dict[str, Result]:
    """Run the command, check what holds for every report, and return the results by check."""
    command = ["doctor", "--json", "--idle", "0.3", *arguments]
    done = await asyncio.to_thread(person.run, *command)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert done.stdout.isascii()
    assert done.stdout.count("\n") == 1
    assert [check["check"] for check in report["checks"]] == [name for name in CheckName if not name.is_local]
    results = {check.pop("check"): Result(**check) for check in report["checks"]}
    assert report["ok"] == all(each.status != "failed" for each in results.values())
    assert all(each.advice for each in results.values() if each.status in {"failed", "warning"})
    assert done.returncode == exits, results
    return results


async def run_through(
    fault: Fault, site: Server, person: Person, exits: ExitCode = ExitCode.UNREACHABLE
) -> dict[str, Result]:
    """The results for the server behind a proxy with this fault."""
    async with proxy(site.port, fault) as address:
        return await run_doctor(at(person, address), exits=exits)


def worst(results: dict[str, Result]) -> tuple[str, Result]:
    """The one check that failed or warned."""
    ((check, result),) = ((check, each) for check, each in results.items() if each.status in {"failed", "warning"})
    return check, result
