"""The public routes that send, edit, delete, pin and react, and what reading shows of it."""

from typing import Any
from urllib.parse import quote

import pytest

from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from tests.support.history import Service, Start, code

THUMB = "\N{THUMBS UP SIGN}"


async def post(history: Service, content: str, *, user: str = "alice", **fields: Any) -> dict[str, Any]:
    response = await history.do("POST", "/messages", user, {"room": "general", "content": content, **fields})
    assert response.status_code == 201
    body: dict[str, Any] = response.json()
    return body


async def only(history: Service, **params: Any) -> dict[str, Any]:
    """The single message that this request returns."""
    [found] = (await history.get("/messages", **params)).json()
    message: dict[str, Any] = found
    return message


async def test_a_posted_message_is_stored_and_returned(history: Service) -> None:
    sent = await post(history, "hello", key="k")
    assert sent == await only(history)
    assert sorted(sent) == ["content", "epoch", "id", "offset", "room", "timestamp", "username"]


async def test_a_retry_of_a_post_returns_the_message_as_it_is_now(history: Service) -> None:
    sent = await post(history, "hello", key="k")
    assert await post(history, "hello", key="k") == sent
    await history.do("PUT", "/rooms/general/messages/1", body={"content": "hi"})
    assert (await post(history, "hello", key="k"))["content"] == "hi"
    assert len((await history.get("/messages")).json()) == 1


async def test_a_reply_and_a_mention_are_told(history: Service) -> None:
    await post(history, "root")
    reply = await post(history, "@alice yes", user="bob", reply_to=1)
    assert (reply["reply_to"], reply["thread"], reply["mentions"]) == (1, 1, ["alice"])
    assert await only(history, thread=1) == reply
    assert (await history.get("/messages", around=1, limit=1)).json()[0]["replies"] == 1


async def test_posts_are_refused_with_their_code(history: Service) -> None:
    await post(history, "hello", key="k")
    bodies: list[tuple[dict[str, object], int, Code]] = [
        ({"content": "other", "key": "k"}, 409, Code.KEY_REUSED),
        ({"content": ""}, 422, Code.CONTENT_EMPTY),
        ({"content": "x" * 4001}, 422, Code.CONTENT_TOO_LONG),
        ({"content": "x", "key": "a key"}, 422, Code.KEY_INVALID),
        ({"content": "x", "reply_to": 9}, 404, Code.MESSAGE_UNKNOWN),
        ({"content": "x", "room": "nowhere"}, 404, Code.ROOM_UNKNOWN),
    ]
    for body, status, refusal in bodies:
        assert code(await history.do("POST", "/messages", body=body)) == (status, refusal)


async def test_an_edited_message_says_when_and_a_deleted_one_by_whom(history: Service) -> None:
    await post(history, "hello")
    edited = (await history.do("PUT", "/rooms/general/messages/1", body={"content": "hi", "rev": 0})).json()
    assert (edited["content"], edited["edited"], edited["rev"]) == ("hi", "2026-09-21T14:13:20.000Z", 1)
    assert code(await history.do("PUT", "/rooms/general/messages/1", body={"content": "ho", "rev": 0})) == (
        409,
        Code.CHANGED_MEANWHILE,
    )
    assert code(await history.do("PUT", "/rooms/general/messages/1", "bob", {"content": "mine"})) == (
        403,
        Code.NOT_YOURS,
    )
    assert code(await history.do("DELETE", "/rooms/general/messages/1", "bob")) == (403, Code.NOT_ALLOWED)
    assert (await history.do("DELETE", "/rooms/general/messages/1")).status_code == 204
    deleted = await only(history)
    assert (deleted["content"], deleted["deleted"], deleted["by"], deleted["rev"]) == ("", True, "alice", 2)


