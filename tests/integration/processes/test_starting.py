"""A gateway starts while its dependencies are unavailable, and reports which."""

from pathlib import Path

from tests.support.topology import topology


async def test_a_gateway_starts_before_its_dependencies_and_serves_once_they_are_up(tmp_path: Path) -> None:
    async with topology(tmp_path, gateways=1, started=False) as whole:
        (gateway,) = whole.gateways
        await gateway.start()
        await gateway.until(lambda status, _: status == 200, "live")
        parts = {"broker": "away", "auth": "away", "history": "away"}
        assert await gateway.health() == (503, {"status": "unavailable", **parts})
        await whole.history.start()
        await gateway.until(lambda _, body: body["history"] == "ok")
        await whole.auth.start()
        await gateway.until(lambda _, body: body["auth"] == "ok")
        assert (await gateway.health())[0] == 503
        await whole.redis.start()
        assert await gateway.until(lambda status, _: status == 200) == dict.fromkeys(["status", *parts], "ok")
        token = await whole.newcomer("ada")
        async with gateway.talker(token) as ada:
            assert (await ada.send("hello"))["type"] == "sent"
            await ada.messages(1)
            await whole.auth.kill()  # valid tokens still work
            body = await gateway.until(lambda _, body: body["auth"] == "away")
            assert body["status"] == "ok"
            async with gateway.talker(token) as again:
                assert (await again.send("without auth"))["type"] == "sent"
            await whole.history.kill()
            await gateway.until(lambda status, body: status == 503 and body["history"] == "away")
            assert (await ada.send("kept by the client"))["code"] == "unavailable"
            await whole.history.start()
            await gateway.until_ready()
            assert (await ada.send("kept by the client"))["type"] == "sent"
