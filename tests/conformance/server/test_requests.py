"""How a request is read, whatever its route: paths, methods, types, shapes, and what is answered when one is wrong."""

import gzip
import json
import re
import uuid

import httpx
import pytest

from chroma_search.server.routes import ROUTES
from tests.conformance.server.serving import DEFAULT, RawConnection, serving

ERROR = {"error", "message"}
WITH_BODY = [route for route in ROUTES if route.body is not None]


def path_of(route, name="default_tenant"):
    names = {"tenant": name, "database": "default_database", "collection_id": str(uuid.UUID(int=7)), "name": "nope"}
    return "/api/v2" + route.path.format(**names, crn="default_tenant:default_database:nope")


def shape_of(path):
    return re.sub(r"\{\w+\}", "{}", path)


def is_error(answer, status, name):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == ERROR
    assert answer.json()["error"] == name
    return answer.json()["message"]


UNKNOWN = [
    ("/", "those of the API begin with '/api/v2'"),
    ("/api", "those of the API begin with '/api/v2'"),
    ("/metric/s", "those of the API begin with '/api/v2'"),
    ("/api/v2/nope", "did you mean '/api/v2'?"),
    ("/api/v2/hartbeat", "did you mean '/api/v2/heartbeat'?"),
    ("/api/v2/tenants/", "did you mean '/api/v2/tenants'?"),
    ("/api/v2//", "did you mean '/api/v2'?"),
    ("/api/v2/tenants/%ff", "those of the API begin with '/api/v2'"),
    (f"{DEFAULT}/collections/x/quer", f"did you mean '{DEFAULT}/collections/x/query'?"),
]


@pytest.mark.parametrize(("path", "hint"), UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_unknown_path_is_404_and_names_the_nearest(client, method, path, hint):
    message = is_error(client.request(method, path), 404, "ChromaError")
    assert message.startswith(f"no such route as {path!r}: ")
    assert hint in message


def test_an_unknown_path_of_any_length_is_answered_shortly(client):
    for path in ("/" + "x" * 30_000, "/api/v2/" + "a" * 30_000, "/a" * 10_000, "/api/v2/tenants/" + "x/" * 10_000):
        assert len(is_error(client.get(path), 404, "ChromaError")) < 600


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("functions/attach", "attached functions"),
        ("functions/f", "attached functions"),
        ("attached_functions/f/detach", "attached functions"),
        ("attached_functions/f/add_input", "attached functions"),
        ("conditional/get", "transactions"),
        ("conditional/commit", "transactions"),
    ],
)
def test_routes_of_the_distributed_service_say_that_a_single_node_has_none(client, records, path, what):
    message = is_error(client.post(f"{records}/{path}", json={}), 404, "ChromaError")
    assert message == f"no such route on a single node: {what} belong to the distributed service"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_wrong_method_is_405_without_a_body(client, route):
    known = {each.method for each in ROUTES if each.path.count("/") == route.path.count("/")}
    answered = known | {"HEAD"} if "GET" in known else known
    for method in {"TRACE", "HEAD", "OPTIONS", "PATCH"} - answered:
        answer = client.request(method, path_of(route))
        assert (answer.status_code, answer.content) == (405, b"")
        assert route.method in answer.headers["allow"].split(", ")


