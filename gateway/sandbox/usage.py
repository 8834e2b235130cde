"""Rate limits: counters over a rolling window of virtual time, and the headers that report them.

Source: graph-api.md section 15, catalog.md section 11.  Calls made while throttled count as well, so that a client
that hammers stays locked out longer.  CPU and wall time are not measured; both are shown as a share of the calls.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

HOUR, DAY = 3600, 86_400
APP, PAGES, MANAGEMENT, BATCH = "app", "pages", "catalog_management", "catalog_batch"
USER, PAGE_USER = "user", "page"
"""What a person's own token spends: on themselves, and on a Page (`x-page-usage`); no business use case."""
PLATFORM = frozenset((APP, USER, PAGE_USER))
WINDOWS = {APP: HOUR, PAGES: DAY, MANAGEMENT: HOUR, BATCH: HOUR, USER: HOUR, PAGE_USER: HOUR}
CODES = {APP: 4, PAGES: 80001, MANAGEMENT: 80009, BATCH: 80014, USER: 17, PAGE_USER: 32}
LIMIT_NAMES = {
    "catalogBatchPerHour": BATCH,
    "catalogPerHour": MANAGEMENT,
    "pagePerDay": PAGES,
    "appPerHour": APP,
    "userPerHour": USER,
    "pageUserPerHour": PAGE_USER,
}
DEFAULT_LIMITS = {BATCH: 200, MANAGEMENT: 20_000, PAGES: 48_000, APP: 200_000, USER: 20_000, PAGE_USER: 4_800}
_SLICE = 5.0


@dataclass
class Meter:
    """Calls of one object and type; neighbours in time share a slot."""

    limit: int
    window: int
    slots: deque[tuple[float, int]] = field(default_factory=deque)
    total: int = 0

    def fall(self, now: float) -> None:
        while self.slots and self.slots[0][0] <= now - self.window:
            self.total -= self.slots.popleft()[1]

    def count(self, now: float, calls: int = 1) -> None:
        self.fall(now)
        if self.slots and 0 <= now - self.slots[-1][0] < _SLICE:
            at, before = self.slots.pop()
            self.slots.append((at, before + calls))
        else:
            self.slots.append((now, calls))
        self.total += calls

    def is_full(self, now: float) -> bool:
        self.fall(now)
        return self.total >= self.limit

    def percent(self, now: float) -> int:
        self.fall(now)
        return math.ceil(100 * self.total / self.limit)

    def wait_minutes(self, now: float) -> int:
        """Minutes until a call fits again; 0 while one fits."""
        self.fall(now)
        left = self.total
        for at, calls in self.slots:
            if left < self.limit:
                return 0
            left -= calls
            if left < self.limit:
                return max(math.ceil((at + self.window - now) / 60), 1)
        return 0

    def set_percent(self, now: float, percent: float, minutes: float) -> None:
        """Show *percent*; the calls behind it fall out of the window after *minutes* (0: after a whole window)."""
        self.slots.clear()
        self.total = max(round(self.limit * percent / 100), 1 if percent > 0 else 0)
        if self.total:
            self.slots.append((now if not minutes else now - self.window + minutes * 60, self.total))


@dataclass
class Usage:
    """All meters of a world."""

    limits: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    meters: dict[tuple[str, str], Meter] = field(default_factory=dict)

    def meter(self, kind: str, object_id: str) -> Meter:
        key = (kind, object_id)
        found = self.meters.get(key)
        if found is None:
            found = self.meters[key] = Meter(self.limits[kind], WINDOWS[kind])
        return found

    def spend(self, kind: str, object_id: str, now: float) -> bool:
        """Count one call; False when the allowance was used up before it."""
        meter = self.meter(kind, object_id)
        full = meter.is_full(now)
        meter.count(now)
        return not full

    def headers(
        self, app_id: str, touched: Iterable[tuple[str, str]], now: float, forced: tuple[str, str, int] | None = None
    ) -> dict[str, str]:
        """The usage headers of an answer; *forced* is (type, object, minutes) of a scripted throttle."""
        pairs = set(touched)
        if forced is not None:
            pairs.add((forced[0], forced[1]))
        # A person's own limit shows in the same header as the app's: there is none of its own.
        shown = [self.meter(APP, app_id).percent(now)]
        shown += [self.meter(kind, object_id).percent(now) for kind, object_id in pairs if kind == USER]
        app = 100 if forced is not None and forced[0] in (APP, USER) else max(shown)
        headers = {"x-app-usage": _json(_parts(app))}
        pages = [self.meter(kind, object_id).percent(now) for kind, object_id in pairs if kind == PAGE_USER]
        if pages:
            page = 100 if forced is not None and forced[0] == PAGE_USER else max(pages)
            headers["x-page-usage"] = _json(_parts(page))
        per_object: dict[str, list[dict[str, int | str]]] = {}
        seen = {pair for pair in pairs if pair[0] not in PLATFORM}
        for kind, object_id in sorted(seen)[:32]:
            meter = self.meter(kind, object_id)
            percent, minutes = meter.percent(now), meter.wait_minutes(now)
            if forced is not None and forced[:2] == (kind, object_id):
                percent, minutes = max(percent, 100), forced[2]
            entry: dict[str, int | str] = {"type": kind, **_parts(percent)}
            per_object.setdefault(object_id, []).append(entry | {"estimated_time_to_regain_access": minutes})
        if per_object:
            headers["x-business-use-case-usage"] = _json(per_object)
        return headers


def _parts(percent: int) -> dict[str, int | str]:
    return {"call_count": percent, "total_cputime": percent // 2, "total_time": percent // 2}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def read_limits(given: Mapping[str, int]) -> dict[str, int]:
    """Limits by their control names, the rest as Meta publishes them.

    Raises:
        ValueError: an unknown name, or a limit below 1.
    """
    limits = dict(DEFAULT_LIMITS)
    for name, value in given.items():
        if name not in LIMIT_NAMES or int(value) < 1:
            raise ValueError(f"limits: {name}={value}")
        limits[LIMIT_NAMES[name]] = int(value)
    return limits
