"""Images of others: each is named once, and a variable replaces it, for example by one with a digest."""

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
BUILT = {name: service["build"] for name, service in SERVICES.items() if "build" in service}
PULLED = {name: service["image"] for name, service in SERVICES.items() if "build" not in service}


@pytest.mark.parametrize("service", PULLED)
def test_a_pulled_image_can_be_replaced_by_a_variable(service: str) -> None:
    assert re.fullmatch(r"\$\{CHATTERBOX_[A-Z]+:-[a-z/]+:[\w.]+\}", PULLED[service])


@pytest.mark.parametrize("service", BUILT)
def test_every_base_image_of_a_build_can_be_replaced_by_a_variable(service: str) -> None:
    dockerfile = (ROOT / BUILT[service]["dockerfile"]).read_text()
    bases = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))
    target = BUILT[service].get("target")
    needed = {"${BASE}", "${CADDY}"} if target == "edge" else {"${BASE}"}
    assert needed <= bases <= {"${BASE}", "${CADDY}"}
    assert {each.strip("${}") for each in needed} <= set(BUILT[service]["args"])


def test_the_readme_names_every_variable_of_an_image() -> None:
    readme = (ROOT / "deploy" / "README.md").read_text()
    variables = {re.findall(r"\w+", image)[0] for image in PULLED.values()} | {"BASE", "CADDY"}
    assert all(f"{variable}=" in readme and "@sha256:" in readme for variable in variables)
