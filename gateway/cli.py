"""``commerce-gateway``: the command line.

Exit codes: 0 done, 1 nothing could be done, 2 done in part (some rows refused) or called wrongly.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gateway.admin import catalog, keys, shops
from gateway.console import AsJson, err, out, print_json, print_rows
from gateway.dev import DevOptions, develop, fetch_page_assets, import_sample
from gateway.doctor import Check, examine
from gateway.embedded import embedded_redis
from gateway.errors import GatewayError
from gateway.jobs import JobQueue, SilentQueue
from gateway.kit.ids import BadNodeId
from gateway.kit.log import configure_logging
from gateway.kit.vault import VaultError
from gateway.printing import describe_outcome, print_outcome, print_tour, print_welcome
from gateway.sandbox.listing import routes as listed_routes
from gateway.services import Services
from gateway.settings import Settings
from gateway.simulate import Plan, Simulation
from gateway.tour import Tour

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A GraphQL gateway over Meta's commerce operations.")
schema_app = typer.Typer(no_args_is_help=True, help="The GraphQL schema.")
app.add_typer(keys, name="keys")
app.add_typer(shops, name="shops")
app.add_typer(catalog, name="catalog")
app.add_typer(schema_app, name="schema")


@app.callback()
def _begin() -> None:
    # Standard output belongs to what a command prints.
    configure_logging(json=False, level=logging.WARNING)


def main() -> None:
    """Run the command line; a known error is told with its remedy, without a traceback."""
    try:
        app()
    except (GatewayError, VaultError, BadNodeId) as exc:
        err.print(f"[red]error:[/] {escape(str(exc))}", soft_wrap=True)
        if isinstance(exc, GatewayError) and exc.fix:
            err.print(f"[yellow]fix:[/] {escape(exc.fix)}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


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
            print_json(running.describe())
        else:
            print_welcome(out, running)
        assets = asyncio.create_task(fetch_page_assets(running))
        await stop.wait()
        say("stopping")
        await asyncio.wait([assets], timeout=5)
    return True


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
        print_json(
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
    print_tour(out, tour)
    return tour.ok


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
    id_types: Annotated[
        Path | None, typer.Option("--id-types", help="When it stops, write {id: node type} of the first world's calls.")
    ] = None,
    routes: Annotated[bool, typer.Option("--routes", help="List what is simulated, and stop.")] = False,
    json: AsJson = False,
) -> None:
    """A Graph API of our own, to build and test against; prints the tokens of a first world."""
    if routes:
        print_rows(
            [{"method": r.method, "path": r.path, "withdrawn from spec": r.withdrawn} for r in listed_routes()], json
        )
        return
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
                print_json({"url": url, **world})
            else:
                out.print(f"sandbox at [bold]{url}[/], app {world['appId']}, secret {world['appSecret']}")
                for shop in world["shops"]:
                    out.print(f"  {shop['name']}: commerce account {shop['metaId']}, token {shop['accessToken']}")
            await stop.wait()
            if id_types is not None:
                headers = {"Authorization": f"Bearer {world['accessToken']}"}
                async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
                    id_types.write_bytes((await client.get(f"{url}/_sandbox/id-types")).content)

    asyncio.run(run())


@app.command()
def simulate(
    hours: Annotated[float, typer.Option(help="Virtual hours.")] = 24,
    shop_count: Annotated[int, typer.Option("--shops", help="Shops; every other one has onsite checkout.")] = 20,
    items: Annotated[int, typer.Option(help="Items per shop.")] = 5000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.")] = 7,
    json: AsJson = False,
) -> None:
    """Days of all lanes in minutes, with a storm of throttling; exits with 1 when any work was lost."""
    plan = Plan(hours, shop_count, items, seed)
    configure_logging(json=False, level=logging.ERROR)
    with err.status("starting") as status:
        outcome = asyncio.run(Simulation(plan, lambda text: status.update(text)).run())
    if json:
        print_json(describe_outcome(outcome))
    else:
        print_outcome(out, outcome)
    raise typer.Exit(1 if outcome.lost else 0)


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
        print_json([check.__dict__ for check in checks])
    else:
        table = Table("check", "state", "detail", "fix")
        for check in checks:
            table.add_row(check.name, _mark(check), escape(check.detail), escape(check.fix or ""))
        out.print(table)
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _mark(check: Check) -> str:
    return "[green]ok[/]" if check.ok else "[red]failed[/]"


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
