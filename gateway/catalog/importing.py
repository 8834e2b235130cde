"""Imports: a product file becomes desired state, row by row, while it streams.

A file is read once, in transactions of a few hundred rows, so memory stays flat and what was taken stays taken if the
process dies.  An import can be sent again at no cost: rows that say nothing new write nothing.  The ``retailerId`` of a
row is fixed by the file's own rules at its first import and is the item's identity from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, BinaryIO

import structlog
from sqlmodel import Session

from gateway.access.models import Caller, Scope
from gateway.catalog.errors import NoCatalog
from gateway.catalog.feeds import FeedOptions, FeedRow, RefusedRow, read_feed
from gateway.catalog.service import CatalogService, counts_of
from gateway.catalog.store import ImportRow
from gateway.catalog.writing import ItemWrite
from gateway.commands.models import error_document
from gateway.db import Database
from gateway.errors import GatewayError, InvalidInput, NotFound
from gateway.kit.clock import Clock
from gateway.kit.ids import new_id
from gateway.shops.models import Shop
from gateway.shops.service import ShopService
from gateway.sync.models import Lane, Trigger
from gateway.sync.service import SyncService

log = structlog.get_logger("gateway.catalog")

CHUNK = 500
# The report keeps this many refused rows; the counts are of all of them.
REFUSALS_KEPT = 1000
# A run that has said nothing for so long belongs to a process that is gone.
SILENT_AFTER = timedelta(minutes=2)


class ImportState(StrEnum):
    """``INTERRUPTED``: the process died; what was taken stays, and the same file can be sent again."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken, with its line in the file and the remedy."""

    line: int | None
    retailer_id: str | None
    code: str
    field: str | None
    message: str
    fix: str | None


@dataclass(frozen=True, slots=True)
class CatalogImport:
    """An import and its report."""

    id: str
    shop_id: str
    source: str
    state: ImportState
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]
    refused: list[Refusal]
    error: dict[str, Any] | None


