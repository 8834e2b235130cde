"""Sending one call: attempts, retries, concurrency, and the log of it all.

Every attempt leaves one event with what Meta's support asks for, and never a token, a proof, a query or a value.  The
texts of httpx's exceptions go nowhere, because they may contain addresses with their queries.
Source: Graph API > Handle errors, Versioning.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import structlog

from gateway.graph import meter
from gateway.graph.breaker import Breaker
from gateway.graph.errors import GraphError, GraphUnclear, GraphUnreachable
from gateway.graph.meter import without_ids
from gateway.graph.retry import RetryBudget, delay_before_retry, may_send_again
from gateway.graph.settings import GraphSettings
from gateway.graph.transport import Transport, nothing_was_sent
from gateway.graph.usage import UsageBook, parse_usage
from gateway.graph.wire import judge, unclear
from gateway.kit.clock import Clock

_log = structlog.get_logger("gateway.graph")
USER_AGENT = "commerce-gateway"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """A call, ready to be sent; what it carries is shown by nobody."""

    method: str
    path: str
    write: bool
    query: str = field(default="", repr=False)
    content: bytes | None = field(default=None, repr=False)
    content_type: str = FORM
    token: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    repeatable: bool = False
    timeout_s: float = 30
    cost: int = 1
    """What Meta counts it as."""


class Sender:
    """Sends calls on behalf of all sessions of one process."""

    def __init__(
        self,
        settings: GraphSettings,
        transport: Transport,
        *,
        clock: Clock,
        usage: UsageBook,
        sleep: Callable[[float], Awaitable[Any]],
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._root = f"{settings.base_url.rstrip('/')}/{settings.version}/"
        self._transport = transport
        self._clock = clock
        self._usage = usage
        self._sleep = sleep
        self._random = random
        self._slots = asyncio.Semaphore(settings.max_in_flight)
        self._budget = RetryBudget(
            clock,
            share=settings.retry_budget_share,
            minimum=settings.retry_budget_min,
            window_s=settings.retry_budget_window_s,
        )
        self._breaker = Breaker(clock)
        self._versions_noted: set[str] = set()

    async def perform(self, call: Call) -> Any:
        """The answer to *call*, after as many attempts as are allowed and could do no harm.

        Raises:
            GraphError: of the last attempt; ``CircuitOpen`` when none was made.
        """
        circuit = (call.token, call.method, without_ids(call.path))
        self._breaker.check(circuit)
        try:
            answer = await self._persevere(call)
        except GraphError as error:
            self._breaker.note(circuit, error)
            raise
        self._breaker.note(circuit, None)
        return answer

    async def _persevere(self, call: Call) -> Any:
        self._budget.count_call()
        for attempt in itertools.count(1):
            try:
                return await self._attempt(call, attempt)
            except GraphError as error:
                if isinstance(error, GraphUnclear) and call.repeatable:
                    error.retryable = True
                delay_s = self.delay_before_retry(error, attempt)
                if delay_s is None or not may_send_again(error, write=call.write, repeatable=call.repeatable):
                    raise
                if not self._budget.take():
                    raise
            await self._sleep(delay_s)
        raise AssertionError("the loop above only ends by returning or raising")

    def delay_before_retry(self, error: GraphError, attempt: int) -> float | None:
        """Seconds to wait; None when *attempt* was the last or another is pointless."""
        if attempt >= self._settings.read_tries:
            return None
        return delay_before_retry(error, attempt, random=self._random)

    async def pause_before_retry(self, delay_s: float) -> bool:
        """Claim a retry and wait for it; false when too much is being retried already."""
        if not self._budget.take():
            return False
        await self._sleep(delay_s)
        return True

    async def _attempt(self, call: Call, attempt: int) -> Any:
        async with self._slots:
            meter.count(call.method, call.path, call.cost)
            started = self._clock.now()
            status: int | None = None
            try:
                response = await self._exchange(call)
                status = response.status_code
                self._note_headers(response)
                answer = judge(
                    response.content, status=status, headers=response.headers, write=call.write, secrets=call.secrets
                )
            except GraphError as error:
                self._note(call, attempt, started, error.http_status, error)
                raise
            except asyncio.CancelledError:
                self._note(call, attempt, started, status, None, cancelled=True)
                raise
            self._note(call, attempt, started, status, None)
            return answer

    async def _exchange(self, call: Call) -> httpx.Response:
        headers = {"User-Agent": USER_AGENT}
        if call.token:
            headers["Authorization"] = f"Bearer {call.token}"
        if call.content is not None:
            headers["Content-Type"] = call.content_type
        client = self._transport.once if call.method == "DELETE" else self._transport.main
        connect_s = self._settings.connect_timeout_s
        try:
            # The transport's time-outs are per read; this one ends an answer that trickles for ever.
            async with asyncio.timeout(connect_s + call.timeout_s):
                return await client.request(
                    call.method,
                    self._root + call.path + (f"?{call.query}" if call.query else ""),
                    headers=headers,
                    content=call.content,
                    # The pool's time includes connecting, and our semaphore is the queue: it never waits for long.
                    timeout=httpx.Timeout(call.timeout_s, connect=connect_s, pool=connect_s),
                    follow_redirects=False,
                )
        # Anything: transports let foreign exceptions through, and whatever it was, the request may have gone out.
        except Exception as exc:
            failure: GraphError
            if nothing_was_sent(exc):
                failure = GraphUnreachable(f"No connection to Meta ({type(exc).__name__})")
            elif isinstance(exc, TimeoutError | httpx.TimeoutException) and not isinstance(exc, httpx.ConnectTimeout):
                failure = unclear("Meta did not answer in time", write=call.write)
            else:
                failure = unclear("The connection to Meta broke", write=call.write)
            # Without its cause: the text of one may hold the whole address.
            raise failure from None

    def _note_headers(self, response: httpx.Response) -> None:
        headers = response.headers
        self._usage.record(parse_usage(headers, app_id=self._settings.app_id), self._clock.now())
        served = headers.get("facebook-api-version")
        if served and served != self._settings.version and served not in self._versions_noted:
            self._versions_noted.add(served)
            _log.warning("graph.version_differs", asked=self._settings.version, served=served)

    def _note(
        self,
        call: Call,
        attempt: int,
        started: datetime,
        status: int | None,
        error: GraphError | None,
        cancelled: bool = False,
    ) -> None:
        elapsed = self._clock.now() - started
        event = {
            "method": call.method,
            "path": call.path,
            "status": status,
            "ms": round(elapsed.total_seconds() * 1000, 1),
            "attempt": attempt,
        }
        if cancelled:
            _log.warning("graph.call", **event, error="cancelled")
        elif error is None:
            _log.info("graph.call", **event)
        else:
            _log.warning(
                "graph.call",
                **event,
                error=error.code,
                code=error.graph_code,
                subcode=error.subcode,
                trace_id=error.trace_id,
            )
