"""The one error tree of the gateway.

    GatewayError
    ├── InvalidInput            the caller must change something; names the field and the remedy
    ├── NotFound                no such object, or not one of the caller's (the two look the same)
    ├── Conflict                the world moved, or a client key was used for something else
    ├── Forbidden               a scope is missing
    └── Unavailable             not now: try again, perhaps after ``retry_after_s``

Every error has a stable ``code`` (an ``ErrorCode`` of the schema), a message that is safe to show, and ``fix``:
what to do next, in words.  Domains add their own leaves in their ``errors.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Upstream:
    """What Meta said: its code and subcode, and the trace id to quote when asking Meta for help."""

    code: int | None = None
    subcode: int | None = None
    trace_id: str | None = None
    message: str | None = None


class GatewayError(Exception):
    """Base of everything that a caller may see."""

    code = "INTERNAL"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        field: tuple[str, ...] = (),
        fix: str | None = None,
        retry_after_s: int | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.fix = fix
        self.retry_after_s = retry_after_s
        self.upstream = upstream


class InvalidInput(GatewayError):
    """The request cannot be carried out as it is; ``field`` and ``fix`` say what to change."""

    code = "INVALID_INPUT"


class NotFound(GatewayError):
    """No such object for this caller; a foreign one and an absent one are told apart by nobody."""

    code = "NOT_FOUND"

    def __init__(self, what: str, *, field: tuple[str, ...] = ()) -> None:
        super().__init__(
            f"{what} not found", field=field, fix="Check the id, and that this key is granted the shop it belongs to."
        )


class Conflict(GatewayError):
    """The request contradicts what is already there."""

    code = "CONFLICT"


class Forbidden(GatewayError):
    """The caller's key lacks a scope."""

    code = "FORBIDDEN"


class Unavailable(GatewayError):
    """Cannot be done at the moment; trying again is worth it."""

    code = "UNAVAILABLE"
    retryable = True
