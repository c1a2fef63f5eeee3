"""Auth's OpenAPI document is complete."""

from typing import Any

from tests.support.auth_site import AuthSite


async def test_every_schema_reference_resolves_and_every_schema_is_used(site: AuthSite) -> None:
    document = site.app.openapi()
    schemas = document["components"]["schemas"]
    assert {pointer.removeprefix("#/components/schemas/") for pointer in pointers(document)} == set(schemas)


async def test_every_route_has_a_summary_and_documents_its_errors(site: AuthSite) -> None:
    for path, methods in site.app.openapi()["paths"].items():
        for method, route in methods.items():
            assert route["tags"] == ["auth"], (method, path)
            assert route["summary"], (method, path)
            assert {"400", "413", "422", "500"} <= set(route["responses"]), (method, path)


async def test_login_documents_json_and_the_oauth2_form(site: AuthSite) -> None:
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
