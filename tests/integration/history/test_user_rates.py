"""Every request of a user counts against a rate, whether it comes over HTTP or from a gateway."""

from functools import partial

import httpx
import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.rate_bounds import Rate, RateLimit
from chatterbox.wire.rate_limits import CHANGES, INVITATIONS, LISTINGS, READS, ROOMS_CREATED
from tests.support.history import Service, Start, code

SLOW = 1e-3
"""Actions per second: no second one is allowed while a test runs."""
ONE_OF_EACH = Limits(
    changes_burst=1, changes_per_s=SLOW, reads_burst=1, reads_per_s=SLOW, listings_burst=1, listings_per_s=SLOW,
    rooms_per_day=1,
)  # fmt: skip
BODIES = {
    "POST /rooms": {"room": "new"},
    "POST /rooms/{room}/members": {"username": "bob"},
    "POST /directs": {"username": "bob"},
    "POST /people/query": {"known": {"bob": 0}},
    "PATCH /me": {"writes": "rooms"},
    "PUT /rooms/{room}/topic": {"topic": "engines"},
    "POST /rooms/{room}/member-log": {"entries": []},
    "PUT /rooms/{room}/notify": {"level": "mentions"},
    "PUT /rooms/{room}/read": {"offset": 1},
}
ROUTES = [
    (row, action)
    for row in (CHANGES, READS, LISTINGS, ROOMS_CREATED, INVITATIONS)
    for action in row.actions
    if " /" in action
]


QUERIES = {
    "GET /rooms/{room}/messages/reactions/mine": "?from=1&to=1",
    "GET /keys/users": "?name=bob",
    "GET /keys/withheld": "?room=general&session=x",
}


@pytest.fixture
def start(start: Start) -> Start:
    """Direct conversations are not encrypted here."""
    return partial(start, encryption=EncryptionPolicy.ALLOWED)


async def ask(history: Service, action: str) -> httpx.Response:
    """Send a request of alice to a route, with the names and numbers that it needs."""
    method, path = action.format(room="general", username="bob", offset=1).split(" ")
    return await history.do(method, path + QUERIES.get(action, ""), body=BODIES.get(action))


async def request(history: Service, action: str) -> tuple[int, str]:
    answer = await ask(history, action)
    return (answer.status_code, "") if answer.is_success else code(answer)


@pytest.mark.parametrize(("row", "action"), ROUTES, ids=lambda value: getattr(value, "name", value))
async def test_route_is_refused_beyond_the_rate_of_its_row(start: Start, row: RateLimit[Rate], action: str) -> None:
    limits = Limits(rooms_per_day=1, invitations_per_day=1) if row.settings[0].endswith("_per_day") else ONE_OF_EACH
    async with start(limits=limits) as history:
        await history.greet("alice", "bob")
        assert (await request(history, action))[1] != Code.RATE_LIMITED
        refused = await ask(history, action)
        assert code(refused) == (429, Code.RATE_LIMITED)
        assert int(refused.headers["Retry-After"]) >= refused.json()["retry_after_s"] > 100
        assert refused.json()["detail"].startswith(f"Too many {row.name}: at most 1 at once and ")


async def test_all_changes_of_a_user_share_one_rate_and_those_of_others_do_not(start: Start) -> None:
    async with start(limits=Limits(changes_burst=3, changes_per_s=SLOW)) as history:
        await history.greet("alice", "bob")
        call = history_api.ChangeTopicCall("general", history.auth.names["alice"], "alice", "over a gateway")
        await history.ask("topic", call, history_api.StoredTopic)
        assert await request(history, "POST /rooms") == (201, "")
        assert await request(history, "PUT /rooms/{room}/members/me") == (200, "")
        with pytest.raises(ChatError) as refused:
            await history.ask("topic", call, history_api.StoredTopic)
        assert refused.value.code == Code.RATE_LIMITED
        assert refused.value.retry_after_s is not None
        assert (await history.do("PUT", "/rooms/general/topic", "bob", {"topic": "x"})).status_code == 200


async def test_reads_over_http_and_from_gateways_share_one_rate(start: Start) -> None:
    async with start(limits=Limits(reads_burst=2, reads_per_s=SLOW)) as history:
        await history.greet("alice", "bob")
        alice = history.auth.names["alice"]
        query = history_api.PageQuery(room_id=1, limit=10, reader=alice)
        await history.ask("page", query, history_api.StoredPage)
        assert (await history.get("/messages")).status_code == 200
        for path, body in (("page", query), ("find", history_api.FindRoomCall("general", alice, "alice"))):
            with pytest.raises(ChatError) as refused:
                await history.ask(path, body, history_api.StoredPage)
            assert refused.value.code == Code.RATE_LIMITED


async def test_pages_that_a_gateway_reads_to_catch_up_are_not_counted(start: Start) -> None:
    async with start(limits=ONE_OF_EACH) as history:
        await history.greet("alice")
        for _ in range(5):
            await history.ask("page", history_api.PageQuery(room_id=1, limit=10), history_api.StoredPage)


async def test_the_answer_to_a_change_is_not_counted_as_a_read(start: Start) -> None:
    async with start(limits=Limits(reads_burst=1, reads_per_s=SLOW)) as history:
        await history.greet("alice")
        assert (await history.get("/messages")).status_code == 200
        for action in ("POST /rooms", "PUT /rooms/{room}/topic", "PUT /rooms/{room}/members/me"):
            assert await request(history, action) in {(200, ""), (201, "")}


async def test_rooms_of_one_user_are_limited_per_day_however_many_are_left(start: Start) -> None:
    async with start(limits=Limits(rooms_per_day=2)) as history:
        await history.greet("alice", "bob")
        for name in ("one", "two"):
            assert (await history.do("POST", "/rooms", body={"room": name})).status_code == 201
            assert (await history.do("DELETE", f"/rooms/{name}/members/me")).status_code == 204
        refused = await history.do("POST", "/rooms", body={"room": "three"})
        assert code(refused) == (429, Code.RATE_LIMITED)
        assert refused.json()["detail"] == "Too many new rooms: at most 2 at once and 2 per day."
        assert (await history.do("POST", "/rooms", "bob", {"room": "three"})).status_code == 201


async def test_usernames_that_do_not_exist_count_as_invitations(start: Start) -> None:
    async with start(limits=Limits(invitations_per_day=3)) as history:
        await history.greet("alice", "bob")
        names = ["nobody-1", "bob", "nobody-2", "bob", "nobody-3"]
        answers = [await history.do("POST", "/rooms/general/members", body={"username": name}) for name in names]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]


async def test_an_unchanged_topic_is_counted_and_not_published(start: Start) -> None:
    async with start(limits=Limits(changes_burst=3, changes_per_s=SLOW)) as history:
        await history.greet("alice")
        heard = await history.listening(CONTROL)
        answers = [await history.do("PUT", "/rooms/general/topic", body={"topic": "same"}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        await history.do("POST", "/rooms", "bob", {"room": "last"})
        assert len([payload for _, payload in heard if b'"topic"' in payload and b"same" in payload]) == 1
