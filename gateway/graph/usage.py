"""Meta's usage headers: how much of which quota is spent, in percent, and how long to wait when it is all of it.

A header that is absent means "not said", never "nothing used".  The ``type`` of an entry is an open string: the
catalog's are not documented (``catalog_batch`` and ``catalog_management`` are assumed).
Source: Graph API > Rate limiting > Headers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

# Which ``type`` speaks for which bucket of an error; a bucket that is not named here has its own name for a type.
_TYPES: Mapping[str, frozenset[str]] = {
    "page": frozenset({"pages"}),
    "catalog": frozenset({"catalog", "catalog_management"}),
    "catalog_batch": frozenset({"catalog_batch"}),
    "whatsapp": frozenset({"whatsapp", "whatsapp_business_management"}),
}
_BUSINESS = "x-business-use-case-usage"
# Headers that speak of one thing and do not name it; the app's is the exception, we know our own id.
_UNNAMED = (("x-app-usage", "app"), ("x-page-usage", "page"))


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of one quota of one object is spent."""

    object_id: str
    """Empty where the header does not name the object."""
    type: str
    percent: float
    """Of the allowance: the highest of calls, CPU time and total time, any of which throttles at 100."""
    wait_s: int
    """Until calls are accepted again; 0 when they are now, or when Meta does not say."""


def parse_usage(headers: Mapping[str, str], *, app_id: str = "") -> list[Usage]:
    """All entries of all usage headers of one answer; what cannot be read is left out.  *headers*: lower-case keys."""
    found = [
        Usage(app_id if kind == "app" else "", kind, _percent(entry), 0)
        for header, kind in _UNNAMED
        if isinstance(entry := _json(headers.get(header)), Mapping)
    ]
    account = _json(headers.get("x-ad-account-usage"))
    if isinstance(account, Mapping):
        percent = _number(account.get("acc_id_util_pct"))
        wait_s = int(_number(account.get("reset_time_duration"))) if percent >= 100 else 0
        found.append(Usage("", "ad_account", percent, wait_s))
    business = _json(headers.get(_BUSINESS))
    if isinstance(business, Mapping):
        for object_id, entries in business.items():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, Mapping):
                    minutes = _number(entry.get("estimated_time_to_regain_access"))
                    found.append(Usage(object_id, str(entry.get("type", "")), _percent(entry), int(minutes * 60)))
    return found


def throttle_wait_s(headers: Mapping[str, str], bucket: str) -> int | None:
    """How long Meta asks us to stay away from *bucket*; None when it does not say.  *headers*: lower-case keys.

    An entry of the bucket's own type speaks first; where none has it, the longest wait of any does, because the
    types are not all known.
    """
    if (asked_s := retry_after_s(headers)) is not None:
        return asked_s
    usages = parse_usage(headers)
    types = _TYPES.get(bucket, frozenset({bucket}))
    own = [usage for usage in usages if usage.type in types and usage.type not in ("app", "page")]
    waits = [usage.wait_s for usage in own or usages]
    return max(waits, default=0) or None


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """``Retry-After`` in seconds; Meta promises none, and its form as a date is not read."""
    value = headers.get("retry-after", "").strip()
    return int(value) if re.fullmatch("[0-9]{1,9}", value) else None


@dataclass(frozen=True, slots=True)
class Seen:
    """A usage and when it was told."""

    usage: Usage
    at: datetime


class UsageBook:
    """The newest usage per object and type that this process was told."""

    def __init__(self, *, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._seen: dict[tuple[str, str], Seen] = {}
        self._fresh: set[tuple[str, str]] = set()

    def record(self, usages: Iterable[Usage], at: datetime) -> None:
        """Remember *usages*; of two for one object and type in one answer the higher one counts."""
        highest: dict[tuple[str, str], Usage] = {}
        for usage in usages:
            key = (usage.object_id, usage.type)
            if key not in highest or (usage.percent, usage.wait_s) > (highest[key].percent, highest[key].wait_s):
                highest[key] = usage
        for key, usage in highest.items():
            self._seen.pop(key, None)  # so that the dict stays in the order of last sight
            self._seen[key] = Seen(usage, at)
            self._fresh.add(key)
        while len(self._seen) > self._capacity:
            del self._seen[next(iter(self._seen))]

    def newest(self, object_id: str, kind: str) -> Seen | None:
        """What was last told about *object_id*; None: never told, which is not zero."""
        return self._seen.get((object_id, kind))

    def drain(self) -> list[Seen]:
        """What was told since the last drain."""
        fresh, self._fresh = self._fresh, set()
        return [self._seen[key] for key in fresh if key in self._seen]

    def all(self) -> list[Seen]:
        """Everything known, the longest unseen first."""
        return list(self._seen.values())


def _json(text: str | None) -> Any:
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _number(value: Any) -> float:
    """*value* as a number that is not negative; 0 for whatever is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def _percent(entry: Mapping[str, Any]) -> float:
    return max(_number(entry.get(key)) for key in ("call_count", "total_cputime", "total_time"))
