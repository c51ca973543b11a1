"""Carries calls to a server with httpx, sync or async: one method each, and nothing that the two could share.

A transport is thread-safe (the async one belongs to the event loop it was made in). It does not retry.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any, TypeVar

import httpx

from chroma_search.errors import ClosedError, InvalidConfigError, InvalidInputError
from chroma_search.front.threads import in_thread
from chroma_search.http.call import JSON_TYPE, Call, Response
from chroma_search.http.connection import CONNECT_S, Connection, without_secrets
from chroma_search.http.failures import failure, network_errors, remote_error

T = TypeVar("T")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")

LARGE_BYTES = 256 * 1024
"""A response above this is read in a thread: one of 40 MB takes 0.3 s, one of this size as long as changing threads."""


class Transport:
    """A connection pool to one server.

    Args:
        connection: which server.

    Raises:
        InvalidConfigError: the authorities to trust cannot be read.
        InvalidInputError: a header that HTTP cannot hold.
    """

    def __init__(self, connection: Connection) -> None:
        self.url = connection.url
        self._client = httpx.Client(**_options(connection))

    def send(self, call: Call[T]) -> T:
        """Send a request and return what its reader makes of the response.

        Raises:
            ClosedError: the client was closed.
            ConnectionFailedError, RequestTimeoutError: no answer.
            ChromaSearchError: the answer is an error, see `failures.py`.
        """
        if self._client.is_closed:
            raise closed()
        request = call.request
        with network_errors(self.url, request):
            got = self._client.request(request.method, self.url + request.path, content=request.body)
        return _read(self.url, call, _response(got))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class AsyncTransport:
    """As `Transport`, awaited."""

    def __init__(self, connection: Connection) -> None:
        self.url = connection.url
        self._client = httpx.AsyncClient(**_options(connection))

    async def send(self, call: Call[T]) -> T:
        """Send a request and return what its reader makes of the response; errors as `Transport.send`."""
        if self._client.is_closed:
            raise closed()
        request = call.request
        with network_errors(self.url, request):
            got = await self._client.request(request.method, self.url + request.path, content=request.body)
        if len(got.content) > LARGE_BYTES:
            return await in_thread(_read, self.url, call, _response(got))
        return _read(self.url, call, _response(got))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def closed() -> ClosedError:
    """Return the error of a call after `close`."""
    return ClosedError("the client is closed: make a new one")


def _options(connection: Connection) -> dict[str, Any]:
    timeout = connection.timeout_s
    return {
        "headers": _headers(connection),
        "timeout": httpx.Timeout(timeout, connect=CONNECT_S if timeout is None else min(timeout, CONNECT_S)),
        "verify": _trust(connection),
        "limits": httpx.Limits(
            max_connections=connection.max_connections,
            max_keepalive_connections=connection.max_keepalive,
            keepalive_expiry=connection.keepalive_s,
        ),
    }


def _trust(connection: Connection) -> bool | ssl.SSLContext:
    # Reading the certificates that are trusted takes 0.02 to 0.2 s; without TLS there is nothing to compare them
    # with: redirects are not followed, and httpx has a context of its own for a proxy.
    if not connection.url.startswith("https"):
        return False
    if isinstance(connection.verify, bool):
        return connection.verify
    path = Path(connection.verify)
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise InvalidConfigError(
            f"no certificates can be read from {str(path)!r} ({error}): chroma_server_ssl_verify is a PEM file, a "
            "folder of hashed names, True or False",
            path="chroma_server_ssl_verify",
        ) from error


def _headers(connection: Connection) -> httpx.Headers:
    headers = httpx.Headers({"Accept": JSON_TYPE})
    for name, value in connection.headers.items():
        # Checked here, for what is raised where they are sent shows them.
        if not (isinstance(name, str) and _HEADER_NAME.fullmatch(name)):
            raise InvalidInputError(f"{name!r} is no name of a header")
        if not (isinstance(value, str) and _HEADER_VALUE.fullmatch(value)):
            raise InvalidInputError(
                f"a header is ASCII text without line breaks and without spaces at its ends, that named {name!r} for "
                f"{without_secrets(connection.url)} is not"
            )
        headers[name] = value  # in place of one whose name differs in case: the server would see both
    return headers


def _response(got: httpx.Response) -> Response:
    content_type = got.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Response(got.status_code, content_type, got.content, got.headers.get("chroma-trace-id"))


def _read(url: str, call: Call[T], response: Response) -> T:
    if not response.is_success:
        raise failure(url, call.request, response)
    try:
        return call.read(response)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise remote_error(
            f"the answer is not what the API says ({type(error).__name__}: {str(error)[:200]})",
            url,
            call.request,
            response,
        ) from error
