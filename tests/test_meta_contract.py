"""Everything that our edges send is in Meta's published specs: paths, parameters, fields, and the SDK's own classes.

The specs are Meta's and are not part of this project.  META_SPEC_DIR names the folder that holds ``meta_spec.json`` and
``meta_spec_extra.json``; where there is none, the comparison with them is skipped, and says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.access.models import Caller
from gateway.catalog import edges as catalog_edges
from gateway.catalog.feeds import FeedOptions
from gateway.dev import SAMPLE_CURRENCY, SAMPLE_LINKS, sample_file
from gateway.graph.fields import Field, parse_fields
from gateway.orders import edges as order_edges
from gateway.sandbox.listing import routes
from gateway.shops import edges as shop_edges
from gateway.sync.models import Lane
from tests.support.gateway import ACKNOWLEDGE, ORDERS, PRICES, UPSERT, Gateway, product

ROOT = Path(__file__).parent.parent
SPEC_DIR = Path(os.environ.get("META_SPEC_DIR", ROOT.parent / "shared" / "meta" / "spec"))
PLATFORM = {"fields", "limit", "after", "before", "ids", "batch", "include_headers", "appsecret_proof", "summary"}

# Read on purpose though the newest Python classes have dropped them: `cta` (optional to us), and the getter of `items`.
GONE_FROM_SDK = {"cta", "items"}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    if not (SPEC_DIR / "meta_spec.json").exists():
        pytest.skip("Meta's specs are not at hand: set META_SPEC_DIR to the folder that holds meta_spec.json")
    merged = json.loads((SPEC_DIR / "meta_spec.json").read_text(encoding="utf-8"))["types"]
    extra = json.loads((SPEC_DIR / "meta_spec_extra.json").read_text(encoding="utf-8"))["types"]
    for name, type_ in extra.items():
        known = merged.setdefault(name, {"fields": {}, "edges": {}, "node": {}})
        for part in ("fields", "edges", "node"):
            known.setdefault(part, {}).update(type_.get(part, {}))
    found: dict[str, Any] = merged
    return found


async def exercise(gateway: Gateway) -> list[dict[str, Any]]:
    """Make every call that the edges can make; returns them as Meta got them."""
    facts = gateway.world.onsite
    await gateway.services.shops.link(Caller.system(), facts["metaId"], facts["accessToken"])
    with sample_file().open("rb") as stream:
        options = FeedOptions(currency=SAMPLE_CURRENCY, link_template=SAMPLE_LINKS)
        await gateway.services.imports.run(Caller.system(), gateway.onsite.id, stream, options, "apparel.csv")
    everything = product(
        "A", salePrice={"amount": "9.00", "currencyCode": "USD"}, customLabels=["a"], gender="MALE", ageGroup="KIDS",
        salePriceWindow={"startsAt": "2026-03-01T00:00+00:00", "endsAt": "2026-04-01T00:00+00:00"},
        gtin="4006381333931",
        mpn="M", groupId="G", color="red", size="L", material="wool", pattern="dots", googleProductCategory="2169",
        productType="Mugs", additionalImageLinks=["https://cdn.example.com/2.jpg"],
        variantAttributes=[{"name": "Volume", "value": "350 ml"}],
    )  # fmt: skip
    await gateway.run(UPSERT, input={"shopId": gateway.shop_id, "products": [everything]})
    await gateway.sync()
    price = {"retailerId": "A", "price": {"amount": "19.00", "currencyCode": "USD"}}
    await gateway.run(PRICES, input={"shopId": gateway.shop_id, "idempotencyKey": "k", "items": [price]})
    await gateway.sync(Lane.VOLATILE)
    await gateway.services.catalog.delete(Caller.system(), gateway.onsite.id, ["A"])
    await gateway.sync()
    gateway.world.place_orders(30)
    await gateway.run_lane(Lane.ORDERS)
    await gateway.run_lane(Lane.ORDERS)
    await gateway.services.orders.read_live(Caller.system(), gateway.onsite.id)
    nodes = (await gateway.run(ORDERS, shopId=gateway.shop_id)).data["orders"]["nodes"]
    waiting = [node for node in nodes if node["state"] == "AWAITING_ACKNOWLEDGEMENT"][:3]
    gateway.world._do("POST", f"orders/{waiting[0]['metaId']}", json={"cancel": True})
    rows = [{"id": node["id"], "merchantOrderReference": "SO"} for node in waiting]
    await gateway.run(ACKNOWLEDGE, input={"shopId": gateway.shop_id, "idempotencyKey": "k", "orders": rows})
    return gateway.world.calls()


def node_type(gateway: Gateway, node_id: str) -> str:
    shops = gateway.world.shops
    known = {shop["metaId"]: "CommerceMerchantSettings" for shop in shops}
    known |= {shop["pageId"]: "Page" for shop in shops} | {shop["catalogId"]: "ProductCatalog" for shop in shops}
    return known.get(node_id, "CommerceOrder")


def unknown_fields(spec: dict[str, Any], type_name: str, fields: tuple[Field, ...], path: str = "") -> Iterator[str]:
    type_ = spec[type_name]
    for field in fields:
        edge = type_.get("edges", {}).get(f"GET {field.name}")
        declared = type_.get("fields", {}).get(field.name)
        if edge is None and declared is None:
            yield f"{type_name}.{path}{field.name}"
        elif field.fields and edge is not None and edge["returns"] in spec:
            yield from unknown_fields(spec, edge["returns"], field.fields, f"{path}{field.name}.")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_call_is_in_metas_specs(gateway: Gateway, spec: dict[str, Any]) -> None:
    calls = await exercise(gateway)

    edges_used: set[str] = set()
    for call in calls:
        parts = [part for part in call["path"].split("/") if part]
        params = set(call["params"]) - PLATFORM
        if not parts:
            # A multi-get, or a batch of reads of the same objects.
            assert not params, f"{call['method']} /: {params}"
            continue
        type_name = node_type(gateway, parts[0])
        returned = type_name
        if len(parts) == 2:
            edge = spec[type_name]["edges"].get(f"{call['method']} {parts[1]}")
            assert edge is not None, f"{type_name} has no edge {call['method']} {parts[1]}"
            assert params <= set(edge["params"]), f"{type_name}/{parts[1]}: {params - set(edge['params'])}"
            required = {name for name, kind in edge["params"].items() if kind.endswith("!")}
            assert required <= set(call["params"]), f"{type_name}/{parts[1]}: {required} are required"
            returned = edge["returns"]
            edges_used.add(f"{call['method']} {parts[1]}")
        if "fields" in call["params"]:
            wrong = list(unknown_fields(spec, returned, parse_fields(call["params"]["fields"]).fields))
            assert not wrong
    assert edges_used == {
        "GET check_batch_request_status", "GET commerce_orders", "POST acknowledge_orders", "POST items_batch",
    }  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_call_is_on_the_list_of_what_the_sandbox_simulates(gateway: Gateway) -> None:
    listed = {(route.method, route.edge) for route in routes() if route.owner}

    for call in await exercise(gateway):
        parts = [part for part in call["path"].split("/") if part]
        if parts:
            assert (call["method"], parts[1] if len(parts) == 2 else "") in listed


@pytest.mark.parametrize(
    ("module", "class_name", "fields"),
    [
        ("commerceorder", "CommerceOrder", order_edges.ORDER_FIELDS),
        ("productitem", "ProductItem", catalog_edges.PRODUCT_FIELDS),
        ("commercemerchantsettings", "CommerceMerchantSettings", shop_edges.SHOP_FIELDS),
        ("checkbatchrequeststatus", "CheckBatchRequestStatus", "handle,status,errors,warnings,ids_of_invalid_requests"),
    ],
)
def test_the_fields_are_those_of_metas_own_sdk(module: str, class_name: str, fields: str) -> None:
    adobjects = pytest.importorskip(f"facebook_business.adobjects.{module}")
    class_ = getattr(adobjects, class_name)
    known = {value for name, value in vars(class_.Field).items() if not name.startswith("_")}
    methods = {name.removeprefix("get_") for name in dir(class_) if name.startswith("get_")}

    asked = {field.name for field in parse_fields(fields).fields}

    assert asked - known - methods - GONE_FROM_SDK == set()


def test_the_order_states_are_those_of_metas_own_sdk() -> None:
    adobjects = pytest.importorskip("facebook_business.adobjects.commerceorder")
    states = {value for name, value in vars(adobjects.CommerceOrder.State).items() if not name.startswith("_")}

    assert set(order_edges.ALL_STATES.split(",")) == states
