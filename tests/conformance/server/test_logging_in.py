"""Clients that say who they are, the official ones and ours, sync and async: the same settings mean the same."""

import gc
import traceback
from functools import cache
from typing import Any

import pytest
import yaml

from chroma_search.engine.database import Database
from chroma_search.server.access.secrets import hashed_password, hashed_token
from chroma_search.server.rate import Rates
from tests.conformance.server.callers import BASIC, BY_SETTINGS, EVERYBODY, TOKEN, WAYS, Callers
from tests.conformance.server.serving import serving

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # upstream's admin has no close
    pytest.mark.filterwarnings("ignore:legacy embedding function config"),
]

GRANTS = {"reader": ("reader", "acme", "one"), "writer": ("writer", "acme", "one"), "admin": ("admin", "acme", "*")}


def secret_of(way: str, user: str) -> str:
    return f"{user}:password-{user}" if way == "basic" else f"token-{user}"


def user(clients: Callers, name: str, way: str = "bearer", **place: Any) -> Any:
    """Return a client of a user."""
    return clients.with_secret(way, secret_of(way, name), **place)


def refused(clients: Callers) -> Any:
    """Expect what the library raises when a caller may not."""
    kind = clients.errors.ChromaAuthError if clients.is_ours else clients.errors.ChromaError
    return pytest.raises(kind, match="Permission denied")


def users(*names: str) -> str:
    """Return the file of some users."""
    return yaml.safe_dump({"users": {name: entry(name) for name in names}})


@cache
def entry(name: str) -> dict[str, Any]:
    return {
        "tokens": [hashed_token(f"token-{name}")],
        "password": hashed_password(f"password-{name}"),
        "grants": [dict(zip(("role", "tenant", "database"), GRANTS[name], strict=True))],
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "users.yaml"
    path.write_text(users(*GRANTS))
    database = Database(None)
    database.create_tenant("acme")
    database.create_database("one", "acme")
    database.create_tenant("rival")
    database.create_database("one", "rival")
    with serving(database, users_file=path) as server:
        server.application._authentication._failures = Rates(1e9, 10**9)  # these tests are wrong on purpose, and often
        yield server, path
        gc.collect()  # here, where a socket that upstream has left open is no error


@pytest.fixture(params=EVERYBODY)
def clients(request, world):
    opened = Callers(request.param, world[0].port)
    yield opened
    opened.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_user_gets_in_and_works(clients, way, name):
    client = user(clients, "writer", way)
    assert client.get_user_identity().user_id == "writer"
    made = client.create_collection(name, embedding_function=None)
    made.add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]])
    assert made.query(query_embeddings=[[0.0, 1.0]], n_results=1)["ids"] == [["b"]]
    assert client.get_collection(name, embedding_function=None).id == made.id
    client.delete_collection(name)
    assert name not in [each.name for each in client.list_collections()]


def test_a_header_says_who_one_is(clients):
    for name, value in (
        ("Authorization", "Bearer token-reader"),
        ("authorization", "Bearer token-reader"),
        ("X-Chroma-Token", "token-reader"),
        ("x-chroma-token", "token-reader"),
    ):
        assert clients(headers={name: value}).get_user_identity().user_id == "reader"


@pytest.mark.parametrize("clients", BY_SETTINGS, indirect=True)
def test_the_user_of_the_settings_counts_and_not_one_of_the_headers(clients):
    credentials = {**TOKEN, "chroma_client_auth_credentials": "token-writer"}
    for name in ("Authorization", "authorization"):
        client = clients(headers={name: "Bearer token-reader", "content-type": "text/plain"}, **credentials)
        assert client.get_user_identity().user_id == "writer"


@pytest.mark.parametrize("way", WAYS)
def test_wrong_credentials_are_refused_and_not_shown(clients, way):
    wrong = ["writer:wrong-secret", "nobody:password-writer"] if way == "basic" else ["wrong-secret"]
    for secret in wrong:
        with refused(clients) as raised:
            clients.with_secret(way, secret)
        assert secret not in "".join(traceback.format_exception(raised.value)) + repr(raised.value)


@pytest.mark.parametrize("clients", ["chromadb async"], indirect=True)
def test_the_official_async_client_sends_no_credentials_of_its_settings(clients):
    with refused(clients):  # when this fails, docs/server.md need not say so any more
        clients(**TOKEN, chroma_client_auth_credentials="token-reader")


