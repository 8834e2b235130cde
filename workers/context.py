"""What every job gets: the services of its process."""

from __future__ import annotations

from typing import Any

from gateway.services import Services

JobContext = dict[str, Any]


def services(ctx: JobContext) -> Services:
    found = ctx["services"]
    assert isinstance(found, Services)
    return found
