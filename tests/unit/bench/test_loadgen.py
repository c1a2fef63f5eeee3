import json
from pathlib import Path
from typing import Any

import pytest

from bench.chatterbox_subject import dialect
from bench.loadgen import Load, LoadError, arguments, page_command, parse
from bench.subject import Dialect

LATENCY = {"p50": 1.0, "p90": 2.0, "p99": 3.0, "p999": 4.0, "max": 5.0}
RESULT: dict[str, Any] = {
    "connected": 2, "failed": 0, "connect_s": 0.1, "sent": 10, "acked": 10, "refused": 0, "acked_in_run": 10,
    "ack_ms": LATENCY, "expected": 20, "delivered": 20, "delivered_in_run": 20, "delivery_ms": LATENCY,
    "frames": 30, "bytes": 3000, "closed": 0, "run_s": 2.0, "cpu_s": 0.1,
}  # fmt: skip


def value_of(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


class TestTheResult:
    def test_is_read(self) -> None:
        seen = parse(json.dumps(RESULT))
        assert (seen.acked, seen.ack_ms.p99, seen.delivered) == (10, 3.0, 20)

    @pytest.mark.parametrize("line", ["", "end", "{}", '{"connected": "many"}'])
    def test_is_an_error_when_it_is_none(self, line: str) -> None:
        with pytest.raises(LoadError):
            parse(line)


class TestTheCommandLine:
    chatterbox = dialect(8000, Path("tokens"))

    def test_sends_by_the_clock_at_a_rate(self) -> None:
        assert value_of(arguments(Load(members=1, senders=1, rate=5000), self.chatterbox), "--rate") == "5000"

    def test_waits_for_each_ack_without_a_rate(self) -> None:
        assert value_of(arguments(Load(members=1, senders=1), self.chatterbox), "--rate") == "max"

    def test_takes_the_steps_in_order(self) -> None:
        words = arguments(Load(members=1), self.chatterbox)
        steps = [words[i : i + 2] for i, word in enumerate(words) if word in {"--send", "--expect"}]
        assert [kind for kind, _ in steps] == ["--expect", "--send", "--expect"]
        assert "welcome" in steps[0][1]
        assert "join" in steps[1][1]

    def test_does_not_join_when_it_only_connects(self) -> None:
        assert "--send" not in arguments(Load(members=1, joins=False), self.chatterbox)

    def test_names_only_what_a_server_has(self) -> None:
        plain = arguments(Load(members=1), Dialect(port=1, path="/", message="{m}"))
        assert not {"--ack", "--tokens", "--header", "--ping", "--binary"} & set(plain)

    def test_answers_a_servers_own_ping(self) -> None:
        words = arguments(Load(members=1), Dialect(port=1, path="/", message="{m}", ping=("2", "3"), binary=True))
        assert (value_of(words, "--ping"), value_of(words, "--pong")) == ("2", "3")
        assert words[-1] == "--binary"

    def test_listens_only_when_a_publisher_sends(self) -> None:
        assert "--heard" in arguments(Load(members=1, published=True, rate=5), self.chatterbox)
        assert "--heard" not in arguments(Load(members=1, senders=1, rate=5), self.chatterbox)

    def test_takes_the_tokens_of_those_who_are_in_rooms_already(self) -> None:
        server = dialect(8000, Path("tokens"), Path("residents"))
        assert value_of(arguments(Load(members=1, resides=True), server), "--tokens") == "residents"


class TestTheCommandForPages:
    def test_asks_for_the_page_with_the_first_token(self, tmp_path: Path) -> None:
        tokens = tmp_path / "tokens"
        tokens.write_text("first\nsecond\n")
        command = page_command(Load(members=16, pages=True, run_s=2), dialect(8000, tokens))
        assert command[-5:-1] == ["8000", "16", "1", "2"]
        assert command[-1].startswith("GET /messages?limit=50 HTTP/1.1\r\n")
        assert command[-1].endswith("Authorization: Bearer first\r\n\r\n")
