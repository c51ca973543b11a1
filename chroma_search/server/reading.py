"""From the bytes of a request to a checked body or query string; each way to be wrong has upstream's status.

The body is read to the end only when its type is right, and never beyond the limit. Invariant: what is returned has
the types of the route's model, whatever was sent.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from chroma_search.errors import (
    MediaTypeError,
    PayloadTooLargeError,
    RequestError,
    SlowRequestError,
    UnprocessableError,
)

MAX_SHOWN = 200


async def read_body(request: Request, limit_bytes: int, timeout_s: float, take: Callable[[int], None]) -> bytes:
    """Return the body.

    Args:
        request: whose.
        limit_bytes: how long it may be.
        timeout_s: how long it may take.
        take: told of the bytes of each part that has come; may raise.

    Raises:
        MediaTypeError: it says that it is something else than JSON.
        PayloadTooLargeError: it is longer than the limit.
        SlowRequestError: it did not come in time.
        ClientDisconnect: the client went away.
    """
    media_type = request.headers.get("content-type", "")
    if media_type and media_type.partition(";")[0].strip().lower() != "application/json":
        raise MediaTypeError("Expected request with `Content-Type: application/json`")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit_bytes:
        raise _too_large(limit_bytes)
    try:
        if sys.version_info >= (3, 11):
            async with asyncio.timeout(timeout_s):  # `wait_for` makes a task of it: ten times dearer
                return await _whole(request, limit_bytes, take)
        return await asyncio.wait_for(_whole(request, limit_bytes, take), timeout_s)
    except (TimeoutError, asyncio.TimeoutError):
        raise SlowRequestError(f"the body did not come within {timeout_s:g} s") from None


async def _whole(request: Request, limit_bytes: int, take: Callable[[int], None]) -> bytes:
    parts: list[bytes] = []
    n_bytes = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        n_bytes += len(part)
        if n_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        take(len(part))
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def parse_body(body: bytes, model: type[BaseModel]) -> BaseModel:
    """Return a body as its model.

    Raises:
        RequestError: it is not JSON.
        UnprocessableError: it has another shape.
    """
    try:
        held = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise RequestError(f"Failed to parse the request body as JSON: {error}") from None
    try:
        return model.model_validate(held)
    except ValidationError as error:
        raise UnprocessableError(f"Failed to deserialize the JSON body into the target type: {_first(error)}") from None


def parse_query(given: Mapping[str, str], model: type[BaseModel]) -> BaseModel:
    """Return a query string as its model.

    Raises:
        RequestError: it has another shape.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise RequestError(f"Failed to deserialize query string: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """Return the first mistake and where it is; never the value, which may be anything."""
    first: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:MAX_SHOWN]
    return f"{place}: {first['msg'][:MAX_SHOWN]}" if place else first["msg"][:MAX_SHOWN]


def _too_large(limit_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"this server takes at most {limit_bytes:,} bytes in one request (max_payload_size_bytes): "
        "split what you send over several requests",
        limit_bytes=limit_bytes,
    )
