"""Lanes, runs and freshness: what is kept in step with Meta, how often, and how we know.

Cadences are Meta's quality bar or better: inventory and price at least every 15 minutes, other fields every hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Lane(StrEnum):
    """One stream of work that keeps one kind of data in step."""

    VOLATILE = "VOLATILE"
    DELTA = "DELTA"
    ORDERS = "ORDERS"


@dataclass(frozen=True, slots=True)
class LanePace:
    """``every_s``: how often the lane runs by itself.  ``target_s``: the lag that the quality bar allows."""

    every_s: int
    target_s: int


PACES: dict[Lane, LanePace] = {
    Lane.VOLATILE: LanePace(every_s=5 * 60, target_s=15 * 60),
    Lane.DELTA: LanePace(every_s=15 * 60, target_s=60 * 60),
    Lane.ORDERS: LanePace(every_s=5 * 60, target_s=15 * 60),
}


class RunState(StrEnum):
    """``WAITING_FOR_META``: all is sent, and some of it is not confirmed yet."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    WAITING_FOR_META = "WAITING_FOR_META"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Trigger(StrEnum):
    """Why a run was started."""

    SCHEDULE = "SCHEDULE"
    CHANGE = "CHANGE"
    MANUAL = "MANUAL"


@dataclass(frozen=True, slots=True)
class SyncRun:
    """One run of one lane over one shop, with what it did."""

    id: str
    shop_id: str
    lane: Lane
    state: RunState
    trigger: Trigger
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    counts: dict[str, int]
    graph_calls: int
    error: dict[str, Any] | None


class FreshnessState(StrEnum):
    OK = "OK"
    AT_RISK = "AT_RISK"
    BREACHED = "BREACHED"
    PAUSED = "PAUSED"


class LagCause(StrEnum):
    """Why a lane is behind."""

    TOKEN = "TOKEN"
    THROTTLED = "THROTTLED"
    BREAKER = "BREAKER"
    META = "META"
    VALIDATION = "VALIDATION"
    QUEUE = "QUEUE"
    PAUSED = "PAUSED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Schedule:
    shop_id: str
    lane: Lane
    every_s: int
    next_at: datetime
    paused: bool
    last_success_at: datetime | None
    error: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far one lane of one shop is behind, and why."""

    shop_id: str
    lane: Lane
    target_s: int
    lag_s: int
    state: FreshnessState
    cause: LagCause | None
    last_success_at: datetime | None
    next_run_at: datetime


AT_RISK_SHARE = 0.8
# A due schedule that nobody claims for this long means that no worker is at work.
UNCLAIMED_AFTER = timedelta(seconds=60)

_CAUSES = {
    "TOKEN_INVALID": LagCause.TOKEN,
    "PERMISSION_MISSING": LagCause.TOKEN,
    "THROTTLED": LagCause.THROTTLED,
    "CIRCUIT_OPEN": LagCause.BREAKER,
    "META_UNAVAILABLE": LagCause.META,
    "META_UNREACHABLE": LagCause.META,
    "META_OUTCOME_UNKNOWN": LagCause.META,
    "META_REJECTED": LagCause.VALIDATION,
}


def judge(schedule: Schedule, oldest_pending: datetime | None, now: datetime, linked_at: datetime) -> Freshness:
    """The freshness of a lane.

    Lag is the age of the oldest change that Meta has not confirmed; for a lane that reads, or when its runs do not
    come, it is the time since the last good run, beyond the pause that is planned between two of them.
    """
    pace = PACES[schedule.lane]
    since_success = (now - (schedule.last_success_at or linked_at)).total_seconds()
    overdue = max(0.0, since_success - schedule.every_s)
    pending = (now - oldest_pending).total_seconds() if oldest_pending else 0.0
    lag = int(max(overdue, pending, 0.0))
    if schedule.paused:
        state = FreshnessState.PAUSED
    elif lag > pace.target_s:
        state = FreshnessState.BREACHED
    elif lag > pace.target_s * AT_RISK_SHARE:
        state = FreshnessState.AT_RISK
    else:
        state = FreshnessState.OK
    return Freshness(
        schedule.shop_id,
        schedule.lane,
        pace.target_s,
        lag,
        state,
        _cause(schedule, now, state),
        schedule.last_success_at,
        schedule.next_at,
    )


def _cause(schedule: Schedule, now: datetime, state: FreshnessState) -> LagCause | None:
    if schedule.paused:
        return LagCause.PAUSED
    if schedule.error is not None:
        return _CAUSES.get(schedule.error["code"], LagCause.UNKNOWN)
    if state is FreshnessState.OK:
        return None
    if now - schedule.next_at > UNCLAIMED_AFTER:
        return LagCause.QUEUE
    return LagCause.UNKNOWN
