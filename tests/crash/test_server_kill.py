"""A server is killed under writes over HTTP: what it acknowledged is there when it has started again."""

import random
import threading
from functools import partial

import httpx
import pytest

from tests.conformance.server.serving import DEFAULT, child_serving, wait_until

N_WRITERS, N_KILLS = 4, 2


class Writer(threading.Thread):
    """Writes batches of its own ids until the server is gone; each batch is one call."""

    def __init__(self, server, path, number, seed):
        super().__init__()
        self._server, self._path, self.number = server, path, number
        self._rng = random.Random(seed)
        self.state: dict[str, str] = {}
        """Document by id after the writes that were acknowledged."""
        self.pending: dict[str, str | None] = {}
        """What the write that got no answer would have made of its ids; None for deleted."""
        self.n_acknowledged = 0

    def run(self):
        with self._server.client() as client:
            while True:
                route, body, after = self._next()
                self.pending = after
                try:
                    answer = client.post(f"{self._path}/{route}", json=body)
                except httpx.TransportError:
                    return
                assert answer.status_code in (200, 201), answer.text
                self.n_acknowledged += 1
                for id_, document in after.items():
                    if document is None:
                        self.state.pop(id_, None)
                    else:
                        self.state[id_] = document
                self.pending = {}

    def _next(self):
        rng = self._rng
        if self.state and rng.random() < 0.3:
            doomed = rng.sample(sorted(self.state), min(3, len(self.state)))
            return "delete", {"ids": doomed}, dict.fromkeys(doomed)
        ids = [f"{self.number}-{rng.randrange(50)}" for _ in range(rng.choice((1, 1, 20)))]
        ids = list(dict.fromkeys(ids))
        documents = [f"{id_} {rng.random()}" for id_ in ids]
        vectors = [[rng.random() for _ in range(8)] for _ in ids]
        body = {"ids": ids, "embeddings": vectors, "documents": documents}
        return "upsert", body, dict(zip(ids, documents, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_acknowledged_over_http_survives_a_kill(work, workers):
    writers: list[Writer] = []
    rng = random.Random(workers)
    for round_ in range(N_KILLS + 1):
        with child_serving(work / "data", "--log-format", "off", "--workers", str(workers)) as server:
            with server.client() as client:
                made = client.post(f"{DEFAULT}/collections", json={"name": "killed", "get_or_create": True}).json()
                path = f"{DEFAULT}/collections/{made['id']}"
                found = client.post(f"{path}/get", json={}).json()
            seen = dict(zip(found["ids"], found["documents"], strict=True))
            assert bool(seen) == bool(round_)
            states = [_state_of(each, seen) for each in writers] or [{} for _ in range(N_WRITERS)]
            if round_ == N_KILLS:
                return
            writers = [Writer(server, path, number, f"{workers}-{round_}-{number}") for number in range(N_WRITERS)]
            for each, state in zip(writers, states, strict=True):
                each.state = state
                each.start()
            wait_until(partial(_have_written, writers, rng.randrange(10, 60)))
            server.kill_all()
            for each in writers:
                each.join()


def _have_written(writers, enough):
    return sum(each.n_acknowledged for each in writers) >= enough


def _state_of(writer, seen):
    """Return what is there of a writer: what was acknowledged, or that and the unanswered write, as a whole."""
    own = {id_: text for id_, text in seen.items() if id_.startswith(f"{writer.number}-")}
    with_pending = {id_: text for id_, text in {**writer.state, **writer.pending}.items() if text is not None}
    assert own in (writer.state, with_pending)
    return own
