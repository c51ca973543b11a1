"""From an exception to an HTTP answer: status, `{"error", "message"}`, headers.

Every error of ours has a status and a stable name (errors.py); the names sent are those that Chroma's clients know, and
anything they do not know is sent as `ChromaError`. What is not one of ours is a bug: it is logged in full and answered
with nothing but that it happened.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

from chroma_search.errors import (
    ChromaSearchError,
    CorruptionError,
    DeadlineError,
    InvalidInputError,
    LockedError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitError,
    StorageError,
    UnauthenticatedError,
)
from chroma_search.server.answers import to_json

_logger = logging.getLogger("chroma_search.server")

MAX_MESSAGE_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error.

    Attributes:
        status: HTTP status.
        body: what is sent.
        headers: beside the usual ones.
        media_type: of the body.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])
    media_type: str = "application/json"


def refusal_of(error: BaseException) -> Refusal:
    """Return the answer to a call that ended with an exception."""
    if isinstance(error, PayloadTooLargeError):  # a plain text that begins as upstream's, which says no more
        return Refusal(413, f"Payload too large: {error}".encode(), media_type="text/plain")
    if isinstance(error, UnauthenticatedError):
        return Refusal(401, _json("ChromaError", str(error)), {"www-authenticate": 'Bearer, Basic realm="chroma"'})
    if isinstance(error, (RateLimitError, OverloadedError, DeadlineError)):
        wait = str(max(1, math.ceil(error.retry_after_s)))
        return Refusal(error.status, _json("ChromaError", str(error)), {"retry-after": wait})
    if isinstance(error, LockedError):  # another writer was at work all the time: busy, not broken
        return Refusal(503, _json("ChromaError", "the collection is busy: try again"), {"retry-after": "1"})
    if isinstance(error, StorageError):
        _logger.error("%s: %s", type(error).__name__, error)  # names files of this machine: for its log only
        what = "a file of the collection is damaged" if isinstance(error, CorruptionError) else "the disk failed"
        return Refusal(500, _json("InternalError", f"{what}: see the log of the server"))
    if isinstance(error, ChromaSearchError):
        return Refusal(error.status, _json(_name(error), str(error)))
    _logger.error("a call failed", exc_info=error)
    return Refusal(500, _json("InternalError", "an internal error: see the log of the server"))


def _name(error: ChromaSearchError) -> str:
    if isinstance(error, NotFoundError):
        return "NotFoundError"
    if error.status == 400 and isinstance(error, InvalidInputError):
        return "InvalidArgumentError"
    if error.status == 400 and error.code == "InvalidArgumentError":
        return error.code
    return "InternalError" if error.status == 500 else "ChromaError"


def _json(name: str, message: str) -> bytes:
    if len(message) > MAX_MESSAGE_LENGTH:
        message = message[:MAX_MESSAGE_LENGTH] + "..."
    return to_json({"error": name, "message": message.encode("utf-8", "replace").decode("utf-8")})
