"""Meta and Google feeds as XML: RSS 2.0 items and Atom entries, read as they come by.

Expat alone would let a hostile file grow in memory, so there are bounds on whatever it keeps: no document type
declaration (and with it no entities, the stuff of XML bombs), a bound on depth, on distinct names, on an item, and on
any single tag.  Google's fields carry its namespace's prefix, Meta's own carry none (Catalog > Feeds, file formats).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO
from xml.parsers import expat

from gateway.catalog.feeds.columns import Role, Slot, slot_of, values_of
from gateway.catalog.feeds.flat import note_unknown
from gateway.catalog.feeds.models import FeedUnreadable, Outcome, RefusedRow
from gateway.catalog.feeds.rows import make_row, refuse_bytes
from gateway.catalog.feeds.text import MARK

CHUNK = 65_536
MAX_DEPTH = 64
MAX_NAMES = 20_000
_GOOGLE = "base.google.com/ns/"
_ATOM_NAMES = {"summary": "description", "content": "description"}
# Control characters end an XML file for the parser; as MARK they cost only the item they stand in.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class _Refused(Exception):
    """The file asks for something that is not given to any file."""


@dataclass(slots=True)
class _Item:
    line: int
    number: int
    google: list[tuple[Slot, object]] = field(default_factory=list)
    plain: list[tuple[Slot, object]] = field(default_factory=list)
    size: int = 0


class _Reader:
    """Collects items out of parser events."""

    def __init__(self, limit: int, currency: str | None, encoding: str, unknown: list[str]) -> None:
        self.done: list[Outcome] = []
        self.items = 0
        self._limit = limit
        self._currency = currency
        self._encoding = encoding
        self._unknown = unknown
        self._path: list[str] = []
        self._prefixes = {"g"}
        self._atom = False
        self._item: _Item | None = None
        self._item_depth = 0
        self._text: list[str] = []  # of the field at hand, with whatever markup is inside it taken off
        self._inner: list[str] = []  # of the innermost tag
        self._nested = False
        self._names: dict[str, str] = {}
        self._quiet = 0
        parser = expat.ParserCreate(intern=self._names)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self._parser = parser

    @property
    def line(self) -> int:
        return self._parser.CurrentLineNumber

    def feed(self, text: str, final: bool = False) -> None:
        """Read on in the file, and put what comes out of it into ``done``."""
        self._quiet += len(text)
        self._parser.Parse(text, final)
        # Expat holds a tag or a comment until its end has come by, and meanwhile nothing happens.
        if self._quiet > self._limit + 2 * CHUNK:
            raise _Refused(f"a tag or comment takes more than {self._limit} bytes")
        if len(self._names) > MAX_NAMES:
            raise _Refused(f"the file has more than {MAX_NAMES} different names of tags")

    def _doctype(self, *_: object) -> None:
        raise _Refused("it has a document type declaration, and entities are never expanded")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._quiet = 0
        if not self._path:
            self._root(name, attributes)
        self._path.append(name)
        if len(self._path) > MAX_DEPTH:
            raise _Refused(f"its tags are nested more than {MAX_DEPTH} deep")
        if self._item is None:
            if name.rpartition(":")[2] in ("item", "entry") and len(self._path) > 1:
                self.items += 1
                self._item = _Item(self._parser.CurrentLineNumber, self.items)
                self._item_depth = len(self._path)
            return
        depth = len(self._path) - self._item_depth
        self._inner = []
        self._nested = depth > 1
        if depth == 1:
            self._text = []
        # An empty tag takes memory too.
        self._item.size += 64 + len(name) + sum(map(len, attributes.values()))
        # Atom's links are attributes; those that lead to feeds or pictures say so in rel.
        if depth == 1 and name == "link" and "href" in attributes and attributes.get("rel", "alternate") == "alternate":
            self._text.append(attributes["href"])

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2].lower()
        if local not in ("rss", "rdf", "feed"):
            raise _Refused(f"its outermost tag is <{name[:40]}>, which is neither RSS nor Atom")
        self._atom = local == "feed"
        self._prefixes |= {
            key.removeprefix("xmlns:")
            for key, value in attributes.items()
            if key.startswith("xmlns:") and _GOOGLE in value
        }

    def _characters(self, text: str) -> None:
        self._quiet = 0
        if self._item is not None:
            self._item.size += len(text)
            if self._item.size <= self._limit:
                self._text.append(text)
                self._inner.append(text)

    def _end(self, name: str) -> None:
        self._quiet = 0
        item = self._item
        if item is not None:
            depth = len(self._path) - self._item_depth
            if depth == 0:
                self.done.append(self._finish(item))
                self._item = None
            elif depth <= 2 and item.size <= self._limit:
                self._collect(item, depth)
            self._inner = []
        self._path.pop()

    def _collect(self, item: _Item, depth: int) -> None:
        """Keep the text of the field that ends here, or of a part of one, which is named ``field.part``."""
        outer, *inner = self._path[self._item_depth :]
        prefix, _, local = outer.rpartition(":")
        google = prefix in self._prefixes
        if prefix and not google:
            return  # media:content and the like mean other things by the same names
        if self._atom and not google:
            local = _ATOM_NAMES.get(local, local)
        if inner:
            local = f"{local}.{inner[0].rpartition(':')[2]}"
        slot = slot_of(local)
        if slot is None:
            if not inner:
                note_unknown(outer, self._unknown)
        elif inner or not (self._nested and slot.role is Role.IMAGES):
            # <image><url>...</url></image> has given its address already.
            text = "".join(self._inner if inner else self._text)
            (item.google if google else item.plain).append((slot, text))

    def _finish(self, item: _Item) -> Outcome:
        if item.size > self._limit:
            return RefusedRow(
                item.line,
                None,
                "ROW_TOO_LONG",
                None,
                f"the item has more than {self._limit} bytes",
                "Shorten its texts.",
                item.number,
            )
        # Google's fields first: in Atom <id> is an address, and g:id is the item's id.
        pairs = [*item.google, *item.plain]
        for slot, text in pairs:
            if isinstance(text, str) and MARK in text:
                return refuse_bytes(item.line, slot.field, self._encoding, item.number)
        raw_id, values = values_of(pairs, self._currency)
        return make_row(item.line, raw_id, values, item.number)


def read_xml(text: TextIO, currency: str | None, encoding: str, limit: int, unknown: list[str]) -> Iterator[Outcome]:
    """The items of an RSS or Atom file; after a fault in its XML there is one refusal for all that would follow.

    Raises:
        FeedUnreadable: the fault comes before the end of the first item, or there is no item.
    """
    reader = _Reader(limit, currency, encoding, unknown)
    fault: str | None = None
    more, first, taken = True, True, 0
    while more and fault is None:
        chunk = text.read(CHUNK)
        more = bool(chunk)
        if first:
            # White space before <?xml is a fault in XML, and a common one.
            chunk, first = chunk.lstrip("\ufeff \t\r\n"), False
        try:
            reader.feed(_ILLEGAL.sub(MARK, chunk), not more)
        except expat.ExpatError as error:
            fault = f"it is not well-formed XML: {expat.ErrorString(error.code)}"
        except _Refused as refused:
            fault = str(refused)
        yield from reader.done
        taken += len(reader.done)
        if fault is not None and taken == 0:
            raise FeedUnreadable(f"the file cannot be read: {fault} (line {reader.line})", fix=_FIX)
        reader.done = []
    if fault is not None:
        message = f"the file cannot be read from line {reader.line} on: {fault}"
        yield RefusedRow(reader.line, None, "MALFORMED_FILE", None, message, _FIX, reader.items)
    elif reader.items == 0:
        raise FeedUnreadable("the file has no items", fix="Give an RSS file with <item> tags, or an Atom file.")


_FIX = "Write & as &amp; and < as &lt;, close every tag, and leave out <!DOCTYPE>; then give the file again."
