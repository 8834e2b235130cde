"""Logs as structured events; nothing secret gets into one.

Values are redacted by type and by key: a ``SecretStr`` or a ``Secret`` shows as stars, and so does whatever stands
under a key that names a secret.  Texts are scanned for tokens as a last line of defence.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from pydantic import SecretStr

HIDDEN = "***"
_SECRET_KEYS = re.compile(
    r"token|secret|proof|password|authorization|api_?key|cookie|signature|e-?mail|phone|address|buyer", re.IGNORECASE
)
# Meta's tokens, our own keys, and either of them as parameters of a URL.
_SECRET_TEXT = re.compile(
    r"EAA[A-Za-z0-9_-]{8,}|mcg_[A-Za-z0-9_-]{8,}"
    r"|((?<![A-Za-z_])(?:access_token|appsecret_proof|client_secret|code)=)[^&\s\"']+"
)


def redact_text(text: str) -> str:
    """*text* with everything that looks like a token replaced by stars."""
    return _SECRET_TEXT.sub(lambda match: f"{match.group(1) or ''}{HIDDEN}", text)


def redact(value: Any, key: str = "") -> Any:
    """A copy of *value* that may be logged."""
    if isinstance(value, SecretStr) or (key and value is not None and _SECRET_KEYS.search(key)):
        return HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {redact_text(str(name)): redact(entry, str(name)) for name, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(entry) for entry in value]
    if isinstance(value, BaseException):
        return redact_text(f"{type(value).__name__}: {value}")
    # Whatever else it is, the renderer would print its repr, and that may hold anything.
    return redact_text(repr(value))


class _RedactingFormatter(logging.Formatter):
    """For the loggers of libraries: what they print is scanned as a whole, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


def _redactor(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in list(event):
        event[key] = redact(event[key], "" if key == "event" else key)
    return event


def configure_logging(*, json: bool, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send all events to standard error: as JSON for machines, coloured for people."""
    out = stream or sys.stderr
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=32)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Before the redactor: a traceback is text too.
            structlog.processors.format_exc_info,
            _redactor,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_RedactingFormatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
