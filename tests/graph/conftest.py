"""A scripted Meta per test, and a client of it whose sleeps are noted instead of slept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.graph import Graph, GraphSession, GraphSettings
from gateway.kit.clock import ManualClock

from .scripted import Script, ScriptedServer

TOKEN = "EAAtesttoken"
SECRET = "s3cr3t-app"


@pytest.fixture(scope="session")
def scripted_server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def meta(scripted_server: ScriptedServer) -> Script:
    return scripted_server.script()


@dataclass
class Rig:
    """Clients of one script; ``slept`` has the waits in seconds."""

    script: Script
    slept: list[float] = field(default_factory=list)
    graphs: list[Graph] = field(default_factory=list)
    clock: ManualClock = field(default_factory=ManualClock)

    def graph(self, **settings: Any) -> Graph:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        settings = {"base_url": self.script.base_url, "app_id": "100200300400", "app_secret": SECRET, **settings}
        graph = Graph(GraphSettings(**settings), clock=self.clock, sleep=sleep, random=lambda: 1.0)
        self.graphs.append(graph)
        return graph

    def session(self, **settings: Any) -> GraphSession:
        return self.graph(**settings).session(TOKEN)


@pytest.fixture
async def rig(meta: Script) -> AsyncIterator[Rig]:
    rig = Rig(meta)
    yield rig
    for graph in rig.graphs:
        await graph.aclose()


@pytest.fixture
def session(rig: Rig) -> GraphSession:
    return rig.session()
