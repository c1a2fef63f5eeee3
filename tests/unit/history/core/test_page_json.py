"""Pages as the public API returns them: the same as the documented model, with an ETag for each content."""

import pytest
from fastapi.encoders import jsonable_encoder
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.codec import encode
from chatterbox.wire.frames import AttachedFile, Reaction
from services.history.core import stored_message
from services.history.core.message_page import MessagePage
from services.history.core.page_json import PublicMessage, RequestedPage, encoded_page, requested_page
from services.history.core.stored_message import StoredMessage
from services.history.http.message_routes import MessageOut, message_out

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
OPTIONAL = st.none() | st.integers(1, 2**40)
FILES = st.lists(st.builds(AttachedFile, size=st.integers(0, 2**40), width=st.integers(0, 9)), max_size=2).map(tuple)
MESSAGES = st.builds(
    StoredMessage,
    offset=st.integers(1, 2**53 - 1),
    message_id=st.integers(1, 2**53 - 1),
    user_id=st.integers(1, 2**40),
    username=TEXTS,
    content=TEXTS,
    timestamp_ms=st.integers(0, 2**42),
    rev=st.integers(0, 3),
    edited_ms=OPTIONAL,
    deleted_ms=OPTIONAL,
    deleted_by=st.none() | TEXTS,
    reply_to=OPTIONAL,
    thread=OPTIONAL,
    replies=st.integers(0, 2),
    pinned_ms=OPTIONAL,
    pinned_by=st.none() | TEXTS,
    marks=st.lists(TEXTS, max_size=2).map(
        lambda names: stored_message.marks(tuple(Reaction(emoji="👍", n=1, by=(name,)) for name in names))
    ),
    extra=st.builds(stored_message.extra_json, st.lists(TEXTS, max_size=2).map(tuple), FILES),
)


@given(MESSAGES)
def test_message_is_encoded_as_the_documented_model(message: StoredMessage) -> None:
    page = MessagePage("engines", "e1", 9, message.offset, "", [message], 7)
    documented = jsonable_encoder(message_out("engines", "e1", message), exclude_defaults=True)
    assert encoded_page(page, requested_page(50)).body == encode([documented])


def test_encoded_message_has_the_fields_of_the_documented_model() -> None:
    assert PublicMessage.__struct_fields__ == tuple(MessageOut.model_fields)


def test_order_depends_on_the_direction_of_reading() -> None:
    found = [StoredMessage(offset, offset, 1, "ada", "x", 0) for offset in (4, 5)]
    page = MessagePage("engines", "e1", 9, 4, "", found)
    assert encoded_page(page, requested_page(2, after=3)).body.index(b'"offset":4') < 60
    assert encoded_page(page, requested_page(2, before=6)).body.index(b'"offset":5') < 60
    assert encoded_page(page, requested_page(2, around=5)).body.index(b'"offset":5') < 60


@pytest.mark.parametrize(
    ("query", "is_closed"),
    [
        (requested_page(5), False),
        (requested_page(5, offset=3), False),
        (requested_page(5, before=10), True),
        (requested_page(5, before=11), False),
        (requested_page(5, before=10, offset=2), True),
        (requested_page(5, after=4), True),
        (requested_page(5, after=5), False),
        (requested_page(5, after=4, offset=1), False),
        (requested_page(5, after=8, before=10), True),
        (requested_page(4, around=1), True),
        (requested_page(4, around=9), False),
    ],
)
def test_page_is_closed_if_new_messages_after_offset_9_leave_it_as_it_is(query: RequestedPage, is_closed: bool) -> None:
    page = MessagePage("engines", "e1", 9, 1, "", [])
    assert encoded_page(page, query).is_closed is is_closed


def test_etag_differs_by_epoch_rev_and_range() -> None:
    one = StoredMessage(4, 4, 1, "ada", "x", 0)
    pages = [
        MessagePage("engines", epoch, 9, first, "", [one] * count, rev)
        for epoch in ("e1", "e2")
        for first in (4, 5)
        for count in (0, 1, 2)
        for rev in (0, 1)
    ]
    tags = {encoded_page(page, requested_page(50)).etag for page in pages}
    assert len(tags) == len(pages)
    assert all(tag[:1] == tag[-1:] == b'"' for tag in tags)
