"""What the OpenAPI document shows works: each operation with each of its examples, and each link."""

import re

import jsonschema_rs
import pytest

from chroma_search.server.bodies import MAX_U32
from chroma_search.server.openapi import openapi_document
from chroma_search.server.openapi_examples import BODIES
from chroma_search.server.routes import ROUTES
from tests.conformance.server.serving import DEFAULT, serving

DOCUMENT = openapi_document(ROUTES, "/api/v2")
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
FINDERS = ("get", "query", "search")


def examples_of(name):
    content = OPERATIONS[name][2].get("requestBody", {"content": {"application/json": {"examples": {"none": {}}}}})
    return content["content"]["application/json"]["examples"]


EXAMPLES = [(name, example) for name in OPERATIONS for example in examples_of(name)]
LINKS = [
    (name, link)
    for name, (_, _, operation) in OPERATIONS.items()
    for response in operation["responses"].values()
    for link in response.get("links", {})
    if (name, link) != ("fork_collection", "fork_collection")  # the same example: of the name there is one by then
]


@pytest.fixture(scope="module")
def client():
    with serving(allow_reset=True) as server, server.client() as opened:
        yield opened


@pytest.fixture
def collection_id(client):
    """Empty the server, do what the examples take for granted, and give the id of their collection."""
    assert call(client, "reset").json() is True
    id_ = call(client, "create_collection").json()["id"]
    call(client, "add", {"collection_id": id_})
    return id_


def call(client, name, parts=None, body=None):
    """Make the request that the document describes: parts and a body that are not given are those of its examples."""
    method, path, operation = OPERATIONS[name]
    shown = {each["name"]: each["example"] for each in operation["parameters"] if "example" in each}
    for part, value in {**shown, **(parts or {})}.items():
        path = path.replace(f"{{{part}}}", value)
    assert "{" not in path
    if body is None:
        body = next(iter(examples_of(name).values())).get("value")
    return client.request(method.upper(), path, json=body)


def parts_of(name, collection_id):
    """Return the parts of a path that have no example: each is the id of a collection."""
    parameters = [each for each in OPERATIONS[name][2]["parameters"] if each["in"] == "path"]
    return {each["name"]: collection_id for each in parameters if "example" not in each}


def meant_by(expression, answer, request_body, request_parts):
    """Return what a runtime expression of OpenAPI stands for."""
    if "{" in expression:
        return re.sub(r"\{(.*?)\}", lambda found: meant_by(found[1], answer, request_body, request_parts), expression)
    source, _, pointer = expression.partition("#")
    if source.startswith("$request.path."):
        return request_parts[source.rpartition(".")[2]]
    value = {"$response.body": answer, "$request.body": request_body}[source]
    for key in pointer.split("/")[1:]:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_succeeds(client, collection_id, name, example):
    given = examples_of(name)[example].get("value")
    if name == "delete_database":
        call(client, "create_database")
    answered = call(client, name, parts_of(name, collection_id), given)
    assert answered.is_success, answered.text
    if name in FINDERS:
        assert any(answered.json()["ids"])


@pytest.mark.parametrize(("name", "link"), LINKS)
def test_a_link_leads_to_a_success(client, collection_id, name, link):
    made = call(client, name, parts_of(name, collection_id))
    assert made.is_success, made.text
    found = OPERATIONS[name][2]["responses"][str(made.status_code)]["links"][link]
    shown = DOCUMENT["components"]["links"][found["$ref"].rpartition("/")[2]]
    request_body = next(iter(examples_of(name).values())).get("value")
    request_parts = {each["name"]: each.get("example", collection_id) for each in OPERATIONS[name][2]["parameters"]}
    told = made.json(), request_body, request_parts
    parts = {part: meant_by(expression, *told) for part, expression in shown["parameters"].items()}
    body = meant_by(shown["requestBody"], *told) if "requestBody" in shown else None
    answered = call(client, shown["operationId"], parts, body)
    assert answered.is_success, answered.text


def test_links_lead_everywhere_but_to_the_server_itself_and_to_new_tenants():
    linked = {DOCUMENT["components"]["links"][link]["operationId"] for link in DOCUMENT["components"]["links"]}
    assert {name for name in OPERATIONS if "{" in OPERATIONS[name][1]} == linked


@pytest.mark.parametrize(("name", "model"), [("add", "AddRecords"), ("update", "UpdateRecords")])
def test_no_records_fit_the_document_as_they_do_the_server(client, collection_id, name, model):
    assert call(client, name, {"collection_id": collection_id}, {"ids": [], "embeddings": []}).is_success
    schema = {**DOCUMENT, **DOCUMENT["components"]["schemas"][model]}
    assert jsonschema_rs.is_valid(schema, {"ids": [], "embeddings": []})
    assert not jsonschema_rs.is_valid(schema, {"ids": ["a"], "embeddings": [[1], "AACAPw=="]})


def test_a_query_string_holds_no_null(client):
    listing = OPERATIONS["list_collections"]
    limit = next(each["schema"] for each in listing[2]["parameters"] if each["name"] == "limit")
    assert client.get(f"{DEFAULT}/collections", params={"limit": "null"}).status_code == 400
    assert limit == {"type": "integer", "minimum": 0, "maximum": MAX_U32, "title": "Limit"}


@pytest.mark.parametrize("model", [route.body for route in ROUTES if route.body is not None])
def test_an_example_has_the_shape_of_its_body(model):
    for example in BODIES[model].values():
        model.model_validate(example)
