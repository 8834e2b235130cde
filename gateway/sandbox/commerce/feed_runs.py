"""Runs of feeds: a file is taken now and carried out in virtual time.

Source: catalog.md sections 9.3 and 12.  A replace run deletes the feed's own items that the file no longer has; an
update-only run never deletes.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox import catalog_batches, item_rules, item_store, overrides
from gateway.sandbox.catalog_batches import RUNNERS
from gateway.sandbox.commerce import feed_errors, feed_files, feed_rules
from gateway.sandbox.commerce.feed_errors import FATAL
from gateway.sandbox.commerce.localized import kept, misplaced
from gateway.sandbox.item_fields import KNOWN, LONGEST_ID, PRICES
from gateway.sandbox.item_store import Item
from gateway.sandbox.money import is_bare_amount
from gateway.sandbox.storage import chunks, marks
from gateway.sandbox.world import World

UPLOAD = "42"
"""First digits of the ids of upload sessions."""
WORK = "upload"
WARNING = "warning"
MANUAL, FETCH, USER_FETCH = "Manual Upload", "Server Fetch", "User initiated server fetch"


@dataclass(frozen=True)
class Source:
    """What a run was given: a file, or the reason why there is none."""

    method: str
    content: bytes = b""
    filename: str | None = None
    url: str | None = None
    problem: str | None = None


@dataclass
class Report:
    """What is said about the rows of one run, and how many items it touched."""

    issues: list[tuple[int, str, str, str]] = field(default_factory=list)
    persisted: int = 0
    deleted: int = 0

    def say(self, line: int, retailer_id: str, severity: str, messages: Iterable[str]) -> None:
        self.issues += [(line, retailer_id, severity, message) for message in messages]


def begin(world: World, feed: Mapping[str, Any], source: Source, at: float, *, update_only: bool) -> str:
    """Open an upload session; its rows are read now and become items when the session ends."""
    table, problem = feed_files.FeedTable(), source.problem
    if problem is None:
        try:
            table = feed_files.read(
                source.content,
                delimiter=feed.get("delimiter") or "AUTODETECT",
                encoding=feed.get("encoding") or "AUTODETECT",
                quotes=feed.get("quoted_fields_mode") or "",
            )
        except feed_files.BadFile as exc:
            problem = str(exc)
    upload = world.new_id(UPLOAD)
    doc = {
        "catalog": feed["owner"],
        "input_method": source.method,
        "filename": source.filename,
        "url": source.url,
        "update_only": update_only,
        "problem": problem,
    }
    world.add_node(upload, "upload", feed["id"], doc, at)
    work = {"columns": table.columns, "rows": table.rows, "oversized": table.oversized}
    ids = [str(fields["id"]) for _, fields in table.rows if fields.get("id")]
    times = (at, at + world.config.batch_seconds)
    catalog_batches.enqueue(world, feed["owner"], work, ids, times, kind=WORK, handle=upload)
    return upload


def _finish(world: World, batch: sqlite3.Row) -> dict[str, Any]:
    upload_id, work = batch["handle"], json.loads(batch["work"])
    upload = world.find_node(upload_id, "upload")
    feed = None if upload is None else world.find_node(upload["owner"], "feed")
    if upload is None or feed is None:
        return {"status": "canceled"}
    report = Report()
    if upload["problem"] is not None:
        report.say(0, "", FATAL, [f"The file could not be read: {upload['problem']}"])
    elif feed.get("feed_type", "PRODUCTS") != "PRODUCTS":
        report.say(0, "", FATAL, ["The file could not be read: The sandbox takes files of products only."])
    else:
        _Run(world, feed, report, batch["finishes"], bool(upload["update_only"])).carry_out(work)
    world.db.executemany(
        "INSERT INTO upload_issues VALUES (?, ?, ?, ?, ?, ?)",
        [
            (upload_id, seq, line, retailer_id, severity, message)
            for seq, (line, retailer_id, severity, message) in enumerate(report.issues)
        ],
    )
    feed_errors.summarize(world, upload_id, upload["catalog"])
    fatal = {(line, name) for line, name, severity, _ in report.issues if severity == FATAL and line}
    world.change_node(
        upload_id,
        ended=batch["finishes"],
        num_detected_items=len(work["rows"]) + len(work["oversized"]),
        num_persisted_items=report.persisted,
        num_invalid_items=len(fatal),
        num_deleted_items=report.deleted,
        error_count=sum(issue[2] == FATAL for issue in report.issues),
        warning_count=sum(issue[2] == WARNING for issue in report.issues),
    )
    return {"status": "finished"}


@dataclass
class _Run:
    world: World
    feed: dict[str, Any]
    report: Report
    at: float
    update_only: bool

    def carry_out(self, work: dict[str, Any]) -> None:
        report, columns = self.report, set(work["columns"])
        for name in work["columns"]:
            if name not in KNOWN and name != "override":
                report.say(1, "", WARNING, [f"Unrecognised field: The file has a column that no item has: '{name}'"])
        for line in work["oversized"]:
            report.say(
                line, "", FATAL, [f"Record too long: A record may have at most {feed_files.LONGEST_RECORD} bytes."]
            )
        rules = self.world.nodes_of("feed_rule", self.feed["id"])
        columns |= {rule["attribute"] for rule in rules}
        rows = [(line, self._prepared(feed_rules.apply(rules, fields))) for line, fields in work["rows"]]
        rows = self._named(rows)
        if self.feed.get("override_type"):
            self._localize(rows)
        elif self.feed.get("ingestion_source_type") == "SUPPLEMENTARY_FEED":
            self._supplement(rows)
        else:
            # An id that stands in the file is not missing from it, whatever is wrong with its row.
            present = {str(fields["id"]) for _, fields in work["rows"] if fields.get("id")}
            self._store(self._single(rows), columns, present)

    def _prepared(self, fields: dict[str, Any]) -> dict[str, Any]:
        """A price without a currency is in the currency of the feed."""
        for name in PRICES:
            value = fields.get(name)
            if isinstance(value, str) and value and is_bare_amount(value):
                fields[name] = f"{value} {self.feed.get('default_currency') or 'USD'}"
        return fields

    def _named(self, rows: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
        """Rows that have an id."""
        named = []
        for line, fields in rows:
            retailer_id = str(fields.get("id") or "")
            if not retailer_id:
                self.report.say(line, "", FATAL, ["A required field is missing: Give a value for id."])
            elif len(retailer_id) > LONGEST_ID:
                message = f"Invalid value: id may have at most {LONGEST_ID} characters."
                self.report.say(line, retailer_id, FATAL, [message])
            else:
                named.append((line, fields | {"id": retailer_id}))
        return named

    def _single(self, rows: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
        """Rows whose id occurs once: of a repeated one, every copy is ignored."""
        times = Counter(fields["id"] for _, fields in rows)
        for line, fields in rows:
            if times[fields["id"]] > 1:
                self.report.say(line, fields["id"], FATAL, ["Duplicate ids: Every item of a file needs its own id."])
        return [row for row in rows if times[row[1]["id"]] == 1]

    def _store(self, rows: list[tuple[int, dict[str, Any]]], columns: set[str], present: set[str]) -> None:
        world, catalog, feed_id = self.world, self.feed["owner"], self.feed["id"]
        old = item_store.by_retailer_ids(world, catalog, [fields["id"] for _, fields in rows])
        owners = _owners(world, catalog, list(old))
        former = self.feed.get("migrated_from_feed_id")
        changes: dict[str, dict[str, Any]] = {}
        for line, fields in rows:
            retailer_id = fields["id"]
            if owners.get(retailer_id) not in (None, feed_id, former):
                self.report.say(line, retailer_id, FATAL, ["Duplicate ids: The item belongs to another feed."])
                continue
            complaints, doc = self._document(fields, columns, old.get(retailer_id))
            self.report.say(line, retailer_id, FATAL, complaints)
            if not complaints:
                changes[retailer_id] = doc
                remarks = item_rules.warnings_in(fields, retailer_id not in old)
                self.report.say(line, retailer_id, WARNING, remarks)
        item_store.save(world, catalog, changes, old, self.at)
        world.db.executemany(
            "INSERT OR REPLACE INTO feed_items VALUES (?, ?, ?)", [(catalog, name, feed_id) for name in changes]
        )
        self.report.persisted = len(changes)
        if not self.update_only and self.feed.get("deletion_enabled", True):
            own = world.db.execute("SELECT retailer_id FROM feed_items WHERE feed = ?", (feed_id,))
            gone = [row["retailer_id"] for row in own if row["retailer_id"] not in present]
            self.report.deleted = item_store.delete(world, catalog, gone)

    def _document(
        self, fields: dict[str, Any], columns: set[str], before: Item | None
    ) -> tuple[list[str], dict[str, Any]]:
        """The item as the row leaves it: columns of the file replace, an empty cell clears, others stay."""
        sent = {name: value for name, value in fields.items() if name in KNOWN and name in columns}
        complaints = item_rules.errors_in({name: value for name, value in sent.items() if value != ""})
        if complaints:
            return complaints, {}
        doc = item_rules.merged({} if before is None else before.fields, item_rules.stored(sent))
        if before is None:
            doc = {"status": "active"} | doc
        return item_rules.missing(doc) + item_rules.errors_in(doc), doc

    def _supplement(self, rows: list[tuple[int, dict[str, Any]]]) -> None:
        """A supplementary feed changes items of its primary feeds, and never makes or deletes one."""
        world, catalog = self.world, self.feed["owner"]
        primary = set(self.feed.get("primary_feed_ids") or [])
        old = item_store.by_retailer_ids(world, catalog, [fields["id"] for _, fields in rows])
        owners = _owners(world, catalog, list(old))
        changes: dict[str, dict[str, Any]] = {}
        for line, fields in self._single(rows):
            retailer_id = fields["id"]
            before = old.get(retailer_id)
            if before is None or owners.get(retailer_id) not in primary:
                self.report.say(line, retailer_id, FATAL, ["Invalid value: No primary feed has an item with this id."])
                continue
            complaints, doc = self._document(fields, set(fields), before)
            self.report.say(line, retailer_id, FATAL, complaints)
            if not complaints:
                changes[retailer_id] = doc
        item_store.save(world, catalog, changes, old, self.at)
        self.report.persisted = len(changes)

    def _localize(self, rows: list[tuple[int, dict[str, Any]]]) -> None:
        """A feed with an override type holds values for a language or country."""
        world, catalog = self.world, self.feed["owner"]
        there = item_store.by_retailer_ids(world, catalog, [fields["id"] for _, fields in rows])
        for line, fields in rows:
            value = str(fields.get("override") or self.feed.get("override_value") or "")
            key = overrides.key_of(str(self.feed["override_type"]), value)
            change = kept({name: cell for name, cell in fields.items() if cell != ""})
            if key is None:
                complaints = ["Invalid value: override has to name a language or country that fits the feed."]
            elif fields["id"] not in there:
                complaints = ["Invalid value: There is no item with this id to localize."]
            else:
                complaints = misplaced(key, change) or item_rules.errors_in(change)
                if not complaints:
                    overrides.put(world, catalog, fields["id"], key, change)
                    self.report.persisted += 1
            self.report.say(line, fields["id"], FATAL, complaints)


def _owners(world: World, catalog: str, retailer_ids: list[str]) -> dict[str, str]:
    """The feeds that items belong to."""
    found: dict[str, str] = {}
    for part in chunks(retailer_ids):
        sql = f"SELECT retailer_id, feed FROM feed_items WHERE catalog = ? AND retailer_id IN ({marks(len(part))})"
        found |= {row["retailer_id"]: row["feed"] for row in world.db.execute(sql, [catalog, *part])}
    return found


def install() -> None:
    RUNNERS[WORK] = _finish
