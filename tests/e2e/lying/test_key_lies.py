"""Lies about keys and device lists: an earlier list, a withheld list, another user's keys, a key given out twice."""

import asyncio
import copy

from client.failures import ExitCode
from tests.e2e.lying.site import CANARY, Site, chat_shows, keys_of, plain, refuse_once
from tests.support.encryption.model_device import ModelDevice, ModelUser
from tests.support.lying_server import Json

OLD_LIST = "The server shows an old list of the devices of {}. The newer one stays in use."


async def seen_keys(site: Site, name: str) -> Json:
    """The keys of a user as the server shows them now."""
    shown: list[Json] = []

    def note(keys: Json) -> Json:
        shown.append(copy.deepcopy(keys))
        return keys

    site.lies.response = keys_of(name, note)
    other = site.alice if name == "bob" else site.bob
    done = await asyncio.to_thread(other.run, "keys", "number", name)
    assert done.returncode == ExitCode.OK, done.stderr
    site.lies.tell_the_truth()
    return shown[-1]


def shown_to_senders(site: Site, keys: Json, *ghosts: ModelDevice) -> None:
    """From now on, these are the keys of a user, with all their devices; the server gives one-time keys of `ghosts`."""
    name = keys["username"]

    def frame(found: Json) -> list[Json]:
        if found.get("type") == "recipients":
            others = [device for device in found["devices"] if device[0] != name]
            found["devices"] = [*others, *([name, device] for device in keys["device_keys"])]
            found["lists"] = [*(each for each in found["lists"] if each["username"] != name), copy.deepcopy(keys)]
        if found.get("type") == "claimed":
            found["keys"] += [claimed_key(name, ghost) for ghost in ghosts]
        return [found]

    site.lies.to_client, site.lies.response = frame, keys_of(name, lambda _: copy.deepcopy(keys))


def claimed_key(name: str, device: ModelDevice) -> Json:
    [(key_id, key)] = device.one_time_keys(1).items()
    return {"username": name, "device": device.device_id, "key_id": key_id, "key": plain(key)}


def given_keys(site: Site) -> set[str]:
    """The devices to which room keys were sent."""
    return {message["to"][1] for share in site.sent("share_keys") for message in share.get("messages", [])}


class TestOldList:
    async def test_a_removed_device_gets_no_keys_when_the_server_shows_the_list_from_before(self, site: Site) -> None:
        laptop = await site.second_device(site.bob)
        stolen = await site.device_of(laptop)
        before = await seen_keys(site, "bob")
        assert stolen in before["device_keys"]
        removed = await asyncio.to_thread(site.bob.run, "keys", "remove", stolen, "--yes")
        assert removed.returncode == ExitCode.OK, removed.stderr
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK
        assert stolen not in given_keys(site)
        shown_to_senders(site, before)
        refuse_once(site)
        _, said = await site.send(f"{CANARY} 2")
        assert OLD_LIST.format("bob") in said
        assert stolen not in given_keys(site)
        withheld = [each for share in site.sent("share_keys") for each in share.get("withheld", [])]
        assert ["bob", stolen, "removed"] in withheld
        site.assert_nothing_in_clear()

    async def test_a_list_of_the_same_version_that_says_something_else_is_not_taken(self, site: Site) -> None:
        """Who stole the self-signing key, together with the server, can't list a device unnoticed."""
        attacker = ModelUser((await seen_keys(site, "bob"))["user_id"], "bob")
        attacker.version = 1
        attacker.add_device()
        first = plain(attacker.keys())
        attacker.add_device()
        second = plain(attacker.keys())
        ghost = (second["device_keys"].keys() - first["device_keys"].keys()).pop()
        carol = await site.with_keys("carol")  # she knows no keys of bob yet, so the first ones are his
        shown_to_senders(site, first)
        seen = await asyncio.to_thread(carol.run, "keys", "number", "bob")
        assert seen.returncode == ExitCode.OK, seen.stderr
        shown_to_senders(site, second)
        done = await asyncio.to_thread(carol.run, "send", "@bob", CANARY, "--timeout", "4")
        assert OLD_LIST.format("bob") in done.stderr
        assert ghost not in given_keys(site)
        site.assert_nothing_in_clear()


