"""What the commands share: where they print, and how they get at the services."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.jobs import SilentQueue
from gateway.services import Services
from gateway.settings import Settings

T = TypeVar("T")

out = Console()
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(value: Any) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(orjson.dumps(value, default=str).decode() + "\n")
    sys.stdout.flush()


def with_services(work: Callable[[Services], Awaitable[T]]) -> T:
    """Run *work* on the database that the environment names."""

    async def run() -> T:
        services = Services.build(Settings(), SilentQueue())
        try:
            return await work(services)
        finally:
            await services.aclose()

    return asyncio.run(run())


def print_rows(rows: list[dict[str, Any]], json: bool) -> None:
    """Rows as a table for people, or as JSON."""
    if json:
        print_json(rows)
        return
    if not rows:
        out.print("none")
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(escape("" if value is None else str(value)) for value in row.values()))
    out.print(table)
