"""Playing the processor and the bank: money that moves without an order, payouts that are cut, fail, are tried again,
buyers who dispute a charge."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from gateway.sandbox import harvest, ledger, order_book
from gateway.sandbox.clock import iso_order
from gateway.sandbox.control.framework import Body, NotFound, in_world, only
from gateway.sandbox.dispatch import Office
from gateway.sandbox.money import from_minor, to_minor
from gateway.sandbox.world import World
from gateway.sandbox.worlds import BadRequest

_OUTCOMES = {"won": ledger.REVERSAL, "lost": ledger.FEE, "covered": ledger.GOODWILL}


def _account(world: World, body: Body) -> dict[str, Any]:
    found = world.find_node(str(body["shop"]), "account")
    if found is None:
        raise NotFound("no such shop")
    return found


def _minor(body: Body, name: str, currency: str, default: int | None = None) -> int:
    value = body.get(name)
    if value is None and default is not None:
        return default
    minor = to_minor(str(value), currency)
    if minor is None:
        raise BadRequest(f"{name} must be an amount of {currency}")
    return minor


def _transact(world: World, request: Request, body: Body) -> dict[str, Any]:
    """A transaction of any type; a sale or refund of an order is worked out where no amount is given."""
    only(body, ("shop", "type", "order", "net", "fee", "amount", "tax"))
    account, kind = _account(world, body), str(body.get("type", ledger.SALE))
    if kind not in ledger.TYPES:
        raise BadRequest(f"type must be one of {', '.join(ledger.TYPES)}")
    order_id = None if body.get("order") is None else str(body["order"])
    if order_id is not None:
        row = order_book.find(world, order_id)
        if row is None or row["cms"] != account["id"]:
            raise NotFound("no such order")
    currency = account["currency"]
    if body.get("net") is not None:
        made = ledger.record(
            world,
            account,
            kind,
            _minor(body, "net", currency),
            fee=_minor(body, "fee", currency, 0),
            order_id=order_id,
            doc=None if order_id is None else ledger.document(world, order_id),
        )
    elif order_id is None or kind not in (ledger.SALE, ledger.REFUND):
        raise BadRequest("give net, or a sale or refund of an order")
    elif kind == ledger.SALE:
        made = ledger.sell(world, account, order_id)
    else:
        amount, tax = _minor(body, "amount", currency), _minor(body, "tax", currency, 0)
        made = ledger.refund(world, account, order_id, amount, tax)
    return {"id": made}


def _dispute(world: World, request: Request, body: Body) -> dict[str, Any]:
    """A buyer disputes an order: what the seller got for it is taken back."""
    only(body, ("shop", "order"))
    account, order_id = _account(world, body), str(body["order"])
    harvest.collect(world, account)
    received = ledger.balance(ledger.of_order(world, order_id, ledger.SALE, ledger.REFUND))
    if received <= 0:
        raise BadRequest("nothing was captured for this order")
    if ledger.of_order(world, order_id, ledger.CHARGEBACK):
        raise BadRequest("the order is disputed already")
    doc = ledger.document(world, order_id)
    return {"id": ledger.record(world, account, ledger.CHARGEBACK, -received, order_id=order_id, doc=doc)}


def _decide(world: World, request: Request, body: Body) -> dict[str, Any]:
    only(body, ("shop", "outcome"))
    account, order_id, outcome = _account(world, body), request.path_params["order"], str(body["outcome"])
    if outcome not in _OUTCOMES:
        raise BadRequest(f"outcome must be one of {', '.join(_OUTCOMES)}")
    held = -ledger.balance(ledger.of_order(world, order_id, ledger.CHARGEBACK))
    if held <= 0 or ledger.of_order(world, order_id, *_OUTCOMES.values()):
        raise BadRequest("no open dispute of this order")
    net = -int(ledger.terms(account)["chargebackFee"]) if outcome == "lost" else held
    return {"id": ledger.record(world, account, _OUTCOMES[outcome], net, order_id=order_id)}


def _cut(world: World, request: Request, body: Body) -> dict[str, Any]:
    """Pay out everything that is open now, held or not."""
    only(body, ("shop", "status", "stampSeconds"))
    account, status = _account(world, body), str(body.get("status", ledger.COMPLETED))
    if status not in ledger.STATUSES:
        raise BadRequest(f"status must be one of {', '.join(ledger.STATUSES)}")
    harvest.collect(world, account)
    ledger.settle_payouts(world, account)
    now, delay = world.now(), float(body.get("stampSeconds", 0))
    made = ledger.cut(world, account["id"], now, before=now, stamp_after=delay, status=status)
    return {"payouts": [_card(world, payout_id) for payout_id in made]}


def _card(world: World, payout_id: str) -> dict[str, Any]:
    row = world.db.execute("SELECT * FROM payouts WHERE id = ?", (payout_id,)).fetchone()
    return {
        "reference": row["reference"],
        "transferId": row["transfer"],
        "amount": from_minor(row["amount"], row["currency"]),
        "status": row["status"],
        "at": iso_order(row["at"]),
    }


def _change_payout(world: World, request: Request, body: Body) -> dict[str, Any]:
    """The bank refuses a payout; a failed one is tried again under a new reference."""
    only(body, ("shop", "status", "retry"))
    account = _account(world, body)
    row = ledger.payout(world, account["id"], request.path_params["reference"])
    if row is None:
        raise NotFound("no such payout")
    if body.get("retry"):
        if row["status"] != ledger.FAILED:
            raise BadRequest("only a failed payout is tried again")
        again = ledger.add_payout(
            world, account["id"], row["amount"], row["currency"], world.now(), ledger.COMPLETED
        )  # fmt: skip
        return _card(world, again)
    status = str(body["status"])
    if status not in ledger.STATUSES:
        raise BadRequest(f"status must be one of {', '.join(ledger.STATUSES)}")
    world.db.execute("UPDATE payouts SET status = ? WHERE id = ?", (status, row["id"]))
    return _card(world, row["id"])


def _terms(world: World, request: Request, body: Body) -> dict[str, Any]:
    """What the shop pays, and how long its money is held."""
    only(body, ("shop", *ledger.TERMS))
    account = _account(world, body)
    chosen = {name: type(default)(body[name]) for name, default in ledger.TERMS.items() if name in body}
    world.change_node(account["id"], money=(account.get("money") or {}) | chosen)
    return ledger.terms(_account(world, body))


def routes(office: Office) -> list[Route]:
    return [
        in_world(office, "/transactions", {"POST": (_transact, 201)}),
        in_world(office, "/chargebacks", {"POST": (_dispute, 201)}),
        in_world(office, "/chargebacks/{order}", {"POST": (_decide, 200)}),
        in_world(office, "/payouts", {"POST": (_cut, 201)}),
        in_world(office, "/payouts/{reference}", {"POST": (_change_payout, 200)}),
        in_world(office, "/money", {"POST": (_terms, 200)}),
    ]
