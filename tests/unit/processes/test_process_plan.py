"""The plan of local processes: order, addresses and secrets."""

from pathlib import Path

from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from services.processes.process_plan import DeploymentPlan, ProcessPorts, ProcessSpec, plan

SITE = DeploymentPlan(
    host="127.0.0.1",
    port=8000,
    data=Path("/data folder"),
    reference=Path("/reference"),
    service_keys={service: f"key-canary-of-{service}" for service in ServiceName},
    redis_password="redis-password-canary",
    redis_program=Path("/bin/redis-server"),
    caddy_program=Path("/bin/caddy"),
)
PORTS = ProcessPorts(redis=1, auth=2, history=3, gateways=(4, 5, 6), files=7)


def planned() -> dict[str, ProcessSpec]:
    return {process.name: process for process in plan(SITE, PORTS)}


def test_processes_start_after_their_dependencies_and_the_edge_last() -> None:
    assert list(planned()) == ["redis", "auth", "history", "files", "gateway-1", "gateway-2", "gateway-3", "edge"]


def test_the_edge_gets_the_address_of_every_gateway() -> None:
    edge = planned()["edge"].environment
    assert edge["CHATTERBOX_EDGE_GATEWAYS"] == "127.0.0.1:4 127.0.0.1:5 127.0.0.1:6"
    assert edge["CHATTERBOX_EDGE_FILES"] == "127.0.0.1:7"
    assert (edge["CHATTERBOX_EDGE_BIND"], edge["CHATTERBOX_EDGE_ADDRESS"]) == ("127.0.0.1", "http://:8000")


def test_command_lines_contain_no_secret() -> None:
    words = " ".join(word for process in plan(SITE, PORTS) for word in process.command)
    assert "canary" not in words


def test_the_environment_of_the_edge_contains_no_secret() -> None:
    assert "canary" not in " ".join(planned()["edge"].environment.values())


def test_each_service_gets_its_own_key_and_digests_of_its_callers() -> None:
    for process in planned().values():
        service = process.name.partition("-")[0]
        if service not in {"redis", "edge"}:
            values = " ".join(process.environment.values())
            assert process.environment["CHATTERBOX_SERVICE_KEY"] == f"key-canary-of-{service}"
            assert values.count("key-canary-of-") == 1
    for service, callers in (("auth", {"files", "gateway", "history"}), ("history", {"files", "gateway"})):
        assert CallerKeys.parse(planned()[service].environment["CHATTERBOX_CALLER_KEYS"]).services() == callers


def test_services_listen_on_loopback_and_share_redis() -> None:
    services = [process for name, process in planned().items() if name not in {"redis", "edge"}]
    assert len({process.environment["CHATTERBOX_PORT"] for process in services}) == len(services)
    for process in services:
        assert process.environment["CHATTERBOX_HOST"] == "127.0.0.1"
        assert process.environment["CHATTERBOX_REDIS_URL"] == "redis://:redis-password-canary@127.0.0.1:1"


def test_a_data_folder_with_a_space_is_quoted_in_the_redis_configuration() -> None:
    assert 'dir "/data folder"\n' in planned()["redis"].stdin
