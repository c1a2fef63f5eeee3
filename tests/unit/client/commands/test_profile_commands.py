"""The commands whois and me."""

import json
import re
from pathlib import Path

import httpx
import pytest

from chatterbox.wire import frames
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import PresenceState, Profile
from client.commands import profile_commands
from client.context import ClientContext
from client.core import notes
from client.failures import Failure, ServerRefused, UsageError
from client.net import people_jobs
from client.net.file_api import FileApi
from client.net.http_api import HttpApi
from client.store.name_cache import NameCache
from client.store.session_file import SavedSession

SERVER = "http://127.0.0.1:8000"
OLD = {"username": "alice", "writes": "everyone"}
NEW = OLD | {"presence": "everyone", "typing": True, "receipts": False, "display_name": "Ada", "later": 1}


class Server:
    """Answers `/me`, and writes down what it was asked to change."""

    def __init__(self, settings: dict[str, object]) -> None:
        self.settings = settings
        self.changes: list[object] = []
        self.pictures: list[bytes | None] = []
        """What was uploaded; None: the picture was removed."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/me/avatar":
            self.pictures.append(request.content if request.method == "PUT" else None)
            return httpx.Response(200, json={"avatar": "a1"}) if request.content else httpx.Response(204)
        assert request.url.path == "/me"
        if request.method == "PATCH":
            self.changes.append(json.loads(request.content))
            return httpx.Response(204)
        return httpx.Response(200, json=self.settings)


@pytest.fixture
def context(tmp_path: Path) -> ClientContext:
    context = ClientContext(SERVER, tmp_path)
    context.session_file.save(SavedSession(SERVER, "alice", "t", "s1", expires_at=4e9, lifetime_s=100))
    return context


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server(dict(NEW))

    def api(address: str, token: str | None = None) -> HttpApi:
        return HttpApi(address, token, httpx.MockTransport(server))

    def file_api(address: str, token: str | None = None) -> FileApi:
        return FileApi(address, token, httpx.MockTransport(server))

    monkeypatch.setattr(people_jobs, "HttpApi", api)
    monkeypatch.setattr(people_jobs, "FileApi", file_api)
    return server


def settings(**options: object) -> dict[str, object]:
    texts = {name: options.pop(name, None) for name in ("display_name", "bio", "picture", "status")}
    switches = {name: options.pop(name, None) for name in ("presence", "typing", "receipts")}
    ends = (options.pop("status_for", ""), options.pop("status_until", ""))
    return profile_commands.settings_of(texts, switches, options.pop("show", []), ends)  # type: ignore[arg-type]


class TestMe:
    def test_without_options_prints_everything(
        self, context: ClientContext, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        profile_commands.me(context, {}, "", as_json=False)
        assert capsys.readouterr().out.splitlines() == [
            "Display name: Ada (visible to everyone)",
            "Status: not set (visible to everyone)",
            "About: not set (visible to everyone)",
            "Picture: not set (visible to everyone)",
            "Presence is on: others see whether you are online or away, and when you were last here.",
            "Typing is on: others see when you are typing.",
            "Receipts are off: others don't see how far you have read.",
            "Everyone may write to you directly, except users whom you block.",
        ]
        assert server.changes == []

    def test_prints_only_the_part_that_was_changed(
        self, context: ClientContext, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        profile_commands.me(context, settings(receipts="off"), "", as_json=False)
        assert len(capsys.readouterr().out.splitlines()) == 3
        assert server.changes == [{"receipts": False}]

    def test_prints_json_for_scripts(
        self, context: ClientContext, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        profile_commands.me(context, {}, "rooms", as_json=True)
        told = json.loads(capsys.readouterr().out)
        assert (told["display_name"], told["receipts"], told["visible"]["bio"]) == ("Ada", False, "everyone")
        assert server.changes == [{"writes": "rooms"}]

    def test_older_server_still_tells_who_may_write(
        self, context: ClientContext, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.settings = dict(OLD)
        profile_commands.me(context, {}, "", as_json=False)
        assert capsys.readouterr().out == "Everyone may write to you directly, except users whom you block.\n"

    def test_older_server_that_ignores_a_change_is_no_success(self, context: ClientContext, server: Server) -> None:
        server.settings = dict(OLD)
        with pytest.raises(ServerRefused, match="older than this client"):
            profile_commands.me(context, settings(bio="x"), "", as_json=False)


class TestPicture:
    def change(self, context: ClientContext, path: Path | str) -> None:
        profile_commands.me(context, settings(picture=str(path), bio="x"), "", as_json=False)

    def test_picture_is_uploaded_and_is_no_setting_of_its_own(
        self, context: ClientContext, server: Server, tmp_path: Path
    ) -> None:
        (tmp_path / "me.png").write_bytes(b"picture")
        self.change(context, tmp_path / "me.png")
        assert (server.pictures, server.changes) == ([b"picture"], [{"bio": "x"}])

    def test_empty_path_removes_the_picture(self, context: ClientContext, server: Server) -> None:
        self.change(context, "")
        assert server.pictures == [None]

    def test_picture_that_is_too_large_empty_or_missing_is_not_sent(
        self, context: ClientContext, server: Server, tmp_path: Path
    ) -> None:
        (tmp_path / "large.png").write_bytes(bytes(Limits().avatar_bytes + 1))
        (tmp_path / "empty.png").write_bytes(b"")
        for name, sentence in {
            "large.png": "large.png is too large",
            "empty.png": "empty.png is empty.",
            "none.png": "Can't read",
        }.items():
            with pytest.raises(Failure, match=re.escape(sentence)):
                self.change(context, tmp_path / name)
        assert (server.pictures, server.changes) == ([], [])


class TestOptions:
    def test_options_become_changes(self) -> None:
        changes = settings(display_name="Ada", bio="", presence="off", typing="on", show=["bio=rooms", "name=nobody"])
        assert changes == {
            "display_name": "Ada",
            "bio": "",
            "presence": "nobody",
            "typing": True,
            "visible": {"bio": "rooms", "display_name": "nobody"},
        }

    def test_status_ends_at_the_given_time(self) -> None:
        until = settings(status="lunch", status_for="30m")["status_until"]
        assert isinstance(until, str)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", until)
        assert "status_until" in settings(status="lunch", status_until="15:00")

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"show": ["bio"]}, "Not FIELD=WHO: 'bio'."),
            ({"show": ["age=rooms"]}, "FIELD is one of name, bio, picture, status"),
            ({"status_for": "2h"}, "--for and --until are for --status TEXT only."),
            ({"status": "x", "status_for": "2h", "status_until": "15:00"}, "Use --for or --until, not both."),
            ({"status": "x", "status_for": "soon"}, "--for takes a time such as 30m, 2h or 1d, not 'soon'."),
            ({"status": "x", "status_until": "noon"}, "--until takes a time of day such as 15:00, not 'noon'."),
        ],
    )
    def test_wrong_options_say_what_is_allowed(self, options: dict[str, object], sentence: str) -> None:
        with pytest.raises(UsageError, match=re.escape(sentence)):
            settings(**options)


class TestWhois:
    @pytest.fixture
    def people(self, monkeypatch: pytest.MonkeyPatch) -> list[frames.WatchedPerson]:
        """The users whom the server knows."""
        known: list[frames.WatchedPerson] = []

        async def reply_to(_: ClientContext, command: frames.Command) -> notes.CommandAnswered:
            assert isinstance(command, frames.Watch)
            found = [person for person in known if person.username in command.usernames]
            return notes.CommandAnswered(command, frames.Watched(id=1, people=found))

        monkeypatch.setattr(profile_commands, "reply_to", reply_to)
        return known

    async def test_prints_presence_and_profile(
        self, context: ClientContext, people: list[frames.WatchedPerson], capsys: pytest.CaptureFixture[str]
    ) -> None:
        profile = Profile(display_name="Bob", status="out")
        people.append(frames.WatchedPerson(username="bob", state=PresenceState.AWAY, profile=profile, version=2))
        await profile_commands.whois(context, "bob", as_json=False)
        assert capsys.readouterr().out.splitlines() == ["bob: away", "Display name: Bob", "Status: out"]
        await profile_commands.whois(context, "bob", as_json=True)
        assert json.loads(capsys.readouterr().out) == {
            "username": "bob",
            "state": "away",
            "profile": {"display_name": "Bob", "status": "out"},
            "version": 2,
        }

    async def test_unknown_name_is_refused_with_a_suggestion(
        self, context: ClientContext, people: list[frames.WatchedPerson]
    ) -> None:
        with NameCache(context.name_cache_path(context.tokens.session())) as cache:
            cache.learn(people=["bob"])
        with pytest.raises(ServerRefused, match=r"There is no user bop\. Did you mean bob\?"):
            await profile_commands.whois(context, "bop", as_json=False)
        assert people == []
