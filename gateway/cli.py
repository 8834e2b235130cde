"""``commerce-gateway``: the command line.

Exit codes: 0 done, 1 nothing could be done, 2 done in part (some rows refused) or called wrongly.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.access.models import ALL_SCOPES, Caller, Scope
from gateway.dev import Dev, DevOptions, develop, fetch_page_assets, import_sample
from gateway.doctor import Check, examine
from gateway.embedded import embedded_redis
from gateway.errors import GatewayError
from gateway.importer import import_over_http, import_straight
from gateway.jobs import JobQueue, SilentQueue
from gateway.kit.ids import BadNodeId, key_of, node_id
from gateway.kit.log import configure_logging
from gateway.kit.vault import Vault, VaultError
from gateway.services import Services
from gateway.settings import Settings
from gateway.tour import Tour

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A GraphQL gateway over Meta's commerce operations.")
keys = typer.Typer(no_args_is_help=True, help="API keys, and the key that tokens are encrypted with.")
shops = typer.Typer(no_args_is_help=True, help="Linked shops.")
catalog = typer.Typer(no_args_is_help=True, help="Catalogs.")
schema_app = typer.Typer(no_args_is_help=True, help="The GraphQL schema.")
app.add_typer(keys, name="keys")
app.add_typer(shops, name="shops")
app.add_typer(catalog, name="catalog")
app.add_typer(schema_app, name="schema")

out = Console()
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def main() -> None:
    """Run the command line; a known error is told with its remedy, without a traceback."""
    try:
        app()
    except (GatewayError, VaultError, BadNodeId) as exc:
        err.print(f"[red]error:[/] {escape(str(exc))}")
        if isinstance(exc, GatewayError) and exc.fix:
            err.print(f"[yellow]fix:[/] {escape(exc.fix)}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, default=str).decode() + "\n")
    sys.stdout.flush()


def _with_services(work: Callable[[Services], Awaitable[T]]) -> T:
    """Run *work* on the database that the environment names."""

    async def run() -> T:
        services = Services.build(Settings(), SilentQueue())
        try:
            return await work(services)
        finally:
            await services.aclose()

    return asyncio.run(run())


def _stop_event() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; the second ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask, number)
    return stop


# --- processes -----------------------------------------------------------------------------------------------------


@app.command()
def dev(
    once: Annotated[bool, typer.Option("--once", help="Run the tour, print it as a table, and stop.")] = False,
    json: AsJson = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port of the gateway; 0 takes a free one. [default: 8000]")] = None,
    sandbox_port: Annotated[
        int | None, typer.Option(help="Port of the sandbox; 0 takes a free one. [default: 9000]")
    ] = None,
    data: Annotated[Path, typer.Option(help="Where its files go; they are made anew each time.")] = Path(".data/dev"),
) -> None:
    """Everything on one machine: sandbox, SQLite, Redis, worker, and the gateway with GraphiQL.

    GATEWAY_GRAPH_URL, where set, is the address that the client calls in place of the sandbox's own.
    """
    free = 0 if once else None
    settings = Settings()
    options = DevOptions(
        data_dir=data,
        host=host,
        port=port if port is not None else free if free is not None else settings.port,
        sandbox_port=sandbox_port if sandbox_port is not None else free if free is not None else 9000,
        graph_url=settings.graph_url if "graph_url" in settings.model_fields_set else None,
        link_shops=not once,
    )
    configure_logging(json=False, level=30)
    ok = asyncio.run(_tour(options, json) if once else _dev(options, json))
    raise typer.Exit(0 if ok else 1)


async def _dev(options: DevOptions, json: bool) -> bool:
    stop = _stop_event()

    def say(text: str) -> None:
        if not json:
            out.print(f"[green]•[/] {escape(text)}")

    async with develop(options, say) as running:
        counts = await import_sample(running)
        say(f"imported {counts['created']} sample products; the worker brings them to the sandbox")
        if json:
            _print_json(running.describe())
        else:
            _welcome(running)
        assets = asyncio.create_task(fetch_page_assets(running))
        await stop.wait()
        say("stopping")
        await asyncio.wait([assets], timeout=5)
    return True


def _welcome(running: Dev) -> None:
    shop = node_id("Shop", running.shops[0].id)
    out.print()
    out.print(f"  GraphiQL  [bold link]{running.graphql}#key={running.api_key}[/]", soft_wrap=True)
    out.print(f"  API key   [bold]{running.api_key}[/]", soft_wrap=True)
    out.print(f"  sandbox   {running.sandbox_url}  (token {running.world['accessToken']})", soft_wrap=True)
    out.print("\n  Three queries to try:")
    for query in (
        "{ shops { nodes { name checkoutType freshness { lane lagSeconds state } } } }",
        f'{{ products(shopId: \\"{shop}\\", first: 20) {{ nodes {{ title price {{ amount }} syncState }} }} }}',
        "{ orders(first: 25) { nodes { metaId state items { name product { title } } } } }",
    ):
        body = f'{{"query": "{query}"}}'
        out.print(
            f"  curl -s {running.graphql} -H 'Authorization: Bearer {running.api_key}' "
            f"-H 'Content-Type: application/json' -d '{body}'",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
    out.print("\n  Ctrl-C stops everything.")


async def _tour(options: DevOptions, json: bool) -> bool:
    stop = _stop_event()
    with err.status("starting") as status:
        async with develop(options, lambda text: status.update(text)) as running:
            tour = Tour(running)
            walk = asyncio.create_task(tour.walk(lambda name: status.update(name)))
            ended = asyncio.create_task(stop.wait())
            await asyncio.wait([walk, ended], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if not walk.done():
                walk.cancel()
                return False
            await walk
    if json:
        _print_json(
            {
                "ok": tour.ok,
                "steps": [
                    {"step": step.name, "ok": step.ok, "result": step.result, "seconds": round(step.seconds, 2)}
                    for step in tour.steps
                ],
                "products": tour.products,
                "refused": tour.refusals,
            }
        )
        return tour.ok
    _print_tour(tour)
    return tour.ok


def _print_tour(tour: Tour) -> None:
    products = Table(title="The apparel file, row by row", title_justify="left")
    for column in ("retailer id", "title", "price", "state", "reason"):
        products.add_column(column, overflow="fold")
    for product in tour.products:
        error = product["syncError"]
        price = product["price"]
        products.add_row(
            product["retailerId"],
            product["title"],
            f"{price['amount']} {price['currencyCode']}",
            product["syncState"],
            error["message"] if error else "",
        )
    for refusal in tour.refusals:
        products.add_row(refusal["retailerId"] or f"line {refusal['line']}", "", "", "REFUSED", refusal["message"])
    out.print(products)
    steps = Table(title="The tour", title_justify="left")
    for column in ("step", "result", "seconds", ""):
        steps.add_column(column, justify="right" if column == "seconds" else "left", overflow="fold")
    for step in tour.steps:
        mark = "[green]ok[/]" if step.ok else "[red]failed[/]"
        steps.add_row(step.name, escape(step.result), f"{step.seconds:.1f}", mark)
    out.print(steps)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: GATEWAY_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [default: GATEWAY_PORT]")] = None,
) -> None:
    """The web process, for production: /graphql, /healthz, /readyz."""
    import uvicorn

    from gateway.app import create_app

    settings = Settings()
    configure_logging(json=True)
    jobs = JobQueue(settings.redis_url.get_secret_value()) if settings.redis_url else SilentQueue()
    services = Services.build(settings, jobs)
    uvicorn.run(
        create_app(services),
        host=host or settings.host,
        port=settings.port if port is None else port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=30,
    )


@app.command()
def worker() -> None:
    """A worker process, for production: runs lanes and carries what is to be sent."""
    from workers.main import run_worker

    settings = Settings()
    configure_logging(json=True)

    async def run() -> None:
        stop = _stop_event()
        with ExitStack() as stack:
            url = settings.redis_url.get_secret_value() if settings.redis_url else stack.enter_context(embedded_redis())
            await run_worker(settings, url, stop=stop)

    asyncio.run(run())


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 9000,
    json: AsJson = False,
) -> None:
    """A Graph API of our own, to build and test against; prints the tokens of a first world."""
    import httpx

    from gateway.sandbox import SandboxSettings
    from gateway.sandbox import create_app as create_sandbox
    from gateway.serving import bind, running

    async def run() -> None:
        stop = _stop_event()
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(running(create_sandbox(SandboxSettings()), bind(host, port)))
            async with httpx.AsyncClient(trust_env=False) as client:
                world = (await client.post(f"{url}/_sandbox/worlds", json={})).json()
            if json:
                _print_json({"url": url, **world})
            else:
                out.print(f"sandbox at [bold]{url}[/], app {world['appId']}, secret {world['appSecret']}")
                for shop in world["shops"]:
                    out.print(f"  {shop['name']}: commerce account {shop['metaId']}, token {shop['accessToken']}")
            await stop.wait()

    asyncio.run(run())


@app.command()
def migrate(
    revision: Annotated[str, typer.Option(help="Revision to go to; `base` takes everything down.")] = "head",
) -> None:
    """Bring the database's schema up to date."""
    from gateway.db import Database

    db = Database(Settings().database_url.get_secret_value())
    if revision == "base":
        db.unmigrate()
    else:
        db.migrate(revision)
    out.print(f"the database is at {db.revisions()[0]}")
    db.close()


