"""Order edges of the Graph API: read orders with their items, acknowledge them.

The only place that knows Meta's field names for orders.  No rules here, no store.  Buyers' personal data is not asked
for: nothing in the gateway reads it yet.
Source: Order Management API > order list, items, acknowledgement.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from gateway.graph.client import GraphSession
from gateway.kit.money import Money, MoneyError
from gateway.orders.models import OrderState

PAGE = 25
ITEMS = 100
ALL_STATES = "FB_PROCESSING,CREATED,IN_PROGRESS,COMPLETED"
ITEM_FIELDS = "id,retailer_id,product_id,product_name,quantity,price_per_unit,status"
ORDER_FIELDS = (
    "id,order_status,created,last_updated,channel,merchant_order_id,ship_by_date,is_test_order,"
    f"estimated_payment_details,items.limit({ITEMS}){{{ITEM_FIELDS}}}"
)
ACKNOWLEDGE_AT_ONCE = 100

_STATES = {
    "FB_PROCESSING": OrderState.HELD_BY_META,
    "CREATED": OrderState.AWAITING_ACKNOWLEDGEMENT,
    "IN_PROGRESS": OrderState.IN_PROGRESS,
    "COMPLETED": OrderState.COMPLETED,
}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AcknowledgedRow:
    """One row of a bulk answer: the new state, or Meta's code and words."""

    meta_id: str
    state: OrderState | None
    code: int | None = None
    message: str | None = None


async def iter_orders(
    graph: GraphSession, commerce_account_id: str, since: datetime | None
) -> AsyncIterator[list[Document]]:
    """Orders of every state that changed after *since*, one page of documents at a time, each with all its items."""
    params: dict[str, Any] = {"state": ALL_STATES}
    if since is not None:
        params["updated_after"] = int(since.timestamp())
    async for page in graph.pages(
        f"{commerce_account_id}/commerce_orders", fields=ORDER_FIELDS, params=params, limit=PAGE
    ):
        yield [order_document(await _with_all_items(graph, payload)) for payload in page.data]


async def fetch_orders(graph: GraphSession, commerce_account_id: str, first: int = PAGE) -> list[Document]:
    """The newest orders with their items, live: one call."""
    answer = await graph.get(
        f"{commerce_account_id}/commerce_orders",
        fields=ORDER_FIELDS,
        params={"state": ALL_STATES, "limit": min(first, PAGE)},
    )
    return [order_document(await _with_all_items(graph, payload)) for payload in answer.get("data", [])]


async def _with_all_items(graph: GraphSession, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """*payload* with the items that did not fit into the expansion."""
    items = payload.get("items") or {}
    if "next" not in (items.get("paging") or {}):
        return payload
    rows: list[dict[str, Any]] = []
    async for page in graph.pages(f"{payload['id']}/items", fields=ITEM_FIELDS, limit=ITEMS):
        rows += page.data
    return {**payload, "items": {"data": rows}}


async def acknowledge(
    graph: GraphSession, page_id: str, orders: Sequence[tuple[str, str | None]], key: str
) -> list[AcknowledgedRow]:
    """Acknowledge up to 100 orders of a Page in one call; some rows may fail while others succeed."""
    rows = [
        {"id": meta_id} | ({"merchant_order_reference": reference} if reference else {})
        for meta_id, reference in orders
    ]
    answer = await graph.post(
        f"{page_id}/acknowledge_orders", {"idempotency_key": key, "orders": rows}, repeatable=True
    )
    found = []
    for row in answer.get("orders", []):
        error = row.get("error")
        if error is None:
            found.append(AcknowledgedRow(str(row["id"]), _STATES.get(str(row.get("state")), OrderState.UNKNOWN)))
        else:
            found.append(
                AcknowledgedRow(
                    str(row["id"]), None, int(error.get("error_code", 0)), str(error.get("error_message", ""))
                )
            )
    return found


async def fetch_acknowledged(graph: GraphSession, meta_ids: Sequence[str]) -> dict[str, Document]:
    """Whether orders are acknowledged by now, and under which reference."""
    found = await graph.get_many(meta_ids, fields="id,order_status,merchant_order_id")
    return {
        meta_id: {
            "acknowledged": (payload.get("order_status") or {}).get("state") in ("IN_PROGRESS", "COMPLETED"),
            "reference": payload.get("merchant_order_id"),
        }
        for meta_id, payload in found.items()
    }


# --- Graph JSON -> our document ----------------------------------------------------------------------------------


def order_document(payload: Mapping[str, Any]) -> Document:
    """The shape that we store and answer from."""
    state = (payload.get("order_status") or {}).get("state")
    totals = payload.get("estimated_payment_details") or {}
    subtotal = totals.get("subtotal") or {}
    return {
        "metaId": str(payload["id"]),
        "state": _STATES.get(str(state), OrderState.UNKNOWN).value,
        "rawState": state,
        "createdAt": _time(payload["created"]),
        "updatedAt": _time(payload["last_updated"]),
        "shipBy": payload.get("ship_by_date"),
        "channel": payload["channel"].lower() if payload.get("channel") else None,
        "isTest": bool(payload.get("is_test_order", False)),
        "merchantOrderReference": payload.get("merchant_order_id"),
        "itemsTotal": _money(subtotal.get("items")),
        "shippingTotal": _money(subtotal.get("shipping")),
        "taxTotal": _money(totals.get("tax")),
        "total": _money(totals.get("total_amount")),
        "items": [_item(item) for item in (payload.get("items") or {}).get("data", [])],
    }


def _item(payload: Mapping[str, Any]) -> Document:
    status = payload.get("status") or {}
    return {
        "metaId": str(payload["id"]),
        "retailerId": payload.get("retailer_id"),
        "productMetaId": payload.get("product_id"),
        "name": payload.get("product_name"),
        "quantity": int(payload["quantity"]),
        "unitPrice": _money(payload.get("price_per_unit")),
        "open": _count(status, "in_progress"),
        "shipped": _count(status, "fulfilled"),
        "cancelled": _count(status, "cancelled"),
    }


def _count(status: Any, key: str) -> int | None:
    # Documented as a string, shown as an object: take both.
    if isinstance(status, str):
        status = orjson.loads(status)
    value = status.get(key)
    return None if value is None else int(value)


def _money(payload: Mapping[str, Any] | None) -> Document | None:
    if not payload:
        return None
    try:
        money = Money.parse(str(payload["amount"]), str(payload["currency"]))
    except (MoneyError, KeyError):
        # Reported as absent rather than guessed at; the raw figure stays with Meta.
        return None
    return {"minorUnits": money.minor, "currencyCode": money.currency}


def _time(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="seconds")
