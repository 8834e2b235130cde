"""The house: imports go one way, the sandbox is alone, and no module is larger than its subject."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("gateway", "workers")
DOMAINS = ("shops", "catalog", "orders")

# Lower numbers know nothing of higher ones.  A module may import what stands on its own floor or below.
FLOORS: list[tuple[int, tuple[str, ...]]] = [
    (0, ("gateway.kit", "gateway.errors", "gateway.samples")),
    (1, ("gateway.graph", "gateway.jobs", "gateway.db", "gateway.settings", "gateway.embedded")),
    (2, ("{domain}.models", "{domain}.errors", "gateway.catalog.cleaning", "gateway.catalog.feeds")),
    (3, ("{domain}.edges", "{domain}.store")),
    (4, ("gateway.commands", "gateway.sync", "gateway.access")),
    (5, ("{domain}.",)),
    (6, ("gateway.services",)),
    (7, ("gateway.context", "{domain}.loaders", "gateway.commands.loaders", "gateway.sync.loaders")),
    (
        8,
        (
            "gateway.api",
            "{domain}.types",
            "gateway.catalog.quota_types",
            "gateway.commands.types",
            "gateway.sync.types",
            "gateway.access.types",
        ),
    ),
    (
        9,
        (
            "{domain}.queries",
            "{domain}.mutations",
            "gateway.sync.queries",
            "gateway.sync.mutations",
            "gateway.access.mutations",
        ),
    ),
    (10, ("gateway.schema", "workers", "gateway.graphiql")),
    (11, ("gateway.api.http",)),
    (12, ("gateway.app", "gateway.serving")),
    (13, ("gateway.dev", "gateway.tour", "gateway.doctor", "gateway.importer", "gateway.printing", "gateway.simulate")),
    (14, ("gateway.console", "gateway.admin")),
    (15, ("gateway.cli", "gateway.__main__")),
]
# Domains, lowest first: each may use those before it.
DOMAIN_ORDER = {"shops": 0, "catalog": 1, "orders": 2}
EXEMPT = ("gateway.migrations",)


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor(module: str) -> int | None:
    """The floor of a module: that of the longest prefix that names it."""
    best: tuple[int, int] | None = None
    for number, prefixes in FLOORS:
        for prefix in prefixes:
            for candidate in [prefix.format(domain=f"gateway.{d}") for d in DOMAINS] if "{" in prefix else [prefix]:
                exact = module == candidate.rstrip(".") or module.startswith(candidate.rstrip(".") + ".")
                if exact and (best is None or len(candidate) > best[0]):
                    best = (len(candidate), number)
    return None if best is None else best[1]


ALL = dict(modules())
OURS = [name for name in ALL if not name.startswith((*EXEMPT, "gateway.sandbox")) and name not in PACKAGES]


@pytest.mark.parametrize("module", OURS)
def test_imports_go_downwards(module: str) -> None:
    own = floor(module)
    assert own is not None, f"{module} stands on no floor; give it one"
    for imported in imports(ALL[module]):
        other = floor(imported) if imported in ALL else None
        if other is not None and not imported.startswith("gateway.sandbox"):
            assert other <= own, f"{module} (floor {own}) imports {imported} (floor {other})"


@pytest.mark.parametrize("module", [name for name in OURS if name.split(".")[1] in DOMAIN_ORDER])
def test_a_domain_uses_only_those_below_it(module: str) -> None:
    own = DOMAIN_ORDER[module.split(".")[1]]
    for imported in imports(ALL[module]):
        parts = imported.split(".")
        if parts[0] == "gateway" and len(parts) > 1 and parts[1] in DOMAIN_ORDER:
            assert DOMAIN_ORDER[parts[1]] <= own, f"{module} imports {imported}"


@pytest.mark.parametrize("module", [name for name in ALL if name.startswith("gateway.sandbox")])
def test_the_sandbox_is_alone(module: str) -> None:
    for imported in imports(ALL[module]):
        if imported.split(".")[0] in PACKAGES:
            assert imported.startswith("gateway.sandbox"), f"{module} imports {imported}"


def test_only_the_command_line_and_dev_start_a_sandbox() -> None:
    users = {name for name in OURS if any(i.startswith("gateway.sandbox") for i in imports(ALL[name]))}

    assert users <= {"gateway.cli", "gateway.dev", "gateway.simulate"}


def test_workers_know_no_resolvers() -> None:
    for name in OURS:
        if name.startswith("workers"):
            for imported in imports(ALL[name]):
                assert not imported.endswith((".types", ".queries", ".mutations")), f"{name} imports {imported}"


def test_only_edges_call_the_graph_client() -> None:
    """Graph field names live in ``edges.py``: nobody else makes calls on a session."""
    for name, path in ALL.items():
        if name.startswith(("gateway.graph", "gateway.sandbox")) or name.endswith(".edges"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                on_graph = isinstance(node.func.value, ast.Name) and node.func.value.id == "graph"
                calls = {"get", "post", "post_json", "delete", "pages", "get_many", "batch"}
                assert not (on_graph and node.func.attr in calls), f"{name} calls graph.{node.func.attr}"


@pytest.mark.parametrize("path", list(ALL.values()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_one_subject(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")

    assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines; split it by noun"


def test_every_module_says_why_it_is_there() -> None:
    for name, path in ALL.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if tree.body:
            assert ast.get_docstring(tree), f"{name} has no docstring"