@app.command()
def doctor(json: AsJson = False) -> None:
    """Look at everything that the gateway leans on, and say how to mend what fails."""
    checks = asyncio.run(examine(Settings()))
    if json:
        _print_json([check.__dict__ for check in checks])
    else:
        table = Table("check", "state", "detail", "fix")
        for check in checks:
            table.add_row(check.name, _mark(check), escape(check.detail), escape(check.fix or ""))
        out.print(table)
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _mark(check: Check) -> str:
    return "[green]ok[/]" if check.ok else "[red]failed[/]"


# --- keys ----------------------------------------------------------------------------------------------------------


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Name it after the app that will use it.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; all by default.")] = None,
    shop: Annotated[list[str] | None, typer.Option(help="Id of a shop it is granted; every shop by default.")] = None,
    json: AsJson = False,
) -> None:
    """Make an API key; its secret is shown this once."""
    granted = [key_of(entry, "Shop") for entry in shop] if shop else None
    key, secret = _with_services(
        lambda services: services.access.create_key(Caller.system(), name, scope or ALL_SCOPES, granted)
    )
    if json:
        _print_json({"id": node_id("ApiKey", key.id), "name": key.name, "secret": secret})
    else:
        out.print(f"[bold]{secret}[/]", soft_wrap=True)


