"""Line numbers of TOML keys."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from client.config.config_problems import ConfigProblem
from client.config.toml_positions import lines_of, parse_document

TEXT = '''\
# a comment
a = 1

b = """
c = 2
[d]
"""
e = [
  1,  # c = 3
  2,
]
[t]
"x.y" = 1
u.v = 2
[t.w]
z = { q = 1 }
'''


def test_each_key_has_its_line() -> None:
    assert lines_of(TEXT) == {
        ("a",): 2,
        ("b",): 4,
        ("e",): 8,
        ("t",): 12,
        ("t", "x.y"): 13,
        ("t", "u"): 14,
        ("t", "u", "v"): 14,
        ("t", "w"): 15,
        ("t", "w", "z"): 16,
        ("t", "w", "z", "q"): 16,
    }


def test_crlf_line_endings_are_counted() -> None:
    assert lines_of("a = 1\r\nb = 2\r\n") == {("a",): 1, ("b",): 2}


def test_an_error_at_the_end_of_the_document_has_a_line() -> None:
    found = parse_document('ok = 1\na = """')
    assert isinstance(found, ConfigProblem)
    assert found.line == 2


def test_keys_after_a_very_long_statement_have_no_line() -> None:
    text = "a = [\n" + "1,\n" * 5000 + "]\nb = 1"
    assert lines_of(text) == {}


@given(st.lists(st.sampled_from(TEXT.splitlines())))
def test_every_top_level_key_of_valid_toml_has_a_line(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assert isinstance(parse_document(text), ConfigProblem)
        return
    found = lines_of(text)
    assert {path[0] for path in found} == set(document)
    assert all(1 <= line <= len(lines) for line in found.values())
