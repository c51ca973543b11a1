"""A tenant neither sees nor times what another has: the same answer, by the same work, whether it is there or not.

Times themselves are not compared, for they are noise on a busy machine. What decides them is: which functions of the
package run for a request. Where those are the same, nothing was looked up, opened or read more.
"""

import inspect
import re
import threading
from collections import defaultdict
from types import FrameType
from typing import Any

import pytest
import yaml

from chroma_search.engine.database import Database
from chroma_search.schema.configuration import CollectionConfig
from chroma_search.server.access.secrets import hashed_token
from chroma_search.server.routes import ROUTES
from tests.conformance.server.serving import serving

PLACES = [("acme", "one"), ("acme", "two"), ("rival", "one")]
HOME = PLACES[0]
CALLERS = {"tenant": ("acme", "*"), "database": HOME}
"""Who asks at home, by what they are granted, and the place that is none of their business."""
FOREIGN = {"tenant": ("rival", "one"), "database": ("acme", "two")}
THERE, NOWHERE = "plans", "plane"
MISSING_ID = "00000000-0000-4000-8000-000000000007"
VECTOR = [1.0, 0.0]
BODIES: dict[str, Any] = {
    "query": {"query_embeddings": [VECTOR], "n_results": 1},
    "get": {"ids": ["a"]},
    "add": {"ids": ["new"], "embeddings": [VECTOR]},
    "upsert": {"ids": ["new"], "embeddings": [VECTOR]},
    "update": {"ids": ["a"], "embeddings": [VECTOR]},
    "delete": {"ids": ["none"]},
    "search": {"searches": ["RANK knn($q) LIMIT 1"], "params": {"q": VECTOR}},
    "explain": {"search": "RANK knn($q) LIMIT 1", "params": {"q": VECTOR}},
    "update_collection": {"new_metadata": {"a": 1}},
    "fork_collection": {"new_name": "a-fork"},
    "create_collection": {"name": "made-here"},
    "create_database": {"name": "made-here"},
    "update_tenant": {"resource_name": "x"},
}
OF_BYTES = ("chroma_search.server.connection", "chroma_search.server.joined_writes")
"""What carries bytes, may go on after the client has read them, and knows no names."""
OF_COLLECTIONS = [each for each in ROUTES if re.search("{collection_id}|{name}|{crn}", each.path)]
OF_PLACES = [each for each in ROUTES if "{tenant}" in each.path or "{crn}" in each.path]


class Recorder:
    """Notes which functions of the package run, in the order of each thread: a profile function."""

    def __init__(self) -> None:
        self.called: dict[int, list[str]] = defaultdict(list)

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("chroma_search.") and module not in OF_BYTES:
            name, called = f"{module}.{frame.f_code.co_name}", self.called[threading.get_ident()]
            # A coroutine goes on as often as bytes come; it is a call each time.
            if not (frame.f_code.co_flags & inspect.CO_COROUTINE and name in called):
                called.append(name)

    def take(self) -> tuple[tuple[str, ...], ...]:
        """Return what has run since the last time."""
        taken, self.called = self.called, defaultdict(list)
        return tuple(sorted(map(tuple, taken.values())))


class World:
    def __init__(self, client: Any, ids: dict[tuple[str, str], str], recorder: Recorder) -> None:
        self.client, self.ids, self.recorder = client, ids, recorder

    def ask(self, caller: str, route: Any, place: tuple[str, str], id_: str, name: str, **more: Any) -> Any:
        tenant, database = place
        values = {"tenant": tenant, "database": database, "collection_id": id_, "name": name}
        path = route.path.format(**values, crn=f"{tenant}:{database}:{name}")
        body = {"json": BODIES[route.name]} if route.body is not None and not more else more
        headers = {"authorization": f"Bearer token of {caller}", **body.pop("headers", {})}
        self.recorder.take()
        return self.client.request(route.method, f"/api/v2{path}", headers=headers, **body)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tenants")
    users = {
        each: {"tokens": [hashed_token(f"token of {each}")], "grants": [{"role": "admin", "tenant": t, "database": d}]}
        for each, (t, d) in {**CALLERS, "rival": ("rival", "*")}.items()
    }
    (folder / "users.yaml").write_text(yaml.safe_dump({"users": users}))
    database, ids = Database(folder / "data"), {}
    for tenant in ("acme", "rival"):
        database.create_tenant(tenant)
    for tenant, name in PLACES:
        database.create_database(name, tenant)
        # At home there is none of the name that the others have.
        named = "docs" if (tenant, name) == HOME else THERE
        ids[tenant, name] = str(database.create_collection(named, tenant, name, config=CollectionConfig()).id)
    database.close()
    recorder = Recorder()
    threading.setprofile(recorder)  # for the threads that are started from here on
    try:
        with (
            serving(persist_path=folder / "data", users_file=folder / "users.yaml") as server,
            server.client() as client,
        ):
            made = World(client, ids, recorder)
            for place in PLACES:  # so that all are held open
                added = {"ids": ["a"], "embeddings": [VECTOR], "documents": [f"plan of {place}"]}
                path = f"/api/v2/tenants/{place[0]}/databases/{place[1]}/collections/{ids[place]}/add"
                who = {"authorization": f"Bearer token of {'rival' if place[0] == 'rival' else 'tenant'}"}
                assert client.post(path, json=added, headers=who).status_code == 201
            yield made
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]


