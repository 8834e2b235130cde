"""Carry dispatches to their end: claim, send, book, and take over from the dead.

Every step leaves the database in a state from which any other process can go on:

1. claim: the lease, the parcel as it stands now, and ``SENDING`` with ``sent_at``, in one transaction;
2. send: one Graph call, while a heartbeat keeps the lease;
3. book: the answer and all that follows from it, in one transaction fenced by the lease.

A process that dies after 1 leaves ``SENDING`` with a lease that runs out.  Whoever comes next cannot know whether the
call was made, so a keyed dispatch is sent again under its key, and one without a key is held until Meta's longest
processing time has passed and is then booked as lost (orders.md: same key after a time-out, new key after a refusal).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlmodel import Session

from gateway.commands import store
from gateway.commands.courier import Courier, Sent, Tally
from gateway.commands.models import Command, DispatchState, error_document
from gateway.commands.store import DispatchRow
from gateway.db import Database
from gateway.graph.budget import Budget, Priority
from gateway.graph.client import GraphSession
from gateway.graph.errors import (
    GraphError,
    GraphThrottled,
    GraphTransient,
    GraphUnclear,
    GraphUnreachable,
    TokenInvalid,
)
from gateway.graph.meter import metered
from gateway.kit.clock import Clock
from gateway.kit.ids import new_id

log = structlog.get_logger("gateway.commands")

# Meta keeps an idempotency key for at least a day (orders.md 16, inferred); after that, sending again is a new order.
KEY_LIFETIME = timedelta(hours=24)
HANDLE_LIFETIME = timedelta(hours=24)
PERHAPS_SENT = "perhapsSent"
UNCLEAR_PAUSES_S = (2, 10, 60, 300)
# Meta usually takes two minutes for a batch: the first look at its handle waits for three pauses.
FIRST_LOOK = 3
_LOOK_AGAIN_S = 0.1


class RunLedger(Protocol):
    """Where the counts of a settled dispatch go (the sync runs keep them)."""

    def settled(self, session: Session, run_id: str, tally: Tally, graph_calls: int) -> None: ...

    def hindered(self, session: Session, run_id: str, error: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of the command path, in seconds; see ``gateway.settings``."""

    lease_s: float
    poll_s: float
    hold_s: float
    wait_s: float


def no_checkpoint(step: str) -> None:
    """The default: nothing happens between two steps."""


