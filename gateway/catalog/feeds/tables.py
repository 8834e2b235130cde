"""Records of a CSV or TSV file, one at a time, with the line each starts on; a broken one does not spoil the next.

Python's ``csv`` reads the cells.  Around it: a bound on the size of a record, and a way back after an unclosed quote,
which would otherwise swallow every row up to the next quote.  The refused record's first line is given up, and
reading starts again on the line after it.  Format: RFC 4180, with any of the usual separators.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.catalog.feeds.models import MAX_RECORD_BYTES, RefusedRow

# The module's own limit (128 KiB a cell) is below what a description with an embedded picture takes.  The setting is
# global to the process, so it is only ever raised.
csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))

# What re-reading after broken records may cost: so many characters, and as many as were read in the first place.
# Without a bound, a file made for it could be read again for every one of its lines.
REPLAY_ALLOWANCE = 2 * MAX_RECORD_BYTES


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one record.  ``complete`` is false for a last line without a line end: it may have been cut."""

    line: int
    cells: list[str]
    complete: bool


class _TooLong(Exception):
    pass


class _Feeder:
    """Hands lines to ``csv.reader`` and remembers those of the record at hand, to hand them out again."""

    def __init__(self, lines: Iterator[tuple[int, str | None]], limit: int) -> None:
        self._lines = lines
        self._limit = limit
        self._again: deque[tuple[int, str | None]] = deque()
        self._allowance = REPLAY_ALLOWANCE
        self._taken: list[tuple[int, str | None]] = []
        self._size = 0

    def start(self) -> None:
        """Forget the last record."""
        self._taken = []
        self._size = 0

    @property
    def line(self) -> int:
        """The line on which the record at hand starts."""
        return self._taken[0][0]

    @property
    def complete(self) -> bool:
        """Whether the last line handed out had an end."""
        line = self._taken[-1][1]
        return line is not None and line.endswith(("\n", "\r"))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            number, line = self._again.popleft()
        else:
            number, line = next(self._lines)
            self._allowance += len(line or "")
        self._taken.append((number, line))
        if line is None:
            raise _TooLong
        self._size += len(line) if line.isascii() else len(line.encode())
        if self._size > self._limit + len("\r\n"):
            raise _TooLong
        return line

    def replay(self) -> str:
        """Go back to the line after the first of this record; when the allowance does not last, say what is lost."""
        rest = self._taken[1:]
        cost = sum(len(line or "") for _, line in rest)
        if cost <= self._allowance:
            self._allowance -= cost
            self._again.extendleft(reversed(rest))
            return ""
        return f"; the lines up to {rest[-1][0]} are passed over with it"


def records(lines: Iterator[tuple[int, str | None]], delimiter: str, limit: int) -> Iterator[Record | RefusedRow]:
    """The records of a table; blank ones are left out."""
    feeder = _Feeder(lines, limit)
    reader = csv.reader(feeder, delimiter=delimiter, strict=True)
    while True:
        feeder.start()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLong:
            yield RefusedRow(
                feeder.line,
                None,
                "ROW_TOO_LONG",
                None,
                f"the row has more than {limit} bytes, or opens a quote and does not close it{feeder.replay()}",
                "Shorten its cells, and close every quote.",
            )
        except csv.Error as error:
            yield RefusedRow(
                feeder.line,
                None,
                "MALFORMED_ROW",
                None,
                f"the row's quotes cannot be made out ({error}){feeder.replay()}",
                "Put a cell that holds quotes, commas or line breaks in quotes, and double the quotes inside it.",
            )
        else:
            if any(map(str.strip, cells)):
                yield Record(feeder.line, cells, feeder.complete)


def refuse_shape(record: Record, width: int) -> RefusedRow | None:
    """Why a record does not fit under a header of *width* columns.

    A row that lacks cells at its end is taken (spreadsheets leave out empty ones), unless it is a last line without
    an end, which is what an interrupted download looks like.
    """
    found = len(record.cells)
    if any(map(str.strip, record.cells[width:])):
        return RefusedRow(
            record.line,
            None,
            "MALFORMED_ROW",
            None,
            f"the row has {found} cells, the header {width}",
            "Put a cell that holds the separator in quotes.",
        )
    if found < width and not record.complete:
        return RefusedRow(
            record.line,
            None,
            "MALFORMED_ROW",
            None,
            f"the file ends in the middle of this row: {found} cells of {width}",
            "Export the file again, or download it again; it was cut off.",
        )
    return None
