"""Batch requests: up to fifty calls in one HTTP request, each of which Meta counts as a call of its own.

The answer is a list in the order of the calls.  A slot of ``null`` is a call that timed out, or one that others
referred to and that succeeded; only who wrote the batch can tell.  No slot is undone when another fails.
Source: Graph API > Batch requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.graph.auth import appsecret_proof
from gateway.graph.errors import GraphError
from gateway.graph.wire import encode_batched, encode_params, judge, refers, unclear

MAX_CALLS = 50


@dataclass(frozen=True, slots=True)
class BatchCall:
    """One call of a batch.

    *path* and *params* may refer to an earlier call as ``{result=its-name:$.id}``.  A named call's answer is left
    out when it succeeds, unless *omit_response_on_success* is False.  *token* is for a call in another's name.
    """

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    name: str | None = None
    depends_on: str | None = None
    omit_response_on_success: bool | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def is_read(self) -> bool:
        return self.method.upper() == "GET"

    @property
    def stands_alone(self) -> bool:
        """Whether it can be sent again without the rest of its batch."""
        if self.name or self.depends_on:
            return False
        return not refers(self.path, *encode_params(self.params).values())


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of one call: a value, an error, or neither when its answer was left out on success."""

    value: dict[str, Any] | None = None
    error: GraphError | None = None

    def unwrap(self) -> dict[str, Any]:
        """The value, or the error raised; empty for an answer that was left out."""
        if self.error is not None:
            raise self.error
        return self.value if self.value is not None else {}


def encode_call(call: BatchCall, *, app_secret: str) -> dict[str, Any]:
    """*call* as an operation of the ``batch`` parameter."""
    params = encode_params(call.params)
    if call.token is not None:
        params["access_token"] = call.token
        if app_secret:
            params["appsecret_proof"] = appsecret_proof(call.token, app_secret)
    method = call.method.upper()
    url, form = encode_batched(call.path, params)
    operation: dict[str, Any] = {"method": method}
    if method in ("POST", "PUT"):
        operation["relative_url"] = url
        operation["body"] = form
    else:
        operation["relative_url"] = f"{url}?{form}" if form else url
    for key in ("name", "depends_on", "omit_response_on_success"):
        if (value := getattr(call, key)) is not None:
            operation[key] = value
    return operation


def read_slot(call: BatchCall, slot: Any, *, secrets: Sequence[str]) -> BatchResult:
    """What the *slot* of *call* says."""
    write = not call.is_read
    if slot is None and call.name and call.omit_response_on_success is not False:
        return BatchResult()
    body = slot.get("body") if isinstance(slot, Mapping) else None
    if not isinstance(body, str):
        return BatchResult(error=unclear("Meta gave no answer to this call of a batch", write=write))
    raw_status = slot.get("code")
    status = raw_status if isinstance(raw_status, int) else 200
    own = (*secrets, call.token) if call.token else secrets
    try:
        value = judge(body, status=status, headers=_headers(slot.get("headers")), write=write, secrets=own)
    except GraphError as error:
        return BatchResult(error=error)
    if not isinstance(value, dict):
        return BatchResult(error=unclear("Meta answered a list where an object was due", write=write, status=status))
    return BatchResult(value=value)


def _headers(raw: Any) -> dict[str, str]:
    """Inner headers, which are there when the batch asked for them; lower-case keys."""
    if not isinstance(raw, list):
        return {}
    pairs = [entry for entry in raw if isinstance(entry, Mapping)]
    return {str(entry.get("name", "")).lower(): str(entry.get("value", "")) for entry in pairs}


def chunks(calls: Sequence[BatchCall]) -> list[Sequence[BatchCall]]:
    """*calls* in requests of at most fifty.

    Raises:
        ValueError: calls refer to each other, and would be torn apart.
    """
    if len(calls) > MAX_CALLS and not all(call.stands_alone for call in calls):
        raise ValueError(f"calls that refer to each other must fit into one batch of {MAX_CALLS}")
    return [calls[start : start + MAX_CALLS] for start in range(0, len(calls), MAX_CALLS)]
