"""Running a server: the socket, TLS, one process or several, and an end in good order.

The signals are uvicorn's: SIGTERM or Ctrl-C stops taking connections, lets calls end for `shutdown_timeout_s`, then
closes the data. Nothing depends on that: what was acknowledged is on the disk before it is acknowledged.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from chroma_search.engine.database import Database
from chroma_search.errors import InvalidConfigError, StorageError
from chroma_search.server.access.users_file import read_users
from chroma_search.server.application import make_application
from chroma_search.server.connection import BoundedProtocol, ConnectionLimits
from chroma_search.server.metrics import MULTIPROCESS_VARIABLE
from chroma_search.server.settings import ServerSettings
from chroma_search.server.tracing import Tracing

FILES_OF_DATA = 1024
"""File descriptors that are kept for the data; an open collection takes four and those of its segments."""
SETTINGS_VARIABLE = "CHROMA_SEARCH_SERVER_SETTINGS"
"""Holds the settings for the worker processes, as JSON."""
SUPERVISOR_VARIABLE = "CHROMA_SEARCH_SUPERVISOR"
"""Holds the number of the process that has started them."""
SHARED_VARIABLE = "CHROMA_SEARCH_SERVER_SHARED"
"""Names the file in which they count wrong passwords together."""
FACTORY = "chroma_search.server.run:worker_application"


def serve(settings: ServerSettings) -> None:
    """Run a server until it is told to stop.

    Raises:
        InvalidConfigError: settings that no process could start with.
        StorageError: the data cannot be opened; the address is taken, or cannot be listened on.
    """
    settings.check()
    _check_start(settings)
    if settings.persist_path is not None:  # what cannot be opened ends here, with its error, not in each process
        Database(settings.persist_path).close()
    listener = listen(settings)
    if settings.n_workers == 1:
        _announce(settings, listener)
        uvicorn.Server(server_config(settings, make_application(settings))).run([listener])
        return
    from chroma_search.server.workers import Workers, listeners  # only where there are several processes

    sockets = listeners(listener, settings.n_workers)
    _announce(settings, sockets[0])
    with tempfile.TemporaryDirectory(prefix="chroma_search-server-") as shared:
        os.environ[MULTIPROCESS_VARIABLE] = shared
        os.environ[SHARED_VARIABLE] = shared
        os.environ[SETTINGS_VARIABLE] = settings.model_dump_json()
        os.environ[SUPERVISOR_VARIABLE] = str(os.getpid())
        workers = Workers(server_config(settings, FACTORY), sockets)
        workers.run()
    if workers.has_failed:
        raise StorageError(
            "the processes of the server end as soon as they are started: what they have written says why"
        )


def _check_start(settings: ServerSettings) -> None:
    """Refuse, once and here, what every worker would fail with as soon as it is started.

    Raises:
        InvalidConfigError: a file of users or a certificate that cannot be read; an extra that is missing.
    """
    if settings.users_file is not None:
        read_users(settings.users_file)
    if settings.tls_certificate is not None and settings.tls_key is not None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.tls_certificate, settings.tls_key, password=b"")  # else it would ask
        except OSError as error:  # SSLError is one
            files = f"{settings.tls_certificate} and {settings.tls_key}"
            raise InvalidConfigError(
                f"cannot use {files}: {error.strerror or error}", path="tls_certificate"
            ) from error
    if settings.open_telemetry is not None:
        Tracing(settings.open_telemetry).close()


def _announce(settings: ServerSettings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.tls_certificate else "http"
    shown = f"[{host}]" if ":" in host else host
    where = "memory" if settings.persist_path is None else str(settings.persist_path)
    print(f"chroma_search listens on {scheme}://{shown}:{port}, data in {where}", file=sys.stderr, flush=True)


def worker_application() -> ASGIApp:
    """Return the application of a worker process, which ends with the one that has started it."""
    from chroma_search.server.workers import end_after

    end_after(int(os.environ[SUPERVISOR_VARIABLE]))
    settings = ServerSettings.model_validate_json(os.environ[SETTINGS_VARIABLE])
    return make_application(settings, shared=Path(os.environ[SHARED_VARIABLE]))


def server_config(settings: ServerSettings, application: ASGIApp | str) -> uvicorn.Config:
    """Return how uvicorn runs an application, or the factory of one that a text names."""
    limits = ConnectionLimits(settings.header_timeout_s, _n_sockets(settings.max_connections))
    bounded: Any = partial(BoundedProtocol, limits)
    return uvicorn.Config(
        application,
        factory=isinstance(application, str),
        http=bounded,
        ws="none",
        loop="auto",
        workers=settings.n_workers if isinstance(application, str) else None,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=None if settings.tls_key is None else str(settings.tls_key),
    )


def _n_sockets(wanted: int) -> int:
    """Return how many connections the system lets us have, and still open the files of the data."""
    if sys.platform == "win32":
        return wanted
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted + FILES_OF_DATA:
        soft = wanted + FILES_OF_DATA if hard == resource.RLIM_INFINITY else min(hard, wanted + FILES_OF_DATA)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(wanted, max(soft - FILES_OF_DATA, soft // 2))


def listen(settings: ServerSettings) -> socket.socket:
    """Return a listening socket; bound here, so that a taken port is told before anything else is done."""
    address, port = settings.listen_address, settings.port
    listener: socket.socket | None = None
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(found[0], found[1], found[2])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[4])
        listener.listen(2048)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise StorageError(f"cannot listen on {address}:{port}: {error.strerror or error}") from error
    listener.set_inheritable(True)
    return listener
