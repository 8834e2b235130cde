"""Policy review: what the channels think of an item, and the appeal against it.

Source: diagnostics.md section 5.  The appeal edge is on a page of Meta's but not in its spec, and nobody documents its
parameters; a world in the mode `current-spec` does not have it.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.sandbox import item_errors, item_store, params
from gateway.sandbox.commerce.catalogs import SCOPE
from gateway.sandbox.errors import GraphError, invalid, missing_parameter
from gateway.sandbox.item_store import Item
from gateway.sandbox.params import Params
from gateway.sandbox.schema import Call, Node, PlainEdge, Schema, Write
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

VERDICTS = ("approved", "rejected", "pending", "outdated")
MOST_APPEALS, CALLS_A_DAY, DAY = 100, 10, 86_400
POLICY_URL = "https://www.facebook.com/policies/commerce"
_MARKS = ("_rejection_reasons", "_rejected_channels", "_policy_url")


def judge(
    world: World,
    item: Item,
    verdict: str,
    *,
    reasons: list[str] | None = None,
    channels: list[str] | None = None,
    policy_url: str | None = None,
) -> None:
    """The reviewer speaks: at once, whatever the item's review was waiting for."""
    doc = {name: value for name, value in item.fields.items() if name not in _MARKS}
    if verdict == "rejected":
        given = {"_rejection_reasons": reasons, "_rejected_channels": channels, "_policy_url": policy_url}
        doc |= {name: value for name, value in given.items() if value}
    world.db.execute(
        "UPDATE items SET doc = ?, verdict = ?, reviewed_at = ? WHERE id = ?",
        (json.dumps(doc), verdict, world.now(), item.id),
    )


def _integrity(call: Call, node: Node, given: Params) -> list[dict[str, Any]]:
    """The channels that refused the item, with the reason."""
    item: Item = node.doc["item"]
    channels = item_errors.rejected_channels(item, call.now)
    if not channels:
        return []
    reasons = item.fields.get("_rejection_reasons") or ["POLICY_VIOLATION"]
    information = {"rejection_reason": reasons[0], "policy_url": item.fields.get("_policy_url") or POLICY_URL}
    return [{"channels": channels, "rejection_information": information}]


def _appeal(call: Call, node: Node) -> dict[str, Any]:
    world = call.world
    wanted = list(dict.fromkeys(params.words(call.params, "product_ids")))
    if not wanted:
        raise missing_parameter("product_ids")
    if len(wanted) > MOST_APPEALS:
        raise invalid(f"Param product_ids must have at most {MOST_APPEALS} elements, {len(wanted)} were given")
    sql = "SELECT COUNT(*) AS n FROM catalog_notes WHERE catalog = ? AND kind = 'appeal' AND CAST(doc AS REAL) > ?"
    row = one(world.db, sql, node.id, call.now - DAY)
    assert row is not None
    if row["n"] >= CALLS_A_DAY:
        raise GraphError(613, "(#613) Calls to this api have exceeded the rate limit.")
    items = [item_store.by_id(world, name) for name in wanted]
    for name, item in zip(wanted, items, strict=True):
        if item is None or item.catalog != node.id:
            raise invalid(f"There is no product {name} in this catalog")
        if item_store.review_status(item, call.now) != "rejected":
            raise invalid(f"The product {name} is not rejected")
        if item.fields.get("_appealed"):
            raise invalid(f"The product {name} was reviewed a second time already")
    sql = "SELECT COUNT(*) + 1 AS n FROM catalog_notes WHERE catalog = ? AND kind = 'appeal'"
    following = one(world.db, sql, node.id)
    assert following is not None
    note = (node.id, "appeal", f"{following['n']:09d}", str(call.now))
    world.db.execute("INSERT INTO catalog_notes VALUES (?, ?, ?, ?)", note)
    for item in items:
        assert item is not None
        verdict = str(item.fields.get("_appeal_outcome") or "approved")
        doc = item.fields | {"_appealed": True}
        if verdict == "approved":
            doc = {name: value for name, value in doc.items() if name not in _MARKS}
        world.db.execute(
            "UPDATE items SET doc = ?, verdict = ?, reviewed_at = ? WHERE id = ?",
            (json.dumps(doc), verdict, call.now + world.config.review_seconds, item.id),
        )
    return {"success": True}


def install(schema: Schema) -> None:
    named = ("product_ids", "rationale")
    schema.add(
        PlainEdge("ProductItem", "channels_to_integrity_status", _integrity, scope=SCOPE),
        Write("POST", "ProductCatalog", "additional_reviews", _appeal, named, SCOPE, withdrawn=True),
    )
