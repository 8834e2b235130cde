"""Run lanes: claim a schedule, do the domain's work, keep a record, plan the next run.

A lane's work is a function that a domain registers.  It may die at any point: the lease on the schedule runs out, the
next worker marks the broken run as failed and starts over, and what was claimed for sending lives on as a dispatch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlmodel import Session

from gateway.commands.courier import Tally
from gateway.commands.models import error_document
from gateway.db import Database
from gateway.errors import GatewayError, InvalidInput
from gateway.graph.meter import metered
from gateway.kit.clock import Clock
from gateway.kit.ids import new_id
from gateway.sync import store
from gateway.sync.models import PACES, Lane, RunState, Schedule, SyncRun, Trigger
from gateway.sync.store import RunRow, ScheduleRow

log = structlog.get_logger("gateway.sync")

# Runs come up to this share of their period early, so that shops linked together drift apart.
JITTER = 0.1

# (shop id, run id) -> counts
LaneWork = Callable[[str, str], Awaitable[dict[str, int]]]
Ring = Callable[[str, Lane], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Claim:
    run_id: str
    started_at: datetime


class SyncService:
    """Schedules and runs, shared by the web process and the workers."""

    def __init__(self, db: Database, clock: Clock, *, lease_s: float, ring: Ring, random: Callable[[], float]) -> None:
        """*ring* tells the workers that a lane is due; *random* (0 to 1) spreads schedules over time."""
        self._db = db
        self._clock = clock
        self._lease_s = lease_s
        self._ring = ring
        self._random = random
        self._work: dict[Lane, LaneWork] = {}
        self.owner = new_id()

    def register(self, lane: Lane, work: LaneWork) -> None:
        self._work[lane] = work

    # --- schedules -----------------------------------------------------------------------------------------------

    def plan(self, session: Session, shop_id: str, lanes: Sequence[Lane]) -> None:
        """Give a shop the schedules of *lanes*, due at once, and no others."""
        now = self._clock.now()
        for lane in Lane:
            if lane in lanes:
                store.ensure_schedule(session, shop_id, lane, PACES[lane].every_s, now)
            else:
                store.drop_schedule(session, shop_id, lane)

    async def due(self, limit: int = 200) -> list[tuple[str, Lane]]:
        """Lanes that are due and free, longest waiting first."""
        rows = await self._db.read(store.due_schedules, self._clock.now(), limit)
        return [(shop_id, Lane(lane)) for shop_id, lane in rows]

    async def schedules(self, shop_ids: Sequence[str]) -> list[Schedule]:
        rows = await self._db.read(store.schedules_of, shop_ids)
        return [row.to_model() for row in rows]

    # --- runs ----------------------------------------------------------------------------------------------------

    def request(self, session: Session, shop_id: str, lane: Lane, trigger: Trigger) -> RunRow:
        """Queue a run in the caller's transaction; ``ring`` afterwards to have it start at once."""
        now = self._clock.now()
        store.make_due(session, shop_id, lane, now)
        return store.queue_run(session, shop_id, lane, trigger, now)

    async def request_runs(self, shop_id: str, lanes: Sequence[Lane]) -> list[SyncRun]:
        """Queue a run of each lane, and have them start at once.

        Raises:
            InvalidInput: the shop has no such lane.
        """

        def queue(session: Session) -> list[SyncRun]:
            runs = []
            for lane in lanes:
                schedule = session.get(ScheduleRow, (shop_id, lane.value))
                if schedule is None:
                    raise InvalidInput(
                        f"the shop has no lane {lane.value}",
                        field=("lanes",),
                        fix="ORDERS needs onsite checkout; DELTA and VOLATILE need a catalog. See shop.freshness.",
                    )
                runs.append(self.request(session, shop_id, lane, Trigger.MANUAL).to_model())
            return runs

        runs = await self._db.write(queue)
        for lane in lanes:
            await self._ring(shop_id, lane)
        return runs

    async def ring(self, shop_id: str, lane: Lane) -> None:
        await self._ring(shop_id, lane)

    async def run(self, shop_id: str, lane: Lane) -> SyncRun | None:
        """Run a lane that is due; ``None`` when it is not, or when somebody else has it."""
        claim = await self._db.write(self._start, shop_id, lane)
        if claim is None:
            return None
        heartbeat = asyncio.create_task(self._keep_lease(shop_id, lane))
        counts: dict[str, int] = {}
        error: dict[str, Any] | None = None
        retry_after_s: int | None = None
        try:
            with metered() as meter:
                try:
                    counts = await self._work[lane](shop_id, claim.run_id)
                except GatewayError as exc:
                    error, retry_after_s = error_document(exc), exc.retry_after_s
                    log.warning("lane failed", shop=shop_id, lane=lane.value, code=exc.code)
                except Exception as exc:
                    error = error_document(GatewayError(f"the lane met a fault of ours: {type(exc).__name__}"))
                    log.exception("lane met a fault of ours", shop=shop_id, lane=lane.value)
        finally:
            heartbeat.cancel()
            with suppress(asyncio.CancelledError):
                await heartbeat
        return await self._db.write(self._finish, shop_id, lane, claim, counts, error, retry_after_s, meter.graph_calls)

    async def _keep_lease(self, shop_id: str, lane: Lane) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            until = self._clock.now() + timedelta(seconds=self._lease_s)
            if not await self._db.write(store.renew_schedule, shop_id, lane, self.owner, until):
                return

    def _start(self, session: Session, shop_id: str, lane: Lane) -> _Claim | None:
        now = self._clock.now()
        lease = timedelta(seconds=self._lease_s)
        schedule = store.claim_schedule(session, shop_id, lane, self.owner, now, lease)
        if schedule is None:
            return None
        for broken in store.interrupted_runs(session, shop_id, lane):
            broken.state = RunState.FAILED
            broken.finished_at = now
            broken.error = error_document(GatewayError("the worker died in the middle of this run"))
        run = store.queue_run(session, shop_id, lane, Trigger.SCHEDULE, now)
        run.state = RunState.RUNNING
        run.started_at = now
        # A change that is made from now on must find the schedule untouched, to make it due again.
        schedule.next_at = now + timedelta(seconds=schedule.every_s * (1 - JITTER * self._random()))
        return _Claim(run.id, now)

    def _finish(
        self,
        session: Session,
        shop_id: str,
        lane: Lane,
        claim: _Claim,
        counts: dict[str, int],
        error: dict[str, Any] | None,
        retry_after_s: int | None,
        graph_calls: int,
    ) -> SyncRun | None:
        now = self._clock.now()
        schedule = session.get(ScheduleRow, (shop_id, lane.value))
        run = store.lock_run(session, claim.run_id)
        if run is None or run.state != RunState.RUNNING:
            return None  # presumed dead, and taken over
        run.counts = _added(run.counts, counts)
        run.graph_calls += graph_calls
        # A dispatch of this run may have ended in an error already.
        error = run.error = error or run.error
        if error is not None:
            run.state = RunState.FAILED
            run.finished_at = now
        elif store.open_dispatches(session, run.id):
            run.state = RunState.WAITING_FOR_META
        else:
            run.state = RunState.SUCCEEDED
            run.finished_at = now
        if schedule is not None and schedule.lease_owner == self.owner:
            schedule.lease_owner = None
            schedule.lease_until = None
            schedule.error = error
            if error is None:
                schedule.last_success_at = claim.started_at
            elif retry_after_s:
                schedule.next_at = max(schedule.next_at, now + timedelta(seconds=retry_after_s))
        return run.to_model()

    # --- what becomes of a run's dispatches ----------------------------------------------------------------------

    def settled(self, session: Session, run_id: str, tally: Tally, graph_calls: int) -> None:
        """Add what a dispatch came to; the last one ends the run.  Called in the dispatch's own transaction."""
        run = store.lock_run(session, run_id)
        if run is None:
            return
        run.counts = _added(run.counts, tally.counts)
        run.graph_calls += graph_calls
        run.error = tally.error or run.error
        if (schedule := session.get(ScheduleRow, (run.shop_id, run.lane))) is not None:
            schedule.error = tally.error
        if tally.again_after_s is not None:
            at = self._clock.now() + timedelta(seconds=tally.again_after_s)
            store.make_due(session, run.shop_id, Lane(run.lane), at)
        if run.state == RunState.WAITING_FOR_META and not store.open_dispatches(session, run_id):
            run.state = RunState.SUCCEEDED if run.error is None else RunState.FAILED
            run.finished_at = self._clock.now()

    def hindered(self, session: Session, run_id: str, error: dict[str, Any]) -> None:
        """A dispatch of this run has to wait, or is in doubt: why the lane is behind, until one gets through."""
        run = session.get(RunRow, run_id)
        if run is not None and (schedule := session.get(ScheduleRow, (run.shop_id, run.lane))) is not None:
            schedule.error = error


def _added(counts: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    # A new dict: SQLAlchemy sees a JSON column change only when the object changes.
    return {key: counts.get(key, 0) + more.get(key, 0) for key in {**counts, **more}}
