"""Metrics of each service: well-formed, bounded, correct, and without secrets."""

import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from websockets.exceptions import InvalidStatus

from chatterbox.chassis.broker import MemoryBroker
from chatterbox.chassis.observability.metrics import UNKNOWN_ROUTE, Method, StatusClass
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from services.auth.metrics import AuthOutcome
from services.gateway.app import create_app
from services.gateway.metrics import DependencyName
from services.gateway.settings import GatewaySettings
from services.gateway.upstream.append_client import AppendClient
from tests.support import auth_site, history
from tests.support.metrics_parser import families, figure, samples
from tests.support.server import Server, running
from tests.support.talker import offsets
from tests.support.waiting import until

NAME = r"chatterbox_(auth|files|gateway|history)_[a-z]+(_[a-z]+)*"
FREE = {"le", "version", "python"}
"""Labels with fixed values: histogram bounds and build information."""


@asynccontextmanager
async def every_app(data: Path) -> AsyncIterator[list[FastAPI]]:
    """The three services, composed as separate processes are."""
    clock = history.Clock()
    async with (
        auth_site.running(data / "auth") as auth,
        history.running(data / "history", history.FakeAuth(clock), clock) as past,
        httpx.AsyncClient() as nowhere,
    ):
        settings = GatewaySettings(data=data)
        line = AppendClient("http://nowhere", "key")
        gateway, _ = create_app(
            settings, limits=Limits(), broker=MemoryBroker(), auth=nowhere, history=nowhere, append=line.append
        )
        yield [auth.app, past.app, gateway]


async def scrape(app: FastAPI) -> bytes:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.content


def of_gateway(server: Server) -> bytes:
    return server.whole.gateway.metrics.metrics.scrape()


async def until_counted(server: Server, least: float, name: str, **labels: str) -> None:
    """Wait until the gateway's counter has this value; fails after 5 s."""
    await until(lambda: figure(of_gateway(server), name, **labels) >= least, 5)


async def test_every_metric_follows_the_naming_rule_and_has_a_help_text(tmp_path: Path) -> None:
    async with every_app(tmp_path) as apps:
        for app in apps:
            for family in families(await scrape(app)):
                assert re.fullmatch(NAME, family.name)
                assert family.documentation


async def test_metric_labels_come_from_enums(tmp_path: Path) -> None:
    async with every_app(tmp_path) as apps:
        for app in apps:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http:
                for path in ("/health/live", "/../etc/passwd", "/rooms/anything?token=x", "/%00"):
                    await http.request("BREW", path)
                    await http.get(path)
            for sample in samples(await scrape(app)):
                assert [label for label in sample.labels.items() if not may_be(app, *label)] == []


def may_be(app: FastAPI, label: str, value: str) -> bool:
    allowed: dict[str, type[Enum]] = {
        "method": Method,
        "status": StatusClass,
        "result": AuthOutcome,
        "dependency": DependencyName,
    }
    if label == "code":
        return value in {*Code, *(code.name.lower() for code in CloseCode)}
    if label == "route":
        return value == UNKNOWN_ROUTE or value in {"/health/live", "/health/ready", "/metrics", "/rooms/{room}"}
    return label in FREE or value in {member.value for member in allowed[label]}


async def test_metrics_contain_no_username_token_or_message(server: Server) -> None:
    token = await server.newcomer("alice")
    async with server.talker(token, how="query") as alice:
        await alice.send("a secret plan")
        scraped = of_gateway(server).decode()
    assert not [secret for secret in ("alice", token, "secret plan", "general", "127.0.0.1") if secret in scraped]


async def test_a_message_is_counted_by_every_service_it_passes(server: Server) -> None:
    tokens = [await server.newcomer(name) for name in ("alice", "bob")]
    async with server.talker(tokens[0]) as alice, server.talker(tokens[1]) as bob:
        await alice.send("hello")
        await bob.messages(1)
        await until_counted(server, 2, "chatterbox_gateway_deliveries_total")
        scraped = of_gateway(server)
    for name, value in {
        "connections": 2,
        "members": 2,
        "rooms_open": 1,
        "connections_behind": 0,
        "sends_waiting": 0,
        "sends_taken_total": 1,
        "acks_total": 1,
        "deliveries_total": 2,
        "fan_out_seconds_count": 1,
        "append_seconds_count": 1,
        "append_messages_sum": 1,
        "ready": 1,
        "dependency_up": len(DependencyName),
    }.items():
        assert (name, figure(scraped, f"chatterbox_gateway_{name}")) == (name, value)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"content": " ", "room": "general"}, "content_empty"),
        ({"content": "hello", "room": "nowhere"}, "room_unknown"),
    ],
)
async def test_a_refused_message_is_counted_by_its_code(server: Server, command: dict[str, Any], code: str) -> None:
    async with server.talker(await server.newcomer("alice")) as alice:
        refusal = await alice.ask("send", **command)
    assert refusal["code"] == code
    assert figure(of_gateway(server), "chatterbox_gateway_sends_refused_total") == 1
    assert figure(of_gateway(server), "chatterbox_gateway_sends_refused_total", code=code) == 1


