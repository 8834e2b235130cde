"""What ``dev`` tells people: where things are, and how the tour went."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.dev import Dev
from gateway.kit.ids import node_id
from gateway.simulate import Outcome
from gateway.sync.models import PACES
from gateway.tour import Tour


def print_welcome(out: Console, running: Dev) -> None:
    """Where everything is, and three queries to try."""
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


def print_tour(out: Console, tour: Tour) -> None:
    """Every row of the file, then every step."""
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


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """A simulation's outcome for programs."""
    return {
        "graphCalls": outcome.graph_calls,
        "calls": dict(outcome.calls.most_common()),
        "runs": dict(outcome.runs),
        "worstLagSeconds": {lane.value: lag for lane, lag in outcome.worst_lag_s.items()},
        "breaches": dict(outcome.breaches),
        "fullestBuckets": outcome.fullest,
        "changes": outcome.changes,
        "orders": outcome.orders,
        "lost": outcome.lost,
    }


def print_outcome(out: Console, outcome: Outcome) -> None:
    """A simulation's outcome for people."""
    calls = Table(title=f"Graph calls: {outcome.graph_calls}", title_justify="left")
    calls.add_column("edge")
    calls.add_column("HTTP requests", justify="right")
    for edge, number in outcome.calls.most_common():
        calls.add_row(edge, f"{number:,}")
    out.print(calls)
    lanes = Table(title="Lanes", title_justify="left")
    for column in ("lane", "runs", "worst lag", "target", "looks beyond target"):
        lanes.add_column(column, justify="left" if column == "lane" else "right")
    for lane, lag in sorted(outcome.worst_lag_s.items()):
        runs, breaches = outcome.runs[lane.value], outcome.breaches[lane.value]
        lanes.add_row(lane.value, f"{runs:,}", f"{lag} s", f"{PACES[lane].target_s} s", str(breaches))
    out.print(lanes)
    fullest = ", ".join(f"{kind} {percent:.0f} %" for kind, percent in sorted(outcome.fullest.items())) or "none known"
    out.print(f"fullest buckets: {fullest}")
    out.print(f"{outcome.changes:,} items changed, {outcome.orders:,} orders placed")
    if outcome.lost:
        out.print(f"[red]lost work: {len(outcome.lost)}[/]")
        for line in outcome.lost[:20]:
            out.print(f"  {escape(line)}")
    else:
        out.print("[green]lost work: none[/]")
