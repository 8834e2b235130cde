"""The courier of item batches: what goes into one, and what its answer means for each item.

``items_batch`` takes no idempotency key, so it is never sent twice on a guess; and since Meta does not promise an
order between batches, an item is in one unfinished batch at most (``ItemRow.dispatch_id``).
Source: Catalog > items_batch (limits, "semantics that bite": partial success, no order, no overlap).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from gateway.catalog import edges, ledger
from gateway.catalog.models import VOLATILE, Channel
from gateway.catalog.store import ItemRow
from gateway.commands import store as dispatches
from gateway.commands.courier import Sent, Tally
from gateway.commands.models import DispatchState, error_document
from gateway.commands.store import DispatchRow
from gateway.graph.budget import Bucket, Priority
from gateway.graph.client import GraphSession
from gateway.graph.errors import GraphError, GraphRejected, GraphTooMuchData
from gateway.kit.clock import Clock
from gateway.shops.store import ShopRow

KIND = "catalog.items_batch"
BULK_TIMEOUT_S = 90.0
# A batch that Meta broke off, or took nothing of, is tried again soon, but not in a loop.
AGAIN_AFTER_S = 60.0

_FIXES = (
    ("a required field is missing", "Give the item the field that Meta names and save it; it is sent again by itself."),
    ("url incorrectly formatted", "Give whole http(s) addresses for link and imageLink."),
    ("price without currency", "Give the price with its currency, such as '12.50 USD'."),
    ("gtin", "Check the digits of the gtin, or leave it out."),
    ("group mismatch", "Give all variants of the group the same kind of variant fields."),
)
_FIX = "Correct what Meta names and save the item; it is sent again by itself."


@dataclass(frozen=True, slots=True)
class Parcel:
    catalog_id: str
    records: list[dict[str, Any]]


class ItemBatchCourier:
    """Sends item batches and books their results."""

    kind = KIND
    keyed = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def buckets(self, dispatch: DispatchRow) -> list[Bucket]:
        kind = "catalog_management" if dispatch.handle else "catalog_batch"
        return [Bucket(dispatch.details["catalog"], kind)]

    def load(self, session: Session, dispatch: DispatchRow) -> Parcel | None:
        channel = Channel(dispatch.details["channel"])
        rows = session.execute(
            sa.select(
                col(ItemRow.id),
                col(ItemRow.retailer_id),
                col(ItemRow.document),
                col(ItemRow.deleted),
                col(ItemRow.sent_fields),
            )
            .where(col(ItemRow.dispatch_id) == dispatch.id)
            .order_by(col(ItemRow.retailer_id))
        ).all()
        records: list[dict[str, Any]] = []
        deletes: list[str] = []
        sent_fields: list[dict[str, Any]] = []
        for item_id, retailer_id, document, deleted, sent_before in rows:
            if deleted and channel is Channel.STABLE:
                records.append(edges.delete_record(retailer_id))
                deletes.append(retailer_id)
                continue
            # What was sent once and is gone since has to be emptied: a batch keeps fields that it does not name.
            cleared = [name for name in sent_before if name not in document]
            if channel is Channel.VOLATILE:
                records.append(edges.patch_record(retailer_id, document, cleared=cleared))
                names = {*sent_before, *(name for name in VOLATILE if name in document)}
            else:
                records.append(edges.item_record(retailer_id, document, cleared=cleared))
                names = {*sent_before, *document}
            if names != set(sent_before):
                sent_fields.append({"id": item_id, "sent_fields": sorted(names)})
        if not records:
            return None
        if sent_fields:
            session.execute(sa.update(ItemRow), sent_fields)
        ledger.mark_sent(session, dispatch.id, channel)
        dispatch.details = {**dispatch.details, "deletes": deletes, "size": len(records)}
        return Parcel(dispatch.details["catalog"], records)

    async def send(self, graph: GraphSession, dispatch: DispatchRow, parcel: Parcel) -> Sent:
        handle, errors = await edges.send_items(graph, parcel.catalog_id, parcel.records, BULK_TIMEOUT_S)
        return Sent({"invalid": errors}, handle)

    async def poll(self, graph: GraphSession, dispatch: DispatchRow) -> dict[str, Any] | None:
        assert dispatch.handle is not None
        status = await edges.fetch_batch_status(graph, dispatch.details["catalog"], dispatch.handle)
        if status is None:
            return None
        # What the post itself found wrong is part of the outcome: such records never got into the batch.
        invalid: dict[str, list[str]] = dict((dispatch.answer or {}).get("invalid", {}))
        for retailer_id in status.invalid_ids:
            invalid.setdefault(retailer_id, []).extend(status.errors.get(retailer_id, []))
        return {"status": status.status, "invalid": invalid, "warnings": status.warnings}

    def receipt(self, session: Session, dispatch: DispatchRow) -> None:
        ledger.mark_accepted(session, dispatch.id)

    def settle(self, session: Session, dispatch: DispatchRow, answer: dict[str, Any]) -> Tally:
        channel = Channel(dispatch.details["channel"])
        invalid: dict[str, list[str]] = answer.get("invalid", {})
        if dispatch.handle is None and not invalid:
            requeued = ledger.requeue(session, dispatch.id, channel)
            return Tally({"requeued": requeued}, again_after_s=AGAIN_AFTER_S)
        errors = {retailer_id: rejection(messages) for retailer_id, messages in invalid.items()}
        ledger.reject(session, dispatch.id, channel, errors)
        counts = {"rejected": len(errors)}
        if dispatch.handle is None or answer.get("status") != "finished":
            # Nothing was taken, or the batch broke half-way: what has no reason of its own goes again.
            requeued = ledger.requeue(session, dispatch.id, channel)
            return Tally({**counts, "requeued": requeued}, again_after_s=AGAIN_AFTER_S if requeued else None)
        ledger.warn(session, dispatch.id, answer.get("warnings", {}))
        deletes = dispatch.details.get("deletes", [])
        confirmed = ledger.confirm(session, dispatch.id, channel, deletes, self._clock.now())
        return Tally({**counts, "confirmed": confirmed, "deleted": len(set(deletes) - set(errors))})

    def refuse(self, session: Session, dispatch: DispatchRow, error: GraphError) -> Tally:
        channel = Channel(dispatch.details["channel"])
        if not isinstance(error, GraphRejected | GraphTooMuchData):
            # The connection is broken, not the batch: it waits for a new token or permission.
            return Tally({"requeued": ledger.requeue(session, dispatch.id, channel)}, error_document(error))
        ids = [row.retailer_id for row in _ids_of(session, dispatch.id)]
        if len(ids) == 1:
            ledger.reject(session, dispatch.id, channel, {ids[0]: error_document(error)})
            return Tally({"rejected": 1})
        # One bad record must not take 2,999 good ones with it: halves, until it is found.
        half = len(ids) // 2
        for part in (ids[:half], ids[half:]):
            heir = dispatches.add_dispatch(
                session,
                shop_id=dispatch.shop_id,
                kind=KIND,
                priority=Priority(dispatch.priority),
                now=self._clock.now(),
                details={"catalog": dispatch.details["catalog"], "channel": channel.value},
                run_id=dispatch.run_id,
            )
            ledger.hand_over(session, dispatch.id, part, heir.id)
        return Tally({"bisected": 1})

    def lost(self, session: Session, dispatch: DispatchRow) -> Tally:
        channel = Channel(dispatch.details["channel"])
        # They have waited long enough.
        return Tally({"requeued": ledger.requeue(session, dispatch.id, channel)}, again_after_s=0)


def _ids_of(session: Session, dispatch_id: str) -> list[Any]:
    return list(
        session.execute(
            sa.select(col(ItemRow.retailer_id))
            .where(col(ItemRow.dispatch_id) == dispatch_id)
            .order_by(col(ItemRow.retailer_id))
        ).all()
    )


def rejection(messages: list[str]) -> dict[str, Any]:
    """The error document of an item that Meta refused, with its own words and what to do about them."""
    text = " ".join(dict.fromkeys(message for message in messages if message)) or "Meta gave no reason."
    fix = next((fix for title, fix in _FIXES if title in text.lower()), _FIX)
    return {"code": "META_REJECTED_ITEM", "message": text, "retryable": False, "fix": fix, "upstream": None}


def batches_since(session: Session, catalog_id: str, since: datetime) -> int:
    """Batch calls for this catalog since then, sent or about to be, of whichever shop that sells from it."""
    shops = sa.select(col(ShopRow.id)).where(col(ShopRow.catalog_id) == catalog_id)
    return int(
        session.execute(
            sa.select(sa.func.count())
            .select_from(DispatchRow)
            .where(
                col(DispatchRow.shop_id).in_(shops),
                col(DispatchRow.kind) == KIND,
                sa.or_(col(DispatchRow.sent_at) > since, col(DispatchRow.state) == DispatchState.WAITING.value),
            )
        ).scalar_one()
    )
