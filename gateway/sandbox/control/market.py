"""Playing the seller who edits and deletes items in Commerce Manager."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from gateway.sandbox import item_store
from gateway.sandbox.clock import iso_order
from gateway.sandbox.control.framework import Body, NotFound, in_world, number, only
from gateway.sandbox.dispatch import Office
from gateway.sandbox.item_rules import merged, stored
from gateway.sandbox.item_store import Item
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest

_VERDICTS = ("approved", "rejected", "pending", "outdated")


def item_card(item: Item, now: float) -> dict[str, Any]:
    """The item under feed names, and what Meta added to it."""
    return item.fields | {
        "id": item.retailer_id,
        "metaId": item.id,
        "groupId": item.group_id,
        "reviewStatus": item_store.review_status(item, now),
        "imageFetchStatus": item_store.fetch_status(item, now),
        "createdAt": iso_order(item.created),
        "updatedAt": iso_order(item.updated),
    }


def _items(world: World, request: Request, body: Body) -> dict[str, Any]:
    catalog, retailer_id = request.query_params["catalog"], request.query_params.get("retailerId")
    sql = "SELECT id FROM items WHERE catalog = ? AND id > ?"
    values: list[Any] = [catalog, request.query_params.get("after", "")]
    if retailer_id is not None:
        sql, values = sql + " AND retailer_id = ?", [*values, retailer_id]
    limit = number(request, "limit", 1000)
    rows = world.db.execute(f"{sql} ORDER BY id LIMIT ?", [*values, limit]).fetchall()
    found = [item_store.by_id(world, row["id"]) for row in rows]
    cards = [item_card(item, world.now()) for item in found if item is not None]
    return {"items": cards, "count": item_store.count(world, catalog)}


def _edit_item(world: World, request: Request, body: Body) -> dict[str, Any]:
    """A seller edits in Commerce Manager; null clears a field, `review_status` is Meta's reviewer speaking."""
    only(body, ("catalog", "retailerId", "set"))
    item = _existing(world, body)
    change = dict(body["set"])
    verdict = change.pop("review_status", None)
    reasons = change.pop("review_rejection_reasons", None)
    cleared = {name: "" for name, value in change.items() if value is None}
    doc = merged(item.fields, stored({name: value for name, value in change.items() if value is not None}) | cleared)
    if reasons is not None:
        doc["_rejection_reasons"] = reasons
    item_store.save(world, item.catalog, {item.retailer_id: doc}, {item.retailer_id: item}, world.now())
    if verdict is not None:
        if verdict not in _VERDICTS:
            raise BadRequest(f"review_status must be one of {', '.join(_VERDICTS)}")
        world.db.execute("UPDATE items SET verdict = ?, reviewed_at = ? WHERE id = ?", (verdict, world.now(), item.id))
    return item_card(_existing(world, body), world.now())


def _existing(world: World, named: Any) -> Item:
    item = item_store.by_retailer_id(world, str(named["catalog"]), str(named["retailerId"]))
    if item is None:
        raise NotFound("no such item")
    return item


def _delete_item(world: World, request: Request, body: Body) -> dict[str, Any]:
    item = _existing(world, body or request.query_params)
    item_store.delete(world, item.catalog, [item.retailer_id])
    return {"success": True}


def routes(office: Office) -> list[Route]:
    return [
        in_world(office, "/items", {"GET": (_items, 200), "PATCH": (_edit_item, 200), "DELETE": (_delete_item, 200)}),
    ]
