"""Playing buyers and Meta around an order: ordering, changing one's mind, sending goods back, refunds by Meta.

Source: orders.md sections 3, 12, 13 and 18; promotions.md section 6.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from gateway.sandbox import item_store, order_book
from gateway.sandbox.clock import iso_order
from gateway.sandbox.commerce import cancelling, checkout, order_desk, refunding, returns_book
from gateway.sandbox.commerce.checkout import BUY_X_GET_Y, KINDS, SHIPPING, Discount, Terms
from gateway.sandbox.commerce.order_desk import Order
from gateway.sandbox.commerce.order_money import WHOLE
from gateway.sandbox.control.framework import Body, NotFound, in_world, only
from gateway.sandbox.dispatch import Office
from gateway.sandbox.errors import GraphError
from gateway.sandbox.money import to_minor
from gateway.sandbox.order_book import COMPLETED, CREATED, HELD, IN_PROGRESS, NewLine
from gateway.sandbox.seed import line_of, random_buyer, random_lines
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest

_ORDER_KEYS = tuple(
    "shop lines count state channel test discounts taxPercent shipping shipByDays captureSeconds captureFails".split()
)
_CHANNELS = ("facebook", "instagram")
_RETURN_DAYS = 30


def _place(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, _ORDER_KEYS)
    account = world.find_node(str(body["shop"]), "account")
    if account is None:
        raise NotFound("no such shop")
    state = str(body.get("state", HELD))
    if state not in (HELD, CREATED, IN_PROGRESS):
        raise BadRequest(f"state must be one of {HELD}, {CREATED}, {IN_PROGRESS}")
    discounts = [_discount(account["currency"], row) for row in body.get("discounts") or []]
    terms = _terms(account["currency"], body)
    placed = []
    for _ in range(1 if body.get("lines") else int(body.get("count", 1))):
        rows = body.get("lines")
        lines = [_line(world, account, row) for row in rows] if rows else random_lines(world, account, 2)
        order_id = checkout.place(
            world,
            account,
            lines,
            random_buyer(world.rng),
            discounts,
            terms,
            state=state,
            channel=str(body.get("channel") or world.rng.choice(_CHANNELS)),
            is_test=bool(body.get("test", False)),
        )
        for line in order_book.lines_of(world, order_id):
            _take_stock(world, account["catalog"], line["retailer_id"], line["quantity"])
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


def _discount(currency: str, row: dict[str, Any]) -> Discount:
    only(row, ("kind", "amount", "percent", "lines", "quantity", "title", "code", "offerId"))
    kind = str(row["kind"])
    if kind not in KINDS:
        raise BadRequest(f"kind must be one of {', '.join(KINDS)}")
    whole = kind in (SHIPPING, BUY_X_GET_Y) and "amount" not in row and "percent" not in row
    if not whole and ("amount" in row) == ("percent" in row):
        raise BadRequest("a discount has either amount or percent")
    if kind == BUY_X_GET_Y and not row.get("lines"):
        raise BadRequest("buyXGetY needs lines: the positions of what is bought")
    return Discount(
        kind,
        _minor(row["amount"], currency) if "amount" in row else None,
        WHOLE if whole else _basis_points(row["percent"]) if "percent" in row else None,
        tuple(int(position) for position in row.get("lines") or ()),
        max(int(row.get("quantity", 1)), 1),
        str(row.get("title") or "Discount"),
        None if row.get("code") is None else str(row["code"]),
        None if row.get("offerId") is None else str(row["offerId"]),
    )


def _minor(amount: Any, currency: str) -> int:
    minor = to_minor(str(amount), currency)
    if minor is None or minor < 0:
        raise BadRequest(f"{amount} is no amount of {currency}")
    return minor


def _basis_points(percent: Any) -> int:
    """A percentage with up to two decimals."""
    try:
        points = Decimal(str(percent)) * 100
    except InvalidOperation as exc:
        raise BadRequest(f"{percent} is no percentage") from exc
    if points != points.to_integral_value() or not 0 <= points <= WHOLE:
        raise BadRequest("a percentage is from 0 to 100 with at most two decimals")
    return int(points)


def _terms(currency: str, body: Body) -> Terms:
    terms = Terms()
    shipping = dict(body.get("shipping") or {})
    only(shipping, ("price", "perExtraItem", "name"))
    return Terms(
        _basis_points(body["taxPercent"]) if "taxPercent" in body else terms.tax_rate,
        _minor(shipping["price"], currency) if "price" in shipping else terms.shipping_base,
        _minor(shipping["perExtraItem"], currency) if "perExtraItem" in shipping else 0,
        str(shipping.get("name") or terms.shipping_name),
        int(body.get("shipByDays", terms.ship_by_days)),
        float(body.get("captureSeconds", 0)),
        bool(body.get("captureFails", False)),
    )


def _take_stock(world: World, catalog: str, retailer_id: str, quantity: int) -> None:
    """Meta counts its own copy of the stock down when an order is placed."""
    item = item_store.by_retailer_id(world, catalog, retailer_id)
    stock = None if item is None else item.fields.get("quantity_to_sell_on_facebook")
    if item is None or not isinstance(stock, int):
        return
    doc = item.fields | {"quantity_to_sell_on_facebook": max(stock - quantity, 0)}
    item_store.save(world, catalog, {item.retailer_id: doc}, {item.retailer_id: item}, world.now())


def _change_order(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, ("state", "cancel", "reason", "return", "refund", "busySeconds", "pendingSeconds"))
    order = _existing(world, request)
    if body.get("cancel"):
        if order.state == COMPLETED:
            raise BadRequest("the order is closed")
        reason = str(body.get("reason") or "CUSTOMER_REQUESTED")
        cancelling.cancel_all(world, order, reason, "Cancelled by the buyer", world.now())
    elif "state" in body:
        state = str(body["state"])
        allowed = {HELD: (CREATED, IN_PROGRESS), CREATED: (IN_PROGRESS,)}.get(order.state, ())
        if state not in allowed:
            raise BadRequest(f"{order.state} cannot become {state}")
        order_book.move(world, order.id, state, world.now())
    order = _existing(world, request)
    try:
        if "return" in body:
            _ask_return(world, order, dict(body["return"]))
        if "refund" in body:
            _refund_by_meta(world, order, dict(body["refund"]))
    except GraphError as refused:
        raise BadRequest(refused.user_message or refused.message) from refused
    _hold_for(world, order.id, body)
    return _order(world, order.id)


def _existing(world: World, request: Request) -> Order:
    cancelling.cancel_overdue(world)
    order_id = request.path_params["order"]
    if order_book.find(world, order_id) is None:
        raise NotFound("no such order")
    return order_desk.take(world, order_id)


def _hold_for(world: World, order_id: str, body: Body) -> None:
    """Somebody else is writing to the order, or an action hangs: sellers' writes are refused for a while."""
    held = {"busySeconds": "busy_until", "pendingSeconds": "pending_until"}
    until = {name: world.now() + float(body[key]) for key, name in held.items() if key in body}
    if not until:
        return
    row = order_book.find(world, order_id)
    assert row is not None
    order = order_desk.take(world, order_id)
    order.doc |= until
    order_desk.save(world, order, row["updated"])


