"""Hardening of the containers: users, capabilities, read-only file systems, secrets, Redis ACLs and image contents."""

import re

import pytest

from tests.support.stack import ONE_SHOT, Stack

OPERATORS_PASSWORD = "/secrets/redis/operator-password"
SERVICES = ("auth", "files", "gateway", "history", "redis", "edge")
COMMANDS = {
    "auth": {"publish"},
    "files": {"subscribe"},
    "gateway": {"publish", "subscribe"},
    "history": {"publish", "subscribe"},
}


@pytest.fixture
def of(stack: Stack, service: str) -> str:
    """A container of the service."""
    return stack.containers(service)[0]


def secrets_of(stack: Stack) -> list[str]:
    """Every secret of the deployment."""
    files = [(service, name) for service in COMMANDS for name in ("service-key", "redis-url")]
    found = [stack.inside(stack.containers(service)[0], "cat", f"/secrets/{service}/{name}") for service, name in files]
    found.append(stack.inside(stack.containers("redis")[0], "cat", OPERATORS_PASSWORD))
    return [re.sub(r"redis://\w+:(.*)@.*", r"\1", secret) for secret in found]


def test_every_service_is_healthy(stack: Stack) -> None:
    health = {each.Service: each.Health for each in stack.compose.get_containers()}
    assert health == dict.fromkeys(SERVICES, "healthy")


@pytest.mark.parametrize("service", SERVICES)
class TestEachContainer:
    def test_each_container_runs_as_its_own_user_without_capabilities(self, stack: Stack, of: str) -> None:
        status = dict(line.split(":\t", 1) for line in stack.inside(of, "cat", "/proc/1/status").splitlines())
        assert "0" not in status["Uid"].split()
        assert "0" not in status["Gid"].split()
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"

    def test_each_container_has_a_read_only_root(self, stack: Stack, of: str) -> None:
        assert "Read-only file system" in stack.inside(of, "touch", "/here", user="0")
        root = re.search(r"^\S+ / \S+ (\S+)", stack.inside(of, "cat", "/proc/1/mounts"), re.MULTILINE)
        assert root is not None
        assert "ro" in root[1].split(",")

    def test_each_container_has_memory_cpu_and_process_limits(self, stack: Stack, of: str) -> None:
        limits = stack.inspect(of)["HostConfig"]
        assert min(limits["Memory"], limits["NanoCpus"], limits["PidsLimit"]) > 0

    def test_no_container_can_read_the_secret_of_another(self, stack: Stack, of: str, service: str) -> None:
        others = [f"/secrets/{name}" for name in (*COMMANDS, "redis") if name != service]
        for folder in others:
            assert re.search("Permission denied|No such file", stack.inside(of, "ls", folder))


def test_no_secret_is_in_the_configuration_the_images_or_the_environment(stack: Stack) -> None:
    secrets = secrets_of(stack)
    assert len(set(secrets)) == len(secrets) == 9
    assert min(map(len, secrets)) >= 32
    facts = [stack.run("config"), *(str(stack.inspect(container)) for container in stack.containers())]
    images = {stack.inspect(container)["Image"] for container in stack.containers()}
    facts += [stack.engine("history", "--no-trunc", "--format", "{{.CreatedBy}}", image) for image in images]
    assert [secret for secret in secrets if any(secret in fact for fact in facts)] == []


def test_the_configuration_names_secret_files_instead_of_secrets(stack: Stack) -> None:
    named = re.findall(r"(\w*(?:KEY|URL|PASS|SECRET|TOKEN)\w*): (\S+)", stack.run("config"))
    assert {value for name, value in named if not name.endswith(("_AUTH_URL", "_HISTORY_URL"))} == {
        *(f"/secrets/{service}/{file}" for service in COMMANDS for file in ("service-key", "redis-url")),
        *(f"/secrets/{service}/caller-keys" for service in ("auth", "history")),
    }


def test_secrets_are_created_once_and_kept(stack: Stack) -> None:
    before = secrets_of(stack)
    stack.run("run", "--rm", ONE_SHOT)
    assert secrets_of(stack) == before


class TestRedis:
    def ask(self, stack: Stack, user: str, *command: str) -> str:
        """Redis' answer to a service's user, asked from that service's own container."""
        script = (
            "import sys; from chatterbox.chassis.redis.redis_connection import *; import asyncio\n"
            "async def ask(url, *command):\n"
            "    answer = asyncio.get_running_loop().create_future()\n"
            "    line = await RedisConnection.open(url, 2, answer.set_result)\n"
            "    line.write([command])\n"
            "    return await asyncio.wait_for(answer, 5)\n"
            "print(asyncio.run(ask(open(sys.argv[1]).read().strip(), *sys.argv[2:])))"
        )
        container = stack.containers(user)[0]
        return stack.inside(container, "python", "-c", script, f"/secrets/{user}/redis-url", *command)

    @pytest.mark.parametrize("user", COMMANDS)
    @pytest.mark.parametrize(
        "command",
        ["KEYS *", "GET a", "SET a b", "CONFIG GET *", "ACL LIST", "FLUSHALL", "CLIENT LIST", "MONITOR", "EVAL x 0"],
    )
    def test_redis_refuses_commands_that_no_service_needs(self, stack: Stack, user: str, command: str) -> None:
        assert "no permissions to run" in self.ask(stack, user, *command.split())

    @pytest.mark.parametrize("user", COMMANDS)
    def test_redis_allows_each_service_its_commands_on_chatterbox_channels_only(self, stack: Stack, user: str) -> None:
        for command, more in (("publish", ("x",)), ("subscribe", ())):
            allowed = command in COMMANDS[user]
            ours = self.ask(stack, user, command, "chatterbox:control", *more)
            assert ("no permissions" in ours) is not allowed, ours
            assert re.search("(?i)no permissions", self.ask(stack, user, command, "elsewhere", *more))
        assert re.search("(?i)no permissions", self.ask(stack, user, "psubscribe", "*"))

    def test_redis_allows_its_operator_every_command_from_within_its_container(self, stack: Stack) -> None:
        assert stack.ask_redis("ACL", "WHOAMI") == "operator"
        assert int(stack.ask_redis("CLIENT", "KILL", "TYPE", "pubsub")) > 0
        assert stack.ask_redis("FLUSHALL") == "OK"

    def test_redis_refuses_clients_without_a_password(self, stack: Stack) -> None:
        assert "NOAUTH" in stack.inside(stack.containers("redis")[0], "redis-cli", "ping")


class TestGatewayImage:
    @pytest.fixture
    def service(self) -> str:
        return "gateway"

    def test_the_gateway_image_contains_no_code_of_other_services(self, stack: Stack, of: str) -> None:
        assert stack.inside(of, "ls", "/app").split() == ["chatterbox", "services"]
        found = set(stack.inside(of, "ls", "/app/services").split())
        assert found - {"__pycache__"} == {"__init__.py", "gateway"}

    @pytest.mark.parametrize("package", ["argon2", "passlib", "aiosqlite", "prompt_toolkit", "pip", "pytest"])
    def test_the_gateway_image_contains_no_package_that_it_does_not_import(
        self, stack: Stack, of: str, package: str
    ) -> None:
        assert f"No module named '{package}'" in stack.inside(of, "python", "-c", f"import {package}")
