"""The gateway: every request of the API goes through here, in this order.

    who calls (401) -> how often (429) -> may they (403) -> is there room (503) -> read (408, 413, 415)
    -> parse (400, 422) -> run in a thread, until the deadline (504) or until the client is gone -> write, log, count

Nothing is looked up before it is known who calls and that they may. A call ends at the next boundary of an operator
(`model/cancellation.py`) when its time is up or its client has gone; a write that has begun to append is not ended.
Reads and writes have threads of their own, so writers that wait for a lock never keep a reader waiting. What anybody
may ask, whether the server lives and is well, has one too, and no limit: whoever watches it must not take it for dead
because it is busy.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from chroma_search.engine.database import Database
from chroma_search.errors import ChromaSearchError, DeadlineError, ForbiddenError, OverloadedError
from chroma_search.model.cancellation import cancellable
from chroma_search.server.access.authentication import Authentication
from chroma_search.server.access.origins import Origins
from chroma_search.server.access.roles import Identity
from chroma_search.server.answers import to_json
from chroma_search.server.call import Call, Route
from chroma_search.server.call_threads import CallThreads
from chroma_search.server.metrics import Metrics
from chroma_search.server.rate import Rates
from chroma_search.server.reading import parse_body, parse_query, read_body
from chroma_search.server.refusals import Refusal, refusal_of
from chroma_search.server.request_log import TRACE_ID, Progress, RequestLog
from chroma_search.server.settings import ServerSettings
from chroma_search.server.slow_calls import RAN
from chroma_search.server.tracing import Tracing

WATCH_AFTER_S = 0.25
"""A call that takes longer is worth a look whether its client is still there; most calls take less."""
GRACE_S = 1.0
"""How long after its deadline a call may take to reach a checkpoint, before it is answered without it."""
RETRY_AFTER_DEADLINE_S = 5.0
"""When a call whose time was up may be tried again. Longer than after a refusal: it has cost its whole time, and what
made it slow (many calls at once, a merge, cold files) takes seconds to pass."""

_logger = logging.getLogger("chroma_search.server")


class Gateway:
    """Answers the requests of the API.

    Args:
        database: all data.
        settings: of the server.
        authentication: who may call.
        rates: how often each may; None for no limit.
        metrics: where the calls at work are shown.
        requests: where each request is noted.
        tracing: where spans go.
    """

    def __init__(
        self,
        database: Database,
        settings: ServerSettings,
        authentication: Authentication,
        rates: Rates | None,
        metrics: Metrics,
        requests: RequestLog,
        tracing: Tracing,
    ) -> None:
        self._database = database
        self._settings = settings
        self._authentication = authentication
        self._metrics = metrics
        self._requests = requests
        self._tracing = tracing
        self._rates = rates
        self._readers = CallThreads(settings.n_reader_threads, "reader")
        self._writers = CallThreads(settings.writer_threads, "writer")
        self._probes = CallThreads(1, "probe")
        self._logins = CallThreads(1, "login")  # of its own: passwords are dear, and writers may all be waiting
        is_open = settings.users_file is None and not settings.allow_unauthenticated
        self._origins = Origins(settings.cors_allow_origins) if is_open else None
        self._n_at_work = self._bytes_at_work = 0

    def close(self) -> None:
        """Wait for the calls that are at work."""
        self._readers.close()
        self._writers.close()
        self._probes.close()
        self._logins.close()

    async def answer(self, request: Request, route: Route, path: Mapping[str, str]) -> Response:
        """Return the answer to a request; never raises for what a request can do."""
        progress = Progress(request.method, route.name)
        try:
            body = await self._run(request, route, path, progress)
            response = Response(body, route.status, {TRACE_ID: progress.request_id}, "application/json")
        except ClientDisconnect:
            response = Response(status_code=499)  # nobody reads it; the log does
        except Exception as error:
            response = _refused(refusal_of(error), progress.request_id)
        self._requests.note(progress, response.status_code, len(response.body))
        return response

    async def identify(self, request: Request) -> Identity:
        """Return who calls.

        Raises:
            UnauthenticatedError, RateLimitError: see `Authentication.identify`.
            ForbiddenError: a web page of elsewhere calls a server that has no users.
        """
        if self._origins is not None:
            self._origins.check(request.headers)
        address = request.client.host if request.client else ""
        authentication = self._authentication
        if authentication.is_slow(request.headers):
            return await self._logins.run(partial(authentication.identify, request.headers, address))
        return authentication.identify(request.headers, address)

    async def _run(self, request: Request, route: Route, path: Mapping[str, str], progress: Progress) -> bytes:
        identity = Identity("", ()) if route.role is None else await self.identify(request)
        progress.user = identity.user
        is_probe = route.role is None
        if self._rates is not None and not is_probe:
            self._rates.take(identity.user or (request.client.host if request.client else ""))
        if not route.allows(identity, path):
            raise ForbiddenError("Permission denied.")
        if self._n_at_work >= self._settings.max_concurrent_requests and not is_probe:
            raise OverloadedError("the server is busy: try again", retry_after_s=1.0)
        self._n_at_work += 1
        self._metrics.at_work.set(self._n_at_work)
        try:
            query = None if route.query is None else parse_query(request.query_params, route.query)
            sent = b"" if route.body is None else await self._read(request, progress)
            call_of = partial(Call, self._database, self._settings, identity, path, query)
            return await self._in_thread(request, route, progress, sent, call_of)
        finally:
            self._n_at_work -= 1
            self._bytes_at_work -= progress.n_bytes
            self._metrics.at_work.set(self._n_at_work)

    async def _read(self, request: Request, progress: Progress) -> bytes:
        def take(n_bytes: int) -> None:
            progress.n_bytes += n_bytes
            self._bytes_at_work += n_bytes
            if self._bytes_at_work > self._settings.max_bytes_at_work:
                raise OverloadedError("the server holds too many large requests: try again", retry_after_s=1.0)

        return await read_body(request, self._settings.max_payload_size_bytes, self._settings.body_timeout_s, take)

    async def _in_thread(
        self, request: Request, route: Route, progress: Progress, sent: bytes, call_of: Callable[[Any], Call]
    ) -> bytes:
        """Parse the body and run the handler in a thread; end it when time is up or the client has gone."""
        deadline = _Deadline(self._settings.request_timeout_s)

        def work() -> bytes:
            deadline.check()  # it may have waited for this thread
            body = None if route.body is None else parse_body(sent, route.body)
            call = call_of(body)
            progress.notes = call.notes
            with cancellable(deadline.check), self._tracing.span(route.name, progress.request_id):
                try:
                    answer = route.handler(call)
                finally:  # of a call that is ended, the operators that have run
                    self._tracing.operators(call.notes.get(RAN, ()))
            return to_json(answer)

        pool = self._probes if route.role is None else self._writers if route.writes else self._readers
        future = pool.run(partial(contextvars.copy_context().run, work), late=_note_late)
        deadline.start(future, request, has_begun_writing=route.writes)
        try:
            return await future
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            deadline.end()
            raise
        finally:
            deadline.stop()


class _Deadline:
    """Says when a call has to end: its time is up, or its client has gone. Asked from the thread of the call.

    The loop looks after a call with one timer: most calls have ended before it goes off.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._until = time.monotonic() + timeout_s
        self._is_gone = False
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raise when the call has to end."""
        if self._is_gone:
            raise ClientDisconnect
        if time.monotonic() > self._until:
            raise self.error()

    def end(self) -> None:
        """Let the call end at its next checkpoint: nobody waits for it."""
        self._is_gone = True

    def error(self, *, has_begun_writing: bool = False) -> DeadlineError:
        """Return the error of a call whose time is up."""
        rest = ": it may still be written" if has_begun_writing else ""
        return DeadlineError(
            f"the call took longer than {self._timeout_s:g} s{rest}", retry_after_s=RETRY_AFTER_DEADLINE_S
        )

    def start(self, future: asyncio.Future[bytes], request: Request, *, has_begun_writing: bool) -> None:
        """Begin to look after a call: whether its client goes away, and, a while after its time is up, end the wait."""
        loop = asyncio.get_running_loop()

        def give_up() -> None:
            if not future.done():
                future.set_exception(self.error(has_begun_writing=has_begun_writing))

        def watch() -> None:
            self._watcher = loop.create_task(self._wait_until_gone(request))
            self._timer = loop.call_later(max(0.0, self._timeout_s + GRACE_S - WATCH_AFTER_S), give_up)

        self._timer = loop.call_later(WATCH_AFTER_S, watch)

    def stop(self) -> None:
        """Look no longer."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    async def _wait_until_gone(self, request: Request) -> None:
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                self._is_gone = True
                return


def _refused(refusal: Refusal, request_id: str) -> Response:
    return Response(refusal.body, refusal.status, {**refusal.headers, TRACE_ID: request_id}, refusal.media_type)


def _note_late(error: BaseException | None) -> None:
    """Take the outcome of a call that nobody waits for any more."""
    if error is not None and not isinstance(error, (ChromaSearchError, ClientDisconnect)):
        _logger.error("a call failed after its deadline", exc_info=error)
