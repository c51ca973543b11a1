"""Clients that make, rename, fill, search, drop and reset the same few things at random: no answer is ever a 5xx."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.server.serving import child_serving

DATABASES = "/api/v2/tenants/default_tenant/databases"
N_CLIENTS, N_CALLS = 6, 120
KNN = {"searches": [{"rank": {"$knn": {"query": [1, 2, 3, 4]}}}]}


class Hand:
    """One client, with what it remembers."""

    def __init__(self, client, seed):
        self._client = client
        self._rng = random.Random(seed)
        self._known: list[str] = []

    def call(self):
        """Make one call at random and return its answer."""
        rng, post = self._rng, self._client.post
        database = f"{DATABASES}/{rng.choice(('default_database', 'other'))}"
        name = rng.choice(("aaa", "bbb", "ccc"))
        kind = rng.random()
        if kind < 0.02:
            return post("/api/v2/reset")
        if kind < 0.06:
            return post(DATABASES, json={"name": "other"})
        if kind < 0.08:
            return self._client.delete(f"{DATABASES}/other")
        if kind < 0.13:
            return self._client.delete(f"{database}/collections/{name}")
        if kind < 0.17:
            return self._client.get(f"{database}/collections")
        if kind < 0.3 or not self._known:
            made = post(f"{database}/collections", json={"name": name, "get_or_create": rng.random() < 0.7})
            if made.status_code == 200:
                self._known = [*self._known, f"{database}/collections/{made.json()['id']}"][-4:]
            return made
        return self._use(rng.choice(self._known))

    def _use(self, path):
        rng, post = self._rng, self._client.post
        ids = [str(rng.randrange(500)) for _ in range(rng.choice((1, 3, 100)))]
        match rng.randrange(8):
            case 0 | 1 | 2:
                body = {
                    "ids": ids,
                    "embeddings": [[rng.random()] * 4 for _ in ids],
                    "documents": ["red fox"] * len(ids),
                }
                return post(f"{path}/{rng.choice(('add', 'upsert', 'update'))}", json=body)
            case 3:
                return post(f"{path}/delete", json={"ids": ids})
            case 4:
                return post(f"{path}/get", json={"limit": 10, "where_document": {"$contains": "fox"}})
            case 5:
                return post(f"{path}/query", json={"query_embeddings": [[1, 2, 3, 4]]})
            case 6:
                return post(f"{path}/search", json=KNN)
            case _:
                return self._client.put(path, json={"new_name": rng.choice(("aaa", "bbb", "ddd"))})


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_no_call_fails_for_what_others_do(tmp_path, workers):
    def calls(seed):
        with server.client() as client:
            hand = Hand(client, seed)
            return [hand.call() for _ in range(N_CALLS)]

    options = ("--allow-reset", "--log-format", "off", "--workers", str(workers))
    with child_serving(tmp_path / "data", *options) as server, ThreadPoolExecutor(N_CLIENTS) as threads:
        answers = [each for found in threads.map(calls, range(N_CLIENTS)) for each in found]
    assert [(answer.status_code, answer.text) for answer in answers if answer.status_code >= 500] == []
    assert Counter(answer.status_code for answer in answers)[200] > 100
    lists = [answer for answer in answers if answer.request.method == "GET"]
    assert {answer.status_code for answer in lists if "was deleted" in answer.text} == set()


@pytest.mark.slow
def test_collections_are_made_listed_and_deleted_by_all_at_once(tmp_path):
    """As upstream's own test does it, and with lists; each client has a connection, and so a process, of its own."""
    collections = f"{DATABASES}/default_database/collections"

    def calls(number):
        with server.client() as client:
            odd = []
            for at in range(10):
                made = client.post(collections, json={"name": "docs", "get_or_create": True})
                found = client.get(collections)
                odd += [answer.text for answer in (made, found) if answer.status_code != 200]
                if (number + at) % 2:
                    gone = client.delete(f"{collections}/docs")
                    odd += [gone.text] if gone.status_code not in (200, 404) else []
            return odd

    with child_serving(tmp_path / "data", "--workers", "2") as server, ThreadPoolExecutor(8) as threads:
        assert [each for found in threads.map(calls, range(8)) for each in found] == []
