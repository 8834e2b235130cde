"""Meta and Google feeds as tables (CSV, TSV), and the same fields as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from gateway.catalog.feeds.columns import Role, Slot, slot_of, values_of
from gateway.catalog.feeds.models import FeedUnreadable, Outcome, RefusedRow
from gateway.catalog.feeds.rows import make_row, refuse_bytes
from gateway.catalog.feeds.tables import Record, refuse_shape
from gateway.catalog.feeds.text import MARK

# Names of columns that nothing is done with are told, but not without end.
MAX_UNKNOWN = 100


def note_unknown(name: str, unknown: list[str]) -> None:
    """Remember the *name* of a column that we have no use for, once."""
    name = name.strip()[:100]
    if name and len(unknown) < MAX_UNKNOWN and name not in unknown:
        unknown.append(name)


def read_table(
    header: list[str], records: Iterable[Record | RefusedRow], currency: str | None, encoding: str, unknown: list[str]
) -> Iterator[Outcome]:
    """The rows below *header*.

    Raises:
        FeedUnreadable: no column holds the ids.
    """
    slots = [slot_of(name) for name in header]
    for name, slot in zip(header, slots, strict=True):
        if slot is None:
            note_unknown(name, unknown)
    if not any(slot and slot.role is Role.ID for slot in slots):
        found = ", ".join(name.strip()[:30] for name in header[:8])
        raise FeedUnreadable(
            f"the file has no column 'id'; its first line says: {found}",
            field=("id",),
            fix="Begin the file with a line that names the columns: id, title, description, price and so on.",
        )
    known = [(index, slot) for index, slot in enumerate(slots) if slot is not None]
    return _table_rows(header, known, records, currency, encoding)


def _table_rows(
    header: list[str],
    known: list[tuple[int, Slot]],
    records: Iterable[Record | RefusedRow],
    currency: str | None,
    encoding: str,
) -> Iterator[Outcome]:
    for record in records:
        if isinstance(record, RefusedRow):
            yield record
            continue
        if (refused := refuse_shape(record, len(header))) is not None:
            yield refused
            continue
        cells = record.cells
        pairs = [(slot, cells[index]) for index, slot in known if index < len(cells)]
        if damaged := [slot.field for slot, cell in pairs if MARK in cell]:
            yield refuse_bytes(record.line, damaged[0], encoding)
            continue
        raw_id, values = values_of(pairs, currency)
        yield make_row(record.line, raw_id, values)


def read_json_lines(
    lines: Iterable[tuple[int, str | None]], currency: str | None, encoding: str, limit: int, unknown: list[str]
) -> Iterator[Outcome]:
    """One JSON object a line, under our names or Meta's; values keep their JSON types."""
    for number, line in lines:
        if line is None:
            message = f"the line has more than {limit} bytes"
            yield RefusedRow(number, None, "ROW_TOO_LONG", None, message, "Write one item a line, and shorten it.")
            continue
        if not line.strip():
            continue
        if MARK in line:
            yield refuse_bytes(number, None, encoding)
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield _refuse_json(number, f"the line is not JSON: {error.msg}, column {error.colno}")
            continue
        if not isinstance(found, dict):
            yield _refuse_json(number, "the line is JSON, but not an object")
            continue
        pairs: list[tuple[Slot, object]] = []
        for name, value in found.items():
            if (slot := slot_of(name)) is None:
                note_unknown(name, unknown)
            else:
                pairs.append((slot, value))
        raw_id, values = values_of(pairs, currency)
        yield make_row(number, raw_id, values)


def _refuse_json(line: int, message: str) -> RefusedRow:
    fix = 'Write one object a line, such as {"id": "A1", "title": "Mug", "price": "12.50 USD"}.'
    return RefusedRow(line, None, "MALFORMED_ROW", None, message, fix)