class CommandService:
    """The durable write path, shared by the web process and the workers."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        graph_of: Callable[[str], Awaitable[GraphSession]],
        pace: Pace,
        *,
        budget: Budget,
        ring: Callable[[str], Awaitable[None]],
        checkpoint: Callable[[str], None] = no_checkpoint,
    ) -> None:
        """*graph_of* gives the session of a shop; *ring* tells the workers about a dispatch; *checkpoint* is called
        between every two steps, for tests that want a process to die there."""
        self._db = db
        self._clock = clock
        self._graph_of = graph_of
        self._pace = pace
        self._budget = budget
        self._ring = ring
        self._checkpoint = checkpoint
        self._couriers: dict[str, Courier] = {}
        self._ledger: RunLedger | None = None
        self._tasks: set[asyncio.Task[bool]] = set()
        self.owner = new_id()

    def register(self, courier: Courier) -> None:
        self._couriers[courier.kind] = courier

    def report_to(self, ledger: RunLedger) -> None:
        self._ledger = ledger

    # --- for mutations -------------------------------------------------------------------------------------------

    async def perform(self, command_ids: Collection[str]) -> list[Command]:
        """Send what these commands wait for, and answer as soon as all are finished, or after the deadline.

        The sending goes on when the caller has gone; a worker finishes what this process does not.
        """
        commands = await self.get(command_ids)
        dispatches = {c.dispatch_id for c in commands if c.dispatch_id and not c.is_finished}
        if not dispatches:
            return commands
        deadline = asyncio.get_running_loop().time() + self._pace.wait_s
        tasks = [self._spawn(dispatch_id) for dispatch_id in sorted(dispatches)]
        done, _ = await asyncio.wait(tasks, timeout=self._pace.wait_s)
        commands = await self.get(command_ids)
        # A twin of this request, or a worker, may be sending at this moment: its outcome is ours too.
        elsewhere = any(not task.result() for task in done)
        while elsewhere and not all(command.is_finished for command in commands):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
            commands = await self.get(command_ids)
        return commands

    async def get(self, command_ids: Collection[str]) -> list[Command]:
        """The commands, in the order of their ids given."""
        rows = await self._db.read(store.get_commands, command_ids, None)
        found = {row.id: row.to_model() for row in rows}
        return [found[key] for key in command_ids if key in found]

    def _spawn(self, dispatch_id: str) -> asyncio.Task[bool]:
        async def run() -> bool:
            try:
                return await self.carry(dispatch_id)
            except Exception:
                # The dispatch is in the database; a worker will take it up.
                log.exception("dispatch failed in the web process", dispatch=dispatch_id)
                return True

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, timeout_s: float = 10.0) -> None:
        """Wait for sends that outlived their request, before the process ends."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)

    # --- for workers ---------------------------------------------------------------------------------------------

    async def due(self, limit: int = 200) -> list[str]:
        """Dispatches that somebody should carry on now."""
        return list(await self._db.read(store.due_dispatches, self._clock.now(), limit))

    async def carry(self, dispatch_id: str) -> bool:
        """Do the next step of a dispatch; false when it is not due or somebody else holds it."""
        claimed = await self._db.write(self._claim, dispatch_id)
        self._checkpoint("claimed")
        if claimed is None:
            return False
        dispatch, parcel = claimed
        if dispatch.state not in (DispatchState.SENDING, DispatchState.AWAITING):
            return True  # booked while claiming: nothing was left to send, or it was given up
        courier = self._couriers[dispatch.kind]
        heartbeat = asyncio.create_task(self._keep_lease(dispatch.id))
        try:
            with metered() as meter:
                outcome: Sent | dict[str, Any] | GraphError | None
                try:
                    await self._budget.require(Priority(dispatch.priority), courier.buckets(dispatch))
                    graph = await self._graph_of(dispatch.shop_id)
                    self._checkpoint("before call")
                    if dispatch.state == DispatchState.SENDING:
                        outcome = await courier.send(graph, dispatch, parcel)
                    else:
                        outcome = await courier.poll(graph, dispatch)
                except GraphError as error:
                    outcome = error
            self._checkpoint("after call")
            await self._db.write(self._book, dispatch.id, outcome, meter.graph_calls)
            self._checkpoint("booked")
        finally:
            heartbeat.cancel()
            with suppress(asyncio.CancelledError):
                await heartbeat
        return True

    async def _keep_lease(self, dispatch_id: str) -> None:
        while True:
            await asyncio.sleep(self._pace.lease_s / 3)
            until = self._clock.now() + timedelta(seconds=self._pace.lease_s)
            if not await self._db.write(store.renew, dispatch_id, self.owner, until):
                return

    def _claim(self, session: Session, dispatch_id: str) -> tuple[DispatchRow, Any] | None:
        now = self._clock.now()
        dispatch = store.claim(session, dispatch_id, self.owner, now, timedelta(seconds=self._pace.lease_s))
        if dispatch is None:
            return None
        courier = self._couriers[dispatch.kind]
        if dispatch.state == DispatchState.AWAITING:
            if dispatch.sent_at is not None and now - dispatch.sent_at > HANDLE_LIFETIME:
                self._give_up(session, dispatch, courier)
            return dispatch, None
        if dispatch.sent_at is not None:
            # Whatever becomes of the next sending: an earlier one may have had its effect, under this very key.
            dispatch.details = {**dispatch.details, PERHAPS_SENT: True}
            if courier.keyed:
                if now - dispatch.sent_at > KEY_LIFETIME:
                    self._give_up(session, dispatch, courier)
                    return dispatch, None
            elif now < (until := dispatch.sent_at + timedelta(seconds=self._pace.hold_s)):
                dispatch.state = DispatchState.HELD
                dispatch.due_at = until
                store.release(dispatch)
                return dispatch, None
            else:
                self._give_up(session, dispatch, courier)
                return dispatch, None
        parcel = courier.load(session, dispatch)
        if parcel is None:
            self._finish(session, dispatch, DispatchState.DONE, Tally())
            return dispatch, None
        dispatch.state = DispatchState.SENDING
        dispatch.sent_at = dispatch.sent_at or now
        dispatch.attempts += 1
        return dispatch, parcel

    def _book(
        self, session: Session, dispatch_id: str, outcome: Sent | dict[str, Any] | GraphError | None, calls: int
    ) -> None:
        dispatch = store.held_by(session, dispatch_id, self.owner)
        if dispatch is None:
            log.warning("lease lost before booking", dispatch=dispatch_id)
            return
        dispatch.graph_calls += calls
        courier = self._couriers[dispatch.kind]
        now = self._clock.now()
        match outcome:
            case Sent(handle=str() as handle):
                dispatch.handle = handle
                dispatch.answer = outcome.answer
                dispatch.error = None
                dispatch.state = DispatchState.AWAITING
                dispatch.due_at = now + timedelta(seconds=self._pace.poll_s * FIRST_LOOK)
                courier.receipt(session, dispatch)
                store.release(dispatch)
            case Sent():
                dispatch.answer = outcome.answer
                self._finish(session, dispatch, DispatchState.DONE, courier.settle(session, dispatch, outcome.answer))
            case GraphError():
                self._book_error(session, dispatch, courier, outcome, now)
            case None:
                dispatch.due_at = now + timedelta(seconds=self._pace.poll_s)
                store.release(dispatch)
            case answer:
                self._finish(session, dispatch, DispatchState.DONE, courier.settle(session, dispatch, answer))

    def _book_error(
        self, session: Session, dispatch: DispatchRow, courier: Courier, error: GraphError, now: datetime
    ) -> None:
        dispatch.error = error_document(error)
        if dispatch.run_id is not None and self._ledger is not None:
            self._ledger.hindered(session, dispatch.run_id, dispatch.error)
        log.warning("dispatch met an error", dispatch=dispatch.id, kind=dispatch.kind, code=error.code)
        if dispatch.state == DispatchState.AWAITING:
            # A look at a handle failed; the batch is at Meta all the same.  A dead token is looked at rarely.
            wait = 900.0 if isinstance(error, TokenInvalid) else error.retry_after_s or self._pace.poll_s
            dispatch.due_at = now + timedelta(seconds=wait)
            store.release(dispatch)
        elif isinstance(error, GraphThrottled | GraphUnreachable):
            # Not carried out: the same dispatch waits for its turn, and what it sends is read again then.
            dispatch.state = DispatchState.WAITING
            if not dispatch.details.get(PERHAPS_SENT):
                dispatch.sent_at = None
            dispatch.due_at = now + timedelta(seconds=error.retry_after_s or self._pause_s(dispatch.attempts))
            store.release(dispatch)
        elif isinstance(error, GraphUnclear | GraphTransient):
            # Perhaps carried out: see the module's docstring.
            dispatch.state = DispatchState.HELD
            pause = self._pause_s(dispatch.attempts) if courier.keyed else self._pace.hold_s
            dispatch.due_at = now + timedelta(seconds=pause)
            store.release(dispatch)
        else:
            self._finish(session, dispatch, DispatchState.FAILED, courier.refuse(session, dispatch, error))

    def _pause_s(self, attempts: int) -> float:
        pause = UNCLEAR_PAUSES_S[min(max(attempts, 1), len(UNCLEAR_PAUSES_S)) - 1]
        return min(float(pause), self._pace.hold_s)

    def _give_up(self, session: Session, dispatch: DispatchRow, courier: Courier) -> None:
        self._finish(session, dispatch, DispatchState.UNKNOWN, courier.lost(session, dispatch))

    def _finish(self, session: Session, dispatch: DispatchRow, state: DispatchState, tally: Tally) -> None:
        dispatch.state = state
        dispatch.finished_at = self._clock.now()
        store.release(dispatch)
        session.flush()
        if dispatch.run_id is not None and self._ledger is not None:
            self._ledger.settled(session, dispatch.run_id, tally, dispatch.graph_calls)

    async def ring(self, dispatch_ids: Collection[str]) -> None:
        """Tell the workers; should the bell be out of order, they find the dispatches by themselves."""
        for dispatch_id in dispatch_ids:
            await self._ring(dispatch_id)
