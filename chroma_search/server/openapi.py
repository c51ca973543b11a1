"""The OpenAPI document and a page that shows it, both made from the table of routes; nothing comes from elsewhere."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from chroma_search.server.access.roles import Role
from chroma_search.server.answers import ErrorAnswer
from chroma_search.server.call import Route
from chroma_search.server.openapi_examples import BODIES, OWN_PARTS, PARTS
from chroma_search.server.openapi_links import links_from, links_of
from chroma_search.version import __version__

REFERENCE = "#/components/schemas/{model}"

ERRORS = {
    "400": "What was sent has no meaning",
    "401": "Nobody known calls",
    "403": "They may not",
    "404": "There is no such thing",
    "409": "There is one of that name already",
    "413": "The body is too large",
    "415": "The body is not JSON",
    "422": "The JSON has another shape",
    "429": "Too many requests: see Retry-After",
    "503": "The server is busy: see Retry-After",
    "504": "The call took too long and was ended: see Retry-After",
}
ANY_PART = {"type": "string", "minLength": 1}
PATH_SCHEMAS = {"collection_id": {"type": "string", "format": "uuid"}}
_PART = re.compile(r"\{\w+\}")
BY_BODY = ("413", "415", "422")


def openapi_document(routes: Sequence[Route], prefix: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the routes."""
    models = [model for route in routes for model in (route.body, route.query) if model is not None]
    _, held = models_json_schema([(model, "validation") for model in dict.fromkeys(models)], ref_template=REFERENCE)
    schemas: dict[str, Any] = dict(held.get("$defs", {}))
    schemas["ErrorAnswer"] = _schema_of(ErrorAnswer, schemas)
    shapes: dict[str, str] = {}  # two paths that differ in the name of a part alone are one path in OpenAPI
    shown = {route: shapes.setdefault(_PART.sub("{}", route.path), route.path) for route in routes}
    links = links_of(routes, shown)
    paths: dict[str, Any] = {}
    for route, path in shown.items():
        operation = _operation(route, path, schemas)
        if found := links_from(route, links):
            operation["responses"][str(route.status)]["links"] = found
        paths.setdefault(prefix + path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chroma_search",
            "version": __version__,
            "description": "Chroma's HTTP API v2, with search.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "links": links,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
                "token": {"type": "apiKey", "in": "header", "name": "X-Chroma-Token"},
            },
        },
        "security": [{"bearer": []}, {"basic": []}, {"token": []}, {}],
    }


def docs_page(document: dict[str, Any]) -> str:
    """Return a page that lists the operations of a document with the shapes of their bodies and answers."""
    rows: list[str] = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            shown = {"body": _body_of(operation), "answer": _answer_of(operation)}
            details = html.escape(json.dumps(shown, indent=2))
            rows.append(
                f"<details><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> "
                f"{html.escape(operation['summary'])}</summary><pre>{details}</pre></details>"
            )
    shapes = html.escape(json.dumps(document["components"]["schemas"], indent=2))
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>chroma_search API</title>"
        "<style>body{font:16px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
        "summary{padding:.3em 0;cursor:pointer}pre{background:#8881;padding:1em;overflow:auto}</style>"
        f"<h1>chroma_search {html.escape(__version__)}</h1><p>Chroma's HTTP API v2, with search. "
        f"As JSON: <a href='/openapi.json'>/openapi.json</a></p>{''.join(rows)}"
        f"<details><summary>All shapes</summary><pre>{shapes}</pre></details></html>"
    )


def _operation(route: Route, path: str, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_path_parameters(path, route), *_query_parameters(route)],
        "responses": {str(route.status): _json_answer("Success", _schema_of(route.answer, schemas))},
    }
    for status, words in ERRORS.items():
        if status in BY_BODY and route.body is None:
            continue
        if status == "413":  # a plain text, as upstream's
            operation["responses"][status] = {
                "description": words,
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
            continue
        operation["responses"][status] = _json_answer(words, {"$ref": REFERENCE.format(model="ErrorAnswer")})
    if route.body is not None:
        content = {
            "schema": {"$ref": REFERENCE.format(model=route.body.__name__)},
            "examples": {name: {"value": value} for name, value in BODIES[route.body].items()},
        }
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if route.role is None:
        operation["security"] = [{}]
    else:
        operation["description"] = f"Needs the role {Role(route.role).name.lower()}."
    return operation


def _path_parameters(path: str, route: Route) -> list[dict[str, Any]]:
    """Return the parts of a path as the document names them; in the route's own path they may have other names."""
    parameters: list[dict[str, Any]] = []
    examples = {**PARTS, **OWN_PARTS.get(route.name, {})}
    for part, meant in zip(_PART.findall(path), _PART.findall(route.path), strict=True):
        name, meaning = part[1:-1], meant[1:-1]
        parameter = {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS.get(meaning, ANY_PART)}
        if name != meaning:
            parameter["description"] = f"Here: the {meaning} of it"
        if meaning in examples:
            parameter["example"] = examples[meaning]
        parameters.append(parameter)
    return parameters


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    fields: dict[str, Any] = route.query.model_json_schema(ref_template=REFERENCE).get("properties", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(schema)}
        for name, schema in fields.items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that is left out where a model says null: a query string has no word for it."""
    kept = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kept) != 1:
        return schema
    return {**kept[0], **{name: value for name, value in schema.items() if name not in ("anyOf", "default")}}


def _json_answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _schema_of(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; shapes that it names are added to `schemas`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {"$ref": REFERENCE.format(model=kind.__name__)}
    schema = TypeAdapter(kind).json_schema(ref_template=REFERENCE, mode="serialization")
    schemas.update(schema.pop("$defs", {}))
    return schema


def _body_of(operation: dict[str, Any]) -> Any:
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")


def _answer_of(operation: dict[str, Any]) -> Any:
    success = next(each for status, each in operation["responses"].items() if status.startswith("2"))
    return success["content"]["application/json"]["schema"]
