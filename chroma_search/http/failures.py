"""From what a server or the network says to our errors.

A body `{"error": name, "message": text}` is raised as the class of that name; where the name says nothing, as
`ChromaError` does, the status decides. The RemoteError with status, body and request is its `__cause__`, or is raised
itself where no class fits. Nothing is swallowed, nothing is tried again: only the caller knows whether a write may be
repeated.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import orjson

from chroma_search.errors import (
    BatchSizeExceededError,
    ChromaSearchError,
    ConflictError,
    ConnectionFailedError,
    DimensionMismatchError,
    DuplicateIDError,
    ForbiddenError,
    InternalError,
    InvalidArgumentError,
    NoRouteError,
    NotFoundError,
    QuotaError,
    RateLimitError,
    RemoteError,
    RequestTimeoutError,
    UnsupportedError,
    VersionMismatchError,
)
from chroma_search.http.call import Request, Response
from chroma_search.http.connection import without_secrets

SHOWN_BODY = 2_000

Maker = Callable[[str], ChromaSearchError]

BY_NAME: dict[str, Maker] = {
    "InvalidArgumentError": InvalidArgumentError,
    "IDAlreadyExists": ConflictError,
    "DuplicateID": DuplicateIDError,
    "InvalidUUID": InvalidArgumentError,
    "InvalidHTTPVersion": VersionMismatchError,
    "AuthorizationError": ForbiddenError,
    "AuthError": ForbiddenError,
    "NotFoundError": NotFoundError,
    "BatchSizeExceededError": BatchSizeExceededError,
    "VersionMismatchError": VersionMismatchError,
    "RateLimitError": RateLimitError,
    "Backoff": RateLimitError,
    "UniqueConstraintError": ConflictError,
    "QuotaError": QuotaError,
    "InternalError": InternalError,
    "InvalidDimension": lambda message: DimensionMismatchError(message, expected=0, got=0),  # numbers not told
}
"""Names of errors on the wire (spec of the HTTP API, 1) and what is raised for them."""

BY_STATUS: dict[int, Maker] = {
    400: InvalidArgumentError,
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: BatchSizeExceededError,
    415: InvalidArgumentError,
    422: InvalidArgumentError,
    429: RateLimitError,
    501: lambda message: UnsupportedError(message, why="the server does not do it"),
}
"""What is raised for a name that says nothing; any other status is a RemoteError."""

_DIMENSION = re.compile(r"dimension of (\d+), got (\d+)")
_NAMED = re.compile(r"(Tenant|Database|Collection) \[(.*?)\]")


def failure(url: str, request: Request, response: Response) -> ChromaSearchError:
    """Return the error that a response means; its cause is the RemoteError with all that is known.

    Args:
        url: address of the API.
        request: what was sent.
        response: not a success.
    """
    name, message = _said(response)
    text = message or response.body[:SHOWN_BODY].decode("utf-8", "replace").strip() or "the server says no more"
    trace = f"; trace ID {response.trace_id}" if (response.trace_id or "").strip("0") else ""
    remote = remote_error(f"{text}{trace}", url, request, response)
    error = _typed(name, text, request, response)
    if error is None:
        return remote
    error.__cause__ = remote
    return error


def _typed(name: str | None, text: str, request: Request, response: Response) -> ChromaSearchError | None:
    if name in ("InvalidArgumentError", "InvalidDimension") and (wrong := _DIMENSION.search(text)):
        return DimensionMismatchError(text, expected=int(wrong[1]), got=int(wrong[2]))
    if (name is None and response.status in (404, 405)) or (
        response.status == NoRouteError.status and text.startswith(NoRouteError.beginning)
    ):
        why = "the server has no such route"
        return UnsupportedError(f"{request.method} {request.path}: {why}", feature=request.path, why=why)
    maker = BY_NAME.get(name or "") or BY_STATUS.get(response.status)
    if maker in (NotFoundError, ConflictError) and (found := _NAMED.search(text)):
        kind = NotFoundError if maker is NotFoundError else ConflictError
        return kind(text, kind=found[1].lower(), name=found[2])
    return None if maker is None else maker(text)


def remote_error(what: str, url: str, request: Request, response: Response) -> RemoteError:
    """Return the RemoteError of a response."""
    shown = _shown(url, request)
    return RemoteError(
        f"{what} (status {response.status} of {shown})",
        status=response.status,
        body=response.body[:SHOWN_BODY].decode("utf-8", "replace"),
        request=shown,
    )


@contextmanager
def network_errors(url: str, request: Request) -> Generator[None]:
    """Raise what httpx raises as our errors, from the original.

    Raises:
        RequestTimeoutError: no answer in time.
        ConnectionFailedError: no connection, or one that broke.
        RemoteError: an answer that is no HTTP.
    """
    import httpx  # loaded with the transport; named here, so that this module can be read without it

    shown = _shown(url, request)
    try:
        yield
    except httpx.TimeoutException as error:
        raise RequestTimeoutError(
            f"no answer in time ({type(error).__name__}) to {shown}: pass timeout=... to wait longer", request=shown
        ) from error
    except httpx.ConnectError as error:
        raise ConnectionFailedError(f"{_not_connected(error)} ({error}; {shown})", request=shown) from error
    except httpx.TransportError as error:
        # What a server with TLS does to a request in clear: it hangs up. Others may do so, too.
        is_silent = isinstance(error, httpx.RemoteProtocolError) and url.startswith("http:")
        advice = ": if the server speaks TLS, pass https://... or ssl=True" if is_silent else ""
        raise ConnectionFailedError(
            f"the connection broke: {type(error).__name__} {error} ({shown}){advice}", request=shown
        ) from error
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise RemoteError(f"{type(error).__name__}: {error} ({shown})", request=shown) from error


def _not_connected(error: BaseException) -> str:
    """Say why there is no connection, and what to do."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return "Could not connect to a Chroma server. Are you sure it is running?"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            "The certificate of the server is not trusted: call the server by a name that stands in it, and name the "
            "authority that signed it by settings=Settings(chroma_server_ssl_verify='authority.pem')"
        )
    return "The server does not speak TLS as this client does: pass http://... or ssl=False if it speaks none"


def _said(response: Response) -> tuple[str | None, str]:
    """Return name and message of an error body; None and no text for another body."""
    try:
        form: Any = orjson.loads(response.body)
    except ValueError:
        return None, ""
    if not isinstance(form, dict):
        return None, ""
    fields = cast("dict[str, Any]", form)
    name, message = fields.get("error"), fields.get("message")
    return (name if isinstance(name, str) else None), (message if isinstance(message, str) else "")


def _shown(url: str, request: Request) -> str:
    return f"{request.method} {without_secrets(url)}{request.path}"