async def test_reactions_are_put_listed_and_deleted(history: Service) -> None:
    await post(history, "hello")
    path = f"/rooms/general/messages/1/reactions/{quote(THUMB)}"
    for user in ("bob", "alice"):
        assert (await history.do("PUT", path, user)).status_code == 204
    assert (await history.do("PUT", "/rooms/general/messages/1/reactions/:tada:")).status_code == 204
    listed = [{"emoji": THUMB, "n": 2, "by": ["bob", "alice"]}, {"emoji": ":tada:", "n": 1, "by": ["alice"]}]
    assert (await history.get("/rooms/general/messages/1/reactions")).json() == listed
    assert (await only(history))["reactions"] == listed
    own = await history.get("/rooms/general/messages/reactions/mine?from=1&to=200")
    assert own.json() == [{"offset": 1, "emoji": THUMB}, {"offset": 1, "emoji": ":tada:"}]
    assert (await history.do("DELETE", path, "bob")).status_code == 204
    assert (await history.get("/rooms/general/messages/1/reactions")).json()[0]["by"] == ["alice"]
    assert code(await history.do("PUT", "/rooms/general/messages/1/reactions/no")) == (422, Code.REACTION_INVALID)
    assert code(await history.get("/rooms/general/messages/2/reactions")) == (404, Code.MESSAGE_UNKNOWN)


async def test_pins_are_put_listed_and_deleted(history: Service) -> None:
    for text in ("one", "two"):
        await post(history, text)
    for offset in (2, 1):
        assert (await history.do("PUT", f"/rooms/general/pins/{offset}")).status_code == 204
    listed = await history.get("/rooms/general/pins")
    assert [(one["content"], one["pinned"]) for one in listed.json()] == [("one", True), ("two", True)]
    assert listed.headers["X-Room-Rev"] == "2"
    assert (await history.do("DELETE", "/rooms/general/pins/2")).status_code == 204
    assert [one["content"] for one in (await history.get("/rooms/general/pins")).json()] == ["one"]
    assert code(await history.do("PUT", "/rooms/general/pins/1", "bob")) == (403, Code.NOT_ALLOWED)


async def test_changed_messages_are_read_by_rev(history: Service) -> None:
    for number in range(4):
        await post(history, str(number))
    for offset in (3, 1, 3):
        await history.do("PUT", f"/rooms/general/messages/{offset}", body={"content": f"edited {offset}"})
        await history.do("PUT", f"/rooms/general/messages/{offset}/reactions/:a:")
    page = await history.get("/messages", changed_after=0, limit=1)
    assert [one["offset"] for one in page.json()] == [3 if page.json()[0]["rev"] == 2 else 1]
    rest = await history.get("/messages", changed_after=page.json()[0]["rev"])
    assert rest.headers["X-Room-Rev"] == (await history.get("/messages")).headers["X-Room-Rev"]
    assert [one["rev"] for one in [*page.json(), *rest.json()]] == sorted(
        one["rev"] for one in [*page.json(), *rest.json()]
    )
    assert {one["offset"] for one in [*page.json(), *rest.json()]} == {1, 3}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/messages?room=ops"),
        ("POST", "/messages"),
        ("PUT", "/rooms/ops/messages/1"),
        ("DELETE", "/rooms/ops/messages/1"),
        ("GET", "/rooms/ops/messages/1/reactions"),
        ("GET", "/rooms/ops/messages/reactions/mine?from=1&to=2"),
        ("PUT", "/rooms/ops/messages/1/reactions/:a:"),
        ("DELETE", "/rooms/ops/messages/1/reactions/:a:"),
        ("GET", "/rooms/ops/pins"),
        ("PUT", "/rooms/ops/pins/1"),
        ("DELETE", "/rooms/ops/pins/1"),
    ],
)
@pytest.mark.parametrize(("private", "refusal"), [(False, (403, Code.NOT_A_MEMBER)), (True, (404, Code.ROOM_UNKNOWN))])
async def test_messages_of_a_room_are_for_its_members(
    history: Service, method: str, path: str, private: bool, refusal: tuple[int, Code]
) -> None:
    await history.do("POST", "/rooms", "alice", {"room": "ops", "private": private})
    await history.do("POST", "/messages", "alice", {"room": "ops", "content": "hello"})
    assert code(await history.do(method, path, "bob", {"room": "ops", "content": "x"})) == refusal


async def test_posts_and_changes_spend_from_one_budget(start: Start) -> None:
    async with start(limits=Limits(sends_per_s=0.001, sends_burst=2)) as history:
        await history.greet("alice")
        await post(history, "hello")
        assert (await history.do("PUT", "/rooms/general/pins/1")).status_code == 204
        refused = await history.do("POST", "/messages", body={"content": "more"})
        assert code(refused) == (429, Code.RATE_LIMITED)
        assert int(refused.headers["Retry-After"]) > 0
