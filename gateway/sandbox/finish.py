"""What is added to an answer on its way out: debug messages, the reader's language, the other table of statuses.

Source: graph-api.md sections 8, 12 and 14.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox import params
from gateway.sandbox.errors import DOCS
from gateway.sandbox.locales import translated
from gateway.sandbox.messages import Asked, Reply
from gateway.sandbox.world import World

GRAPH, OPENAPI = "graph", "openapi"
STATUSES = (GRAPH, OPENAPI)
_LEVELS = {"all": ("info", "warning"), "info": ("info",), "warning": ("warning",)}
_LIMITS = frozenset((4, 17, 32, 341, 613))


def openapi_status(code: int) -> int:
    """The status that Meta's OpenAPI file gives an error code."""
    if code in (102, 104, 190):
        return 401
    if code == 10 or 200 <= code <= 299:
        return 403
    if code == 803:
        return 404
    if code in _LIMITS or 80_000 <= code <= 80_014:
        return 429
    return 500 if code in (1, 2) else 400


def restate(world: World, reply: Reply) -> None:
    """Another status for the same error, in a world that speaks by Meta's OpenAPI file."""
    error = reply.body.get("error") if isinstance(reply.body, dict) else None
    if world.config.statuses == OPENAPI and isinstance(error, dict) and isinstance(error.get("code"), int):
        reply.status = openapi_status(error["code"])


def localize(asked: Asked, reply: Reply) -> None:
    """The texts for end users in the language of `locale`, where the sandbox has them."""
    locale = params.text(asked.params, "locale")
    error = reply.body.get("error") if isinstance(reply.body, dict) else None
    if locale is None or not isinstance(error, dict):
        return
    for name in ("error_user_title", "error_user_msg"):
        if name in error:
            error[name] = translated(error[name], locale)


def add_debug(asked: Asked, notes: list[tuple[str, str]], reply: Reply) -> None:
    """`__debug__`, for those who asked."""
    wanted = _LEVELS.get(str(params.text(asked.params, "debug")).lower())
    if wanted is None or not isinstance(reply.body, dict):
        return
    messages: list[dict[str, Any]] = [
        {"message": text, "type": kind} for kind, text in dict.fromkeys(notes) if kind in wanted
    ]
    if "warning" in wanted and asked.said != asked.version:
        named = "names no version" if asked.said is None else f"asks for {asked.said}, which has ended"
        text = f"The call {named}; it was served by {asked.version}."
        messages.append({"message": text, "type": "warning", "link": f"{DOCS}/guides/versioning"})
    reply.body = reply.body | {"__debug__": {"messages": messages}}
