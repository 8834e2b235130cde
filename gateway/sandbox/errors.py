"""The error envelope of the Graph API, and the texts that platform-wide errors carry.

Source: graph-api.md sections 12 to 14.  The HTTP status follows the code: 403 for the app limit and for
permissions, 500 for Meta's own trouble, 400 for everything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

DOCS = "https://developers.facebook.com/docs/graph-api"
OAUTH = "OAuthException"
METHOD = "GraphMethodException"
BATCH = "GraphBatchException"
SESSION_TITLE = "Session expired"
SESSION_MESSAGE = "Your session has ended. Please log in again."


def status_of(code: int) -> int:
    """The HTTP status that goes with a Graph error code."""
    if code in (4, 10) or 200 <= code <= 299:
        return 403
    return 500 if code in (1, 2) else 400


@dataclass
class GraphError(Exception):
    """A refusal in Meta's words; becomes `{"error": {...}}`."""

    code: int
    message: str
    subcode: int | None = None
    type: str = OAUTH
    status: int | None = None
    transient: bool | None = None
    title: str | None = None
    user_message: str | None = None
    data: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def http_status(self) -> int:
        return status_of(self.code) if self.status is None else self.status

    def body(self, trace: str) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        optional = {
            "error_data": self.data,
            "error_subcode": self.subcode,
            "is_transient": self.transient,
            "error_user_title": self.title,
            "error_user_msg": self.user_message,
        }
        error |= {key: value for key, value in optional.items() if value is not None}
        return {"error": error | {"fbtrace_id": trace}}


class NeedsOutside(Exception):
    """A handler cannot answer before something outside the sandbox has: *ask* is awaited, then the handler runs again.

    Nothing of the first run stays, and its world is not locked while *ask* waits.
    """

    def __init__(self, ask: Callable[[], Awaitable[Any]]) -> None:
        super().__init__("waiting for an answer from outside")
        self.ask = ask


class DropConnection(Exception):
    """A scripted fault: the connection ends without an answer."""


def invalid(message: str, subcode: int | None = None) -> GraphError:
    return GraphError(100, f"(#100) {message}", subcode)


def missing_parameter(name: str) -> GraphError:
    return invalid(f"The parameter {name} is required")


def unsupported(method: str, object_id: str) -> GraphError:
    """The object is absent, invisible, or cannot do this: Meta does not say which."""
    message = (
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, cannot be loaded due to "
        f"missing permissions, or does not support this operation. Please read the Graph API documentation at {DOCS}"
    )
    return GraphError(100, message, 33, METHOD)


def unknown_alias(*ids: str) -> GraphError:
    return GraphError(803, f"(#803) Some of the aliases you requested do not exist: {','.join(ids)}")


def unknown_path(path: str) -> GraphError:
    return GraphError(2500, f"Unknown path components: /{path.lstrip('/')}")


def unknown_field(name: str, node_type: str) -> GraphError:
    return invalid(f"Tried accessing nonexisting field ({name}) on node type ({node_type})")


def no_token() -> GraphError:
    return GraphError(104, "An access token is required to request this resource.")


def no_active_user() -> GraphError:
    message = "An active access token must be used to query information about the current user."
    return GraphError(2500, message)


def bad_token(message: str, subcode: int | None = None) -> GraphError:
    challenge = f'OAuth "Facebook Platform" "invalid_token" "{message}"'
    error = GraphError(190, message, subcode, headers={"WWW-Authenticate": challenge})
    if subcode is not None:
        error.title, error.user_message = SESSION_TITLE, SESSION_MESSAGE
    return error


def missing_permission(scope: str) -> GraphError:
    return GraphError(200, f"(#200) Requires {scope} permission to manage the object")


def token_text(subcode: int, now: float, ended_at: float) -> str:
    """Why a token that once worked no longer does."""
    shown = "%A, %d-%b-%y %H:%M:%S UTC"
    ended = datetime.fromtimestamp(ended_at, UTC).strftime(shown)
    current = datetime.fromtimestamp(now, UTC).strftime(shown)
    reason = {
        452: "The session does not match the stored session.",
        458: "The user has not authorized application.",
        459: "The user must log in at https://www.facebook.com/ before continuing.",
        460: "The session has been invalidated because the user changed their password.",
        463: f"Session has expired on {ended}. The current time is {current}.",
        464: "The user is not a confirmed user.",
        465: "Sessions are not allowed for this system user.",
        467: "The session is invalid because the user logged out.",
        492: "The user must be an administrator, editor, or moderator of the page.",
    }.get(subcode, "The session was invalidated.")
    return f"Error validating access token: {reason}"


THROTTLES = {
    4: "(#4) Application request limit reached",
    17: "(#17) User request limit reached",
    32: "(#32) Page request limit reached",
    613: "(#613) Calls to this api have exceeded the rate limit.",
    80001: "(#80001) There have been too many calls to this Page account. Wait a bit and try again.",
    80009: "(#80009) There have been too many calls to this Catalog account. Wait a bit and try again.",
    80014: "(#80014) There have been too many calls for the batch uploads to this catalog account. "
    "Wait a bit and try again.",
}


def throttled(code: int) -> GraphError:
    text = THROTTLES.get(code, f"(#{code}) There have been too many calls. Wait a bit and try again.")
    if code >= 80000:
        text += f" For more info, please refer to {DOCS}/overview/rate-limiting."
    return GraphError(code, text, transient=True if code == 4 else None)
