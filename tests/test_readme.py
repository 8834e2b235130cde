"""What the README says can be done: its queries run, its commands exist, its settings are read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli import app
from gateway.settings import Settings
from gateway.sync.models import Lane
from tests.support.gateway import ORDERS, Gateway

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
GRAPHQL = [text for language, text in BLOCKS if language == "graphql"]
SHELL = "\n".join(text for language, text in BLOCKS if language == "sh").replace("\\\n", " ")


async def ready(gateway: Gateway) -> dict[str, Any]:
    """The state that the README's examples take for granted: the sample is imported, orders are in."""
    from gateway.access.models import Caller
    from gateway.catalog.feeds import FeedOptions
    from gateway.dev import SAMPLE_CURRENCY, SAMPLE_LINKS, sample_file

    options = FeedOptions(currency=SAMPLE_CURRENCY, link_template=SAMPLE_LINKS)
    stream = sample_file().open("rb")
    await gateway.services.imports.run(Caller.system(), gateway.onsite.id, stream, options, "sample")
    await gateway.run_lane(Lane.ORDERS)
    nodes = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]["nodes"]
    order = next(node for node in nodes if node["state"] == "AWAITING_ACKNOWLEDGEMENT")
    return {"shopId": gateway.shop_id, "orderId": order["id"]}


@pytest.mark.parametrize("query", GRAPHQL, ids=lambda text: text.split("(")[0].split("{")[0].strip())
async def test_its_operations_run(gateway: Gateway, query: str) -> None:
    variables = await ready(gateway)
    asked = {name: value for name, value in variables.items() if f"${name}:" in query}

    result = await gateway.run(query, **asked)

    for value in result.data.values():
        assert value.get("userErrors", []) == []
        assert value.get("nodes", value.get("products", value.get("orders", True)))


async def test_its_curl_call_runs(gateway: Gateway) -> None:
    [body] = re.findall(r"-d '(\{.*?\})'", SHELL)

    answer = await gateway.http.post(
        f"{gateway.url}/graphql",
        content=body,
        headers={"Authorization": f"Bearer {gateway.key}", "Content-Type": "application/json"},
    )

    assert answer.json()["data"]["shops"]["nodes"]


@pytest.mark.parametrize("target", re.findall(r"(?m)(?:^|`)make (\w+)", README))
def test_its_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def commands() -> list[str]:
    return sorted({line.split("commerce-gateway ", 1)[1] for line in SHELL.splitlines() if "commerce-gateway " in line})


@pytest.mark.parametrize("line", commands())
def test_its_commands_and_options_exist(line: str) -> None:
    words = shlex.split(line.split(" < ")[0].split(" &")[0].split("#")[0].rstrip(") "))
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word in known, f"{line}: there is no option {word}"


def test_its_settings_are_read() -> None:
    named = set(re.findall(r"GATEWAY_[A-Z_]+", README))
    read = {f"GATEWAY_{name.upper()}" for name in Settings.model_fields} | {"GATEWAY_API_KEY", "GATEWAY_SHOP_TOKEN"}

    assert named <= read


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)h][^)]*)\)", README))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
