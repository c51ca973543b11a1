"""Hooks of Schemathesis, which loads this file by its name in SCHEMATHESIS_HOOKS: most requests reach what is there.

Ids of collections are made at random by the server, and ids made at random by a test are never there: without this file
everything below a collection answers 404. Three requests of four go to a collection that lives, whatever was deleted
before; the others, and the chains of requests that follow links, go where Schemathesis sends them. What was answered is
written, a line each, to the file that ANSWERS names.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import Any

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation

from tests.conformance.server.fitting_bodies import fit_columns, fitted_vectors
from tests.conformance.server.serving import DEFAULT

ANSWERS = "CHROMA_SEARCH_TEST_ANSWERS"
WRITES = ("add", "upsert", "update")
FINDERS = ("get", "query", "search")
COLLECTION = "articles"
DOOMED = "doomed"
"""The database that may be deleted: not the one that all others live in."""
RECORDS = {
    "ids": ["a", "b"],
    "embeddings": [[0.1, 0.2, 0.3], [0.3, 0.1, 0.0]],
    "documents": ["single sign-on", "sign-on with SAML"],
    "metadatas": [{"year": 2024}, {"year": 2025}],
}

_turn = itertools.count()
_own = requests.Session()
"""For the requests of this file: they are neither checked nor counted."""


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """Lead a request to what is there, with columns that fit, unless it is wrong on purpose."""
    if phase_of(case) != "examples" and next(_turn) % 4 == 0:
        return
    name = name_of(case)
    if case.path_parameters and not is_wrong(case, ParameterLocation.PATH) and not is_in_chain(case):
        base = f"{case.operation.base_url.rstrip('/')}"
        living = living_parts(base, name)
        case.path_parameters = {part: living.get(part, value) for part, value in case.path_parameters.items()}
    if isinstance(case.body, dict) and not is_wrong(case, ParameterLocation.BODY):
        if name in WRITES:
            fit_columns(case.body)
        elif name == "query" and isinstance(case.body.get("query_embeddings"), list):
            case.body["query_embeddings"] = fitted_vectors(case.body["query_embeddings"])


@schemathesis.hook
def after_call(_: Any, case: Any, response: Any) -> None:
    """Write down what was answered, and how much was found."""
    answer = response.json() if response.status_code == 200 and response.content else None
    ids = answer.get("ids") if isinstance(answer, dict) else None
    line = {
        "operation": name_of(case),
        "status": response.status_code,
        "in_chain": is_in_chain(case),
        "finds": bool(ids) and any(ids),
    }
    with open(os.environ[ANSWERS], "a") as file:
        file.write(json.dumps(line) + "\n")


def name_of(case: Any) -> str:
    """Return the name of the operation that a request is of."""
    return case.operation.definition.raw["operationId"]


def phase_of(case: Any) -> str:
    """Return in which phase of Schemathesis a request was made."""
    return "" if case.meta is None else case.meta.phase.name.value


def is_in_chain(case: Any) -> bool:
    """Tell whether a request follows the links of others."""
    return phase_of(case) == "stateful"


def is_wrong(case: Any, part: ParameterLocation) -> bool:
    """Tell whether a part of a request is wrong on purpose."""
    found = None if case.meta is None else case.meta.components.get(part)
    return found is not None and found.mode.is_negative


def living_parts(base: str, name: str) -> dict[str, str]:
    """Return parts of paths that are there now; what was deleted is made again."""
    parts = {"tenant": "default_tenant", "database": "default_database"}
    databases, collections = f"{base}{DEFAULT.rpartition('/')[0]}", f"{base}{DEFAULT}/collections"
    if name == "delete_database":
        _own.post(databases, json={"name": DOOMED})
        return {**parts, "database": DOOMED}
    found = _own.get(f"{collections}/{COLLECTION}")
    if not found.ok:
        _own.post(databases, json={"name": parts["database"]})
        found = _own.post(collections, json={"name": COLLECTION})
    id_ = found.json()["id"]
    if found.json()["dimension"] is None or name in FINDERS:
        _own.post(f"{collections}/{id_}/upsert", json=RECORDS).raise_for_status()
    named = id_ if name == "update_collection" else COLLECTION
    return {**parts, "collection_id": id_, "name": named, "crn": ":".join((*parts.values(), COLLECTION))}