class TestWithheldList:
    async def test_a_reader_is_told_when_the_writer_names_a_newer_list(self, site: Site) -> None:
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK
        await site.read(1)
        before = await seen_keys(site, "alice")
        await site.second_device(site.alice)
        assert (await site.send(f"{CANARY} 2"))[0] == ExitCode.OK
        shown_to_senders(site, before)
        await asyncio.to_thread(chat_shows, site.bob, "@alice", "an old list of the devices of alice")


class TestBindings:
    async def test_keys_of_another_user_under_a_known_name_get_nothing(self, site: Site) -> None:
        """The server gives bob's name to keys of its own, in whose list the name stands, too."""
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK
        for user_id in (10, 3):  # the client's rows are in the order of their names
            mallory = ModelUser(user_id, "bob")
            mallory.version = 1
            ghost = mallory.add_device()
            shown_to_senders(site, plain(mallory.keys()), ghost)
            refuse_once(site)
            code, said = await site.send(f"{CANARY} 2")
            assert code != ExitCode.OK, said
            assert ghost.device_id not in given_keys(site)
        site.assert_nothing_in_clear()

    async def test_keys_whose_list_names_another_user_get_nothing(self, site: Site) -> None:
        mallory = ModelUser(10, "mallory")
        mallory.version = 1
        ghost = mallory.add_device()
        shown_to_senders(site, {**plain(mallory.keys()), "username": "bob"}, ghost)
        code, said = await site.send(CANARY)
        assert code != ExitCode.OK, said
        assert given_keys(site) == set()
        site.assert_nothing_in_clear()

    async def test_a_device_can_not_be_listed_under_a_key_as_its_id(self, site: Site) -> None:
        """A device whose id is a master key would turn the comparison of one into the comparison of the other."""
        mallory = ModelUser((await seen_keys(site, "bob"))["user_id"], "bob")
        mallory.version = 1
        [master] = mallory.master().keys.values()
        ghost = mallory.add_device(master)
        carol = await site.person("carol", "carol")
        shown_to_senders(site, plain(mallory.keys()), ghost)
        done = await asyncio.to_thread(carol.run, "send", "@bob", CANARY, "--timeout", "4")
        assert done.returncode != ExitCode.OK
        assert given_keys(site) == set()
        site.assert_nothing_in_clear()


class TestOneTimeKeys:
    async def test_a_key_that_is_given_out_twice_loses_no_message(self, site: Site) -> None:
        """Bob's device can't open the second key; it finds another copy at the dehydrated device."""
        carol = await site.with_keys("carol")
        claimed: dict[tuple[str, str], Json] = {}

        def twice(found: Json) -> list[Json]:
            for key in found.get("keys", []) if found.get("type") == "claimed" else []:
                first = claimed.setdefault((key["username"], key["device"]), copy.deepcopy(key))
                if key["username"] == "bob":
                    key.update(copy.deepcopy(first))
            return [found]

        site.lies.to_client = twice
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK
        [first] = await site.read(1)
        assert first["content"] == f"{CANARY} 1"
        done = await asyncio.to_thread(carol.run, "send", "@bob", f"{CANARY} 2")
        assert done.returncode == ExitCode.OK, done.stderr
        site.lies.tell_the_truth()
        await asyncio.to_thread(chat_shows, site.bob, "@carol", f"carol: {CANARY} 2")
        site.assert_nothing_in_clear()


class TestRoomUids:
    async def test_the_room_of_a_message_is_its_own_though_another_room_has_its_uid(self, site: Site) -> None:
        """The server calls two conversations the same: what is written in one is not shown in the other."""
        await site.with_keys("carol")
        uids: dict[str, str] = {}

        def same_uid(found: Json) -> list[Json]:
            for room in [found, *found.get("rooms", [])]:
                name = room.get("room", "")
                if "uid" in room and "~" in name:
                    uids.setdefault(name, room["uid"])
                    if name == "@alice~carol" and "@alice~bob" in uids:
                        room["uid"] = uids["@alice~bob"]
            return [found]

        site.lies.to_client = same_uid
        assert (await site.send(f"{CANARY} to bob"))[0] == ExitCode.OK
        done = await asyncio.to_thread(site.alice.run, "send", "@carol", f"{CANARY} to carol", "--timeout", "4")
        assert done.returncode == ExitCode.OK, done.stderr
        bobs, *_, carols = [command["content"] for command in site.sent("send")]
        assert bobs.split(".")[2] != carols.split(".")[2]  # no session is used for both
        site.assert_nothing_in_clear()