def _ask_return(world: World, order: Order, asked: dict[str, Any]) -> None:
    """The buyer wants to send shipped units back."""
    only(asked, ("lines", "message"))
    shipped = [doc["created"] for doc in world.nodes_of("shipment", order.id)]
    if order.state != COMPLETED or not shipped:
        raise BadRequest("only an order whose units are all shipped or cancelled can be returned")
    if world.now() - max(shipped) > _RETURN_DAYS * cancelling.DAY:
        raise BadRequest(f"goods can be returned for {_RETURN_DAYS} days")
    units: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for row in asked["lines"]:
        only(row, ("itemId", "quantity", "reason"))
        line_id = str(row["itemId"])
        if line_id not in {line.id for line in order.lines}:
            raise BadRequest(f"{line_id} is no item of this order")
        units[line_id] = units.get(line_id, 0) + max(int(row.get("quantity", 1)), 1)
        reasons[line_id] = str(row.get("reason") or "too_small")
    message = None if asked.get("message") is None else str(asked["message"])
    returns_book.enter(world, order, units, reasons, world.now(), message=message)
    order_desk.save(world, order, world.now())


def _refund_by_meta(world: World, order: Order, asked: dict[str, Any]) -> None:
    """Meta's support decides a dispute for the buyer: all that is left, or the amounts given."""
    only(asked, ("lines", "shipping"))
    refunding.check_charged(world, order, world.now())
    reason = {"reason_code": refunding.META_REASON}
    wanted = refunding.Wanted(reason) if asked else refunding.everything(order, reason)
    by_id = {line.id: line for line in order.lines}
    for row in asked.get("lines") or []:
        only(row, ("itemId", "amount", "quantity"))
        line = by_id[str(row["itemId"])]
        if "quantity" in row:
            wanted.parts.append(refunding.units_part(line, int(row["quantity"])))
        else:
            wanted.parts.append(refunding.Part(line, _minor(row["amount"], order.currency)))
    if "shipping" in asked:
        wanted.shipping = _minor(asked["shipping"], order.currency)
    refunding.give(world, order, wanted, world.now())
    order_desk.save(world, order, world.now())


