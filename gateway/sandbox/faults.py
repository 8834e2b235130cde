"""Scripted faults: what goes wrong with which call, how often.

A fault is matched by method and by a glob over the path without its version; operations inside a batch request are
matched one by one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

OPTIONS: dict[str, tuple[str, ...]] = {
    "latency": ("seconds",),
    "hang_before": ("seconds",),
    "hang_after": ("seconds",),
    "drop_before": (),
    "drop_after": (),
    "error": ("code", "subcode", "message", "status", "transient", "type", "title", "userMessage"),
    "http": ("status", "body", "contentType", "effect"),
    "empty": ("effect",),
    "truncate": ("effect",),
    "throttle": ("code", "minutes"),
    "null_slot": ("slots",),
    "revoke": ("subcode",),
    "expired_cursor": (),
    "late_visibility": ("seconds",),
    "batch_error": (),
    "reject_items": ("ids", "message"),
}
COMMON = ("method", "path", "kind", "times", "after", "probability", "seed")
REQUIRED = {"error": ("code",), "throttle": ("code",), "reject_items": ("ids",), "null_slot": ("slots",)}
ON_BATCH_REQUEST = frozenset({"null_slot"})
ON_ITEMS_BATCH = frozenset({"batch_error", "reject_items"})
_ITEM_EDGES = ("/items_batch", "/localized_items_batch", "/batch")
ON_LATER_PAGE = "expired_cursor"


class BadFault(ValueError):
    """A fault script that makes no sense."""


@dataclass
class Fault:
    id: str
    kind: str
    method: str | None
    path: str | None
    times: int
    after: int
    probability: float
    chance: random.Random
    options: dict[str, Any]
    seen: int = 0
    fired: int = 0

    @property
    def spent(self) -> bool:
        return self.times > 0 and self.fired >= self.times

    def number(self, option: str, default: float = 0.0) -> float:
        return float(self.options.get(option, default))

    def flag(self, option: str, default: bool) -> bool:
        return bool(self.options.get(option, default))

    def fits(self, method: str, path: str, is_batch_request: bool, is_later_page: bool) -> bool:
        if self.kind in ON_BATCH_REQUEST and not is_batch_request:
            return False
        if self.kind in ON_ITEMS_BATCH and not path.endswith(_ITEM_EDGES):
            return False
        if self.kind == ON_LATER_PAGE and not is_later_page:
            return False
        if self.method is not None and self.method != method:
            return False
        return self.path is None or fnmatchcase(path, self.path) or fnmatchcase(path.lstrip("/"), self.path)

    def as_json(self) -> dict[str, Any]:
        shared = {"id": self.id, "kind": self.kind, "method": self.method, "path": self.path, "times": self.times}
        return shared | {"after": self.after, "seen": self.seen, "fired": self.fired} | self.options


@dataclass
class Faults:
    scripts: dict[str, Fault] = field(default_factory=dict)
    count: int = 0

    def add(self, script: Mapping[str, Any], default_seed: int) -> Fault:
        """Accept one script.

        Raises:
            BadFault: an unknown kind, an unknown or missing option, or a number that is none.
        """
        kind = script.get("kind")
        if kind not in OPTIONS:
            raise BadFault(f"kind must be one of {', '.join(OPTIONS)}")
        unknown = set(script) - set(COMMON) - set(OPTIONS[kind])
        if unknown:
            raise BadFault(f"unknown options for {kind}: {', '.join(sorted(unknown))}")
        absent = [name for name in REQUIRED.get(kind, ()) if name not in script]
        if absent:
            raise BadFault(f"{kind} needs {', '.join(absent)}")
        self.count += 1
        try:
            fault = Fault(
                id=f"fault-{self.count}",
                kind=kind,
                method=str(script["method"]).upper() if script.get("method") else None,
                path=script.get("path"),
                times=int(script.get("times", 1)),
                after=int(script.get("after", 0)),
                probability=float(script.get("probability", 1.0)),
                chance=random.Random(int(script.get("seed", default_seed + self.count))),
                options={name: script[name] for name in OPTIONS[kind] if name in script},
            )
            for name in ("seconds", "minutes", "code", "status", "subcode"):
                if name in fault.options:
                    fault.number(name)
        except (TypeError, ValueError) as exc:
            raise BadFault(f"a number was expected: {exc}") from exc
        self.scripts[fault.id] = fault
        return fault

    def take(self, method: str, path: str, is_batch_request: bool, is_later_page: bool = False) -> Fault | None:
        """The first script that fires on this call; scripts behind it do not count the call."""
        for fault in list(self.scripts.values()):
            if fault.spent or not fault.fits(method, path, is_batch_request, is_later_page):
                continue
            fault.seen += 1
            if fault.seen <= fault.after or fault.chance.random() >= fault.probability:
                continue
            fault.fired += 1
            return fault
        return None
