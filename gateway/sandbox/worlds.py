"""All worlds of one sandbox process, and which token or id belongs to which."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox import ids
from gateway.sandbox.clock import KINDS, VirtualClock
from gateway.sandbox.finish import GRAPH, STATUSES
from gateway.sandbox.seed import plant, standard_shops
from gateway.sandbox.settings import SandboxSettings
from gateway.sandbox.storage import connect, one, transaction, wipe
from gateway.sandbox.usage import Usage, read_limits
from gateway.sandbox.world import MODES, World, WorldConfig

_KEYS = frozenset(
    "name seed mode clock batchSeconds reviewSeconds remorseSeconds pageLimitShort statuses shops limits".split()
)


class BadRequest(ValueError):
    """A control request that makes no sense; the message says why."""


@dataclass
class Worlds:
    settings: SandboxSettings
    real: Callable[[], datetime]
    by_number: dict[int, World] = field(default_factory=dict)
    last_number: int = 0
    app_token: str = field(init=False)
    _by_token: dict[str, World] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.app_token = f"{self.settings.app_id}|{self.settings.app_secret}"
        if self.settings.data_dir is not None:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True)
            for path in sorted(self.settings.data_dir.glob("world-*.sqlite3")):
                self._reopen(int(path.stem.removeprefix("world-")))

    def create(self, body: Mapping[str, Any]) -> World:
        """A new world with its shops.

        Raises:
            BadRequest: an unknown key or a value out of range.
        """
        config, clock = self._read(body)
        number = self.last_number + 1
        world = self._open(number, config, clock)
        self.last_number = number
        with transaction(world.db):
            plant(world)
            save_clock(world)
            self._save(world, "config", asdict(config))
        return world

    def remove(self, world: World) -> None:
        world.db.close()
        del self.by_number[world.number]
        self._by_token = {token: owner for token, owner in self._by_token.items() if owner is not world}
        if self.settings.data_dir is not None:
            for path in self.settings.data_dir.glob(f"world-{world.number}.sqlite3*"):
                path.unlink()

    def reset(self, world: World) -> World:
        """Back to the seed: same ids and tokens, empty log, no faults, fresh budgets, the clock at its start."""
        old = world.clock
        start = None if old.kind == "real" else datetime.fromtimestamp(old.start, UTC)
        world.clock = VirtualClock.begin(self.real, old.kind, start, old.factor)
        with transaction(world.db):
            wipe(world.db)
            fresh = World(world.number, world.config, self.settings, world.db, world.clock, Usage(world.usage.limits))
            plant(fresh)
            save_clock(fresh)
        self.by_number[world.number] = fresh
        self._by_token = {token: owner for token, owner in self._by_token.items() if owner is not world}
        return fresh

    def of_token(self, token: str) -> World | None:
        """The world that minted *token*."""
        known = self._by_token.get(token)
        if known is not None:
            return known
        for world in self.by_number.values():
            if one(world.db, "SELECT 1 FROM tokens WHERE token = ?", token) is not None:
                self._by_token[token] = world
                return world
        return None

    def of_object(self, object_id: str) -> World | None:
        number = ids.world_of(object_id)
        return None if number is None else self.by_number.get(number)

    def of_code(self, code: str) -> World | None:
        for world in self.by_number.values():
            if one(world.db, "SELECT 1 FROM codes WHERE code = ?", code) is not None:
                return world
        return None

    def close(self) -> None:
        for world in self.by_number.values():
            world.db.close()
        self.by_number.clear()
        self._by_token.clear()

    def _open(self, number: int, config: WorldConfig, clock: VirtualClock) -> World:
        folder = self.settings.data_dir
        path = None if folder is None else folder / f"world-{number}.sqlite3"
        usage = Usage(read_limits(config.limits))
        world = World(number, config, self.settings, connect(path), clock, usage)
        self.by_number[number] = world
        return world

    def _reopen(self, number: int) -> None:
        """A world kept on disk: its state and clock are as they were, its log, faults and budgets start anew."""
        world = self._open(number, WorldConfig(), VirtualClock.begin(self.real))
        saved = {row["key"]: json.loads(row["value"]) for row in world.db.execute("SELECT key, value FROM meta")}
        if "config" not in saved:
            world.db.close()
            del self.by_number[number]
            return
        world.config = WorldConfig(**saved["config"] | {"shops": tuple(saved["config"]["shops"])})
        world.usage = Usage(read_limits(world.config.limits))
        world.clock = VirtualClock(self.real, **saved["clock"])
        world.rng.seed(world.config.seed)
        self.last_number = max(self.last_number, number)

    @staticmethod
    def _save(world: World, key: str, value: Any) -> None:
        world.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def _read(self, body: Mapping[str, Any]) -> tuple[WorldConfig, VirtualClock]:
        unknown = set(body) - _KEYS
        if unknown:
            raise BadRequest(f"unknown keys: {', '.join(sorted(unknown))}")
        mode = str(body.get("mode", "documented"))
        if mode not in MODES:
            raise BadRequest(f"mode must be one of {', '.join(MODES)}")
        statuses = str(body.get("statuses", GRAPH))
        if statuses not in STATUSES:
            raise BadRequest(f"statuses must be one of {', '.join(STATUSES)}")
        shops = body.get("shops")
        limits = body.get("limits") or {}
        try:
            read_limits(limits)
            config = WorldConfig(
                name=str(body.get("name") or "Sandbox business"),
                seed=int(body.get("seed", 1)),
                mode=mode,
                batch_seconds=float(body.get("batchSeconds", 120)),
                review_seconds=float(body.get("reviewSeconds", 900)),
                remorse_seconds=float(body.get("remorseSeconds", 1800)),
                short_pages=bool(body.get("pageLimitShort", False)),
                statuses=statuses,
                limits=dict(limits),
                shops=tuple(standard_shops() if shops is None else shops),
            )
            return config, self._clock(body.get("clock") or {})
        except (TypeError, ValueError, AttributeError) as exc:
            raise BadRequest(str(exc)) from exc

    def _clock(self, body: Mapping[str, Any]) -> VirtualClock:
        kind = str(body.get("kind", "real"))
        if kind not in KINDS:
            raise BadRequest(f"clock.kind must be one of {', '.join(KINDS)}")
        start = datetime.fromisoformat(body["start"]) if body.get("start") else None
        if start is not None and start.tzinfo is None:
            start = start.replace(tzinfo=UTC)
        return VirtualClock.begin(self.real, kind, start, float(body.get("factor", 1)))


def save_clock(world: World) -> None:
    """Remember how far the clock was moved, for a world that is kept on disk."""
    clock = world.clock
    saved = {key: getattr(clock, key) for key in ("kind", "start", "anchor", "factor", "offset")}
    world.db.execute("INSERT OR REPLACE INTO meta VALUES ('clock', ?)", (json.dumps(saved),))
