"""The client of Meta's Graph API: one `Graph` per process, one cheap `GraphSession` per token.

It owns connections, proofs, versions, retries, paging and batches, and knows no domain: paths, fields and what they
mean belong to the callers.  Reads are retried and equal ones share a call; a write is sent once, unless it carries a
key by which Meta knows it again.
Source: Graph API (overview, batch requests, paginated results, secure requests).
"""

from __future__ import annotations

import asyncio
import random as _random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import httpx
import orjson

from gateway.graph import batching
from gateway.graph.auth import appsecret_proof
from gateway.graph.batching import BatchCall, BatchResult
from gateway.graph.errors import GraphError, GraphNotFound
from gateway.graph.fields import FieldTree, fields_param
from gateway.graph.flight import Flights
from gateway.graph.paging import GraphPage, read_pages
from gateway.graph.sending import FORM, JSON, Call, Sender
from gateway.graph.settings import GraphSettings
from gateway.graph.transport import open_transport
from gateway.graph.usage import UsageBook
from gateway.graph.wire import encode_form, encode_params, encode_path, unclear
from gateway.kit.clock import Clock

MAX_IDS = 50
"""How many objects one multi-get asks for."""


class Graph:
    """Connections to Meta and everything that the sessions of one process share."""

    def __init__(
        self,
        settings: GraphSettings,
        *,
        clock: Clock,
        http: httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.settings = settings
        self.usage = UsageBook()
        self._transport = open_transport(settings, http)
        self._sender = Sender(settings, self._transport, clock=clock, usage=self.usage, sleep=sleep, random=random)
        self._flights = Flights()

    def session(self, token: str) -> GraphSession:
        """Calls in the name of *token*."""
        return GraphSession(self.settings, self._sender, self._flights, token)

    def app_session(self) -> GraphSession:
        """Calls in the name of the app itself."""
        return self.session(self.settings.app_token)

    async def aclose(self) -> None:
        """Give up reads in flight and close the connections; an HTTP client that was handed in stays open."""
        await self._flights.aclose()
        await self._transport.aclose()


class GraphSession:
    """Calls with one token; paths are without the version.

    Everything raises `GraphError`, and `ValueError` for a path with dot segments.
    """

    __slots__ = ("_flights", "_proof", "_secrets", "_sender", "_settings", "_token")

    def __init__(self, settings: GraphSettings, sender: Sender, flights: Flights, token: str) -> None:
        self._settings = settings
        self._sender = sender
        self._flights = flights
        self._token = token
        proof = appsecret_proof(token, settings.app_secret) if token and settings.app_secret else ""
        self._proof = {"appsecret_proof": proof} if proof else {}
        self._secrets = tuple(secret for secret in (token, proof, settings.app_secret) if secret)

    def __repr__(self) -> str:
        return "GraphSession(***)"

    async def get(
        self, path: str, *, fields: str | FieldTree | None = None, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Read a node or a page of an edge; retried, and shared with equal reads in flight."""
        return await self._read(path, {**(params or {}), **fields_param(fields)})

    async def post(
        self, path: str, params: Mapping[str, Any], *, repeatable: bool = False, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """Write *params* as a form, nested values as JSON text.

        *repeatable* says that Meta will know a second sending for what it is (an idempotency key is among *params*);
        otherwise the call is sent again only if nothing of it ever left.
        """
        content = encode_form({**encode_params(params), **self._proof}).encode()
        return await self._write("POST", path, content=content, repeatable=repeatable, timeout_s=timeout_s)

    async def post_json(
        self, path: str, params: Mapping[str, Any], *, repeatable: bool = False, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """The same with a JSON body, for large bodies; waits as long as a bulk call may take."""
        return await self._write(
            "POST",
            path,
            content=orjson.dumps({**params, **self._proof}),
            content_type=JSON,
            repeatable=repeatable,
            timeout_s=self._settings.bulk_timeout_s if timeout_s is None else timeout_s,
        )

    async def delete(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = False,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Delete a node, or take something off an edge."""
        query = encode_form({**encode_params(params), **self._proof})
        return await self._write("DELETE", path, query=query, repeatable=repeatable, timeout_s=timeout_s)

    def pages(
        self,
        path: str,
        *,
        fields: str | FieldTree | None = None,
        params: Mapping[str, Any] | None = None,
        limit: int | None = None,
        max_pages: int = 10_000,
    ) -> AsyncIterator[GraphPage]:
        """All pages of an edge, one call each, asked for as they are consumed."""
        asked = {**(params or {}), **fields_param(fields)}
        return read_pages(lambda more: self._read(path, more), asked, limit=limit, max_pages=max_pages)

    async def get_many(self, ids: Sequence[str], *, fields: str | FieldTree | None = None) -> dict[str, dict[str, Any]]:
        """The objects by id, fifty a call; an id that is unknown to this token is absent from the result."""
        # A comma would make two ids of one: no id has one, so whatever has one is unknown.
        unique = [one for one in dict.fromkeys(ids) if one and "," not in one]
        parts = [unique[start : start + MAX_IDS] for start in range(0, len(unique), MAX_IDS)]
        found: dict[str, dict[str, Any]] = {}
        for part in await _all([self._get_some(part, fields_param(fields)) for part in parts]):
            found.update(part)
        return found

    async def batch(self, calls: Sequence[BatchCall]) -> list[BatchResult]:
        """What came of each of *calls*, in their order; fifty travel in one request.

        Never raises for what Meta says: a failure of the whole request is the error of each of its calls.  Reads
        that fail for the moment are tried again, without the others.
        """
        parts = batching.chunks(calls)
        if all(call.is_read for call in calls):
            results = await _all([self._batch_some(part) for part in parts])
        else:
            results = [await self._batch_some(part) for part in parts]
        return [result for part in results for result in part]

    async def _read(self, path: str, params: Mapping[str, Any], *, cost: int = 1) -> dict[str, Any]:
        encoded = encode_params(params)
        where = encode_path(path)
        call = Call(
            "GET",
            where,
            write=False,
            query=encode_form({**encoded, **self._proof}),
            token=self._token,
            secrets=self._secrets,
            timeout_s=self._settings.read_timeout_s,
            cost=cost,
        )
        key = (self._token, where, tuple(sorted(encoded.items())))
        return _object(await self._flights.share(key, lambda: self._sender.perform(call)), write=False)

    async def _write(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        content: bytes | None = None,
        content_type: str = FORM,
        repeatable: bool,
        timeout_s: float | None,
    ) -> dict[str, Any]:
        call = Call(
            method,
            encode_path(path),
            write=True,
            query=query,
            content=content,
            content_type=content_type,
            token=self._token,
            secrets=self._secrets,
            repeatable=repeatable,
            timeout_s=self._settings.read_timeout_s if timeout_s is None else timeout_s,
        )
        return _object(await self._sender.perform(call), write=True)

    async def _get_some(self, ids: Sequence[str], fields: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        try:
            answer = await self._read("", {"ids": ",".join(ids), **fields}, cost=len(ids))
        except GraphNotFound:
            if len(ids) == 1:
                return {}
        else:
            return {one: answer[one] for one in ids if isinstance(answer.get(one), dict)}
        # One unknown id fails them all and nothing but the text says which.  Asked one by one in a batch they cost
        # what the failed call cost, in one more request, however many are unknown.
        results = await self.batch([BatchCall("GET", one, fields) for one in ids])
        known = {
            one: result for one, result in zip(ids, results, strict=True) if not isinstance(result.error, GraphNotFound)
        }
        return {one: result.unwrap() for one, result in known.items()}

    async def _batch_some(self, calls: Sequence[BatchCall]) -> list[BatchResult]:
        results: dict[int, BatchResult] = {}
        todo = list(range(len(calls)))
        attempt = 0
        while todo:
            attempt += 1
            part = [calls[index] for index in todo]
            try:
                slots = await self._send_batch(part)
            except GraphError as error:  # retried already, if it could be
                results.update((index, BatchResult(error=error)) for index in todo)
                break
            delays: dict[int, float] = {}
            for index, slot in zip(todo, slots, strict=True):
                call = calls[index]
                result = results[index] = batching.read_slot(call, slot, secrets=self._secrets)
                if result.error is not None and call.is_read and call.stands_alone:
                    delay_s = self._sender.delay_before_retry(result.error, attempt)
                    if delay_s is not None:
                        delays[index] = delay_s
            if not delays or not await self._sender.pause_before_retry(max(delays.values())):
                break
            todo = list(delays)
        return [results[index] for index in range(len(calls))]

    async def _send_batch(self, calls: Sequence[BatchCall]) -> list[Any]:
        """As many slots as there are calls."""
        operations = [batching.encode_call(call, app_secret=self._settings.app_secret) for call in calls]
        form = {"batch": orjson.dumps(operations).decode(), "include_headers": "false", **self._proof}
        write = not all(call.is_read for call in calls)
        tokens = tuple(call.token for call in calls if call.token)
        answer = await self._sender.perform(
            Call(
                "POST",
                "",
                write=write,
                content=encode_form(form).encode(),
                token=self._token,
                secrets=(*self._secrets, *tokens),
                timeout_s=self._settings.bulk_timeout_s,
                cost=len(calls),
            )
        )
        if not isinstance(answer, list):
            raise unclear("Meta answered a batch with something else than a list", write=write)
        # An answer that is too short leaves slots without one.
        return (answer + [{}] * len(calls))[: len(calls)]


def _object(answer: Any, *, write: bool) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise unclear("Meta answered a list where an object was due", write=write)
    return answer


async def _all(work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results of all, concurrently; when some fail, the first failure, once all have ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
