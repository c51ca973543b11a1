"""Who may do what: every route of the table, with every role and reach, against every place it can name.

The table of routes makes the cases, so a new route is covered when it is there. What is expected is said here, in words
of its own: a role and a reach, compared with what the route says it needs.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from chroma_search.engine.database import Database
from chroma_search.errors import ConflictError
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.server.access.secrets import hashed_password, hashed_token
from chroma_search.server.rate import Rates
from chroma_search.server.routes import ROUTES
from tests.conformance.server.serving import serving

RANKS = {"reader": 1, "writer": 2, "admin": 3}
REACHES = {"everywhere": ("*", "*"), "tenant": ("acme", "*"), "database": ("acme", "one")}
PLACES = [("acme", "one"), ("acme", "two"), ("rival", "one")]
NOWHERE = [("acme", "zero"), ("zero", "one")]
MISSING_ID = "00000000-0000-4000-8000-000000000007"
DENIED = b'{"error":"ChromaError","message":"Permission denied."}'
VARYING = {"chroma-trace-id", "date"}


@dataclass(frozen=True)
class Person:
    role: str
    tenant: str
    database: str

    @property
    def name(self) -> str:
        return f"{self.role}-{self.tenant}-{self.database}".replace("*", "all")

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer token of {self.name}"}


PEOPLE = [Person(role, *reach) for role in RANKS for reach in REACHES.values()]


class CountedDatabase(Database):
    """A database that notes which of its methods are called."""

    def __init__(self) -> None:
        self.called: list[str] = []
        super().__init__(None)

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if not name.startswith("_") and callable(found):
            self.called.append(name)
        return found


@dataclass(frozen=True)
class World:
    client: Any
    database: CountedDatabase
    ids: dict[tuple[str, str], str]

    def restore(self, place: tuple[str, str]) -> None:
        """Make a database with its collection, unless it is there."""
        tenant, name = place
        with suppress(ConflictError):
            self.database.create_tenant(tenant)
        with suppress(ConflictError):
            self.database.create_database(name, tenant)
            engine = self.database.create_collection("docs", tenant, name, config=CollectionConfig())
            self.ids[place] = str(engine.id)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    users = {
        each.name: {
            "tokens": [hashed_token(f"token of {each.name}")],
            "grants": [{"role": each.role, "tenant": each.tenant, "database": each.database}],
        }
        for each in PEOPLE
    }
    users["basic"] = {"password": hashed_password("right"), "grants": [{"role": "reader"}]}
    path = tmp_path_factory.mktemp("users") / "users.yaml"
    path.write_text(yaml.safe_dump({"users": users}))
    database = CountedDatabase()
    with serving(database, users_file=path) as server, server.client() as client:
        server.application._authentication._failures = Rates(1e9, 10**9)  # these tests are wrong on purpose, and often
        made = World(client, database, {})
        for place in PLACES:
            made.restore(place)
        yield made


def asked(world: World, route: Any, place: tuple[str, str], headers: dict[str, str], *, exists: bool) -> Any:
    """Call a route at a place; `exists` says whether the collection it names is there."""
    tenant, database = place
    values = {
        "tenant": tenant,
        "database": database,
        "collection_id": world.ids.get(place, MISSING_ID) if exists else MISSING_ID,
        "name": "docs" if exists else "nope",
        "crn": f"{tenant}:{database}:{'docs' if exists else 'nope'}",
    }
    world.database.called.clear()
    content = None if route.body is None else b"{}"
    return world.client.request(route.method, f"/api/v2{route.path.format(**values)}", content=content, headers=headers)


def may(person: Person, route: Any, place: tuple[str, str]) -> bool:
    """Say what is right: role and reach of the person, against what the route needs at this place."""
    tenant, database = place
    if "{crn}" in route.path:
        return person.tenant in ("*", tenant) and person.database in ("*", database)
    if route.role is None or route.any_user:
        return True
    if RANKS[person.role] < int(route.role):
        return False
    if "{tenant}" not in route.path:
        return (person.tenant, person.database) == ("*", "*")
    if person.tenant not in ("*", tenant):
        return False
    if route.anywhere_in_tenant:
        return True
    return person.database == "*" or ("{database}" in route.path and person.database == database)


def told(answer: Any) -> Any:
    """Return all that a caller can tell an answer by."""
    return answer.status_code, answer.content, {n: v for n, v in answer.headers.items() if n not in VARYING}


@pytest.mark.parametrize("person", PEOPLE, ids=lambda each: each.name)
@pytest.mark.parametrize("route", ROUTES, ids=lambda each: each.name)
def test_a_call_is_let_in_or_refused_before_anything_is_looked_up(world, route, person):
    refusals = set()
    for place in PLACES + NOWHERE:
        if may(person, route, place):
            answer = asked(world, route, place, person.headers, exists=False)
            assert answer.content != DENIED, (place, answer.status_code)
            assert answer.status_code != 401
            if place in PLACES:
                world.restore(place)  # it may have been deleted
            continue
        for exists in (True, False):
            answer = asked(world, route, place, person.headers, exists=exists)
            assert (answer.status_code, answer.content) == (403, DENIED), place
            assert world.database.called == []
            refusals.add(repr(told(answer)))
    assert len(refusals) <= 1, "a refusal tells what exists"


@pytest.mark.parametrize("route", [each for each in ROUTES if each.role is not None], ids=lambda each: each.name)
def test_nobody_gets_in(world, route):
    def basic(text):
        return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

    right = "token of admin-all-all"
    wrong = [
        {}, {"authorization": ""}, {"authorization": "Bearer"}, {"x-chroma-token": ""},
        {"authorization": f"Bearer {right} "[:-2]}, {"x-chroma-token": right.upper()}, {"authorization": right},
        {"authorization": f"Digest {right}"}, {"authorization": f"Token {right}"},
        basic(f"basic:{right}"), basic("basic"),
        {"authorization": "Basic !"}, {"authorization": f"Bearer {hashed_token(right)}"}, {"cookie": f"token={right}"},
        {"authorization": "Bearer \u00ff".encode("latin-1")}, {"authorization": "Basic \u00ff".encode("latin-1")},
    ]  # fmt: skip
    refusals = set()
    for headers in wrong:
        for place in (PLACES[0], NOWHERE[1]):
            answer = asked(world, route, place, headers, exists=place in PLACES)
            assert (answer.status_code, answer.content) == (401, DENIED), headers
            assert answer.headers["www-authenticate"].startswith("Bearer, Basic")
            assert world.database.called == []
            refusals.add(repr(told(answer)))
    assert len(refusals) == 1


def test_the_counter_counts(world):
    route = next(each for each in ROUTES if each.name == "get_collection")
    admin = Person("admin", "*", "*")
    assert asked(world, route, PLACES[0], admin.headers, exists=True).status_code == 200
    assert world.database.called == ["get_collection"]


def test_every_way_to_say_who_one_is(world):
    token = "token of reader-acme-all"
    password = base64.b64encode(b"basic:right").decode()
    for headers, user in (
        ({"authorization": f"Bearer {token}"}, "reader-acme-all"),
        ({"authorization": f"bearer {token}"}, "reader-acme-all"),
        ({"x-chroma-token": token}, "reader-acme-all"),
        ({"x-chroma-token": f"Bearer {token}"}, "reader-acme-all"),
        ({"authorization": f"Basic {password}"}, "basic"),
        ({"authorization": f"basic {password}"}, "basic"),
    ):
        answer = world.client.get("/api/v2/auth/identity", headers=headers)
        assert (answer.status_code, answer.json()["user_id"]) == (200, user)


def test_identity_says_where_one_may(world):
    def identity(person):
        return world.client.get("/api/v2/auth/identity", headers=person.headers).json()

    assert identity(Person("reader", "acme", "one")) == {
        "user_id": "reader-acme-one",
        "tenant": "acme",
        "databases": ["one"],
    }
    assert identity(Person("admin", "*", "*"))["tenant"] == "*"
    assert identity(Person("writer", "acme", "*"))["databases"] == ["*"]


def test_a_list_of_databases_holds_what_one_may_read(world):
    def names(person):
        answer = world.client.get("/api/v2/tenants/acme/databases", headers=person.headers)
        return [each["name"] for each in answer.json()]

    assert names(Person("reader", "acme", "one")) == ["one"]
    assert names(Person("reader", "acme", "*")) == ["one", "two"]


def test_metrics_are_for_admins_of_everything(world):
    for person in PEOPLE:
        answer = world.client.get("/metrics", headers=person.headers)
        is_allowed = (person.role, person.tenant, person.database) == ("admin", "*", "*")
        assert answer.status_code == (200 if is_allowed else 403)
    assert world.client.get("/metrics").status_code == 401


def test_a_star_in_a_path_is_a_name_like_any_other(world):
    route = next(each for each in ROUTES if each.name == "count_collections")
    for place in (("*", "*"), ("acme", "*"), ("*", "one")):
        for person in PEOPLE:
            answer = asked(world, route, place, person.headers, exists=False)
            assert (answer.content == DENIED) == (not may(person, route, place)), (person, place)
