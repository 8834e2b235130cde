"""The money of a shop: what was captured, given back and disputed, and the payouts that carry it to the bank.

Source: payments.md sections 4 to 10.  Amounts are integers of minor units.  A payout is the sum of the net amounts of
the transactions that carry its reference, so a client's reconciliation comes out even.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.sandbox import order_book
from gateway.sandbox.storage import one
from gateway.sandbox.world import World

TRANSACTION, PAYOUT = "50", "51"
SALE, REFUND, CHARGEBACK, FEE, REVERSAL, GOODWILL = TYPES = (
    "SALE", "REFUND", "CHARGEBACK", "CHARGEBACK_FEE", "CHARGEBACK_REVERSAL", "GOODWILL_TRANSFER",
)  # fmt: skip
COMPLETED, FAILED = STATUSES = ("COMPLETED", "FAILED")
DAY = 86_400.0
TERMS = {"feeBasisPoints": 500, "feeMinimum": 0, "holdSeconds": 5 * DAY, "chargebackFee": 1500, "taxRemitted": True}
"""What a shop pays and how long its money is held; Meta publishes no rates, so a test sets its own."""
_CUT_AT = 12 * 3600.0
"""The payout job runs once a day, at noon UTC."""
_STATE_SHARE = 5
"""Of the eight percent of tax, what goes to the state; the rest is the county's."""


def terms(account: Mapping[str, Any]) -> dict[str, Any]:
    return TERMS | dict(account.get("money") or {})


