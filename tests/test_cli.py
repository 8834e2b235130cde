"""The command line, as an operator uses it: real processes, exit codes, JSON."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.kit.vault import Vault
from tests.support.servers import PYTHON, Databases
from tests.support.world import World

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(databases: Databases, world: World, redis_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "GATEWAY_DATABASE_URL": databases.sqlite(),
        "GATEWAY_REDIS_URL": redis_url,
        "GATEWAY_GRAPH_URL": world.url,
        "GATEWAY_APP_ID": world.facts["appId"],
        "GATEWAY_APP_SECRET": world.facts["appSecret"],
        "GATEWAY_ENCRYPTION_KEYS": Vault.new_key(),
    }


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: str, stdin: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PYTHON, "-m", "gateway", *arguments], input=stdin, capture_output=True, text=True, timeout=60,
            env={**environment, **changes}, cwd=tmp_path, check=False,
        )  # fmt: skip

    return run


def read(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def link(run: Run, world: World) -> str:
    shop = world.onsite
    [row] = read(run("shops", "link", shop["metaId"], "--json", stdin=shop["accessToken"] + "\n"))
    found: str = row["id"]
    return found


def test_a_shop_is_linked_with_its_token_from_standard_input_and_listed(run: Run, world: World) -> None:
    shop_id = link(run, world)

    [row] = read(run("shops", "list", "--json"))
    assert row["id"] == shop_id
    assert row["checkout"] == "ONSITE_CHECKOUT"
    assert row["catalogId"] == world.onsite["catalogId"]


def test_a_token_that_leads_nowhere_is_told_with_a_remedy(run: Run, world: World) -> None:
    done = run("shops", "link", world.onsite["metaId"], stdin="EAAnothing\n")

    assert done.returncode == 1
    assert "error:" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "EAAnothing" not in done.stderr + done.stdout


def test_keys_are_made_listed_and_revoked(run: Run, world: World) -> None:
    shop_id = link(run, world)
    made = read(run("keys", "create", "app", "--scope", "orders:read", "--shop", shop_id, "--json"))
    assert made["secret"].startswith("mcg_")

    [row] = read(run("keys", "list", "--json"))
    assert (row["scopes"], row["shops"], row["revoked"]) == (["orders:read"], [shop_id], False)

    assert run("keys", "revoke", made["id"]).returncode == 0
    [row] = read(run("keys", "list", "--json"))
    assert row["revoked"] is True


def test_encryption_keys_rotate_without_losing_a_token(run: Run, world: World, environment: dict[str, str]) -> None:
    link(run, world)
    old = environment["GATEWAY_ENCRYPTION_KEYS"]
    new = run("keys", "encryption-key").stdout.strip()

    assert run("keys", "rotate-encryption", GATEWAY_ENCRYPTION_KEYS=f"{new},{old}").returncode == 0

    checks = {check["name"]: check for check in read(run("doctor", "--json", GATEWAY_ENCRYPTION_KEYS=new))}
    assert checks[f"token of {world.onsite['name']}"]["ok"] is True
    stale = run("doctor", "--json", GATEWAY_ENCRYPTION_KEYS=old)
    assert stale.returncode == 1


def test_the_doctor_finds_nothing_wrong_where_nothing_is(run: Run, world: World) -> None:
    link(run, world)

    checks = read(run("doctor", "--json"))

    assert {check["name"] for check in checks} >= {"database", "redis", "encryption", "graph"}
    assert all(check["ok"] for check in checks)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"GATEWAY_DATABASE_URL": "postgresql://127.0.0.1:1/nothing"}, "database"),
        ({"GATEWAY_REDIS_URL": "redis://127.0.0.1:1"}, "redis"),
        ({"GATEWAY_ENCRYPTION_KEYS": "nonsense"}, "encryption"),
        ({"GATEWAY_GRAPH_URL": "http://127.0.0.1:1"}, "graph"),
        ({"GATEWAY_APP_SECRET": ""}, "graph"),
    ],
)
def test_the_doctor_names_what_fails_and_how_to_mend_it(run: Run, changes: dict[str, str], name: str) -> None:
    done = run("doctor", "--json", **changes)

    assert done.returncode == 1
    failed = [check for check in json.loads(done.stdout) if not check["ok"]]
    assert [check["name"] for check in failed] == [name]
    assert failed[0]["fix"]


def test_the_doctor_sees_a_database_that_is_behind(run: Run, databases: Databases) -> None:
    done = run("doctor", "--json", GATEWAY_DATABASE_URL=databases.empty_sqlite())

    [database] = [check for check in json.loads(done.stdout) if check["name"] == "database"]
    assert "migrate" in database["fix"]


def test_migrate_goes_up_and_down(run: Run, databases: Databases) -> None:
    url = databases.empty_sqlite()

    assert "0001" in run("migrate", GATEWAY_DATABASE_URL=url).stdout
    assert "None" in run("migrate", "--revision", "base", GATEWAY_DATABASE_URL=url).stdout


def test_without_encryption_keys_nothing_runs_and_the_remedy_is_told(run: Run) -> None:
    done = run("shops", "list", GATEWAY_ENCRYPTION_KEYS="")

    assert done.returncode == 1
    assert "keys encryption-key" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_schema_is_exported_and_checked(run: Run, tmp_path: Path) -> None:
    assert run("schema", "export", "schema.graphql").returncode == 0
    assert run("schema", "export", "--check", "schema.graphql").returncode == 0
    (tmp_path / "schema.graphql").write_text("type Query { nothing: Int }\n", encoding="utf-8")

    assert run("schema", "export", "--check", "schema.graphql").returncode == 1


@pytest.mark.parametrize(
    "command",
    [
        "", "dev", "serve", "worker", "sandbox", "simulate", "migrate", "doctor", "keys create", "shops link",
        "catalog import", "schema export",
    ],
)  # fmt: skip
def test_every_command_explains_itself(run: Run, command: str) -> None:
    done = run(*command.split(), "--help")

    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_serve_answers_and_stops_when_it_is_asked_to(environment: dict[str, str], tmp_path: Path) -> None:
    from gateway.serving import bind

    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    process = subprocess.Popen(
        [PYTHON, "-m", "gateway", "serve", "--port", str(port)], env=environment, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with httpx.Client(
            transport=httpx.HTTPTransport(retries=0), base_url=f"http://127.0.0.1:{port}", trust_env=False
        ) as http:
            ready = _patiently(http, "/readyz")
            assert ready.json() == {"database": "ok", "redis": "ok"}
            # Production: no page, no introspection without a key, nothing but 401.
            assert http.get("/graphql", headers={"Accept": "text/html"}).status_code == 401
    finally:
        process.terminate()
        assert process.wait(20) in (0, -15)


def _patiently(http: httpx.Client, path: str) -> httpx.Response:
    import time

    deadline = time.monotonic() + 30
    while True:
        try:
            return http.get(path)
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)


def test_a_simulated_night_with_a_storm_loses_no_work(run: Run) -> None:
    outcome = read(run("simulate", "--hours", "3", "--shops", "2", "--items", "60", "--seed", "7", "--json"))

    assert outcome["lost"] == []
    assert outcome["changes"] > 100
    assert outcome["orders"] > 0
    assert set(outcome["runs"]) == {"VOLATILE", "DELTA", "ORDERS"}
    # The storm is felt, and it is over in the end.
    assert outcome["fullestBuckets"]["catalog_batch"] == 100
    assert outcome["worstLagSeconds"]["VOLATILE"] > 300
