"""What a server or the network says becomes our errors: every name, every status, every exception of httpx."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from chroma_search import AsyncHttpClient, HttpClient, RemoteError, errors
from chroma_search.errors import ChromaSearchError, ConnectionFailedError, RequestTimeoutError, UnsupportedError
from chroma_search.http.call import Call, Request, Response
from chroma_search.http.connection import Connection
from chroma_search.http.failures import BY_NAME, failure, network_errors
from chroma_search.http.transport import Transport
from tests.unit.http.bad_server import Answer, bad_server, hangs, responds, says

URL = "http://user:secret@example.org/api/v2"
REQUEST = Request("POST", "/tenants", b"{}")

# The table of the HTTP API, and the class that upstream's client raises for each name.
UPSTREAM = {
    "InvalidDimension": "InvalidDimensionException",
    "InvalidArgumentError": "InvalidArgumentError",
    "IDAlreadyExists": "IDAlreadyExistsError",
    "DuplicateID": "DuplicateIDError",
    "InvalidUUID": "InvalidUUIDError",
    "InvalidHTTPVersion": "InvalidHTTPVersion",
    "AuthorizationError": "AuthorizationError",
    "NotFoundError": "NotFoundError",
    "BatchSizeExceededError": "BatchSizeExceededError",
    "VersionMismatchError": "VersionMismatchError",
    "RateLimitError": "RateLimitError",
    "AuthError": "ChromaAuthError",
    "UniqueConstraintError": "UniqueConstraintError",
    "QuotaError": "QuotaError",
    "InternalError": "InternalError",
}


def response(status: int, name: str | None, message: str = "something") -> Response:
    body = orjson.dumps({"error": name, "message": message}) if name else message.encode()
    return Response(status, "application/json", body)


@pytest.mark.parametrize(("name", "expected"), UPSTREAM.items())
def test_each_name_is_raised_as_its_class(name: str, expected: str) -> None:
    error = failure(URL, REQUEST, response(400, name, "what is wrong"))
    assert isinstance(error, getattr(errors, expected))
    assert str(error) == "what is wrong"


@pytest.mark.parametrize("name", ["InvalidDimension", "InvalidArgumentError"])
def test_numbers_of_a_wrong_dimension_are_read_from_the_message(name: str) -> None:
    error = failure(URL, REQUEST, response(400, name, "Collection expecting embedding with dimension of 2, got 3"))
    assert isinstance(error, errors.DimensionMismatchError)
    assert (error.expected, error.got) == (2, 3)


def test_no_other_name_is_known() -> None:
    assert set(BY_NAME) - {"Backoff"} == set(UPSTREAM)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, errors.InvalidArgumentError),
        (401, errors.ForbiddenError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (413, errors.BatchSizeExceededError),
        (415, errors.InvalidArgumentError),
        (422, errors.InvalidArgumentError),
        (429, errors.RateLimitError),
        (412, RemoteError),
        (500, RemoteError),
        (501, errors.UnsupportedError),
        (503, RemoteError),
        (504, RemoteError),
    ],
)
def test_where_the_name_says_nothing_the_status_decides(status: int, expected: type[ChromaSearchError]) -> None:
    for name in ("ChromaError", "SomethingNew"):
        assert type(failure(URL, REQUEST, response(status, name))) is expected


def test_the_cause_knows_status_body_and_request_but_no_password() -> None:
    error = failure(URL, REQUEST, response(409, "ChromaError", "Collection [abc] already exists"))
    cause = error.__cause__
    assert isinstance(error, errors.ConflictError)
    assert (error.kind, error.missing_name) == ("collection", "abc")
    assert isinstance(cause, RemoteError)
    assert (cause.status, cause.request) == (409, "POST http://example.org/api/v2/tenants")
    assert cause.body == '{"error":"ChromaError","message":"Collection [abc] already exists"}'
    assert "secret" not in str(cause)


def test_a_long_body_is_cut() -> None:
    error = failure(URL, REQUEST, response(500, None, "x" * 1_000_000))
    assert isinstance(error, RemoteError)
    assert len(error.body) == 2_000
    assert len(str(error)) < 2_500


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"error": 7, "message": []}', b'{"error": "NotFoundError"}', b"\xff\xfe", b"{"]
)
def test_a_body_that_is_no_error_object_is_survived(body: bytes) -> None:
    assert isinstance(failure(URL, REQUEST, Response(500, "text/plain", body)), ChromaSearchError)


@pytest.mark.parametrize("status", [404, 405])
def test_a_route_that_is_not_there_is_no_missing_collection(status: int) -> None:
    error = failure(URL, Request("POST", "/x/explain"), Response(status, "", b""))
    assert isinstance(error, UnsupportedError)
    assert "no such route" in str(error)


def test_a_route_that_a_server_of_ours_does_not_have_is_no_missing_collection() -> None:
    error = failure(URL, REQUEST, response(404, "ChromaError", "no such route on a single node: functions belong ..."))
    assert isinstance(error, UnsupportedError)
    assert "no such route" in str(error)
    assert "single node" in str(error.__cause__)


def all_subclasses(base: type[Exception]) -> Iterator[type[Exception]]:
    for each in base.__subclasses__():
        yield each
        yield from all_subclasses(each)


@pytest.mark.parametrize("kind", [*all_subclasses(httpx.RequestError), httpx.InvalidURL])
def test_every_error_of_httpx_is_one_of_ours(kind: type[Exception]) -> None:
    with pytest.raises(RemoteError) as raised, network_errors(URL, REQUEST):
        raise kind("something")
    assert isinstance(raised.value.__cause__, kind)
    assert isinstance(raised.value, TimeoutError) == issubclass(kind, httpx.TimeoutException)
    assert raised.value.request == "POST http://example.org/api/v2/tenants"


CASES: list[tuple[str, Answer, type[Exception], str]] = [
    ("a server that hangs up", says(b""), ConnectionFailedError, "broke"),
    ("a server that speaks something else", says(b"220 smtp ready\r\n"), ConnectionFailedError, "broke"),
    ("half an answer", says(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), ConnectionFailedError, "broke"),
    ("an answer that is no JSON", responds("200 OK", b"<html>", "text/html"), RemoteError, "not what the API says"),
    ("an answer of another shape", responds("200 OK", b"[7]"), RemoteError, "not what the API says"),
    ("a proxy without a server", responds("502 Bad Gateway", b"<html>", "text/html"), RemoteError, "status 502"),
    ("a redirect", responds("307 Temporary", b"", "text/html", "Location: /x"), RemoteError, "status 307"),
    ("a wrong key", responds("401 No", b'{"error":"ChromaError","message":"no"}'), errors.ForbiddenError, "no"),
]


@pytest.mark.parametrize(("answer", "error", "text"), [pytest.param(*each[1:], id=each[0]) for each in CASES])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_server_that_misbehaves_is_a_typed_error(kind: str, answer: Answer, error: Any, text: str) -> None:
    def open_client(port: int) -> None:
        if kind == "sync":
            HttpClient("127.0.0.1", port)
        else:
            asyncio.run(AsyncHttpClient("127.0.0.1", port))

    with bad_server(answer) as port, pytest.raises(error, match=text):
        open_client(port)


def test_a_server_that_never_answers_is_a_timeout() -> None:
    with bad_server(hangs) as port, pytest.raises(RequestTimeoutError, match="timeout="):
        HttpClient("127.0.0.1", port, timeout=0.05)


def test_a_port_where_nobody_listens_is_a_failed_connection() -> None:
    with bad_server(hangs) as port:
        pass
    with pytest.raises(ConnectionFailedError, match="Are you sure it is running") as raised:
        HttpClient("127.0.0.1", port)
    assert isinstance(raised.value, (ConnectionError, ValueError))
    assert raised.value.status == 0


def test_nothing_is_tried_again() -> None:
    connections: list[int] = []

    def counts(connection: Any, ended: Any) -> None:
        connections.append(1)
        responds("503 Busy", b"{}")(connection, ended)

    with bad_server(counts) as port:
        transport = Transport(Connection(f"http://127.0.0.1:{port}"))
        with pytest.raises(RemoteError):
            transport.send(Call(REQUEST, lambda response: None))
        transport.close()
    assert connections == [1]
