"""`chatterbox doctor` run as a program, and its report read."""

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


class Told(NamedTuple):
    """One line of the report."""

    status: str
    seen: str
    advice: str


def at(person: Person, address: str) -> Person:
    """The same person with the same session, at another address of the server."""
    file = SessionFile(person.home / "chatterbox", person.server)
    over = SessionFile(person.home / "chatterbox", address)
    shutil.copy(file.path, over.path)
    return replace(person, server=address)


async def examined(person: Person, *arguments: str, exits: ExitCode) -> dict[str, Told]:
    """Run the command, and hold it to what is true of each report; returns the verdicts by check."""
    command = ["doctor", "--json", "--idle", "0.3", *arguments]
    done = await asyncio.to_thread(person.run, *command)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert done.stdout.isascii()
    assert done.stdout.count("\n") == 1
    assert [check["check"] for check in report["checks"]] == [*CheckName]
    told = {check.pop("check"): Told(**check) for check in report["checks"]}
    assert report["ok"] == all(each.status != "failed" for each in told.values())
    assert all(each.advice for each in told.values() if each.status in {"failed", "warning"})
    assert done.returncode == exits, told
    return told


async def verdicts(
    fault: Fault, site: Server, person: Person, exits: ExitCode = ExitCode.UNREACHABLE
) -> dict[str, Told]:
    """What is told of the server through a proxy with this fault."""
    async with proxy(site.port, fault) as address:
        return await examined(at(person, address), exits=exits)


def worst(told: dict[str, Told]) -> tuple[str, Told]:
    """The one check that failed or warned."""
    ((check, told_),) = ((check, each) for check, each in told.items() if each.status in {"failed", "warning"})
    return check, told_
