"""``dev``: everything on one machine, as a newcomer starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.support.servers import PYTHON

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}


def dev(tmp_path: Path, *arguments: str) -> list[str]:
    return [PYTHON, "-m", "gateway", "dev", "--data", str(tmp_path / "data"), *arguments]


def test_the_tour_ends_well_and_accounts_for_every_row(tmp_path: Path) -> None:
    done = subprocess.run(
        dev(tmp_path, "--once", "--json"), env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    tour = json.loads(done.stdout)
    assert [step["ok"] for step in tour["steps"]] == [True] * 7
    assert len(tour["products"]) + len(tour["refused"]) == 22
    assert {product["syncState"] for product in tour["products"]} <= {"CONFIRMED", "REJECTED"}


def test_it_prints_one_line_that_a_program_can_work_with_and_stops_cleanly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        dev(tmp_path, "--json", "--port", "0", "--sandbox-port", "0"),
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line: dict[str, Any] = json.loads(process.stdout.readline())
        assert set(line) == {"graphql", "apiKey", "sandbox", "shops"}
        assert set(line["sandbox"]) == {"url", "accessToken", "appId", "appSecret", "businessId"}
        assert {shop["cta"] for shop in line["shops"]} == {"ONSITE_CHECKOUT", "OFFSITE_IAB_CHECKOUT"}
        assert set(line["shops"][0]) == {"id", "metaId", "pageId", "catalogId", "cta", "accessToken"}
        answer = httpx.post(
            line["graphql"],
            json={"query": "query($id: ID!) { products(shopId: $id) { totalCount } }",
                  "variables": {"id": line["shops"][0]["id"]}},
            headers={"Authorization": f"Bearer {line['apiKey']}"},
            trust_env=False,
        )  # fmt: skip
        assert answer.json()["data"]["products"]["totalCount"] == 22
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_port_in_use_is_told_with_a_remedy(tmp_path: Path) -> None:
    from gateway.serving import bind

    taken = bind("127.0.0.1", 0)
    port = str(taken.getsockname()[1])

    done = subprocess.run(
        dev(tmp_path, "--port", port), env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )
    taken.close()

    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