def told(answer: Any, *names: str) -> Any:
    """Return all that a caller can tell an answer by, but for the names that it gives back."""
    content = answer.content
    for each in names:
        content = content.replace(each.encode(), b"?")
    return (
        answer.status_code,
        content,
        {n: v for n, v in answer.headers.items() if n not in ("chroma-trace-id", "date")},
    )


def work(world: World, ask: Any) -> tuple[tuple[str, ...], ...]:
    """Return what runs for a request; the shortest of some, without what went on beside it."""
    found = []
    for _ in range(4):
        ask()
        found.append(world.recorder.take())
    return min(found, key=lambda each: sum(map(len, each)))


def test_the_recorder_sees_that_a_collection_is_looked_for_and_found(world):
    route = next(each for each in ROUTES if each.name == "get_collection")
    there, nowhere = (work(world, lambda n=n: world.ask("tenant", route, HOME, "", n)) for n in ("docs", "none"))
    assert there != nowhere
    assert any(each.endswith("database.get_collection") for thread in nowhere for each in thread)


@pytest.mark.parametrize(
    "route", [each for each in OF_COLLECTIONS if each.name != "delete_collection"], ids=lambda each: each.name
)
def test_the_bodies_of_these_tests_are_good_at_home(world, route):
    answer = world.ask("tenant", route, HOME, world.ids[HOME], "docs")
    assert answer.is_success, answer.content


@pytest.mark.parametrize(
    ("route", "caller"),
    # Who may in one database of a tenant may ask what anybody there may.
    [(each, who) for each in OF_PLACES for who in CALLERS if who == "tenant" or not each.anywhere_in_tenant],
    ids=lambda each: getattr(each, "name", each),
)
def test_a_place_of_others_is_refused_by_the_same_work_whatever_is_there(world, route, caller):
    place = FOREIGN[caller]
    nowhere = (place[0], "zero") if caller == "database" else ("zero", "one")
    asked = [(place, world.ids[place], THERE), (place, MISSING_ID, NOWHERE), (nowhere, MISSING_ID, THERE)]
    answers = [told(world.ask(caller, route, *each)) for each in asked]
    assert answers[0][:2] == (403, b'{"error":"ChromaError","message":"Permission denied."}')
    assert answers[0] == answers[1] == answers[2]
    there, *others = (work(world, lambda each=each: world.ask(caller, route, *each)) for each in asked)
    assert [there] * 2 == others
    assert not [
        each
        for thread in there
        for each in thread
        if each.startswith(("chroma_search.engine", "chroma_search.storage"))
    ]


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", OF_COLLECTIONS, ids=lambda each: each.name)
def test_a_collection_of_others_is_missing_at_home_by_the_same_work(world, route, caller):
    theirs = world.ids[FOREIGN[caller]]
    asked = [(HOME, theirs, THERE), (HOME, MISSING_ID, NOWHERE)]
    answers = [told(world.ask(caller, route, *each), theirs, MISSING_ID, THERE, NOWHERE) for each in asked]
    assert answers[0][0] == 404
    assert answers[0] == answers[1]
    there, nowhere = (work(world, lambda each=each: world.ask(caller, route, *each)) for each in asked)
    assert there == nowhere


def test_an_id_of_others_is_missing_at_home_however_it_is_written(world):
    route = next(each for each in ROUTES if each.name == "count")
    for write in (
        str.upper,
        lambda id_: id_.replace("-", ""),
        lambda id_: f"urn:uuid:{id_}",
        lambda id_: f"%7B{id_}%7D",
    ):
        assert world.ask("tenant", route, HOME, write(world.ids[HOME]), "").json() >= 1
        for caller, place in FOREIGN.items():
            assert world.ask(caller, route, HOME, write(world.ids[place]), "").status_code == 404


@pytest.mark.parametrize("route", OF_PLACES, ids=lambda each: each.name)
def test_a_refusal_does_not_depend_on_what_is_sent(world, route):
    place = FOREIGN["tenant"]
    expected = told(world.ask("tenant", route, place, world.ids[place], THERE))
    for sent in (
        {"content": b""},
        {"content": b"{"},
        {"content": b"\xff" * 100_000},
        {"json": {"ids": 7}},
        {"content": b"x", "headers": {"content-type": "text/plain"}},
        {"params": {"limit": "-1", "read_level": "x"}},
    ):
        assert told(world.ask("tenant", route, place, world.ids[place], THERE, **sent)) == expected


@pytest.mark.parametrize("path", sorted({each.path for each in OF_PLACES}))
def test_other_methods_tell_nothing(world, path):
    known = {each.method for each in ROUTES if each.path == path}
    sample = next(each for each in ROUTES if each.path == path)
    for method in {"HEAD", "OPTIONS", "GET", "PUT", "PATCH", "DELETE", "TRACE", "POST"} - known:
        values = [(*FOREIGN["tenant"], world.ids[FOREIGN["tenant"]], THERE), ("zero", "one", MISSING_ID, NOWHERE)]
        answers = []
        for tenant, database, id_, name in values:
            filled = sample.path.format(
                tenant=tenant, database=database, collection_id=id_, name=name, crn=f"{tenant}:{database}:{name}"
            )
            answers.append(told(world.client.request(method, f"/api/v2{filled}")))
        assert answers[0] == answers[1]
