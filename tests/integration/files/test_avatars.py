"""Avatars: a picture of a user, in two sizes, under a new id each time."""

import io

import pytest
from PIL import Image

from tests.support.files_site import FilesSite
from tests.support.history import code
from tests.support.pictures import FORMATS, picture


async def put(site: FilesSite, content: bytes, user: str = "alice") -> str:
    answer = await site.do("PUT", "/me/avatar", user, content=content)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["avatar"])


@pytest.mark.parametrize("kind", FORMATS)
async def test_an_avatar_is_a_square_webp_of_two_sizes(site: FilesSite, kind: str) -> None:
    avatar = await put(site, picture(kind))
    assert site.history.avatars == {site.auth.names["alice"]: avatar}
    for pixels in (64, 256):
        answer = await site.do("GET", f"/avatars/{avatar}/{pixels}", "bob")
        assert Image.open(io.BytesIO(answer.content)).size == (pixels, pixels)
        assert answer.headers["content-type"] == "image/webp"
        assert answer.headers["content-disposition"] == "inline"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert site.stored() == [f"{avatar}.256", f"{avatar}.64"]


async def test_another_avatar_has_another_id_and_replaces_the_first(site: FilesSite) -> None:
    first, of_bob = await put(site, picture("PNG")), await put(site, picture("PNG"), "bob")
    second = await put(site, picture("PNG"))
    assert len({first, second, of_bob}) == 3
    assert code(await site.do("GET", f"/avatars/{first}/64")) == (404, "file_unknown")
    for avatar in (second, of_bob):
        assert (await site.do("GET", f"/avatars/{avatar}/64")).status_code == 200


async def test_an_avatar_can_be_removed(site: FilesSite) -> None:
    avatar = await put(site, picture("PNG"))
    assert (await site.do("DELETE", "/me/avatar")).status_code == 204
    assert site.history.avatars == {site.auth.names["alice"]: ""}
    assert code(await site.do("GET", f"/avatars/{avatar}/64")) == (404, "file_unknown")
    assert site.stored() == []
    assert (await site.do("DELETE", "/me/avatar")).status_code == 204


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"text", (415, "file_refused")),
        (picture("PNG")[:3000], (415, "file_refused")),
        (b"", (415, "file_refused")),
        (bytes(2 * 2**20 + 1), (413, "file_too_large")),
    ],
    ids=["text", "truncated", "empty", "too large"],
)
async def test_what_is_no_avatar_is_refused_and_the_old_one_stays(
    site: FilesSite, content: bytes, refusal: tuple[int, str]
) -> None:
    avatar = await put(site, picture("PNG"))
    assert code(await site.do("PUT", "/me/avatar", content=content)) == refusal
    assert (await site.do("GET", f"/avatars/{avatar}/64")).status_code == 200
    assert site.stored() == [f"{avatar}.256", f"{avatar}.64"]


async def test_an_avatar_that_history_does_not_take_is_gone(site: FilesSite) -> None:
    site.history.away = {"avatar"}
    assert code(await site.do("PUT", "/me/avatar", content=picture("PNG"))) == (503, "unavailable")
    assert site.stored() == []


@pytest.mark.parametrize("path", ["64", "128", "x"])
async def test_an_avatar_that_does_not_exist_is_unknown(site: FilesSite, path: str) -> None:
    assert (await site.do("GET", f"/avatars/{'0' * 32}/{path}")).status_code in {404, 422}