@pytest.mark.parametrize(
    "path",
    [path_of(route) for route in ROUTES if route.method == "GET"] + ["/openapi.json", "/docs", "/metrics", "/nope"],
)
def test_head_is_answered_as_get_without_the_body(server, client, path):
    got = client.get(path)
    with RawConnection(server.port) as raw:
        raw.send(f"HEAD {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        head = raw.head()
        raw.send(b"GET /api/v2/version HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert raw.rest().startswith(b"HTTP/1.1 200 OK\r\n")  # nothing stands between the two answers
    lines = head.decode().split("\r\n")
    assert int(lines[0].split(" ")[1]) == got.status_code
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    varying = {"date", "chroma-trace-id"} | ({"content-length"} if path == "/metrics" else set())
    assert headers.keys() == set(got.headers.keys())
    assert all(got.headers[name] == value for name, value in headers.items() if name not in varying)


def test_head_is_among_the_methods_of_a_path_that_get_answers(client):
    for path in ("/api/v2/heartbeat", "/docs", "/api/v2/tenants/default_tenant"):
        assert {"GET", "HEAD"} <= set(client.request("TRACE", path).headers["allow"].split(", "))


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/collections/x"])
def test_v1_is_gone(client, method, path):
    answer = client.request(method, path)
    assert answer.status_code == 410
    assert answer.json() == {"error": "Unimplemented", "message": "The v1 API is deprecated. Please use /v2 apis"}


def test_v1_by_head_is_gone_and_by_post_is_no_method(client):
    assert client.head("/api/v1/collections").status_code == 410
    answer = client.post("/api/v1/collections", json={})
    assert (answer.status_code, answer.content) == (405, b"")


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
@pytest.mark.parametrize("sent", [b"", b"{", b'{"a": 1,}', b"\xff\xfe", b'{"a": NaN}', b"[" * 2000, b'"\\ud800"'])
def test_a_body_that_is_no_json_is_400(client, route, sent):
    answer = client.request(route.method, path_of(route), content=sent, headers={"content-type": "application/json"})
    assert is_error(answer, 400, "InvalidArgumentError").startswith("Failed to parse the request body as JSON")


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
@pytest.mark.parametrize("sent", [b"null", b"[]", b"5", b'"x"', b"true"])
def test_json_of_another_shape_is_422(client, route, sent):
    answer = client.request(route.method, path_of(route), content=sent)
    message = is_error(answer, 422, "ChromaError")
    assert message.startswith("Failed to deserialize the JSON body into the target type")


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.name)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"])
def test_another_content_type_is_415(client, route, kind):
    answer = client.request(route.method, path_of(route), content=b"{}", headers={"content-type": kind})
    is_error(answer, 415, "ChromaError")


@pytest.mark.parametrize("kind", [None, "application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_a_body_without_a_type_is_json(client, name, kind):
    headers = {} if kind is None else {"content-type": kind}
    answer = client.post(f"{DEFAULT}/collections", content=json.dumps({"name": name}), headers=headers)
    assert answer.status_code == 200


def test_the_type_is_asked_before_the_body_is_read(client):
    answer = client.post(f"{DEFAULT}/collections", content=b"{", headers={"content-type": "text/plain"})
    is_error(answer, 415, "ChromaError")


def test_a_compressed_body_is_refused_and_never_unpacked(client, records):
    bomb = gzip.compress(b'{"ids":[],"embeddings":[]}' + b" " * 50_000_000)
    answer = client.post(f"{records}/add", content=bomb, headers={"content-encoding": "gzip"})
    assert is_error(answer, 400, "InvalidArgumentError").startswith("Failed to parse the request body as JSON")


def test_answers_are_never_compressed(client, records):
    answer = client.post(f"{records}/get", json={}, headers={"accept-encoding": "gzip, br, deflate"})
    assert "content-encoding" not in answer.headers


def test_a_body_beyond_the_limit_is_413_with_or_without_a_length():
    with serving(max_payload_size_bytes=1000) as server, server.client() as client:
        path = f"{DEFAULT}/collections"
        for content in (b"x" * 1001, iter([b"x" * 600, b"x" * 600])):
            answer = client.post(path, content=content, headers={"content-type": "application/json"})
            assert answer.status_code == 413
            assert answer.text == (  # begins with all that upstream says
                "Payload too large: this server takes at most 1,000 bytes in one request (max_payload_size_bytes): "
                "split what you send over several requests"
            )
        within = json.dumps({"name": "within"}).encode().ljust(1000)
        assert client.post(path, content=within).status_code == 200


@pytest.mark.parametrize(
    "query", ["limit=x", "limit=-1", "offset=-1", "limit=1.5", "limit=99999999999", "limit=" + "9" * 6000, "offset="]
)
def test_a_query_string_that_has_no_meaning_is_400(client, query):
    answer = client.get(f"{DEFAULT}/collections?{query}")
    assert is_error(answer, 400, "InvalidArgumentError").startswith("Failed to deserialize query string")


def test_unknown_fields_are_ignored_but_for_those_of_an_hnsw_update(client, records):
    assert client.post(f"{records}/get", json={"nope": 1}).status_code == 200
    assert client.put(records, json={"new_configuration": {"nope": {}}}).status_code == 200
    answer = client.put(records, json={"new_configuration": {"hnsw": {"space": "l2"}}})
    is_error(answer, 422, "ChromaError")


def test_each_answer_carries_another_request_id(client):
    ids = {client.get("/api/v2/heartbeat").headers["chroma-trace-id"] for _ in range(5)}
    assert len(ids) == 5


def test_a_message_does_not_grow_with_what_was_sent(client, records):
    answer = client.post(f"{records}/get", json={"where": {"k" * 1_000_000: {"$nope": 1}}})
    assert len(is_error(answer, 400, "InvalidArgumentError")) < 3000


def test_parts_of_a_path_are_decoded_once(client, name):
    tenant = f"{name}/%2e%2f"
    assert client.post("/api/v2/tenants", json={"name": tenant}).json() == {}
    quoted = httpx.URL("http://x").copy_with(
        raw_path=b"/api/v2/tenants/" + tenant.replace("%", "%25").replace("/", "%2F").encode()
    )
    assert client.get(quoted.raw_path.decode()).json()["name"] == tenant


def test_the_documents_about_the_api_need_nothing(client):
    document = client.get("/openapi.json").json()
    shown = {(shape_of(path), method) for path, methods in document["paths"].items() for method in methods}
    assert shown == {(shape_of(f"/api/v2{route.path}"), route.method.lower()) for route in ROUTES}
    assert len({shape_of(path) for path in document["paths"]}) == len(document["paths"])
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "src=" not in page.text
    assert "href='http" not in page.text
    assert client.post("/docs").status_code == 405