@keys.command("list")
def keys_list(json: AsJson = False) -> None:
    """List API keys, without their secrets."""
    found = _with_services(lambda services: services.access.list_keys(Caller.system()))
    rows = [
        {
            "id": node_id("ApiKey", key.id),
            "name": key.name,
            "hint": key.hint,
            "scopes": [scope.value for scope in key.scopes],
            "shops": None if key.shops is None else [node_id("Shop", entry) for entry in key.shops],
            "revoked": key.revoked_at is not None,
        }
        for key in found
    ]
    _print_rows(rows, json)


@keys.command("revoke")
def keys_revoke(id: Annotated[str, typer.Argument(help="The key's id.")]) -> None:
    """Make an API key useless."""
    key = _with_services(lambda services: services.access.revoke_key(Caller.system(), key_of(id, "ApiKey")))
    out.print(f"{key.name} is revoked")


@keys.command("encryption-key")
def keys_encryption_key() -> None:
    """Print a fresh key for GATEWAY_ENCRYPTION_KEYS."""
    sys.stdout.write(Vault.new_key() + "\n")


@keys.command("rotate-encryption")
def keys_rotate_encryption() -> None:
    """Seal all stored tokens under the first of GATEWAY_ENCRYPTION_KEYS."""
    count = _with_services(lambda services: services.shops.rotate_tokens())
    out.print(f"{count} tokens are sealed under the newest key")


