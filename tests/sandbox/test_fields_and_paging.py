"""The `fields` language, and the laws of paging."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sandbox.conftest import SandboxWorld, SandboxWorlds, new_item, proof


async def test_exactly_the_asked_fields_and_id(sandbox_world: SandboxWorld) -> None:
    shown = await sandbox_world.get(sandbox_world.cms, fields='"cta,merchant_page{name},terms"')

    # `terms` has no value, so it is left out rather than null.
    assert set(shown) == {"id", "cta", "merchant_page"}
    assert set(shown["merchant_page"]) == {"id", "name"}


async def test_an_edge_expands_with_modifiers_alias_and_paging(sandbox_world: SandboxWorld) -> None:
    fields = "id,commerce_orders.state(CREATED).filters(no_shipments).limit(2).as(open){id,items.limit(1){quantity}}"
    shown = await sandbox_world.get(sandbox_world.shop["pageId"], fields=fields)

    assert set(shown) == {"id", "open"}
    assert len(shown["open"]["data"]) == 2
    assert set(shown["open"]["data"][0]) == {"id", "items"}
    following = (await sandbox_world.http.get(_signed(shown["open"]["paging"]["next"]))).json()
    assert len(following["data"]) == 2
    assert set(following["data"][0]) == {"id", "items"}
    assert "next" not in following["paging"]


def _signed(link: str) -> str:
    token = parse_qs(urlsplit(link).query)["access_token"][0]
    return f"{link}&appsecret_proof={proof(token)}"


async def test_the_older_way_to_write_an_expansion(sandbox_world: SandboxWorld) -> None:
    shown = await sandbox_world.get(sandbox_world.catalog, fields="commerce_merchant_settings.fields(id,cta)")

    assert shown["commerce_merchant_settings"] == {"id": sandbox_world.cms, "cta": "ONSITE_CHECKOUT"}


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ("grand_total", 100, "Tried accessing nonexisting field (grand_total) on node type (ProductCatalog)"),
        ("id,name}", 2500, 'Expected end of string instead of "}"." at character 7: id,name}'),
        ("id,business{name", 2500, "end of string"),
        ("name{id}", 2500, "Field name is not a complex type"),
        ("name.limit", 2500, "Expected"),
    ],
)
async def test_one_bad_field_fails_the_request(sandbox_world: SandboxWorld, fields: str, code: int, words: str) -> None:
    error = await sandbox_world.refused("GET", sandbox_world.catalog, params={"fields": fields})

    assert error["code"] == code
    assert words in error["message"]


async def test_an_empty_edge_is_left_out_as_a_field_and_empty_when_asked_for(sandbox_world: SandboxWorld) -> None:
    as_field = await sandbox_world.get(sandbox_world.catalog, fields="products")

    assert as_field == {"id": sandbox_world.catalog}
    assert await sandbox_world.get(f"{sandbox_world.catalog}/products") == {"data": []}


async def _pages(world: SandboxWorld, path: str, **params: Any) -> list[dict[str, Any]]:
    """All pages, followed by their `after` cursors."""
    pages = [await world.get(path, **params)]
    while "next" in pages[-1].get("paging", {}):
        pages.append(await world.get(path, **params, after=pages[-1]["paging"]["cursors"]["after"]))
        assert len(pages) < 200
    return pages


@pytest.mark.parametrize("limit", [1, 2, 7, 25, 60])
async def test_pages_hold_every_row_once(sandbox_worlds: SandboxWorlds, limit: int) -> None:
    world = await sandbox_worlds.make(shops=[{"orders": 53, "items": 53}])
    for path, params, largest in (
        (f"{world.catalog}/products", {}, 1000),
        (f"{world.cms}/commerce_orders", {"state": "FB_PROCESSING,CREATED,IN_PROGRESS"}, 25),
    ):
        pages = await _pages(world, path, limit=limit, **params)
        ids = [row["id"] for page in pages for row in page["data"]]

        assert len(ids) == len(set(ids)) == 53
        assert all(len(page["data"]) == min(limit, largest) for page in pages[:-1])
        assert "previous" not in pages[0]["paging"]
        assert "cursors" in pages[-1]["paging"]


async def test_a_cursor_survives_inserts_and_deletes(sandbox_worlds: SandboxWorlds) -> None:
    chance = random.Random(7)
    world = await sandbox_worlds.make(shops=[{"orders": 0, "items": 40}], batchSeconds=0)
    path, seen, gone, cursor = f"{world.catalog}/products", [], set(), None
    while True:
        page = await world.get(path, limit=5, fields="retailer_id", **({"after": cursor} if cursor else {}))
        seen += [row["retailer_id"] for row in page["data"]]
        if "next" not in page.get("paging", {}):
            break
        cursor = page["paging"]["cursors"]["after"]
        victim = f"seed-{chance.randrange(40):07d}"
        gone.add(victim)
        await world.write_items(
            {"method": "DELETE", "data": {"id": victim}}, new_item(f"late-{chance.randrange(10**9)}")
        )

    kept = {f"seed-{n:07d}" for n in range(40)} - gone
    assert len(seen) == len(set(seen))
    assert kept <= set(seen)


async def test_going_back_gives_the_page_before(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(shops=[{"orders": 20}])
    pages = await _pages(world, f"{world.cms}/commerce_orders", limit=4)

    for earlier, later in pairwise(pages):
        back = await world.get(f"{world.cms}/commerce_orders", limit=4, before=later["paging"]["cursors"]["before"])
        assert back["data"] == earlier["data"]
        assert "next" in back["paging"]


async def test_next_carries_the_token_the_parameters_and_this_host_but_no_proof(sandbox_world: SandboxWorld) -> None:
    path = f"{sandbox_world.cms}/commerce_orders"
    page = await sandbox_world.get(path, limit=2, state="CREATED", fields="id")

    link = urlsplit(page["paging"]["next"])
    sent = {name: values[0] for name, values in parse_qs(link.query).items()}

    assert f"{link.scheme}://{link.netloc}" == str(sandbox_world.http.base_url).rstrip("/")
    assert link.path == f"/v25.0/{path}"
    assert sent == {
        "access_token": sandbox_world.token,
        "limit": "2",
        "state": "CREATED",
        "fields": "id",
        "after": page["paging"]["cursors"]["after"],
    }


async def test_summary_counts_all_rows(sandbox_world: SandboxWorld) -> None:
    page = await sandbox_world.get(f"{sandbox_world.cms}/commerce_orders", summary="true", limit=1)

    assert page["summary"] == {"total_count": 4}


async def test_short_and_empty_pages_still_lead_to_every_row(sandbox_worlds: SandboxWorlds) -> None:
    world = await sandbox_worlds.make(shops=[{"orders": 0, "items": 60}], pageLimitShort=True)

    pages = await _pages(world, f"{world.catalog}/products", limit=3)

    ids = [row["id"] for page in pages for row in page["data"]]
    assert len(ids) == len(set(ids)) == 60
    assert {len(page["data"]) for page in pages[:-1]} == {0, 1, 2, 3}


@pytest.mark.parametrize("params", [{"after": "nonsense"}, {"after": "QVFIbm8"}, {"limit": "0"}, {"limit": "many"}])
async def test_unusable_cursors_and_limits(sandbox_world: SandboxWorld, params: dict[str, str]) -> None:
    assert (await sandbox_world.refused("GET", f"{sandbox_world.catalog}/products", params=params))["code"] == 100