@dataclass(slots=True)
class Report:
    """The report while it grows."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("rows", "created", "updated", "unchanged", "refused"), 0)
    )
    refused: list[Refusal] = field(default_factory=list)

    def refuse(self, refusal: Refusal) -> None:
        if len(self.refused) < REFUSALS_KEPT:
            self.refused.append(refusal)


Progress = Callable[[dict[str, int], int], None]


class ImportService:
    """Runs imports and keeps their reports."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        shops: ShopService,
        catalog: CatalogService,
        sync: SyncService,
        *,
        wait_s: float,
    ) -> None:
        self._db = db
        self._clock = clock
        self._shops = shops
        self._catalog = catalog
        self._sync = sync
        self._wait_s = wait_s
        self._tasks: set[asyncio.Task[CatalogImport]] = set()

    async def start(
        self, caller: Caller, shop_id: str, stream: BinaryIO, options: FeedOptions, source: str
    ) -> CatalogImport:
        """Begin an import and wait for it up to the deadline; it goes on in this process when the caller has gone.

        The stream is closed when the import ends.
        """
        shop, row = await self._begin(caller, shop_id, source)
        task = asyncio.create_task(self._run(shop, row, stream, options, None))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task], timeout=self._wait_s)
        return await self.get(caller, row.id)

    async def run(
        self,
        caller: Caller,
        shop_id: str,
        stream: BinaryIO,
        options: FeedOptions,
        source: str,
        progress: Progress | None = None,
    ) -> CatalogImport:
        """Import a whole stream, and return when it is done; *progress* gets the counts and the bytes read so far."""
        shop, row = await self._begin(caller, shop_id, source)
        return await self._run(shop, row, stream, options, progress)

    async def get(self, caller: Caller, import_id: str) -> CatalogImport:
        """Raises:
        NotFound: no such import, or of a shop that is not the caller's.
        """
        caller.require(Scope.CATALOG_READ)

        def load(session: Session) -> ImportRow | None:
            return session.get(ImportRow, import_id)

        row = await self._db.read(load)
        if row is None or not caller.may_see(row.shop_id):
            raise NotFound("import")
        return self._model(row)

    async def drain(self, timeout_s: float = 10.0) -> None:
        """Wait for imports that outlived their request, before the process ends."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)

    async def _begin(self, caller: Caller, shop_id: str, source: str) -> tuple[Shop, ImportRow]:
        caller.require(Scope.CATALOG_WRITE)
        shop = await self._shops.get(caller, shop_id)
        if shop.catalog_id is None:
            raise NoCatalog(shop.name)
        now = self._clock.now()
        row = ImportRow(
            id=new_id(), shop_id=shop.id, source=source[:200], state=ImportState.RUNNING, started_at=now, seen_at=now
        )

        def save(session: Session) -> None:
            session.add(row)

        await self._db.write(save)
        return shop, row

    async def _run(
        self, shop: Shop, row: ImportRow, stream: BinaryIO, options: FeedOptions, progress: Progress | None
    ) -> CatalogImport:
        report = Report()
        error: GatewayError | None = None
        try:
            with stream:
                rows: Iterator[FeedRow | RefusedRow] = await asyncio.to_thread(read_feed, stream, options)
                while chunk := await asyncio.to_thread(_take, rows):
                    await self._take_in(shop, chunk, report)
                    await self._db.write(self._note, row.id, report, ImportState.RUNNING, None)
                    if progress is not None:
                        progress(report.counts, _position(stream))
        except GatewayError as exc:
            error = exc
        except Exception:
            log.exception("import met a fault of ours", import_id=row.id)
            error = GatewayError("the import met a fault of ours", fix="Send the file again; nothing was lost.")
        if report.counts["rows"] == 0 and error is None:
            error = InvalidInput("the file has no rows", field=("file",), fix="Send a file with at least one product.")
        state = ImportState.FAILED if error else ImportState.FINISHED
        done = await self._db.write(self._note, row.id, report, state, error)
        if report.counts["created"] or report.counts["updated"]:
            await self._sync.ring(shop.id, Lane.DELTA)
        return self._model(done)

    async def _take_in(self, shop: Shop, chunk: list[FeedRow | RefusedRow], report: Report) -> None:
        writes: list[ItemWrite] = []
        for entry in chunk:
            if isinstance(entry, RefusedRow):
                report.counts["refused"] += 1
                report.refuse(Refusal(entry.line, entry.retailer_id, entry.code, entry.field, entry.message, entry.fix))
            else:
                writes.append(ItemWrite(entry.retailer_id or "", entry.values, line=entry.line, source_key=entry.alias))
        report.counts["rows"] += len(chunk)
        if not writes:
            return
        written = await self._catalog.write_batch(shop, writes)
        for key, count in counts_of(written).items():
            if key in report.counts:
                report.counts[key] += count
        for refusal in written.refused:
            report.refuse(
                Refusal(
                    refusal.line,
                    refusal.retailer_id,
                    refusal.code,
                    refusal.field[-1] if refusal.field else None,
                    refusal.message,
                    refusal.fix,
                )
            )

    def _note(
        self, session: Session, import_id: str, report: Report, state: ImportState, error: GatewayError | None
    ) -> ImportRow:
        row = session.get_one(ImportRow, import_id)
        row.counts = dict(report.counts)
        row.refused = [
            {
                "line": refusal.line,
                "retailerId": refusal.retailer_id,
                "code": refusal.code,
                "field": refusal.field,
                "message": refusal.message,
                "fix": refusal.fix,
            }
            for refusal in report.refused
        ]
        row.state = state
        row.seen_at = self._clock.now()
        row.error = None if error is None else error_document(error)
        if state is not ImportState.RUNNING:
            row.finished_at = self._clock.now()
            if report.counts["created"] or report.counts["updated"]:
                self._sync.request(session, row.shop_id, Lane.DELTA, Trigger.CHANGE)
            if report.counts["updated"]:
                self._sync.request(session, row.shop_id, Lane.VOLATILE, Trigger.CHANGE)
        return row

    def _model(self, row: ImportRow) -> CatalogImport:
        state = ImportState(row.state)
        if state is ImportState.RUNNING and self._clock.now() - row.seen_at > SILENT_AFTER:
            state = ImportState.INTERRUPTED
        refused = [
            Refusal(entry["line"], entry["retailerId"], entry["code"], entry["field"], entry["message"], entry["fix"])
            for entry in row.refused
        ]
        return CatalogImport(
            row.id, row.shop_id, row.source, state, row.started_at, row.finished_at, row.counts, refused, row.error
        )


def _take(rows: Iterator[FeedRow | RefusedRow]) -> list[FeedRow | RefusedRow]:
    return list(islice(rows, CHUNK))


def _position(stream: BinaryIO) -> int:
    try:
        return stream.tell()
    except (OSError, ValueError):
        return 0