def test_whoever_says_nothing_is_refused(clients):
    with refused(clients):
        clients()


@pytest.mark.parametrize("way", ["x-chroma-token", "basic"])
def test_an_open_client_is_refused_once_its_user_is_removed(clients, world, way, name):
    server, path = world
    client = user(clients, "writer", way)
    made = client.create_collection(name, embedding_function=None)
    path.write_text(users("reader", "admin"))
    server.application._authentication._looked_at = -1e9  # a second later
    try:
        for call in (
            lambda: client.get_collection(name, embedding_function=None),
            lambda: client.list_collections(),
            lambda: made.add(ids=["x"], embeddings=[[1.0, 2.0]]),
            lambda: made.count(),
        ):
            with refused(clients):
                call()
        assert client.heartbeat() > 0
    finally:
        path.write_text(users(*GRANTS))
        server.application._authentication._looked_at = -1e9
    assert made.count() == 0


def test_a_reader_reads_and_does_not_write(clients, name):
    theirs = user(clients, "writer").create_collection(name, embedding_function=None)
    theirs.add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]])
    client = user(clients, "reader")
    seen = client.get_collection(name, embedding_function=None)
    assert name in [each.name for each in client.list_collections()]
    assert client.count_collections() >= 1
    assert (seen.count(), seen.get()["ids"], seen.peek(1)["ids"]) == (2, ["a", "b"], ["a"])
    assert seen.query(query_embeddings=[[0.0, 1.0]], n_results=1)["ids"] == [["b"]]
    search = clients.module.Search().rank(clients.module.Knn([0.0, 1.0])).limit(1)
    assert seen.search(search)["ids"] == [["b"]]
    for write in (
        lambda: seen.add(ids=["c"], embeddings=[[1.0, 1.0]]),
        lambda: seen.upsert(ids=["a"], embeddings=[[1.0, 1.0]]),
        lambda: seen.update(ids=["a"], embeddings=[[1.0, 1.0]]),
        lambda: seen.delete(ids=["a"]),
        lambda: seen.modify(name=f"{name}-2"),
        lambda: seen.fork(f"{name}-3"),
        lambda: client.create_collection(f"{name}-4", embedding_function=None),
        lambda: client.get_or_create_collection(name, embedding_function=None),
        lambda: client.delete_collection(name),
    ):
        with refused(clients):
            write()
    assert theirs.get()["ids"] == ["a", "b"]


def test_a_place_that_is_not_granted_is_refused_whether_it_is_there_or_not(clients):
    for tenant, database in (("rival", "one"), ("nowhere", "one"), ("acme", "two")):
        with refused(clients):
            user(clients, "writer", tenant=tenant, database=database)


def test_a_user_of_one_place_gets_it_where_the_settings_say_so(clients):
    bound: dict[str, Any] = {"chroma_overwrite_singleton_tenant_database_access_from_auth": True}
    client = user(clients, "reader", tenant="default_tenant", database="default_database", **bound)
    assert (client.tenant, client.database) == ("acme", "one")


@pytest.mark.parametrize(
    "wrong",
    [
        TOKEN,
        BASIC,
        {**TOKEN, "chroma_client_auth_credentials": "x", "chroma_auth_token_transport_header": "X-Other"},
        {**TOKEN, "chroma_client_auth_credentials": "token-that-is-secret\n"},
    ],
    ids=["no token", "no password", "another header", "a token with the end of its line"],
)
@pytest.mark.parametrize("clients", BY_SETTINGS, indirect=True)
def test_settings_that_cannot_be_sent_are_refused_and_not_shown(clients, wrong):
    with pytest.raises(ValueError) as raised:
        clients(**wrong)
    assert "token-that-is-secret" not in "".join(traceback.format_exception(raised.value)) + repr(raised.value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("clients", ["chromadb sync", "ours sync"], indirect=True)
def test_an_admin_client_takes_the_same_settings(clients, way, name):
    admin, writer = (clients.admin(way, secret_of(way, each)) for each in ("admin", "writer"))
    admin.create_database(name, "acme")
    assert admin.get_database(name, "acme")["name"] == name
    for tenant in ("acme", "rival", "nowhere"):
        with refused(clients):
            writer.create_database(name, tenant)
    admin.delete_database(name, "acme")
