"""The page that plays Meta's login dialog: what it shows, what it refuses, what it answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import SandboxWorld
from tests.sandbox.seller import SETUP, answer, exchange, link


async def test_the_dialog_is_a_page_for_people(sandbox_world: SandboxWorld) -> None:
    shown = await sandbox_world.http.get("/dialog/oauth", params=link())

    assert shown.status_code == 200
    assert shown.headers["content-type"].startswith("text/html")
    for text in ("catalog_management", "seller-7f31c2", "Harbour Outfitters", "without a shop", "Cancel"):
        assert text in shown.text


async def test_what_a_partner_sends_never_becomes_markup(sandbox_world: SandboxWorld) -> None:
    setup = SETUP | {"external_business_id": "<script>alert(1)</script>"}

    shown = await sandbox_world.http.get("/dialog/oauth", params=link(setup=setup))

    assert "<script>" not in shown.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": "1"}, "Invalid App ID"),
        ({"redirect_uri": "javascript:alert(1)"}, "redirect_uri"),
        ({"scope": "manage_pages"}, "Invalid Scopes: manage_pages"),
        ({"scope": "catalog_management"}, "manage_business_extension"),
        ({"extras": "{}"}, "setup"),
        ({"response_type": "page"}, "response_type"),
    ],
)
async def test_a_link_that_cannot_work_shows_why(
    sandbox_world: SandboxWorld, changes: dict[str, str], said: str
) -> None:
    shown = await sandbox_world.http.get("/dialog/oauth", params=link(**changes))

    assert shown.status_code == 400
    assert said in shown.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"external_business_id": ""},
        {"timezone": "+05:30"},
        {"currency": "EURO"},
        {"business_vertical": "SHOES"},
        {"channel": "IG_SHOPPING"},
        {"domain": None},
    ],
)
async def test_the_set_up_is_checked(sandbox_world: SandboxWorld, wrong: dict[str, Any]) -> None:
    shown = await sandbox_world.http.get("/dialog/oauth", params=link(setup=SETUP | wrong))

    assert shown.status_code == 400
    assert f"setup.{next(iter(wrong))}" in shown.text


async def test_granting_brings_a_code_that_works_once(sandbox_world: SandboxWorld) -> None:
    told = await answer(sandbox_world)

    elsewhere = await exchange(sandbox_world, told["code"], redirect_uri="https://platform.example/other")
    first, second = await exchange(sandbox_world, told["code"]), await exchange(sandbox_world, told["code"])

    assert told["state"] == "s-1 &"
    assert told["tab"] == "1"
    assert (first["token_type"], first["expires_in"]) == ("bearer", 5_184_000)
    assert (elsewhere["error"]["code"], elsewhere["error"]["error_subcode"]) == (100, 36008)
    assert (second["error"]["code"], second["error"]["error_subcode"]) == (100, 36009)


async def test_a_token_comes_in_the_fragment_when_asked_for(sandbox_world: SandboxWorld) -> None:
    told = await answer(sandbox_world, link(response_type="token"))

    assert told["expires_in"] == "7200"
    assert (await sandbox_world.get("me", told["access_token"]))["name"] == "Sandbox user"


async def test_cancelling_brings_an_error_and_nothing_else(sandbox_world: SandboxWorld) -> None:
    told = await answer(sandbox_world, decision="cancel")

    assert told == {
        "tab": "1",
        "error": "access_denied",
        "error_reason": "user_denied",
        "error_description": "Permissions error",
        "state": "s-1 &",
    }


async def test_the_wrong_page_of_all_is_no_page(sandbox_world: SandboxWorld) -> None:
    sent = await sandbox_world.http.post("/dialog/oauth", params=link(), data={"page": "123"})

    assert sent.status_code == 400
