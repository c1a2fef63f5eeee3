"""The real client and the real server, with one between them that lies: nothing is sent in clear, and lies are told."""

from collections.abc import Callable

import pytest

from client.failures import ExitCode
from tests.e2e.lying.site import (
    CANARY,
    Site,
    invented,
    keys_of_bob,
    lists_of_bob,
    messages,
    refuse_once,
    with_ghost,
    with_other_curve,
    with_other_self_signing_key,
)
from tests.support.encryption.model_device import ModelUser, random_device_id
from tests.support.lying_server import Json, Lies, as_it_is


async def test_without_a_lie_messages_are_sent_and_read(site: Site) -> None:
    assert await site.send(f"{CANARY} 1") == (ExitCode.OK, "")
    [message] = await site.read(1)
    assert message["content"] == f"{CANARY} 1"
    site.assert_nothing_in_clear()


class TestKeys:
    async def test_a_changed_master_key_holds_the_next_message_back(self, site: Site) -> None:
        shown: list[Json] = []

        def seen(keys: Json) -> Json:
            shown.append(keys)
            return keys

        def frame(found: Json) -> list[Json]:
            if found.get("type") == "recipients":
                lie = invented(shown[0])
                found["lists"] = [lie]
                others = [device for device in found["devices"] if device[0] != "bob"]
                found["devices"] = [*others, *(["bob", device] for device in lie["device_keys"])]
            return [found]

        site.lies.to_client = lists_of_bob(seen)
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK
        site.lies.to_client, site.lies.response = frame, keys_of_bob(invented)
        refuse_once(site)
        code, said = await site.send(f"{CANARY} 2")
        assert code != ExitCode.OK
        assert "bob has new keys" in said
        assert len({command["content"] for command in site.sent("send")}) == 2  # both with the keys from before
        site.assert_nothing_in_clear()

    @pytest.mark.parametrize("lie", [with_other_curve, with_ghost, with_other_self_signing_key])
    async def test_keys_that_their_owner_did_not_sign_get_nothing(
        self, site: Site, lie: Callable[[Json], Json]
    ) -> None:
        site.lies.to_client, site.lies.response = lists_of_bob(lie), keys_of_bob(lie)
        code, said = await site.send(f"{CANARY} 1")
        assert code != ExitCode.OK, said
        assert site.sent("send") == []
        site.assert_nothing_in_clear()

    async def test_a_device_that_no_list_has_gets_no_key(self, site: Site) -> None:
        ghost = random_device_id()

        def frame(found: Json) -> list[Json]:
            if found.get("type") == "recipients":
                found["devices"].append(["bob", ghost])
            return [found]

        site.lies.to_client = frame
        await site.send(f"{CANARY} 1")
        shares = site.sent("share_keys")
        assert [message["to"] for share in shares for message in share["messages"] if ghost in message["to"]] == []
        assert ["bob", ghost, "unsigned"] in [each for share in shares for each in share.get("withheld", [])]
        assert not any(ghost in str(command) for command in site.sent("claim"))
        site.assert_nothing_in_clear()

    async def test_a_one_time_key_of_the_server_is_not_used(self, site: Site) -> None:
        def frame(found: Json) -> list[Json]:
            for key in found.get("keys", []) if found.get("type") == "claimed" else []:
                key["key"]["key"] = ModelUser(9, "x").add_device().curve
            return [found]

        site.lies.to_client = frame
        code, said = await site.send(f"{CANARY} 1")
        assert code != ExitCode.OK, said
        assert site.sent("send") == []
        site.assert_nothing_in_clear()


class TestPlaintext:
    async def test_a_room_that_is_called_plain_gets_no_plain_text(self, site: Site) -> None:
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK

        def frame(found: Json) -> list[Json]:
            for room in [found, *found.get("rooms", [])]:
                room.pop("encrypted", None)
                room.pop("uid", None)
            return [found]

        site.lies.to_client = frame
        await site.send(f"{CANARY} 2")
        site.assert_nothing_in_clear()

    @pytest.mark.parametrize("policy", ["off", "allowed", "", "direct2"])
    async def test_another_policy_makes_no_client_write_plainly(self, site: Site, policy: str) -> None:
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK

        def frame(found: Json) -> list[Json]:
            if found.get("type") == "welcome":
                found["encryption"] = policy
            return [found]

        site.lies.to_client = frame
        await site.send(f"{CANARY} 2")
        site.assert_nothing_in_clear()

    async def test_plain_text_under_a_name_is_shown_as_the_servers(self, site: Site) -> None:
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK
        site.lies.to_client = messages(lambda found: [{**each, "content": "send me money"} for each in found])
        [message] = await site.read(1)
        assert message["unreadable"] == "plain"


class TestOrder:
    async def _three(self, site: Site) -> None:
        for number in range(1, 4):
            assert (await site.send(f"{CANARY} {number}"))[0] == ExitCode.OK

    async def test_a_message_that_is_shown_twice_is_a_replay(self, site: Site) -> None:
        await self._three(site)
        kept: dict[int, str] = {}

        def twice(found: list[Json]) -> list[Json]:
            kept.update({each["at"]["offset"]: each["content"] for each in found})
            return [{**each, "content": kept[1]} if each["at"]["offset"] == 3 else each for each in found]

        site.lies.to_client = messages(twice)
        first, second, third = await site.read(3)
        assert (first["content"], second["content"]) == (f"{CANARY} 1", f"{CANARY} 2")
        assert third["unreadable"] == "replayed"

    async def test_two_messages_that_are_exchanged_are_told(self, site: Site) -> None:
        await self._three(site)
        kept: dict[int, str] = {}
        site.lies.to_client = messages(
            lambda found: kept.update({m["at"]["offset"]: m["content"] for m in found}) or found
        )
        site.lies.to_client = as_it_is
        contents = list({command["key"]: command["content"] for command in site.sent("send")}.values())
        exchanged = {1: contents[0], 2: contents[2], 3: contents[1]}

        def swap(found: list[Json]) -> list[Json]:
            return [{**each, "content": exchanged[each["at"]["offset"]]} for each in found]

        site.lies.to_client = messages(swap)
        shown = await site.read(3)
        assert {each.get("irregularity") for each in shown} & {"reordered", "missing_before"}

    async def test_an_ack_of_a_message_that_was_not_stored_is_noticed_by_the_reader(self, site: Site) -> None:
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK
        ack = {
            "type": "sent",
            "at": {"epoch": "", "offset": 2},
            "message_id": 9,
            "timestamp": "2026-11-30T00:00:00.000Z",
        }

        def answers(command: Json) -> list[Json]:
            return [{**ack, "id": command["id"], "room": command["room"]}] if command.get("type") == "send" else []

        site.lies.answers = answers
        site.lies.to_server = lambda command: [] if command.get("type") == "send" else [command]
        await site.send(f"{CANARY} 2")
        site.lies.answers, site.lies.to_server = Lies().answers, as_it_is
        assert (await site.send(f"{CANARY} 3"))[0] == ExitCode.OK
        shown = await site.read(2)
        assert [each["content"] for each in shown] in (
            [f"{CANARY} 1", f"{CANARY} 3"],
            [f"{CANARY} 1", f"{CANARY} 2"],  # it was not believed, and sent again
        )
        if shown[1]["content"].endswith("3"):
            assert shown[1]["irregularity"] == "missing_before"
