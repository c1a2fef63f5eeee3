"""Log lines contain no secrets, and no input can forge or break one."""

import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.observability import logs
from chatterbox.chassis.observability.logs import JsonFormatter, TextFormatter, redact

JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl-_"

QUOTED = [
    f"GET /ws?token={JWT}&x=1",
    "GET /ws?x=1&token=anything%20else HTTP/1.1",
    "url='/ws?TOKEN=anything'",
    '"/ws?access_token=anything"',
    "grant_type=password&username=alice&password=anything",
    f"Authorization: Bearer {JWT}",
    "authorization: bearer anything",
    f"chatterbox.v1, cb.bearer.{JWT}",
    f"{{'token': '{JWT}'}}",
    f'{{"token":"{JWT}"}}',
    JWT,
]


def record(message: str, *arguments: object, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    return logging.getLogger("test").makeRecord("test", level, "f", 1, message, arguments, None, extra=fields)


class TestRedact:
    @pytest.mark.parametrize("text", QUOTED)
    def test_redact_removes_tokens_and_passwords(self, text: str) -> None:
        redacted = redact(text)
        assert "[cut]" in redacted
        assert not any(secret in redacted for secret in ("anything", "eyJ", "c2ln"))

    @pytest.mark.parametrize(
        "text", ["connection.opened user=alice", "GET /rooms?limit=50", "the token was refused", ""]
    )
    def test_redact_keeps_other_text(self, text: str) -> None:
        assert redact(text) == text

    def test_redact_keeps_the_text_after_a_secret(self) -> None:
        assert redact("/ws?token=abc&room=general HTTP") == "/ws?token=[cut]&room=general HTTP"


class TestTextFormat:
    def test_a_text_entry_is_one_line_with_its_fields(self) -> None:
        line = TextFormatter().format(record("connection.opened", user="alice", connection="c1"))
        assert line.endswith("info test connection.opened user=alice connection=c1")

    @given(st.text())
    def test_a_text_entry_contains_no_control_characters(self, text: str) -> None:
        assert TextFormatter().format(record("%s", text, user=text)).isprintable()

    def test_a_traceback_contains_no_control_characters(self) -> None:
        try:
            int("\x1b[2J\u202etoken=secret")
        except ValueError:
            failed = record("request.failed")
            failed.exc_info = sys.exc_info()
        lines = TextFormatter().format(failed).split("\n")
        assert len(lines) > 3
        assert all(line.isprintable() for line in lines)
        assert "secret" not in "".join(lines)


class TestJsonFormat:
    @pytest.mark.parametrize("text", QUOTED)
    def test_a_redacted_json_entry_is_valid_json(self, text: str) -> None:
        line = JsonFormatter().format(record('said "%s"', text, url=f'"{text}"'))
        entry = json.loads(line)
        assert entry["event"].endswith('"')
        assert "anything" not in line
        assert "eyJ" not in line

    @given(st.text())
    def test_a_json_entry_is_one_line_for_any_text(self, text: str) -> None:
        line = JsonFormatter().format(record("%s", text, user=text))
        assert "\n" not in line
        assert json.loads(line)["level"] == "info"


@pytest.fixture
def configure() -> Iterator[Callable[[bool], None]]:
    """Configures logging as a process does; restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield lambda as_json: logs.configure("debug", as_json=as_json)
    root.handlers, root.level = handlers, level


@pytest.mark.parametrize("as_json", [False, True])
class TestConfiguredProcess:
    def test_websocket_urls_are_not_logged(
        self, configure: Callable[[bool], None], capsys: pytest.CaptureFixture[str], as_json: bool
    ) -> None:
        configure(as_json)
        logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "1.2.3.4:5", f"/ws?token={JWT}")
        logging.getLogger("httpx").info("HTTP Request: GET %s", f"http://auth/?token={JWT}")
        logging.getLogger("chatterbox.x").info("the.end")
        output = capsys.readouterr().err
        assert output.count("\n") == 1
        assert "the.end" in output

    def test_secrets_of_every_logger_are_redacted(
        self, configure: Callable[[bool], None], capsys: pytest.CaptureFixture[str], as_json: bool
    ) -> None:
        configure(as_json)
        logging.getLogger("uvicorn.error").warning("bad request %s", f"/ws?token={JWT}")
        logging.getLogger("chatterbox.x").debug("x.y", extra={"authorization": f"Bearer {JWT}"})
        output = capsys.readouterr().err
        assert output.count("[cut]") == 2
        assert "eyJ" not in output

    def test_a_repeated_trace_is_logged_once(
        self, configure: Callable[[bool], None], capsys: pytest.CaptureFixture[str], as_json: bool
    ) -> None:
        configure(as_json)
        for _ in range(5):
            try:
                int("a bug")
            except ValueError:
                logging.getLogger("chatterbox.x").exception("request.failed")
        assert capsys.readouterr().err.count("ValueError: invalid literal") == 1
