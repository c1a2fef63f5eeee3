"""The API reference is whole."""

from typing import Any

from tests.support.auth_site import AuthSite


async def test_every_reference_points_somewhere(site: AuthSite) -> None:
    document = site.app.openapi()
    schemas = document["components"]["schemas"]
    assert {pointer.removeprefix("#/components/schemas/") for pointer in pointers(document)} == set(schemas)


async def test_every_route_is_summed_up_and_names_its_refusals(site: AuthSite) -> None:
    for path, methods in site.app.openapi()["paths"].items():
        for method, route in methods.items():
            assert route["tags"] == ["auth"], (method, path)
            assert route["summary"], (method, path)
            assert {"400", "413", "422", "500"} <= set(route["responses"]), (method, path)


async def test_login_takes_json_and_the_form_of_oauth2(site: AuthSite) -> None:
    content = site.app.openapi()["paths"]["/login"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-www-form-urlencoded"}
    for body in content.values():
        assert set(body["schema"]["required"]) == {"username", "password"}


def pointers(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(pointers(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(pointers(part) for part in value))
    return set()
