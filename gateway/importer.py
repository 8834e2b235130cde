"""``catalog import``: on the database itself, or through a running gateway, with one report for both."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.access.models import Caller
from gateway.catalog.feeds import FeedFormat, FeedOptions
from gateway.catalog.importing import CatalogImport
from gateway.errors import InvalidInput, Unavailable
from gateway.jobs import JobQueue, SilentQueue
from gateway.kit.ids import key_of
from gateway.services import Services
from gateway.settings import Settings

_FIELDS = """id state rows created updated unchanged refused
refusals { line retailerId code field message fix } error { message fix }"""
_RUN = f"""mutation Import($input: CatalogImportRunInput!) {{
  catalogImportRun(input: $input) {{ catalogImport {{ {_FIELDS} }} userErrors {{ code message fix }} }}
}}"""
_READ = f"query Import($id: ID!) {{ node(id: $id) {{ ... on CatalogImport {{ {_FIELDS} }} }} }}"
_POLL_S = 1.0
SHOWN = 50


@dataclass(frozen=True)
class ImportReport:
    """What an import came to, whichever way it went."""

    state: str
    counts: dict[str, int]
    refusals: list[dict[str, Any]]
    error: dict[str, Any] | None

    @property
    def exit_code(self) -> int:
        taken = sum(self.counts[key] for key in ("created", "updated", "unchanged"))
        if self.state != "FINISHED" or not taken:
            return 1
        return 2 if self.counts["refused"] else 0

    def document(self) -> dict[str, Any]:
        return {"state": self.state, **self.counts, "refusals": self.refusals, "error": self.error}

    def print_to(self, console: Console) -> None:
        """The report for people."""
        if self.refusals:
            table = Table("line", "item", "field", "reason", "fix")
            for refusal in self.refusals[:SHOWN]:
                keys = ("line", "retailerId", "field", "message", "fix")
                table.add_row(*(escape(str(refusal[key] if refusal[key] is not None else "")) for key in keys))
            console.print(table)
            if self.counts["refused"] > SHOWN:
                console.print(
                    f"... {self.counts['refused']} rows were refused in all; --json shows up to 1,000 reasons"
                )
        parts = ", ".join(f"{self.counts[key]} {key}" for key in ("created", "updated", "unchanged", "refused"))
        console.print(f"{self.state.lower()}: {self.counts['rows']} rows read; {parts}")
        if self.error:
            console.print(f"[red]error:[/] {escape(str(self.error['message']))}")
            if self.error.get("fix"):
                console.print(f"[yellow]fix:[/] {escape(str(self.error['fix']))}")


_COUNTS = ("rows", "created", "updated", "unchanged", "refused")


def _options(currency: str | None, link_template: str | None, format: str | None) -> FeedOptions:
    try:
        wanted = FeedFormat(format.lower()) if format else None
    except ValueError as exc:
        known = ", ".join(entry.value for entry in FeedFormat)
        raise InvalidInput(f"{format!r} is no format", field=("format",), fix=f"Use one of {known}.") from exc
    return FeedOptions(format=wanted, currency=currency, link_template=link_template)


def _opened(file: Path) -> Any:
    try:
        return file.open("rb")
    except OSError as exc:
        raise InvalidInput(f"{file} cannot be read: {exc.strerror}", field=("file",), fix="Check the path.") from exc


async def import_straight(
    settings: Settings,
    file: Path,
    shop: str,
    currency: str | None,
    link_template: str | None,
    format: str | None,
    console: Console | None,
) -> ImportReport:
    """Import on the database that the environment names; *console* shows the progress."""
    options = _options(currency, link_template, format)
    stream = _opened(file)
    jobs = JobQueue(settings.redis_url.get_secret_value()) if settings.redis_url else SilentQueue()
    services = Services.build(settings, jobs)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rows]} rows"), TimeElapsedColumn(),
        console=console, disable=console is None, transient=True,
    )  # fmt: skip
    try:
        with bar:
            task = bar.add_task("importing", total=os.fstat(stream.fileno()).st_size or 1, rows=0)

            def progress(counts: dict[str, int], position: int) -> None:
                bar.update(task, completed=position, rows=counts["rows"])

            done = await services.imports.run(
                Caller.system(), key_of(shop, "Shop"), stream, options, file.name, progress
            )
    finally:
        await services.aclose()
    return _report(done)


def _report(done: CatalogImport) -> ImportReport:
    refusals = [
        {
            "line": refusal.line,
            "retailerId": refusal.retailer_id,
            "code": refusal.code,
            "field": refusal.field,
            "message": refusal.message,
            "fix": refusal.fix,
        }
        for refusal in done.refused
    ]
    return ImportReport(done.state.value, {key: done.counts.get(key, 0) for key in _COUNTS}, refusals, done.error)


async def import_over_http(
    file: Path,
    shop: str,
    url: str,
    api_key: str,
    currency: str | None,
    link_template: str | None,
    format: str | None,
) -> ImportReport:
    """Send the file to a running gateway, and follow the import to its end."""
    options = _options(currency, link_template, format)
    variables = {
        "input": {
            "shopId": shop,
            "file": None,
            "source": file.name,
            "currency": currency,
            "linkTemplate": link_template,
            "format": options.format.name if options.format else None,
        }
    }
    operations = orjson.dumps({"query": _RUN, "variables": variables}).decode()
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(30, read=600, write=600)) as http:
        with _opened(file) as stream:
            body = await _ask(
                http,
                url,
                data={"operations": operations, "map": orjson.dumps({"0": ["variables.input.file"]}).decode()},
                files={"0": (file.name, stream, "application/octet-stream")},
            )
        payload = body["catalogImportRun"]
        if payload["userErrors"]:
            error = payload["userErrors"][0]
            return ImportReport("FAILED", dict.fromkeys(_COUNTS, 0), [], error)
        found = payload["catalogImport"]
        while found["state"] == "RUNNING":
            await asyncio.sleep(_POLL_S)
            found = (await _ask(http, url, json={"query": _READ, "variables": {"id": found["id"]}}))["node"]
    return ImportReport(found["state"], {key: found[key] for key in _COUNTS}, found["refusals"], found["error"])


async def _ask(http: httpx.AsyncClient, url: str, **request: Any) -> Mapping[str, Any]:
    try:
        answer = await http.post(url, **request)
        body = answer.json()
    except (httpx.HTTPError, ValueError) as exc:
        raise Unavailable(f"the gateway at {url} does not answer: {exc}", fix="Check --url.") from exc
    if body.get("errors"):
        error = body["errors"][0]
        raise Unavailable(error["message"], fix=error.get("extensions", {}).get("fix"))
    data: Mapping[str, Any] = body["data"]
    return data
