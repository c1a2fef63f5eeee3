"""Register, login, logout and sessions."""

import io
import json
import sys
from pathlib import Path

import httpx
import pytest

from client.commands import account
from client.config.config_schema import Config
from client.context import ClientContext
from client.failures import NotLoggedIn, ServerRefused, Unreachable, UsageError
from client.net import http_jobs
from client.net.http_api import HttpApi
from client.store.outbox import new_entry
from client.store.session_file import SavedSession

SERVER = "http://127.0.0.1:8000"


class Server:
    """Answers as auth does, and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, object]] = []
        self.refuse: dict[str, tuple[int, str]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append((request.method, path, json.loads(request.content) if request.content else None))
        if path in self.refuse:
            status, code = self.refuse[path]
            return httpx.Response(status, json={"code": code, "detail": "No."})
        if path == "/login":
            return httpx.Response(200, json={"token": "t", "expires_in": 100, "session": "s1", "username": "Alice"})
        if path == "/sessions":
            created = "2026-11-23T10:00:00.000Z"
            line = {"id": "s1", "created": created, "expires": created, "user_agent": "cli\x1b[2J", "current": True}
            return httpx.Response(200, json=[line])
        return httpx.Response(200, json={"message": "Session terminated"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()

    def api(address: str, token: str | None = None) -> HttpApi:
        return HttpApi(address, token, httpx.MockTransport(server))

    monkeypatch.setattr(account, "HttpApi", api)
    monkeypatch.setattr(http_jobs, "HttpApi", api)
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\nnot this\n"))
    return server


@pytest.fixture
def context(tmp_path: Path) -> ClientContext:
    return ClientContext(SERVER, tmp_path)


def test_login_reads_the_password_from_the_first_input_line(server: Server, context: ClientContext) -> None:
    account.login(context, "alice")
    assert server.asked == [("POST", "/login", {"username": "alice", "password": "correct horse"})]
    session = context.session_file.load()
    assert session is not None
    assert (session.username, session.token) == ("Alice", "t")


def test_register_also_logs_in(server: Server, context: ClientContext) -> None:
    account.register(context, "alice")
    assert [path for _, path, _ in server.asked] == ["/register", "/login"]
    assert context.session_file.load() is not None


def test_register_sends_an_invitation_code_if_there_is_one(server: Server, context: ClientContext) -> None:
    account.register(context, "alice", "abcd-efgh")
    body = {"username": "alice", "password": "correct horse", "code": "abcd-efgh"}
    assert server.asked[0] == ("POST", "/register", body)


def test_invalid_username_is_refused_before_the_password_prompt(server: Server, context: ClientContext) -> None:
    with pytest.raises(ServerRefused, match="A username must be 3-32 letters"):
        account.register(context, "nu")
    assert server.asked == []
    assert sys.stdin.readline() == "correct horse\n"


def test_login_without_a_terminal_needs_a_username(server: Server, context: ClientContext) -> None:
    with pytest.raises(UsageError, match="No username given"):
        account.login(context, None)


@pytest.mark.parametrize(
    ("contents", "holds", "keeps"),
    [
        (["one"], "holds 1 message, to be sent with the next chat or send.", "keeps 1 message."),
        (
            ["one", "two"],
            "holds 2 messages, to be sent with the next chat or send.",
            "keeps 2 messages.",
        ),
    ],
)
def test_login_and_logout_report_the_outbox(
    server: Server,
    context: ClientContext,
    contents: list[str],
    holds: str,
    keeps: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account.login(context, "alice")
    with context.outbox(context.tokens.session()) as outbox:
        outbox.add(new_entry("general", content) for content in contents)
    account.login(context, "alice")
    assert holds in capsys.readouterr().out
    account.logout(context)
    assert keeps in capsys.readouterr().out


def test_wrong_password_is_refused(server: Server, context: ClientContext) -> None:
    server.refuse["/login"] = (401, "credentials_invalid")
    with pytest.raises(ServerRefused, match=r"No\."):
        account.login(context, "alice")


def test_logout_ends_the_session_on_the_server_and_deletes_its_file(
    server: Server, context: ClientContext, capsys: pytest.CaptureFixture[str]
) -> None:
    account.login(context, "alice")
    account.logout(context)
    assert server.asked[-1][:2] == ("POST", "/logout")
    assert context.session_file.load() is None
    assert "Logged out" in capsys.readouterr().out
    with pytest.raises(NotLoggedIn):
        account.logout(context)


def test_logout_of_an_ended_session_deletes_its_file(server: Server, context: ClientContext) -> None:
    account.login(context, "alice")
    server.refuse["/logout"] = (401, "session_ended")
    account.logout(context)
    assert context.session_file.load() is None


def test_session_list_is_inert(server: Server, context: ClientContext, capsys: pytest.CaptureFixture[str]) -> None:
    account.login(context, "alice")
    account.sessions(context)
    line = capsys.readouterr().out.splitlines()[-1]
    assert ", cli␛[2J, began" in line
    assert line.endswith("  (this one)")


def test_ending_this_session_deletes_its_file(server: Server, context: ClientContext) -> None:
    account.login(context, "alice")
    account.end_session(context, "s1")
    assert server.asked[-1][:2] == ("DELETE", "/sessions/s1")
    assert context.session_file.load() is None


def test_login_without_tls_prints_a_warning(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account.login(ClientContext("http://chat.example.org", tmp_path), "alice")
    assert "not encrypted" in capsys.readouterr().err


class TestConfiguredLogin:
    """Who one is and with which password need not be asked."""

    KNOWS = Config(server=SERVER, username="alice", password_command=("echo", "from the command"))

    @pytest.fixture
    def context(self, tmp_path: Path) -> ClientContext:
        return ClientContext(SERVER, tmp_path, self.KNOWS)

    def asked(self, server: Server) -> list[object]:
        return [body for _, path, body in server.asked if path == "/login"]

    def test_configured_password_command_logs_in(self, server: Server, context: ClientContext) -> None:
        account.login(context, None)
        assert self.asked(server) == [{"username": "alice", "password": "from the command"}]

    def test_configured_password_is_not_used_for_another_username(self, server: Server, context: ClientContext) -> None:
        account.login(context, "bob")
        assert self.asked(server) == [{"username": "bob", "password": "correct horse"}]

    def test_configured_password_command_registers(self, server: Server, context: ClientContext) -> None:
        account.register(context, None)
        assert server.asked[0] == ("POST", "/register", {"username": "alice", "password": "from the command"})

    def test_configured_login_without_a_session_needs_no_prompt(self, server: Server, context: ClientContext) -> None:
        account.log_in_if_configured(context)
        account.log_in_if_configured(context)
        assert len(self.asked(server)) == 1
        assert context.session_file.load() is not None

    def test_configured_login_replaces_an_expired_session(self, server: Server, context: ClientContext) -> None:
        context.session_file.save(SavedSession(SERVER, "alice", "old", "s0", expires_at=1.0, lifetime_s=1.0))
        account.log_in_if_configured(context)
        session = context.session_file.load()
        assert session is not None
        assert session.token == "t"

    def test_configured_login_at_an_unreachable_server_fails_only_without_a_session(
        self, server: Server, context: ClientContext
    ) -> None:
        server.refuse["/login"] = (503, "unavailable")
        with pytest.raises(Unreachable):
            account.log_in_if_configured(context)
        context.session_file.save(SavedSession(SERVER, "alice", "old", "s0", expires_at=1.0, lifetime_s=1.0))
        account.log_in_if_configured(context)

    def test_without_a_configured_password_no_login_is_attempted(self, server: Server, tmp_path: Path) -> None:
        account.log_in_if_configured(ClientContext(SERVER, tmp_path))
        account.log_in_if_configured(ClientContext(SERVER, tmp_path, Config(username="alice")))
        assert server.asked == []


class TestKeyring:
    @pytest.fixture
    def kept(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        kept: dict[str, str] = {}
        monkeypatch.setattr(account, "from_keyring", lambda _server, username: kept.get(username))
        monkeypatch.setattr(account, "known_password", lambda _config, _server, username: kept.get(username))
        monkeypatch.setattr(
            account, "into_keyring", lambda _server, username, password: kept.update({username: password})
        )
        return kept

    def test_keyring_stores_the_typed_password_for_the_next_login(
        self, server: Server, tmp_path: Path, kept: dict[str, str]
    ) -> None:
        context = ClientContext(SERVER, tmp_path, Config(keyring=True))
        account.login(context, "alice")
        account.login(context, "alice")
        assert kept == {"alice": "correct horse"}
        assert [body for *_, body in server.asked] == [{"username": "alice", "password": "correct horse"}] * 2

    def test_keyring_does_not_store_a_refused_password(
        self, server: Server, tmp_path: Path, kept: dict[str, str]
    ) -> None:
        server.refuse["/login"] = (401, "credentials_invalid")
        with pytest.raises(ServerRefused):
            account.login(ClientContext(SERVER, tmp_path, Config(keyring=True)), "alice")
        assert kept == {}

    def test_old_keyring_password_is_replaced_by_a_prompted_one(
        self, server: Server, tmp_path: Path, kept: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def typed(_: str) -> str:
            server.refuse.clear()
            return "the new one"

        kept["alice"] = "an old one"
        server.refuse["/login"] = (401, "credentials_invalid")
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("getpass.getpass", typed)
        account.login(ClientContext(SERVER, tmp_path, Config(keyring=True)), "alice")
        assert kept == {"alice": "the new one"}

    def test_failing_keyring_is_reported_and_does_not_prevent_the_login(
        self, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        context = ClientContext(SERVER, tmp_path, Config(keyring=True))
        account.register(context, "alice")
        assert context.session_file.load() is not None
        assert "The password was not stored in the keyring. " in capsys.readouterr().err


def test_each_profile_has_its_own_session(server: Server, tmp_path: Path) -> None:
    account.login(ClientContext(SERVER, tmp_path, Config(profile="work")), "alice")
    assert ClientContext(SERVER, tmp_path, Config(profile="work")).session_file.load() is not None
    assert ClientContext(SERVER, tmp_path, Config(profile="home")).session_file.load() is None
    assert ClientContext(SERVER, tmp_path).session_file.load() is None
    assert not (tmp_path / "server").exists()
    assert "chatterbox login --profile home" in ClientContext(SERVER, tmp_path, Config(profile="home")).login_hint()
    with pytest.raises(NotLoggedIn):
        ClientContext(SERVER, tmp_path, Config(profile="home")).tokens.session()
