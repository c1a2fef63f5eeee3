"""Keys of services: a key opens the routes of its own service only."""

import pytest

from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName, caller_keys_text

KEYS = {service: f"the key of {service} in this test" for service in ServiceName}


@pytest.mark.parametrize("caller", ServiceName)
@pytest.mark.parametrize("allowed", ServiceName)
def test_a_caller_key_is_accepted_where_its_service_is_allowed(caller: ServiceName, allowed: ServiceName) -> None:
    for keys in (CallerKeys.of(KEYS), CallerKeys.parse(caller_keys_text(KEYS))):
        assert keys.are_allowed(f"Bearer {KEYS[caller]}", allowed) == (caller is allowed)


def test_a_shared_caller_key_is_accepted_for_every_service() -> None:
    keys = CallerKeys.shared("k" * 32)
    assert all(keys.are_allowed(f"Bearer {'k' * 32}", service) for service in ServiceName)
    assert not keys.are_allowed(f"Bearer {'k' * 33}", *ServiceName)


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer ", "Basic x", "\ud800", "Bearer \ud800", "bearer \u00e9"])
def test_an_authorization_without_a_known_key_is_refused(text: str) -> None:
    assert not CallerKeys.of(KEYS).are_allowed(text, *ServiceName)


def test_the_digest_of_a_caller_key_is_not_accepted_as_a_key() -> None:
    digest = caller_keys_text({ServiceName.GATEWAY: "k" * 32}).partition(":")[2]
    assert not CallerKeys.shared("k" * 32).are_allowed(f"Bearer {digest}", *ServiceName)


@pytest.mark.parametrize("text", ["x", "gateway:xyz", f"edge:{'0' * 64}", f"gateway:{'0' * 63}", f"gateway:{'A' * 64}"])
def test_malformed_caller_keys_are_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(ValueError, match="SERVICE:DIGEST") as refused:
        CallerKeys.parse(text)
    assert text.partition(":")[2] not in str(refused.value) or ":" not in text


def test_adding_a_caller_key_keeps_the_others() -> None:
    keys = CallerKeys.parse(caller_keys_text({ServiceName.GATEWAY: "g" * 32})).with_key(ServiceName.AUTH, "a" * 32)
    assert keys.services() == {"gateway", "auth"}
    assert keys.are_allowed(f"Bearer {'a' * 32}", ServiceName.AUTH)
    assert not keys.are_allowed(f"Bearer {'a' * 32}", ServiceName.GATEWAY)
