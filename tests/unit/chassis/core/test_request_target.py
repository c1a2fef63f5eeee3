"""Request targets (RFC 9112 section 3.2): accepted forms, refused ones, and arbitrary bytes."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.core.request_target import BadRequestError, RequestTarget, parse_target


@pytest.mark.parametrize(
    ("method", "target", "parsed"),
    [
        ("GET", b"/", RequestTarget(b"/", None)),
        ("GET", b"/rooms/a%2Fb?limit=5&x=/?", RequestTarget(b"/rooms/a%2Fb?limit=5&x=/?", None)),
        ("GET", b"//internal/jwks", RequestTarget(b"//internal/jwks", None)),
        ("OPTIONS", b"*", RequestTarget(b"/", None)),
        ("GET", b"http://chat.example.org", RequestTarget(b"/", b"chat.example.org")),
        ("GET", b"HTTPS://[::1]:8000/a?b", RequestTarget(b"/a?b", b"[::1]:8000")),
        ("GET", b"http://x?a=http://y", RequestTarget(b"/?a=http://y", b"x")),
    ],
)
def test_origin_absolute_and_asterisk_form_are_accepted(method: str, target: bytes, parsed: RequestTarget) -> None:
    assert parse_target(method, target) == parsed


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", b"*"),
        ("OPTIONS", b"**"),
        ("CONNECT", b"example.org:443"),
        ("CONNECT", b"/"),
        ("GET", b"http://[::"),
        ("GET", b"http://"),
        ("GET", b"http:///path"),
        ("GET", b"http://user@x/"),
        ("GET", b"http://x:99999/"),
        ("GET", b"ftp://x/"),
        ("GET", b"x"),
        ("GET", b""),
        ("GET", b"/a#b"),
        ("GET", b"/a b"),
        ("GET", b"/\xc3\xa4"),
        ("GET", b"/\x7f"),
        ("GET", b"/a\n"),
    ],
)
def test_other_request_targets_are_refused_with_a_reason(method: str, target: bytes) -> None:
    with pytest.raises(BadRequestError, match=r"\."):
        parse_target(method, target)


TARGETS = st.one_of(
    st.binary(max_size=40),
    st.text(st.characters(max_codepoint=0x7F), max_size=20).map(lambda text: b"/" + text.encode()),
    st.text("[]:/?#@.%*x0", max_size=20).map(lambda text: b"http://" + text.encode()),
)


@given(st.sampled_from(["GET", "POST", "OPTIONS", "CONNECT"]), TARGETS)
def test_any_request_target_is_refused_or_becomes_one_that_the_server_can_parse(method: str, target: bytes) -> None:
    try:
        parsed = parse_target(method, target)
    except BadRequestError:
        return
    url = httptools.parse_url(parsed.origin_form)
    query = b"" if url.query is None else b"?" + url.query
    assert parsed.origin_form.startswith(b"/")
    assert url.path + query in {parsed.origin_form, parsed.origin_form.removesuffix(b"?")}
    assert parse_target("GET", parsed.origin_form) == RequestTarget(parsed.origin_form, None)