async def test_a_refused_handshake_is_counted_by_its_code(server: Server) -> None:
    talker = server.talker("no-token", how="query")
    await talker.open()
    assert await talker.closed() == CloseCode.TOKEN_REFUSED
    assert figure(of_gateway(server), "chatterbox_gateway_handshakes_refused_total", code="token_invalid") == 1
    await until_counted(server, 1, "chatterbox_gateway_closes_total", code="token_refused")
    assert figure(of_gateway(server), "chatterbox_gateway_closes_total", code="token_refused") == 1


async def test_a_handshake_answered_over_http_is_counted_and_has_a_request_id(server: Server) -> None:
    elsewhere = server.talker(None, additional_headers={"Origin": "https://elsewhere", "X-Request-Id": "r1"})
    with pytest.raises(InvalidStatus) as refusal:
        await elsewhere.open()
    assert refusal.value.response.status_code == 403
    assert refusal.value.response.headers["X-Request-Id"] == "r1"
    assert figure(of_gateway(server), "chatterbox_gateway_handshakes_refused_total", code="origin_refused") == 1


async def test_gaps_and_the_messages_that_fill_them_are_counted(tmp_path: Path) -> None:
    class LosesTheSecond(MemoryBroker):
        rooms = 0

        async def publish(self, items: Sequence[tuple[str, bytes]]) -> None:
            for item in items:
                self.rooms += ":room:" in item[0]
                if ":room:" not in item[0] or self.rooms != 2:
                    await super().publish([item])

    async with running(tmp_path, broker=LosesTheSecond(), heads_interval_s=60) as server:
        async with server.talker(await server.newcomer("alice")) as alice:
            for number in range(3):
                await alice.send(f"m{number}")
            assert offsets(await alice.messages(3)) == [1, 2, 3]
        assert figure(of_gateway(server), "chatterbox_gateway_gaps_found_total") == 1
        assert figure(of_gateway(server), "chatterbox_gateway_gap_messages_filled_total") >= 1


async def test_history_counts_stored_refused_and_duplicate_messages(tmp_path: Path) -> None:
    clock = history.Clock()
    async with history.running(tmp_path, history.FakeAuth(clock), clock) as past:
        room = await past.greet("alice")
        before = await scrape(past.app)
        message = past.message("hello", "k1", room_id=room.room_id)
        await past.append(message, past.message("x", "k2", room_id=99))
        await past.append(message)
        await past.get("/messages")
        after = await scrape(past.app)

    def gained(name: str, **labels: str) -> float:
        name = f"chatterbox_history_{name}"
        return figure(after, name, **labels) - figure(before, name, **labels)

    assert gained("messages_appended_total") == 1
    assert gained("messages_duplicate_total") == 1
    assert gained("messages_refused_total", code="room_unknown") == 1
    assert gained("commits_total") == gained("commit_seconds_count") == 2
    assert gained("commit_messages_sum") == 3
    assert gained("page_seconds_count") == 1
    assert figure(after, "chatterbox_history_backlog_jobs") == 0
    assert 0 < figure(after, "chatterbox_history_disk_free_bytes") < figure(after, "chatterbox_history_disk_bytes")


async def test_auth_counts_successful_and_failed_logins(tmp_path: Path) -> None:
    async with auth_site.running(tmp_path, login_failures=1) as site:
        token = await site.registered()
        for _ in range(2):
            await site.try_login(password="wrong-password")
        await site.http.post("/logout", headers=auth_site.bearing(token))
        scraped = await scrape(site.app)
    results = {result: figure(scraped, "chatterbox_auth_logins_total", result=result) for result in AuthOutcome}
    assert results == {AuthOutcome.RIGHT: 1, AuthOutcome.WRONG: 1, AuthOutcome.THROTTLED: 1}
    for name in ("registrations", "sessions_opened", "sessions_ended"):
        assert (name, figure(scraped, f"chatterbox_auth_{name}_total")) == (name, 1)
    assert figure(scraped, "chatterbox_auth_hashes_running") == 0


async def test_at_debug_a_closed_connection_is_one_log_line(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "chatterbox")
    async with server.talker(await server.newcomer("alice")) as alice:
        await alice.send("a secret plan")
        await alice.messages(1)
    await until_counted(server, 1, "chatterbox_gateway_connections_closed_total")
    [line] = [vars(record) for record in caplog.records if record.message == "connection.closed"]
    assert (line["messages_in"], line["messages_out"], line["close_code"]) == (1, 1, 1000)
    assert line["user_id"] == 1
    assert line["seconds"] >= 0
    assert not [record for record in caplog.records if "secret plan" in str(vars(record))]
