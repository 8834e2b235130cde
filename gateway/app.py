"""The web process: routes over the services, opened and closed with the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.api.http import GraphQLApp, Guard
from gateway.graphiql.page import ASSETS, assets_folder
from gateway.services import Services


def create_app(services: Services, *, close: bool = True) -> Starlette:
    """The ASGI application; with *close* it closes the services when the server stops."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        if close:
            await services.aclose()

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        """Ready when the database answers and is at our revision.  Redis is a doorbell: its loss is told, not fatal."""
        try:
            current, newest = await services.db.in_thread(services.db.revisions)
            database = "ok" if current == newest else f"migrations are at {current}, the code wants {newest}"
        except SQLAlchemyError as exc:
            database = f"unreachable ({type(exc).__name__})"
        redis = "ok" if await services.jobs.ping() else "unreachable"
        status = 200 if database == "ok" else 503
        return JSONResponse({"database": database, "redis": redis}, status)

    routes = [
        Route("/graphql", Guard(GraphQLApp(services), services)),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]
    if not services.settings.production:
        folder = assets_folder(services.settings.data_dir)
        routes.append(Mount(ASSETS, StaticFiles(directory=folder, check_dir=False)))  # type: ignore[arg-type]
    return Starlette(routes=routes, lifespan=lifespan)
