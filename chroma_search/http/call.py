"""A call over HTTP as a value: what to send, and how to read what comes back.

Calls are made by pure functions (`system_calls.py`, `collection_calls.py`, `record_calls.py`) and carried by a
transport, sync or async (`transport.py`), which knows nothing of what they mean. That is all that the two kinds of
client do not share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote, urlencode

import orjson

from chroma_search.errors import InvalidInputError

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        method: of HTTP.
        path: below the address of the API, quoted, with the query string.
        body: JSON, or None.
    """

    method: Method
    path: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What came back.

    Attributes:
        status: of HTTP.
        content_type: without parameters, lower case; empty when none was said.
        body: as it came.
        trace_id: what the server calls the request, or None.
    """

    status: int
    content_type: str
    body: bytes
    trace_id: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body as data.

        Raises:
            ValueError: it is no JSON.
        """
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request and its reader.

    Attributes:
        request: what to send.
        read: makes the result of a successful response. KeyError, TypeError, ValueError mean that the response is not
            what the API says; the transport makes a RemoteError of them.
    """

    request: Request
    read: Callable[[Response], T]


def path_of(*segments: object, params: Mapping[str, Any] | None = None) -> str:
    """Return a path of quoted segments, and the parameters that are not None.

    >>> path_of("tenants", "a/b", "databases", params={"limit": 3, "offset": None})
    '/tenants/a%2Fb/databases?limit=3'
    """
    path = "".join(f"/{quote(str(segment), safe='')}" for segment in segments)
    given = {name: value for name, value in (params or {}).items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def json_body(form: Any) -> bytes:
    """Return data as JSON; numpy arrays become lists, float32 with as many digits as it takes to read them back.

    Raises:
        InvalidInputError: JSON cannot hold it (a lone surrogate, a nesting too deep).
    """
    try:
        return orjson.dumps(form, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise InvalidInputError(f"the request cannot be written as JSON: {error}") from error


def nothing(response: Response) -> None:
    """Read a response that says nothing but that it went well."""
