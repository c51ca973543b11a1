"""Two tenants with the same names for everything: what one writes, changes and drops is nothing to the other."""

from typing import Any

import httpx
import pytest
import yaml

from chroma_search.engine.database import Database
from chroma_search.server.access.secrets import hashed_token
from tests.conformance.server.serving import serving

TENANTS = ["acme", "rival"]
VECTORS = [[1.0, 0.0], [0.0, 1.0]]
TEXTS = ["red fox", "grey wolf"]


class Tenant:
    """A tenant with its admin, and a collection `docs` with records whose ids name the tenant."""

    def __init__(self, client: httpx.Client, name: str) -> None:
        self._client, self.name = client, name
        self.ids = [f"{name}-fox", f"{name}-wolf"]
        self.collection = self.made("docs", metadata={"of": name})
        self.call("POST", "/add", ids=self.ids, embeddings=VECTORS, documents=TEXTS, metadatas=[{"n": 1}, {"n": 2}])

    def asked(self, method: str, path: str, **body: Any) -> httpx.Response:
        headers = {"x-chroma-token": f"token-{self.name}"}
        return self._client.request(method, f"/api/v2/tenants/{self.name}{path}", json=body or None, headers=headers)

    def here(self, method: str, path: str = "", **body: Any) -> Any:
        answer = self.asked(method, f"/databases/one{path}", **body)
        assert answer.is_success, answer.content
        return answer.json()

    def call(self, method: str, path: str, **body: Any) -> Any:
        return self.here(method, f"/collections/{self.collection}{path}", **body)

    def made(self, name: str, **body: Any) -> str:
        return self.here("POST", "/collections", name=name, **body)["id"]

    def seen(self) -> dict[str, Any]:
        """Return what each way to read shows."""
        near = {"rank": {"$knn": {"query": VECTORS[0]}}, "limit": {"limit": 9}}
        search = {"searches": [near, "RANK bm25('fox') LIMIT 9"]}
        return {
            "get": self.call("POST", "/get", where={"n": {"$gte": 1}})["ids"],
            "text": self.call("POST", "/get", where_document={"$contains": "o"})["ids"],
            "query": self.call("POST", "/query", query_embeddings=[VECTORS[0]], n_results=9)["ids"],
            "search": self.call("POST", "/search", **search)["ids"],
            "count": self.call("GET", "/count"),
            "collections": [(each["name"], each["metadata"]) for each in self.here("GET", "/collections")],
            "count_collections": self.here("GET", "/collections_count"),
            "databases": [each["name"] for each in self.asked("GET", "/databases").json()],
            "forks": self.call("GET", "/fork_count")["count"],
            "operations": self.call("GET", "/indexing_status")["total_ops"],
        }


@pytest.fixture
def tenants(tmp_path):
    users = {
        each: {"tokens": [hashed_token(f"token-{each}")], "grants": [{"role": "admin", "tenant": each}]}
        for each in TENANTS
    }
    (tmp_path / "users.yaml").write_text(yaml.safe_dump({"users": users}))
    database = Database(tmp_path / "data")
    for each in TENANTS:
        database.create_tenant(each)
        database.create_database("one", each)
    database.close()
    files = {"persist_path": tmp_path / "data", "users_file": tmp_path / "users.yaml"}
    with serving(**files) as server, server.client() as client:
        yield [Tenant(client, each) for each in TENANTS]


def test_every_way_to_read_shows_ones_own(tenants):
    for each in tenants:
        fox, wolf = each.ids
        assert each.seen() == {
            "get": [fox, wolf],
            "text": [fox, wolf],
            "query": [[fox, wolf]],
            "search": [[fox, wolf], [fox]],
            "count": 2,
            "collections": [("docs", {"of": each.name})],
            "count_collections": 1,
            "databases": ["one"],
            "forks": 0,
            "operations": 2,
        }


def test_what_one_does_the_other_does_not_see(tenants):
    ours, theirs = tenants
    before = theirs.seen()
    changes = [
        lambda: ours.call(
            "POST", "/upsert", ids=[*theirs.ids, "x"], embeddings=[[5.0, 5.0]] * 3, documents=["fox"] * 3
        ),
        lambda: ours.call("POST", "/update", ids=ours.ids, embeddings=[[7.0, 7.0]] * 2),
        lambda: ours.call("POST", "/delete", where={"n": {"$gte": 1}}),
        lambda: ours.call("POST", "/fork", new_name="a-fork"),
        lambda: ours.call("PUT", "", new_name="renamed", new_metadata={"a": 1}),
        lambda: ours.made("docs", get_or_create=True),
        lambda: ours.here("DELETE", "/collections/docs"),
        lambda: ours.asked("POST", "/databases", name="two"),
        lambda: ours.asked("DELETE", "/databases/two"),
        lambda: ours.asked("DELETE", "/databases/one"),
    ]
    for change in changes:
        change()
        assert theirs.seen() == before
    assert ours.asked("GET", "/databases").json() == []


def test_what_is_made_in_place_of_something_dropped_holds_nothing_of_it(tenants):
    ours, theirs = tenants
    assert ours.asked("DELETE", "/databases/one").is_success
    assert ours.asked("POST", "/databases", name="one").is_success
    assert ours.here("GET", "/collections") == []
    old, ours.collection = ours.collection, ours.made("docs", get_or_create=True)
    assert ours.collection not in (old, theirs.collection)
    assert (ours.call("GET", "/count"), ours.call("POST", "/get", ids=ours.ids + theirs.ids)["ids"]) == (0, [])
    assert ours.here("GET", "/collections/docs")["metadata"] is None
