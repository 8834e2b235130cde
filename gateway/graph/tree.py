"""Everything that can come of a call to Meta other than an answer.

    GraphError
    ├── TokenInvalid        the token is void: stop the connection's jobs, ask for a new one
    ├── PermissionMissing   the token is good, but not for this
    ├── GraphThrottled      a quota is used up; ``bucket`` says which one, other buckets go on
    ├── GraphNotFound       no such object, or not visible to this token: Meta does not tell the two apart
    ├── GraphRejected       any other coded refusal: the same request will be refused again
    │   └── GraphPagingStuck    a list that hands out the same cursor twice, or never ends
    ├── GraphTooMuchData    asked for too much at once: halve the page or the fields
    ├── GraphTransient      Meta is unwell
    ├── GraphUnreachable    no connection: nothing was sent
    │   └── CircuitOpen         not tried, since calls like it were not answered
    └── GraphUnclear        sent, but no readable answer: what a write did is unknown

Which of them an answer becomes is looked up in `table.py`, by `errors.py`.  Texts are scrubbed of tokens, because
Meta quotes a malformed token in its refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import GatewayError, Upstream


class GraphError(GatewayError):
    """Base of all failures of a call; ``graph_code`` and ``subcode`` are Meta's numbers, ``code`` is ours."""

    code = "META_ERROR"
    default_fix = "Try again later; if it stays, contact Meta with the trace id."
    bucket: str | None = None

    def __init__(
        self,
        message: str,
        *,
        graph_code: int | None = None,
        subcode: int | None = None,
        trace_id: str | None = None,
        http_status: int | None = None,
        user_title: str | None = None,
        user_message: str | None = None,
        transient: bool | None = None,
        retryable: bool | None = None,
        retry_after_s: int | None = None,
        fix: str | None = None,
        data: Mapping[str, Any] | None = None,
        bucket: str | None = None,
    ) -> None:
        super().__init__(
            message,
            fix=fix or self.default_fix,
            retry_after_s=retry_after_s,
            upstream=Upstream(code=graph_code, subcode=subcode, trace_id=trace_id, message=message),
        )
        self.graph_code = graph_code
        self.subcode = subcode
        self.trace_id = trace_id
        self.http_status = http_status
        self.user_title = user_title
        self.user_message = user_message
        self.transient = transient
        """Meta's ``is_transient``; None when it did not say."""
        self.data: Mapping[str, Any] = data or {}
        """Meta's ``error_data``, such as the parameters to blame."""
        if retryable is not None:
            self.retryable = retryable
        if bucket is not None:
            self.bucket = bucket


class TokenInvalid(GraphError):
    """The access token is missing, expired or revoked."""

    code = "TOKEN_INVALID"
    default_fix = "Reconnect the shop: its access token is no longer valid."


class PermissionMissing(GraphError):
    """The token lacks a permission, or the app a capability."""

    code = "PERMISSION_MISSING"
    default_fix = "Grant the app the missing permission, then reconnect the shop."


class GraphThrottled(GraphError):
    """A quota is used up.  ``retry_after_s`` is None when Meta did not say how long to wait."""

    code = "THROTTLED"
    retryable = True
    bucket = "app"
    default_fix = "Wait until Meta's quota has recovered; calling on makes the wait longer."


class GraphNotFound(GraphError):
    """The object does not exist, or this token may not see it."""

    code = "META_OBJECT_NOT_FOUND"
    default_fix = "Check that the object still exists at Meta and that the shop's token may see it."


class GraphRejected(GraphError):
    """Meta refused the request as it is."""

    code = "META_REJECTED"
    default_fix = "Change the request as Meta's message says; the same request will be refused again."


class GraphPagingStuck(GraphRejected):
    """A list cannot be read to its end: its cursor repeats, or it has more pages than allowed."""

    code = "META_PAGING_STUCK"
    default_fix = "Read the list again from its start, with narrower filters."


class GraphTooMuchData(GraphError):
    """More was asked for, or sent, than Meta handles in one call."""

    code = "META_TOO_MUCH_DATA"
    default_fix = "Ask for fewer rows or fields at once, or send a smaller batch."


class GraphTransient(GraphError):
    """Meta failed for the moment, and said so."""

    code = "META_UNAVAILABLE"
    retryable = True
    default_fix = "Try again in a few minutes."


class GraphUnreachable(GraphError):
    """No connection to Meta could be made; nothing was sent."""

    code = "META_UNREACHABLE"
    retryable = True
    default_fix = "Check the network and name resolution between the gateway and Meta."


class CircuitOpen(GraphUnreachable):
    """Nothing was sent: calls like this one were not answered, and Meta is left alone for a moment."""

    code = "CIRCUIT_OPEN"
    default_fix = "Nothing: it is tried again by itself. What is mirrored can be read meanwhile."


class GraphUnclear(GraphError):
    """The request went out and no readable answer came back: a write may have taken effect.

    ``retryable`` is false unless the call was a read or carries its own idempotency key.
    """

    code = "META_OUTCOME_UNKNOWN"
    default_fix = "Read the object back before sending the change again."