def fee_of(account: Mapping[str, Any], gross_minor: int) -> int:
    """The processing fee on items and shipping, half up."""
    chosen = terms(account)
    return max((gross_minor * int(chosen["feeBasisPoints"]) + 5000) // 10_000, int(chosen["feeMinimum"]))


def record(
    world: World,
    account: Mapping[str, Any],
    kind: str,
    net: int,
    *,
    fee: int = 0,
    order_id: str | None = None,
    at: float | None = None,
    source: str | None = None,
    doc: Mapping[str, Any] | None = None,
) -> str:
    """Enter one transaction, part of no payout yet."""
    transaction_id = world.new_id(TRANSACTION)
    world.db.execute(
        "INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)",
        (
            transaction_id,
            account["id"],
            order_id,
            kind,
            world.now() if at is None else at,
            account["currency"],
            fee,
            net,
            source,
            json.dumps(doc or {}),
        ),
    )
    return transaction_id


def known(world: World, source: str) -> bool:
    return one(world.db, "SELECT 1 FROM transactions WHERE source = ?", source) is not None


def of_order(world: World, order_id: str, *kinds: str) -> list[sqlite3.Row]:
    sql = f"SELECT * FROM transactions WHERE order_id = ? AND kind IN ({','.join('?' * len(kinds))}) ORDER BY at, id"
    return world.db.execute(sql, (order_id, *kinds)).fetchall()


def tax_rows(tax_minor: int, state: str) -> list[dict[str, Any]]:
    """A line's tax, split between the state and the county."""
    share = tax_minor * _STATE_SHARE // order_book.TAX_PERCENT
    parts = (
        (state.upper(), "Sales and Use Tax", _STATE_SHARE, share),
        (
            f"{state.upper()} COUNTY",
            "Local Sales and Use Tax",
            order_book.TAX_PERCENT - _STATE_SHARE,
            tax_minor - share,
        ),
    )
    return [
        {"tax_category": "FB_GENERIC_TAXABLE", "jurisdiction": where, "imposition": what, "percent": rate, "tax": tax}
        for where, what, rate, tax in parts
    ]


def document(world: World, order_id: str, units: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What a transaction says of its order: the lines with their taxes; *units* by line id, all by default."""
    row = order_book.find(world, order_id)
    assert row is not None
    doc = json.loads(row["doc"])
    items = []
    for line in order_book.lines_of(world, order_id):
        quantity = int(line["quantity"]) if units is None else units.get(line["id"], 0)
        if quantity < 1:
            continue
        line_doc = json.loads(line["doc"])
        items.append(
            {
                "id": line["retailer_id"],
                "product_id": line["product_id"],
                "product_name": line_doc["name"],
                "quantity": quantity,
                "price": line_doc["price_minor"],
                "taxes": tax_rows(
                    int(line_doc["tax_minor"]) * quantity // int(line["quantity"]), doc["buyer"]["state"]
                ),
            }
        )
    return {
        "items": items,
        "rates": [f"{order_book.TAX_PERCENT}%"] * len(items),
        "state": doc["buyer"]["state"],
        "postal_code": doc["buyer"]["postal_code"],
    }


def sell(world: World, account: Mapping[str, Any], order_id: str, at: float | None = None) -> str:
    """Capture a whole order: net = total - remitted tax - fee."""
    row = order_book.find(world, order_id)
    assert row is not None
    doc = json.loads(row["doc"])
    gross = int(doc["items_minor"]) + int(doc["shipping_minor"])
    fee = fee_of(account, gross)
    tax = 0 if terms(account)["taxRemitted"] else int(doc["tax_minor"])
    made = document(world, order_id)
    return record(world, account, SALE, gross + tax - fee, fee=-fee, order_id=order_id, at=at, doc=made)


def refund(
    world: World, account: Mapping[str, Any], order_id: str, amount: int, tax: int, at: float | None = None
) -> str:
    """Give *amount* (before tax) back to the buyer; the fee on it comes back to the seller."""
    fee = fee_of(account, amount)
    net = fee - amount - (0 if terms(account)["taxRemitted"] else tax)
    return record(world, account, REFUND, net, fee=fee, order_id=order_id, at=at, doc=document(world, order_id))


def cut(
    world: World, account_id: str, at: float, *, before: float, stamp_after: float = 0.0, status: str = COMPLETED
) -> list[str]:
    """One payout for each currency out of the open transactions up to *before*; a debt is carried forward."""
    sql = (
        "SELECT currency, SUM(net) AS amount FROM transactions WHERE account = ? AND payout IS NULL AND at <= ? "
        "GROUP BY currency ORDER BY currency"
    )
    made = []
    for row in world.db.execute(sql, (account_id, before)).fetchall():
        if row["amount"] <= 0:
            continue
        payout_id = add_payout(world, account_id, int(row["amount"]), row["currency"], at, status)
        world.db.execute(
            "UPDATE transactions SET payout = ?, stamped = ? "
            "WHERE account = ? AND payout IS NULL AND at <= ? AND currency = ?",
            (payout_id, at + stamp_after, account_id, before, row["currency"]),
        )
        _stamp_payments(world, payout_id)
        made.append(payout_id)
    return made


def _stamp_payments(world: World, payout_id: str) -> None:
    """Name the payout on the orders' own payments as well."""
    made = one(world.db, "SELECT reference, transfer FROM payouts WHERE id = ?", payout_id)
    assert made is not None
    sql = "SELECT kind, source FROM transactions WHERE payout = ? AND source IS NOT NULL"
    for row in world.db.execute(sql, (payout_id,)).fetchall():
        payment_id, _, position = row["source"].rpartition(":")
        payment = world.find_node(payment_id, "payment")
        if payment is None:
            continue
        entries = payment["transaction_details"]["data"]
        entries[int(position)]["payout_reference_id"] = made["reference"]
        if row["kind"] != REFUND:
            entries[int(position)]["transfer_id"] = made["transfer"]
        world.change_node(payment_id, transaction_details={"data": entries})


def add_payout(world: World, account_id: str, amount: int, currency: str, at: float, status: str) -> str:
    payout_id = world.new_id(PAYOUT)
    token = hashlib.sha256(f"{world.number} {world.config.seed} {payout_id}".encode()).hexdigest()
    reference, transfer = f"FBMPUS{token[:9].upper()}", f"po_1{token[9:33]}"
    world.db.execute(
        "INSERT INTO payouts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (payout_id, account_id, at, currency, amount, reference, transfer, status),
    )
    return payout_id


def payout(world: World, account_id: str, reference: str) -> sqlite3.Row | None:
    return one(world.db, "SELECT * FROM payouts WHERE account = ? AND reference = ?", account_id, reference)


def settle_payouts(world: World, account: Mapping[str, Any]) -> None:
    """The payout job of every day that has passed, each at its own moment."""
    hold = float(terms(account)["holdSeconds"])
    sql = "SELECT DISTINCT at FROM transactions WHERE account = ? AND payout IS NULL ORDER BY at"
    moments = {_next_cut(row["at"] + hold) for row in world.db.execute(sql, (account["id"],))}
    for moment in sorted(moments):
        if moment <= world.now():
            cut(world, account["id"], moment, before=moment - hold)


def _next_cut(at: float) -> float:
    return -((_CUT_AT - at) // DAY) * DAY + _CUT_AT


def balance(rows: Sequence[sqlite3.Row]) -> int:
    return sum(int(row["net"]) for row in rows)
