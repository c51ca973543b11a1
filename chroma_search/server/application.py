"""The application: what an ASGI server runs. It opens the data when it starts, and finds the route of each request.

Beside the API: `/openapi.json`, `/docs`, `/metrics`, and a word to those who still call API v1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chroma_search.engine.database import Database
from chroma_search.errors import ChromaSearchError, ForbiddenError
from chroma_search.server.access.authentication import FAILURES_AT_ONCE, FAILURES_PER_SECOND, Authentication
from chroma_search.server.access.roles import ANY, Role
from chroma_search.server.gateway import Gateway
from chroma_search.server.logs import set_up_logs
from chroma_search.server.metrics import MEDIA_TYPE, Metrics
from chroma_search.server.missing_routes import no_route
from chroma_search.server.openapi import docs_page, openapi_document
from chroma_search.server.rate import Rates
from chroma_search.server.refusals import refusal_of
from chroma_search.server.request_log import NO_ROUTE, TRACE_ID, Progress, RequestLog
from chroma_search.server.route_table import RouteTable
from chroma_search.server.routes import ROUTES
from chroma_search.server.settings import ServerSettings
from chroma_search.server.shared_rates import LeasedRates, SharedRates
from chroma_search.server.tracing import Tracing

PREFIX = "/api/v2"
PAGES = {"/openapi.json": "openapi", "/docs": "docs", "/metrics": "metrics"}
"""What there is beside the API, with its name in log and metrics."""
V1 = "/api/v1"
V1_METHODS = ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
V1_ANSWER = orjson.dumps({"error": "Unimplemented", "message": "The v1 API is deprecated. Please use /v2 apis"})


class Application:
    """The ASGI application of a server.

    Args:
        settings: of the server.
        database: the data; None opens the folder of the settings when the server starts, and closes it at its end.
        shared: folder in which the processes of the server count requests and wrong passwords together; None for one
            process.

    Raises:
        InvalidConfigError: the users file cannot be read.
    """

    def __init__(self, settings: ServerSettings, database: Database | None = None, shared: Path | None = None) -> None:
        self._settings = settings
        self._given = database
        self._routes = RouteTable(ROUTES, PREFIX)
        self._rates = _rates_of(settings, shared)
        self._failures = _failures_of(settings, shared)
        self._authentication = Authentication(settings.users_file, failures=self._failures)
        self._metrics = Metrics()
        self._requests = RequestLog(self._metrics, settings)
        self._tracing = Tracing(settings.open_telemetry)
        self._database: Database | None = None
        self._gateway: Gateway | None = None
        self._document: bytes | None = None
        set_up_logs(settings.log_format)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)
        else:  # a websocket: there are none
            await send({"type": "websocket.close", "code": 1000})

    def open(self) -> None:
        """Open the data.

        Raises:
            StorageError: they cannot be read.
        """
        settings = self._settings
        self._database = self._given or Database(settings.persist_path, memory_limit=settings.memory_limit_bytes)
        self._gateway = Gateway(
            self._database, settings, self._authentication, self._rates, self._metrics, self._requests, self._tracing
        )

    def close(self) -> None:
        """Let the calls at work end, and close the data."""
        if self._gateway is not None:
            self._gateway.close()
        self._requests.close()
        if self._database is not None and self._given is None:
            self._database.close()
        self._tracing.close()
        for rates in (self._rates, self._failures):
            if isinstance(rates, SharedRates):
                rates.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.open)
        except ChromaSearchError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.get_running_loop().run_in_executor(None, self.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, request: Request) -> Response:
        path = _raw_path(request.scope)
        try:
            found = self._routes.find(request.method, path)
        except UnicodeDecodeError:  # a part of the path is no UTF-8: nothing has such a name
            found = None
        if found is not None and found.route is not None:
            assert self._gateway is not None  # the server has started
            return await self._gateway.answer(request, found.route, found.path)
        progress = Progress(request.method, NO_ROUTE)
        response = await self._beside(request, path, progress) if found is None else _wrong_method(found.methods)
        response.headers[TRACE_ID] = progress.request_id
        self._requests.note(progress, response.status_code, len(response.body))
        return response

    async def _beside(self, request: Request, path: str, progress: Progress) -> Response:
        """Answer what is no route of the API."""
        if path == V1 or path.startswith(V1 + "/"):
            progress.route = "v1"
            if request.method in V1_METHODS:
                return Response(V1_ANSWER, 410, media_type="application/json")
            return _wrong_method(V1_METHODS)
        if path not in PAGES:
            return _refused(no_route(path, self._routes, PREFIX))
        progress.route = PAGES[path]
        if request.method not in ("GET", "HEAD"):
            return _wrong_method(("GET", "HEAD"))
        if path == "/openapi.json":
            return Response(self._openapi(), media_type="application/json")
        if path == "/docs":
            return HTMLResponse(docs_page(orjson.loads(self._openapi())))
        return await self._show_metrics(request, progress)

    async def _show_metrics(self, request: Request, progress: Progress) -> Response:
        assert self._gateway is not None
        try:
            identity = await self._gateway.identify(request)
            progress.user = identity.user
            if not identity.may(Role.ADMIN, ANY, ANY):
                raise ForbiddenError("Permission denied.")
        except ChromaSearchError as error:
            return _refused(error)
        return Response(self._metrics.text(), media_type=MEDIA_TYPE)

    def _openapi(self) -> bytes:
        if self._document is None:
            self._document = orjson.dumps(openapi_document(ROUTES, PREFIX))
        return self._document


def make_application(settings: ServerSettings, database: Database | None = None, shared: Path | None = None) -> ASGIApp:
    """Return the application, with CORS where the settings allow origins."""
    application = Application(settings, database, shared)
    if not settings.cors_allow_origins:
        return application
    return CORSMiddleware(
        application,
        allow_origins=list(settings.cors_allow_origins),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["retry-after", TRACE_ID],
    )


def _rates_of(settings: ServerSettings, shared: Path | None) -> Rates | None:
    per_second, burst = settings.requests_per_second, settings.request_burst
    if per_second is None:
        return None
    return Rates(per_second, burst) if shared is None else LeasedRates(shared / "requests.sqlite", per_second, burst)


def _failures_of(settings: ServerSettings, shared: Path | None) -> SharedRates | None:
    if shared is None or settings.users_file is None:
        return None
    return SharedRates(shared / "failures.sqlite", FAILURES_PER_SECOND, FAILURES_AT_ONCE)


def _refused(error: ChromaSearchError) -> Response:
    refusal = refusal_of(error)
    return Response(refusal.body, refusal.status, refusal.headers, refusal.media_type)


def _wrong_method(allowed: Sequence[str]) -> Response:
    return Response(status_code=405, headers={"allow": ", ".join(sorted(allowed))})


def _raw_path(scope: Any) -> str:
    """Return the path as it was sent, for a part of it may hold an encoded slash."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return str(scope["path"])
    return raw.partition(b"?")[0].decode("latin-1")
