"""Playing the people around the API: buyers who order and cancel, sellers who edit in Commerce Manager."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from gateway.sandbox import item_store, order_book
from gateway.sandbox.clock import iso_order
from gateway.sandbox.control.framework import Body, NotFound, in_world, number, only
from gateway.sandbox.dispatch import Office
from gateway.sandbox.item_rules import merged, stored
from gateway.sandbox.item_store import Item
from gateway.sandbox.money import to_minor
from gateway.sandbox.order_book import COMPLETED, CREATED, HELD, IN_PROGRESS, NewLine
from gateway.sandbox.seed import line_of, random_buyer, random_lines
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest

_ORDER_KEYS = ("shop", "lines", "count", "state", "channel", "test")
_CHANNELS = ("facebook", "instagram")
_VERDICTS = ("approved", "rejected", "pending", "outdated")


def _place(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, _ORDER_KEYS)
    account = world.find_node(str(body["shop"]), "account")
    if account is None:
        raise NotFound("no such shop")
    state = str(body.get("state", HELD))
    if state not in (HELD, CREATED, IN_PROGRESS):
        raise BadRequest(f"state must be one of {HELD}, {CREATED}, {IN_PROGRESS}")
    placed = []
    for _ in range(1 if body.get("lines") else int(body.get("count", 1))):
        rows = body.get("lines")
        lines = [_line(world, account, row) for row in rows] if rows else random_lines(world, account, 2)
        order_id = order_book.place(
            world,
            account,
            lines,
            random_buyer(world.rng),
            state=state,
            channel=str(body.get("channel") or world.rng.choice(_CHANNELS)),
            is_test=bool(body.get("test", False)),
        )
        for line in lines:
            _take_stock(world, account["catalog"], line)
        placed.append({"id": order_id})
    return {"orders": placed}


def _line(world: World, account: dict[str, Any], row: dict[str, Any]) -> NewLine:
    only(row, ("retailerId", "quantity", "price", "name"))
    retailer_id, quantity = str(row["retailerId"]), int(row.get("quantity", 1))
    if quantity < 1:
        raise BadRequest("quantity must be at least 1")
    item = item_store.by_retailer_id(world, account["catalog"], retailer_id)
    given = None if row.get("price") is None else to_minor(str(row["price"]), account["currency"])
    if item is not None:
        line = line_of(item, quantity, account["currency"])
        return line if given is None else NewLine(retailer_id, item.id, line.name, quantity, given)
    if given is None:
        raise BadRequest(f"{retailer_id} is not in the catalog: give its price")
    product_id = item_store.reserve(world, account["catalog"], retailer_id)
    return NewLine(retailer_id, product_id, str(row.get("name") or retailer_id), quantity, given)


def _take_stock(world: World, catalog: str, line: NewLine) -> None:
    """Meta counts its own copy of the stock down when an order is placed."""
    item = item_store.by_retailer_id(world, catalog, line.retailer_id)
    stock = None if item is None else item.fields.get("quantity_to_sell_on_facebook")
    if item is None or not isinstance(stock, int):
        return
    doc = item.fields | {"quantity_to_sell_on_facebook": max(stock - line.quantity, 0)}
    item_store.save(world, catalog, {item.retailer_id: doc}, {item.retailer_id: item}, world.now())


def _change_order(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, ("state", "cancel", "reason"))
    order_id = request.path_params["order"]
    row = order_book.find(world, order_id)
    if row is None:
        raise NotFound("no such order")
    if body.get("cancel"):
        if row["state"] == COMPLETED:
            raise BadRequest("the order is closed")
        reason = str(body.get("reason") or "CUSTOMER_REQUESTED")
        order_book.cancel_open_units(world, order_id, reason, "Cancelled by the buyer", world.now())
    elif "state" in body:
        state = str(body["state"])
        allowed = {HELD: (CREATED, IN_PROGRESS), CREATED: (IN_PROGRESS,)}.get(row["state"], ())
        if state not in allowed:
            raise BadRequest(f"{row['state']} cannot become {state}")
        order_book.move(world, order_id, state, world.now())
    return _order(world, order_id)


def _read_order(world: World, request: Request, body: Body) -> dict[str, Any]:
    order_id = request.path_params["order"]
    if order_book.find(world, order_id) is None:
        raise NotFound("no such order")
    return _order(world, order_id)


def _order(world: World, order_id: str) -> dict[str, Any]:
    row = order_book.find(world, order_id)
    assert row is not None
    lines = [
        {key: line[key] for key in ("id", "retailer_id", "product_id", "quantity", "open", "fulfilled", "cancelled")}
        for line in order_book.lines_of(world, order_id)
    ]
    return {"id": order_id, "state": row["state"], "updatedAt": iso_order(row["updated"]), "lines": lines}


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
        in_world(office, "/orders", {"POST": (_place, 201)}),
        in_world(office, "/orders/{order}", {"POST": (_change_order, 200), "GET": (_read_order, 200)}),
        in_world(office, "/items", {"GET": (_items, 200), "PATCH": (_edit_item, 200), "DELETE": (_delete_item, 200)}),
    ]