# --- shops ---------------------------------------------------------------------------------------------------------


@shops.command("link")
def shops_link(
    commerce_account: Annotated[str, typer.Argument(help="Meta's id of the commerce account.")],
    token: Annotated[
        str | None,
        typer.Option(envvar="GATEWAY_SHOP_TOKEN", help="The shop's token. Left out, it is read from standard input."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Link a shop, or renew its token."""
    secret = token or (sys.stdin.readline() if not sys.stdin.isatty() else typer.prompt("token", hide_input=True))
    shop = _with_services(lambda services: services.shops.link(Caller.system(), commerce_account, secret.strip()))
    _print_rows([_shop_row(shop)], json)


@shops.command("list")
def shops_list(json: AsJson = False) -> None:
    """List linked shops."""
    found = _with_services(lambda services: services.shops.all(Caller.system()))
    _print_rows([_shop_row(shop) for shop in found], json)


def _shop_row(shop: Any) -> dict[str, Any]:
    return {
        "id": node_id("Shop", shop.id),
        "name": shop.name,
        "metaId": shop.meta_id,
        "catalogId": shop.catalog_id,
        "checkout": shop.checkout.value,
    }


def _print_rows(rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        _print_json(rows)
        return
    if not rows:
        out.print("none")
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(escape("" if value is None else str(value)) for value in row.values()))
    out.print(table)


# --- catalog -------------------------------------------------------------------------------------------------------


@catalog.command("import")
def catalog_import(
    file: Annotated[Path, typer.Argument(help="Shopify CSV, Meta or Google feed (CSV, TSV, XML), or JSONL.")],
    shop: Annotated[str, typer.Option("--shop", help="Id of the shop whose catalog is written.")],
    currency: Annotated[str | None, typer.Option(help="ISO 4217; completes prices that have none.")] = None,
    link_template: Annotated[
        str | None, typer.Option(help="Makes product links: https://shop.example.com/products/{handle}")
    ] = None,
    format: Annotated[str | None, typer.Option(help="shopify_csv, meta_csv, meta_tsv, meta_xml or jsonl.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Address of a gateway's /graphql, to work through it and not the database.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(envvar="GATEWAY_API_KEY", help="The key for --url.")] = None,
    json: AsJson = False,
) -> None:
    """Import a product file. Exits with 0 when every row was taken, 2 when some were refused, 1 when none could be."""
    if url is not None and not api_key:
        raise typer.BadParameter("--url needs --api-key (or GATEWAY_API_KEY)")
    work = (
        import_over_http(file, shop, url, api_key or "", currency, link_template, format)
        if url is not None
        else import_straight(Settings(), file, shop, currency, link_template, format, None if json else err)
    )
    report = asyncio.run(work)
    if json:
        _print_json(report.document())
    else:
        report.print_to(out)
    raise typer.Exit(report.exit_code)


# --- schema --------------------------------------------------------------------------------------------------------


@schema_app.command("export")
def schema_export(
    path: Annotated[Path, typer.Argument(help="Where to write it; `-` for standard output.")] = Path("schema.graphql"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 when the file is stale.")] = False,
) -> None:
    """Write the schema as SDL."""
    from gateway.schema import sdl

    text = sdl()
    if check:
        fresh = path.exists() and path.read_text(encoding="utf-8") == text
        out.print(f"{path} is {'fresh' if fresh else 'stale; run `commerce-gateway schema export`'}")
        raise typer.Exit(0 if fresh else 1)
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")
        out.print(f"wrote {path}")