def _read_order(world: World, request: Request, body: Body) -> dict[str, Any]:
    return _order(world, _existing(world, request).id)


def _order(world: World, order_id: str) -> dict[str, Any]:
    row = order_book.find(world, order_id)
    assert row is not None
    order = order_desk.take(world, order_id)
    lines = [
        {
            "id": line.id,
            "retailer_id": line.retailer_id,
            "product_id": line.product_id,
            "quantity": line.quantity,
            "open": line.open,
            "fulfilled": line.fulfilled,
            "cancelled": line.cancelled,
        }
        for line in order.lines
    ]
    refunds = [
        {
            "id": doc["id"],
            "total": order.money(doc["minor"]["total"])["amount"],
            "buyer": order.money(doc["minor"]["buyer"])["amount"],
            "meta": order.money(doc["minor"]["meta"])["amount"],
        }
        for doc in world.nodes_of("refund", order_id)
    ]
    returns = [{"id": found["id"], "status": found["status"]} for found in returns_book.of_order(world, order_id)]
    return {
        "id": order_id,
        "state": order.state,
        "updatedAt": iso_order(row["updated"]),
        "lines": lines,
        "refunds": refunds,
        "returns": returns,
    }


def _answer_return(world: World, request: Request, body: Body) -> dict[str, Any]:
    """The seller decides on a return in Commerce Manager; refusing one has no known name in the API."""
    only(body, ("status", "merchantReturnId"))
    row = returns_book.find(world, request.path_params["return_id"])
    if row is None:
        raise NotFound("no such return")
    status, allowed = str(body["status"]), returns_book.NEXT.get(row["status"], ())
    if status not in allowed:
        raise BadRequest(f"{row['status']} cannot become {status}")
    returns_book.decide(world, row["id"], status, merchant_return_id=body.get("merchantReturnId"))
    return {"id": row["id"], "status": status}


def routes(office: Office) -> list[Route]:
    return [
        in_world(office, "/orders", {"POST": (_place, 201)}),
        in_world(office, "/orders/{order}", {"POST": (_change_order, 200), "GET": (_read_order, 200)}),
        in_world(office, "/returns/{return_id}", {"POST": (_answer_return, 200)}),
    ]
